// Package dbtest gives each test a database of its own, migrated and behind the
// wall, on a private PostgreSQL server that the test binary starts when it is
// first asked for and that ends with it. Nothing has to be set up: the programs
// are found, or fetched if there are none.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/embedded"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/wall"
)

// DB is the database of one test.
type DB struct {
	Wall *wall.Wall
	URL  string    // of the database, as superuser
	Root keys.Root // that the roles' passwords and the seal key come from
}

// New returns the wall around a new, migrated database that goes away with the
// test.
func New(t testing.TB) *wall.Wall {
	t.Helper()
	return Open(t).Wall
}

// Open is like [New] for tests that also need to get around the wall.
func Open(t testing.TB) *DB {
	t.Helper()
	db := &DB{URL: Database(t), Root: Root()}
	cfg := db.Config()
	cfg.Unseen = true // each connection is a process
	w, err := wall.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db.Wall = w
	t.Cleanup(w.Close)
	return db
}

// Root returns the root key of all test databases.
func Root() keys.Root { return keys.NewRoot([keys.RootSize]byte{'t', 'e', 's', 't'}) }

// Config returns what opens a wall around the database, for tests that need
// several, or one with a clock of their own.
func (db *DB) Config() wall.Config {
	return wall.Config{URL: db.URL, Root: db.Root, Now: time.Now, Conns: 4}
}

// Owner returns a connection as the role that owns the tables, but sees no row
// that belongs to a tenant: for tests that make tables of their own.
func (db *DB) Owner(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := db.Superuser(t)
	if _, err := conn.Exec(t.Context(), `set role rowhouse_owner`); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Superuser returns a connection that sees everything, and may do everything.
func (db *DB) Superuser(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // the database goes away anyway
	return conn
}

// Database returns the URL, as superuser, of a new, migrated database that goes
// away with the test.
func Database(t testing.TB) string {
	t.Helper()
	return create(t, "template "+template+" strategy file_copy")
}

// Empty returns the URL, as superuser, of a new database that was not migrated.
// The roles are there, because those belong to the server.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, "template template0 strategy file_copy")
}

// Server returns the URL, as superuser, of a server of the test's own, on which
// nothing was migrated: for tests of the roles, which belong to the whole
// server. It is a copy as well.
func Server(t testing.TB) string {
	t.Helper()
	ours, err := start()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	dir := filepath.Join(ours.dir, "own-"+strconv.FormatInt(count.Add(1), 10))
	if err := errors.Join(os.Mkdir(dir, 0o755), copyTree(dir, ours.bare)); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, Source: ours.source, Ephemeral: true})
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Stop(context.Background()), os.RemoveAll(dir)); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return s.URL()
}

// count numbers what was made.
var count atomic.Int64

func create(t testing.TB, options string) string {
	t.Helper()
	server, err := start()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	name := fmt.Sprintf("test_%d", count.Add(1))
	// What public may do is not copied with the rest. See migrations.Up.
	if err := server.do("create database "+name+" "+options, "revoke create, temporary on database "+name+" from public"); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := server.do("drop database " + name + " with (force)"); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return onDatabase(server.url, name)
}

// onDatabase returns the URL with another database in it.
func onDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // we made it ourselves
	}
	u.Path = "/" + strings.TrimPrefix(name, "/")
	return u.String()
}
