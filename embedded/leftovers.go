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

// clearAway ends what an earlier run may have left: a server or parts of it
// that outlived us, and lock files whose process number by now belongs to some
// other process, or to a dead one that nobody has buried. We hold the lock, so
// nothing here can belong to a living supervisor.
func (s *Server) clearAway(ctx context.Context, _ Config) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		pids := s.orphans(ctx)
		if len(pids) == 0 {
			break
		}
		if first {
			s.log.WarnContext(ctx, "stopping what an earlier run left", "processes", pids)
			if pid := s.postmaster(); slices.Contains(pids, pid) {
				syscall.Kill(pid, syscall.SIGINT) //nolint:errcheck // without a postmaster the others end by themselves
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the processes %v still use %s: end them", pids, s.dataDir())
		case <-tick.C:
		}
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

// postmaster returns the process number that the last server left, or 0.
func (s *Server) postmaster() int {
	text, _ := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	pid, _ := strconv.Atoi(string(line))
	return pid
}

// orphans returns the processes of a server on our data directory. The working
// directory of a postmaster and all its children is the data directory. Where
// there is no /proc we know the postmaster by its command line.
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
		if cwd, err := os.Readlink(link); err == nil && cwd == dir {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}
