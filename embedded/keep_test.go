package embedded

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postmasterOf returns the process that runs now.
func postmasterOf(s *Server) *os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child.cmd.Process
}

// back waits until the server has been started again so often, and answers.
func back(t *testing.T, s *Server, restarts int64) {
	t.Helper()
	for s.Restarts() < restarts {
		select {
		case <-s.Done():
			t.Fatalf("it has given up: %v", s.Err())
		case <-time.After(time.Millisecond):
		}
	}
	query[int](t, s, `select 1`)
}

// TestComesBack ends the server in every way that is not ours, and looks whether
// it comes back with what was committed.
func TestComesBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *Server){
		"killed": func(t *testing.T, s *Server) {
			t.Helper()
			if err := postmasterOf(s).Kill(); err != nil {
				t.Fatal(err)
			}
		},
		"killed, and its parts are stopped": func(t *testing.T, s *Server) {
			t.Helper()
			signalAll(s.orphans(t.Context()), syscall.SIGSTOP)
			if err := postmasterOf(s).Kill(); err != nil {
				t.Fatal(err)
			}
		},
		"killed, and a part of it is busy": func(t *testing.T, s *Server) {
			t.Helper()
			conn, err := pgx.Connect(t.Context(), s.URL())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // the server ends it
			busy := make(chan struct{})
			go func() {
				close(busy)
				conn.Exec(t.Context(), `do $$ begin loop end loop; end $$`) //nolint:errcheck // it is ended
			}()
			<-busy
			if err := postmasterOf(s).Kill(); err != nil {
				t.Fatal(err)
			}
		},
		"shut down by somebody": func(t *testing.T, s *Server) {
			t.Helper()
			cmd := s.command(t.Context(), "pg_ctl", "-D", s.dataDir(), "-m", "fast", "stop")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, used(t))
			query[int](t, s, remember)
			began := time.Now()
			end(t, s)
			back(t, s, 1)
			t.Logf("back after %v", time.Since(began).Round(time.Millisecond))
			if got := query[string](t, s, recall); got != "kept" {
				t.Errorf("found %q", got)
			}
		})
	}
}

// TestComesBackOften kills the server whenever it is there.
func TestComesBackOften(t *testing.T) {
	t.Parallel()
	s := start(t, used(t))
	query[int](t, s, remember)
	for i := range int64(5) {
		if err := postmasterOf(s).Kill(); err != nil {
			t.Fatal(err)
		}
		back(t, s, i+1)
	}
	if got := query[string](t, s, recall); got != "kept" {
		t.Errorf("found %q", got)
	}
}

// TestGivesUpReviving makes the server unable to start. It says so, with what
// PostgreSQL says, and what to do.
func TestGivesUpReviving(t *testing.T) {
	t.Parallel()
	dir := used(t)
	log := &lines{}
	s, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true, Patience: 300 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	if err := os.Chmod(s.dataDir(), 0o755); err != nil { // which PostgreSQL refuses
		t.Fatal(err)
	}
	if err := postmasterOf(s).Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	for _, want := range []string{"could not be started again", "chmod 0700", "invalid permissions"} {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
	if n := log.count("does not start"); n != 1 {
		t.Errorf("the log has %d lines of the same", n)
	}
}

// lines counts lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// TestStopWhileReviving stops a server that is not there.
func TestStopWhileReviving(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]func(ended <-chan struct{}){
		"at once":        func(<-chan struct{}) {},
		"while it tries": func(ended <-chan struct{}) { <-ended; time.Sleep(30 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := used(t)
			s, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true})
			if err != nil {
				t.Fatal(err)
			}
			ended := s.child.ended // of the process that is killed here, not of the one after it
			if err := postmasterOf(s).Kill(); err != nil {
				t.Fatal(err)
			}
			when(ended)
			if err := s.Stop(t.Context()); err != nil && !strings.Contains(err.Error(), "killed") {
				t.Error(err)
			}
			left := s.orphans(t.Context())
			for deadline := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(deadline); left = s.orphans(t.Context()) {
				time.Sleep(20 * time.Millisecond) // what was told to end takes a moment on a busy machine
			}
			if len(left) > 0 {
				signalAll(left, syscall.SIGKILL)
				t.Errorf("processes %v are left", left)
			}
			start(t, dir)
		})
	}
}

// TestFullDisk fills the disk until PostgreSQL ends, and makes room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := place(t)
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=300m,mode=755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	s, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true, Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	query[int](t, s, remember)
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is removed
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := postmasterOf(s).Kill(); err != nil { // as if it had not been able to write its log
		t.Fatal(err)
	}
	select { // it must neither start nor give up
	case <-s.Done():
		t.Fatalf("it has given up: %v", s.Err())
	case <-time.After(2500 * time.Millisecond):
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	back(t, s, 1)
	t.Logf("back %v after there was room", time.Since(began).Round(time.Millisecond))
	if got := query[string](t, s, recall); got != "kept" {
		t.Errorf("found %q", got)
	}
}
