package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary be another process, too: one that starts a
// server, says where it is, and waits to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EMBEDDED_TEST_DIR"); dir != "" {
		other(dir)
	}
	code := m.Run()
	if dir, err := model(); err == nil {
		os.RemoveAll(dir) //nolint:errcheck // it is only litter
	}
	os.Exit(code)
}

func other(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir, Ephemeral: true})
	if err != nil {
		fmt.Println("failed:", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	fmt.Println(s.URL(), s.child.cmd.Process.Pid)
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // until it ends
	if err := s.Stop(context.Background()); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// process is another process with a server.
type process struct {
	cmd        *exec.Cmd
	stdin      io.Closer
	url        string
	postmaster int
	says       string // when it could not start
	ended      chan struct{}
}

// launch starts another process, as it is, or as the user nobody, or with
// another program in front.
func launch(t *testing.T, dir string, cred *syscall.Credential, front ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if cred != nil { // who could not enter the directory that go test builds in
		self = copyBinary(t, self)
	}
	args := append(front, self) //nolint:gocritic // a new slice each time
	p := &process{cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{})}
	p.cmd.Dir = "/"
	p.cmd.Env = append(os.Environ(), "EMBEDDED_TEST_DIR="+dir, "HOME=/")
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	stdin, err1 := p.cmd.StdinPipe()
	stdout, err2 := p.cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stdin.Close() //nolint:errcheck // it may be closed
		<-p.ended
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { // and not before, because Wait closes the pipe
		p.cmd.Wait() //nolint:errcheck // it may be killed
		close(p.ended)
	}()
	if err != nil {
		t.Fatal(err)
	}
	if says, failed := strings.CutPrefix(line, "failed: "); failed {
		p.says = says
		return p
	}
	url, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
	p.url = url
	if p.postmaster, err = strconv.Atoi(pid); err != nil {
		t.Fatal(err)
	}
	return p
}

func copyBinary(t *testing.T, from string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rh-") //nolint:usetesting // programs in memory may not be run, and those in t.TempDir not by others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // it is only litter
	to := filepath.Join(dir, "test")
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(to, b, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return to
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

// keep connects, and writes something down.
func (p *process) keep(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // it has served
	if _, err := conn.Exec(t.Context(), remember); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestDiesWithUs(t *testing.T) {
	t.Parallel()
	p := launch(t, used(t), nil)
	conn := p.keep(t)
	p.kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the server is still there: %v", err)
	}
}

func TestRestartAfterKill(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(*testing.T, *process){
		"of us":        func(t *testing.T, p *process) { t.Helper(); p.kill(t) },
		"of both":      func(t *testing.T, p *process) { t.Helper(); p.kill(t); syscall.Kill(p.postmaster, syscall.SIGKILL) }, //nolint:errcheck // it may be gone
		"of it first":  func(t *testing.T, p *process) { t.Helper(); syscall.Kill(p.postmaster, syscall.SIGKILL); p.kill(t) }, //nolint:errcheck // likewise
		"while frozen": func(t *testing.T, p *process) { t.Helper(); freeze(t, p); p.kill(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := used(t)
			p := launch(t, dir, nil)
			p.keep(t)
			kill(t, p)
			if got := query[string](t, start(t, dir), recall); got != "kept" {
				t.Errorf("found %q", got)
			}
		})
	}
}

// freeze stops the postmaster, so that it outlives us, and lets it go on when
// the next one has begun to start: it is an orphan then.
func freeze(t *testing.T, p *process) {
	t.Helper()
	if err := syscall.Kill(p.postmaster, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-p.ended
		syscall.Kill(p.postmaster, syscall.SIGCONT) //nolint:errcheck // it is there, frozen
	}()
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func placeOf(t *testing.T, cred *syscall.Credential) string {
	t.Helper()
	dir := place(t)
	if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOrdinaryUser starts a server as somebody who is not root, and then as
// root on the same data, which must still be theirs afterwards.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	cred := nobody(t)
	dir := placeOf(t, cred)
	p := launch(t, dir, cred)
	p.keep(t)
	p.kill(t)
	s := start(t, dir)
	if got := query[string](t, s, recall); got != "kept" {
		t.Errorf("found %q", got)
	}
	if got := owner(s.dataDir()); got != int(cred.Uid) {
		t.Errorf("the data belongs to %d now", got)
	}
	stop(t, s)
	if p := launch(t, dir, cred); p.says != "" {
		t.Errorf("it says %s", p.says)
	}
}

func TestOthersDirectory(t *testing.T) {
	t.Parallel()
	cred := nobody(t)
	dir := used(t)
	for _, d := range []string{dir, filepath.Join(dir, "new")} {
		if p := launch(t, d, cred); !strings.Contains(p.says, "belongs to the user root") {
			t.Errorf("%s: says %s", d, p.says)
		}
	}
}

func TestOthersData(t *testing.T) {
	t.Parallel()
	cred := nobody(t)
	dir := used(t) // by the user postgres, if there is one
	if owner(filepath.Join(dir, "run")) == int(cred.Uid) {
		t.Skip("there is no other account")
	}
	for _, d := range []string{dir, filepath.Join(dir, "lock")} {
		if err := os.Chown(d, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if p := launch(t, dir, cred); !strings.Contains(p.says, "belongs to the user postgres") {
		t.Errorf("says %s", p.says)
	}
}

// TestWeakRoot is root in a container that may not become anybody else.
func TestWeakRoot(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setpriv"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root, and setpriv")
	}
	for _, lacks := range []string{"-setuid,-setgid", "-all"} {
		p := launch(t, place(t), nil, "setpriv", "--bounding-set="+lacks)
		if !strings.Contains(p.says, "run rowhouse as an ordinary user") {
			t.Errorf("without %s it says %s", lacks, p.says)
		}
	}
}

// TestClosedParent is root with a data directory in a place that the server's
// account cannot enter.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	nobody(t)
	parent := place(t)
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	if says := refused(t, filepath.Join(parent, "data")); !strings.Contains(says, "choose a data directory that everybody can enter") {
		t.Errorf("says %s", says)
	}
}
