package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// Commands that look after a database do not make one because of a slip.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	typo := filepath.Join(t.TempDir(), "typo")
	for _, args := range [][]string{{"doctor"}, {"migrate"}, {"projections", "status"}, {"projections", "rebuild"}} {
		err := run(t.Context(), append(args, "--data", typo), t.Output(), t.Output())
		if err == nil || !strings.Contains(err.Error(), "there is no database in "+typo) {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, args := range [][]string{{"doctor"}, {"projections", "status"}} {
		err := run(t.Context(), append(args, "--data", typo, "--database-url", dbtest.Empty(t)), t.Output(), t.Output())
		if err == nil || !strings.Contains(err.Error(), "was not set up") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := os.Stat(typo); !os.IsNotExist(err) {
		t.Errorf("something was made: %v", err)
	}
}

// A root key is made once, and never in the place of one that was lost.
func TestRootKey(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), dbtest.Empty(t)
	file := filepath.Join(dir, "root.key")
	if err := os.WriteFile(file, []byte(dbtest.Root().Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	rowhouse := func(args ...string) error {
		return run(t.Context(), append(args, "--data", dir, "--database-url", url), t.Output(), t.Output())
	}
	if err := rowhouse("migrate"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"migrate"}, {"doctor"}, {"serve", "--listen", "127.0.0.1:0"}} {
		if err := rowhouse(args...); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
			t.Errorf("%v: %v", args, err)
		}
	}
	private := t.TempDir()
	if err := os.MkdirAll(filepath.Join(private, "pg15", "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (databaseFlags{Data: private}).locate(t.Context()); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("a private one: %v", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("another key was made: %v", err)
	}
	url = dbtest.Empty(t) // where nothing depends on a key yet
	made, err := databaseFlags{Data: dir, DatabaseURL: url}.locate(t.Context())
	if err != nil || made.root.Text() == dbtest.Root().Text() {
		t.Errorf("got %v", err)
	}
	if again, err := keys.Load(file); err != nil || !bytes.Equal(again.Derive("x", 8), made.root.Derive("x", 8)) {
		t.Errorf("the key was not kept: %v", err)
	}
}

// Nobody waits for ever for a database that is not there.
func TestDial(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, err := dial(t.Context(), "postgres://u:secret@127.0.0.1:1/x")
	if err == nil || strings.Contains(err.Error(), "secret") || time.Since(start) > 2*wall.ConnectTimeout {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}
