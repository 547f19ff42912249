package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestNamelessUser starts a server as a user number that no account has.
func TestNamelessUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	cred := &syscall.Credential{Uid: 61234, Gid: 61234}
	dir := placeOf(t, cred)
	p := launch(t, dir, cred)
	if p.says != "" { // where the kernel has no user namespaces for everybody
		if !strings.Contains(p.says, "add an entry for the number to /etc/passwd") || !strings.Contains(p.says, "--database-url") {
			t.Errorf("it says %s", p.says)
		}
		return
	}
	p.keep(t)
	p.kill(t)
	s := start(t, dir) // as root, who lends it the number
	if got := query[string](t, s, recall); got != "kept" {
		t.Errorf("found %q", got)
	}
	if got := owner(s.dataDir()); got != int(cred.Uid) {
		t.Errorf("the data belongs to %d", got)
	}
}

// TestWords takes every word of PostgreSQL that is known to a sentence that says
// what to do.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, r := range reasons {
		err := explainOutput(errors.New("exit status 1"), "LOG:  x\nFATAL:  "+r.says+" (28)", "/data")
		first, _, _ := strings.Cut(err.Error(), "\n")
		if !strings.Contains(first, "/data") || !strings.Contains(first, "exit status 1") || strings.Contains(first, "FATAL") || errors.Is(err, errFull) != (r.err != nil) {
			t.Errorf("%q becomes %s", r.says, err)
		}
	}
	if err := explainOutput(errors.New("exit status 1"), "FATAL:  something new", t.TempDir()); err.Error() != "exit status 1\nFATAL:  something new" {
		t.Errorf("got %v", err)
	}
}

// TestClosedPrograms asks for programs that may not be run.
func TestClosedPrograms(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Source{Bin: bin}.Find(t.Context())
	if err == nil || !strings.Contains(err.Error(), "may not be run: look at its mode, and whether its file system is mounted with noexec") {
		t.Errorf("got %v", err)
	}
	cache := t.TempDir()
	fetched := filepath.Join(cache, "postgresql-15.1", "bin")
	if err := os.MkdirAll(filepath.Dir(fetched), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(bin, fetched); err != nil {
		t.Fatal(err)
	}
	_, err = Source{Cache: cache}.find(t.Context(), func() []string { return nil })
	if err == nil || !strings.Contains(err.Error(), "noexec") {
		t.Errorf("got %v", err)
	}
}

// TestOpenData opens the data to others, which PostgreSQL refuses.
func TestOpenData(t *testing.T) {
	t.Parallel()
	dir := used(t)
	data := filepath.Join(dir, "pg"+strconv.Itoa(here(t).Major), "data")
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	if says := refused(t, dir); !strings.Contains(says, "run chmod 0700 on it") || strings.Contains(says, "\n") {
		t.Errorf("says %s", says)
	}
}

// TestNoRoom has no room for a database.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := place(t)
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if says := refused(t, dir); !strings.Contains(says, "MB left on the disk") || strings.Contains(says, "\n") {
		t.Errorf("says %s", says)
	}
}
