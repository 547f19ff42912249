package migrations_test

import (
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) }) //nolint:errcheck // the database goes away anyway
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// as returns the URL with another user in it.
func as(t *testing.T, where, user string) string {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "secret")
	return u.String()
}

func opens(t *testing.T, url string, root keys.Root) error {
	t.Helper()
	cfg := (&dbtest.DB{URL: url, Root: root}).Config()
	w, err := wall.Open(t.Context(), cfg)
	if err == nil {
		w.Close()
	}
	return err
}

var other = keys.NewRoot([keys.RootSize]byte{1})

func TestUpByManyAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := migrations.Up(t.Context(), url, dbtest.Root()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := opens(t, url, dbtest.Root()); err != nil {
		t.Error(err)
	}
}

func TestUpWithAnotherRoot(t *testing.T) {
	t.Parallel()
	url := dbtest.Database(t)
	if err := migrations.Up(t.Context(), url, other); err == nil || !strings.Contains(err.Error(), "another root key") {
		t.Errorf("got %v", err)
	}
	if err := opens(t, url, dbtest.Root()); err != nil {
		t.Errorf("it changed something: %v", err)
	}
}

// TestUpOnServers sets up servers of other people: by a user who may create
// roles, and by one who may not and has to ask.
func TestUpOnServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user   string // as it was created
		prints int    // how many statements for the administrator
	}{
		"one who may create roles": {"create role crm login createrole; alter database rowhouse owner to crm", 0},
		"one who may nothing":      {"create role crm login", 12 + 1 + 1 + 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := dbtest.Server(t)
			admin := connect(t, server)
			run(t, admin, c.user)
			crm := as(t, server, "crm")
			err := migrations.Up(t.Context(), crm, dbtest.Root())
			if c.prints > 0 {
				sql := printed(t, err)
				if got := strings.Count(sql, ";"); got != c.prints {
					t.Errorf("it prints %d statements, want %d:\n%s", got, c.prints, sql)
				}
				run(t, admin, sql)
				err = migrations.Up(t.Context(), crm, dbtest.Root())
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := migrations.Up(t.Context(), crm, dbtest.Root()); err != nil {
				t.Errorf("a second time: %v", err)
			}
			askForPasswords(t, admin)
			if err := opens(t, server, dbtest.Root()); err != nil {
				t.Error(err)
			}
			if err := opens(t, server, other); err == nil || !strings.Contains(err.Error(), "alter role rowhouse_reader password 'SCRAM-SHA-256$") {
				t.Errorf("with another root key: %v", err)
			}
			findings, err := wall.Lint(t.Context(), admin)
			if err != nil {
				t.Error(err)
			}
			for _, f := range findings {
				t.Error(f)
			}
		})
	}
}

// printed returns the statements in an error.
func printed(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		t.Fatal("it went well")
	}
	before, sql, ok := strings.Cut(err.Error(), "\n\n")
	if !ok || !strings.Contains(before, "Let an administrator") || strings.Contains(sql, "secret") {
		t.Fatalf("got %v", err)
	}
	return sql
}

// askForPasswords makes the server trust nobody but the superuser.
func askForPasswords(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	var file string
	if err := admin.QueryRow(t.Context(), `show hba_file`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("local all rowhouse trust\nlocal all all scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, admin, `select pg_reload_conf()`)
	for { // until the postmaster has read it
		probe, err := pgx.Connect(t.Context(), as(t, admin.Config().ConnString(), "crm"))
		if err != nil {
			return
		}
		probe.Close(t.Context()) //nolint:errcheck // it should not even be there
	}
}

func TestNoSecretsInErrors(t *testing.T) {
	t.Parallel()
	for _, where := range []string{
		"postgres://crm:secret@127.0.0.1:1/crm",
		"postgres://crm:secret@/crm?host=/nowhere",
		"postgres://crm:secret@host:port/crm",
		"host=/nowhere password=secret user='crm",
	} {
		for name, err := range map[string]error{
			"Up":   migrations.Up(t.Context(), where, dbtest.Root()),
			"Open": opens(t, where, dbtest.Root()),
		} {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s %s: got %v", name, where, err)
			} else if !strings.Contains(err.Error(), "cannot be r") { // reached, or read
				t.Errorf("%s %s: does not say what is wrong: %v", name, where, err)
			}
		}
	}
}
