package wall_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// TestOpenRefuses spoils a server in one way after the other.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	db := &dbtest.DB{URL: dbtest.Server(t), Root: dbtest.Root()}
	admin := db.Superuser(t)
	open := func() string {
		w, err := wall.Open(t.Context(), db.Config())
		if err == nil {
			w.Close()
			return "nothing"
		}
		return err.Error()
	}
	if says := open(); !strings.Contains(says, "run rowhouse migrate") {
		t.Errorf("before it was set up: %s", says)
	}
	if err := migrations.Up(t.Context(), db.URL, db.Root); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ spoil, mend, says string }{
		{`alter role rowhouse_writer superuser`, `alter role rowhouse_writer nosuperuser`, "alter role rowhouse_writer nosuperuser nobypassrls"},
		{`alter role rowhouse_reader bypassrls`, `alter role rowhouse_reader nobypassrls`, "alter role rowhouse_reader nosuperuser nobypassrls"},
		{`alter role rowhouse_access createrole`, `alter role rowhouse_access nocreaterole`, "alter role rowhouse_access nocreaterole"},
		{`grant rowhouse_owner to rowhouse_projector`, `revoke rowhouse_owner from rowhouse_projector`, "revoke rowhouse_owner from rowhouse_projector"},
		{`alter role rowhouse_dispatcher nologin`, `alter role rowhouse_dispatcher login`, "rowhouse_dispatcher is not let in"},
		{`alter role rowhouse_access connection limit 0`, `alter role rowhouse_access connection limit -1`, "no connection left for rowhouse_access"},
		{`select 1`, `select 1`, "nothing"},
	} {
		exec(t, admin, c.spoil)
		if says := open(); !strings.Contains(says, c.says) {
			t.Errorf("after %q: %s", c.spoil, says)
		}
		exec(t, admin, c.mend)
	}
	db.Root = keys.NewRoot([keys.RootSize]byte{1})
	if says := open(); !strings.Contains(says, "another root key") {
		t.Errorf("with another root key: %s", says)
	}
}

// TestVerifier lets PostgreSQL check a password against a verifier of ours, by
// making one of its own from the same salt.
func TestVerifier(t *testing.T) {
	t.Parallel()
	verifier := wall.Reader.Verifier(dbtest.Root())
	if wall.Reader.Verifier(dbtest.Root()) != verifier || wall.Writer.Verifier(dbtest.Root()) == verifier {
		t.Error("a role does not have one verifier of its own")
	}
	db := &dbtest.DB{URL: dbtest.Database(t)}
	admin := db.Superuser(t)
	var kept string
	err := pgx.BeginFunc(t.Context(), admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `create role verified password '`+verifier+`'`); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), `select rolpassword from pg_authid where rolname = 'verified'`).Scan(&kept); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `drop role verified`)
		return err
	})
	if err != nil || kept != verifier {
		t.Errorf("PostgreSQL took it for a password in clear, and kept %s, %v", kept, err)
	}
}
