package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a process of the server: the postmaster.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	err   error         // of cmd.Wait; set when ended is closed
}

// signal sends a signal to the process, unless it has ended.
func (c *child) signal(sig os.Signal) {
	c.cmd.Process.Signal(sig) //nolint:errcheck // if it has ended already, so much the better
}

// end ends the process at once, also if somebody has stopped it for a while, and
// waits until it has ended. PostgreSQL lets its children end first.
func (c *child) end() {
	c.signal(syscall.SIGQUIT)
	c.signal(syscall.SIGCONT)
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		c.signal(syscall.SIGKILL)
		<-c.ended
	}
}

// how says how the process ended.
func (c *child) how() string {
	if err := c.failure(); err != nil {
		return err.Error()
	}
	return "it was shut down"
}

// failure returns the error that the process ended with, or nil if it was shut
// down in order. That something still had its standard error open is none.
func (c *child) failure() error {
	if errors.Is(c.err, exec.ErrWaitDelay) {
		return nil
	}
	return c.err
}

// errStopping says that no process is started any more.
var errStopping = errors.New("the server is being stopped")

// launch starts a process, unless the server is being stopped.
func (s *Server) launch(ctx context.Context, cfg Config) (*child, error) {
	args := []string{"-D", s.dataDir()}
	for k, v := range settings(cfg, socketDir(s.dir)) {
		args = append(args, "-c", k+"="+v)
	}
	c := &child{cmd: s.command(context.WithoutCancel(ctx), "postgres", args...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = io.Discard, s.output
	c.cmd.WaitDelay = 50 * time.Millisecond // its children may outlive it, and have its standard error open
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, errStopping
	}
	if err := c.spawn(s); err != nil {
		return nil, explainStart(err, s)
	}
	s.child = c
	return c, nil
}

// run starts the server and waits until it answers, for as long as it takes: it
// may have a lot to recover.
func (s *Server) run(ctx context.Context, cfg Config) error {
	s.output.forget()
	c, err := s.launch(ctx, cfg)
	if err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.answer(ctx)
		if err == nil {
			s.output.speak(true)
			return nil
		}
		select {
		case <-tick.C:
		case <-c.ended:
			return s.explainEnd(c)
		case <-ctx.Done():
			c.signal(os.Interrupt)
			c.end()
			return fmt.Errorf("the server did not answer in time: %w\n%s", err, s.output.tail())
		}
	}
}
