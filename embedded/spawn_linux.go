package embedded

import (
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
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
func (c *child) spawn(*Server) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
			close(c.ended)
		}
	}()
	return <-started
}

// lendName has a command run in a user namespace of its own, where our user
// number is shown as one that has a name. What it makes is ours all the same. It
// reports false if there is no such number here; whether the kernel lets us is
// seen when the command is started.
func lendName(cmd *exec.Cmd) bool {
	for _, name := range []string{"postgres", "nobody", "daemon", "bin"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil || uid == 0 {
			continue
		}
		attr := *cmd.SysProcAttr
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr = &attr
		return true
	}
	return false
}
