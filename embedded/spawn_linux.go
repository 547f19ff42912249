package embedded

import (
	"runtime"
	"syscall"
)

// attributes: when we die, the kernel asks the server for a fast shutdown. It
// is in a process group of its own, so that a Ctrl-C in the terminal reaches
// only us, and we can finish what we are doing first.
func (a account) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true, Pdeathsig: syscall.SIGINT}
}

// spawn starts the server. What the kernel takes for our death is the end of
// the thread that started the child, so that thread is kept for as long as the
// child lives.
func (s *Server) spawn() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
			close(s.done)
		}
	}()
	return <-started
}
