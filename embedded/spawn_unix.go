//go:build unix && !linux

package embedded

import (
	"os/exec"
	"strconv"
	"syscall"
)

// attributes puts the server in a process group of its own, so that a Ctrl-C in
// the terminal reaches only us, and we can finish what we are doing first.
func (a account) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true}
}

// spawn starts the server, and beside it a shell that waits for the end of a
// pipe of which we hold the other end. If we die the pipe breaks, and the shell
// asks the server for a fast shutdown.
func (c *child) spawn(s *Server) error {
	if err := c.cmd.Start(); err != nil {
		return err
	}
	watch := exec.Command("/bin/sh", "-c", `read _; kill -INT "$0"`, strconv.Itoa(c.cmd.Process.Pid)) //nolint:gosec,noctx // ends below
	watch.SysProcAttr = s.account.attributes()
	_, err := watch.StdinPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		s.log.Warn("nobody will stop the server if this process is killed", "error", err)
	}
	go func() {
		c.err = c.cmd.Wait()
		if watch.Process != nil {
			watch.Process.Kill() //nolint:errcheck // it has nothing left to watch
			watch.Wait()         //nolint:errcheck // it was killed
		}
		close(c.ended)
	}()
	return nil
}

// lendName reports that only Linux can do that.
func lendName(*exec.Cmd) bool { return false }
