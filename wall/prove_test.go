package wall_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// TestProve has a second installation come to a server that asks for passwords.
func TestProve(t *testing.T) {
	t.Parallel()
	db := &dbtest.DB{URL: dbtest.Server(t), Root: dbtest.Root()}
	if err := wall.Prove(t.Context(), db.Config()); err != nil {
		t.Errorf("a server without our roles: %v", err)
	}
	if err := migrations.Up(t.Context(), db.URL, db.Root); err != nil {
		t.Fatal(err)
	}
	askForPasswords(t, db.Superuser(t))

	if err := wall.Prove(t.Context(), db.Config()); err != nil {
		t.Errorf("with our root key: %v", err)
	}
	theirs := db.Config()
	theirs.Root = keys.NewRoot([keys.RootSize]byte{1})
	var err error
	for range 100 { // the server reads its settings again when it comes to it
		if err = wall.Prove(t.Context(), theirs); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "Nothing was changed") {
		t.Errorf("with another root key: %v", err)
	}
	theirs.URL = "postgres://rowhouse:secret@127.0.0.1:1/rowhouse"
	if err := wall.Prove(t.Context(), theirs); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("with nobody there: %v", err)
	}
}

func askForPasswords(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	var file string
	if err := admin.QueryRow(t.Context(), `show hba_file`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	exec(t, admin, `copy (values ('local all rowhouse trust'), ('local all all scram-sha-256')) to '`+file+`'`)
	exec(t, admin, `select pg_reload_conf()`)
}
