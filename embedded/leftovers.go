package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long the parts of an earlier server have to end by themselves.
const (
	orderly  = time.Second            // a postmaster, to write what it has in memory: what is left is recovered sooner than a busy disk takes it
	deserted = 500 * time.Millisecond // all others, and a postmaster that took longer
)

// clearAway ends what an earlier run may have left: a server or parts of it
// that outlived us or their postmaster, and lock files whose process number by
// now belongs to some other process, or to a dead one that nobody has buried. We
// hold the lock, so nothing here can belong to a living supervisor. What was
// committed is in the write-ahead log, so ending them at once loses nothing.
func (s *Server) clearAway(ctx context.Context, _ Config) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.endOrphans(ctx); err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(socketDir(s.dir), ".s.PGSQL.*"))
	if err != nil {
		return err
	}
	for _, f := range append(stale, filepath.Join(s.dataDir(), "postmaster.pid")) {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain(err, s.dataDir())
		}
	}
	return nil
}

// endOrphans ends the processes of a server on our data directory.
func (s *Server) endOrphans(ctx context.Context) error {
	pids := s.orphans(ctx)
	if len(pids) == 0 {
		return nil
	}
	s.log.WarnContext(ctx, "ending what an earlier PostgreSQL has left", "processes", pids)
	wait, harder := deserted, syscall.SIGKILL
	if pid := s.postmaster(); slices.Contains(pids, pid) {
		wait, harder = orderly, syscall.SIGQUIT
		signal(pid, syscall.SIGINT)
		signal(pid, syscall.SIGCONT)
	} else {
		signalAll(pids, syscall.SIGQUIT)
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if pids = s.orphans(ctx); len(pids) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-patience.C:
			signalAll(pids, harder)
			patience.Reset(deserted)
			harder = syscall.SIGKILL
		case <-ctx.Done():
			return fmt.Errorf("the processes %v still use %s: end them", pids, s.dataDir())
		}
	}
}

func signal(pid int, sig syscall.Signal) {
	syscall.Kill(pid, sig) //nolint:errcheck // if it has ended already, so much the better
}

func signalAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		signal(pid, sig)
	}
}

// postmaster returns the process number that the last server left, or 0.
func (s *Server) postmaster() int {
	text, _ := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	pid, _ := strconv.Atoi(string(line))
	return pid
}

// orphans returns the processes of a server on our data directory. The working
// directory of a postmaster and all its children is the data directory, as may be
// that of somebody's shell, which is none of our business. Where there is no
// /proc we know the postmaster by its command line.
func (s *Server) orphans(ctx context.Context) (pids []int) {
	if runtime.GOOS != "linux" {
		pid := s.postmaster()
		if pid <= 1 {
			return nil
		}
		out, _ := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number and nothing else
		if strings.Contains(string(out), s.dataDir()) {
			pids = append(pids, pid)
		}
		return pids
	}
	dir, err := filepath.EvalSymlinks(s.dataDir())
	if err != nil {
		return nil
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || cwd != dir || !isPostgres(filepath.Dir(link)) {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
		pids = append(pids, pid)
	}
	return pids
}

// isPostgres reports whether a process, given by its directory below /proc, is
// one of a PostgreSQL server: a postmaster is called by the name of its program,
// and its children name themselves "postgres: ...".
func isPostgres(proc string) bool {
	line, _ := os.ReadFile(filepath.Join(proc, "cmdline")) //nolint:gosec // a path below /proc
	name, _, _ := strings.Cut(string(line), "\x00")
	return strings.HasPrefix(name, "postgres:") || filepath.Base(name) == "postgres"
}
