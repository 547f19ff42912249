// Package embedded runs a private PostgreSQL server as a child of this process,
// reachable only through a Unix socket in its data directory, so that nobody
// has to install and configure a database before the first start.
//
// It knows nothing of what the database holds. It never deletes data: what it
// does not understand it leaves alone, and says what to do about it.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Config says where the server lives.
type Config struct {
	// Dir holds everything: the data in pg<major>, the socket in run, fetched
	// programs in bin, and a lock file. It is made if it is missing, and may
	// hold other files too.
	Dir string

	// Source says where to get the programs from. Its Cache and Major are
	// chosen by Start.
	Source Source

	// Ephemeral is for tests: faster, and a crash of the machine loses data.
	Ephemeral bool

	// Settings are further settings of the server; they win over our own.
	Settings map[string]string

	// Patience is for how long a server that has ended is started again and
	// again without success until nobody tries any more (default 2 minutes).
	// While its disk is full it is tried for ever.
	Patience time.Duration

	Log *slog.Logger // nil: nowhere
}

// Server is a PostgreSQL that runs, and is started again when it ends by itself.
// Its methods may be called concurrently.
type Server struct {
	programs Programs
	lock     *os.File
	dir      string
	account  account
	log      *slog.Logger
	output   *output
	restarts atomic.Int64

	keeping context.Context //nolint:containedctx // it ends with Stop, and not with a call
	letGo   context.CancelFunc
	done    chan struct{}
	err     error // why it ended for good; set when done is closed

	mu       sync.Mutex
	child    *child // the process, or the last one
	stopping bool   // no other process is started
}

// Superuser is the role that owns the server. Only who can reach the socket can
// be it: this process, root, and the account that the server runs as.
const Superuser = "rowhouse"

// Database is the name of the database that Start makes.
const Database = "rowhouse"

// Start starts the server, and makes its data directory if there is none. When
// it returns, the server answers. It goes on running when ctx ends: see Stop.
// Should it end by itself, it is started again: see [Server.Done]. If this
// process dies, however suddenly, the server shuts down too.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	cfg.Patience = cmp.Or(cfg.Patience, 2*time.Minute)
	s := &Server{dir: dir, log: cfg.Log, output: newOutput(cfg.Log), done: make(chan struct{})}
	s.keeping, s.letGo = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			s.letGo()
			err = fmt.Errorf("embedded PostgreSQL: %w", err)
			if s.lock != nil {
				s.release()
			}
		}
	}()
	for _, step := range []func(context.Context, Config) error{
		s.claim, s.choose, s.initialize, s.clearAway, s.run,
	} {
		if err := step(ctx, cfg); err != nil {
			return nil, err
		}
	}
	go s.keep(s.keeping, cfg) //nolint:contextcheck // that of ctx, but that it does not end with it
	return s, nil
}

// ErrInUse says that a running server has the directory. It is at [URL].
var ErrInUse = errors.New("is in use by another process")

// URL returns where the server's database is, for its superuser. There is no
// secret in it.
func (s *Server) URL() string { return URL(s.dir) }

// URL returns where the database of the server in a directory is, whichever
// process it runs under.
func URL(dir string) string { return address(dir, Database) }

func address(dir, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(Superuser), Path: "/" + database,
		RawQuery: strings.ReplaceAll(url.Values{"host": {socketDir(dir)}}.Encode(), "+", "%20"),
	}
	return u.String()
}

// Version returns the version of the server, such as 15.18.
func (s *Server) Version() string { return s.programs.Version }

// Done is closed when the server has ended for good: it was stopped, or it ended
// by itself and could not be started again. [Server.Err] says why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server has ended for good, or nil while it has not, and
// when it was stopped.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Restarts returns how often the server was started again after it had ended by
// itself.
func (s *Server) Restarts() int64 { return s.restarts.Load() }

// Stop ends all connections and shuts the server down. If ctx ends before that
// is done, the server is stopped at once, and recovers when it is started again:
// nothing that was committed is lost either way.
func (s *Server) Stop(ctx context.Context) error {
	s.output.speak(false)
	defer s.release()
	s.mu.Lock()
	s.stopping = true
	running := s.child
	s.mu.Unlock()
	s.letGo()
	running.signal(os.Interrupt)
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		running.end()
		<-s.done
		return errors.Join(ctx.Err(), s.err)
	}
}

func (s *Server) versionDir() string {
	return filepath.Join(s.dir, "pg"+strconv.Itoa(s.programs.Major))
}

func (s *Server) dataDir() string { return filepath.Join(s.versionDir(), "data") }

func socketDir(dir string) string { return filepath.Join(dir, "run") }

// claim takes the directory for this process.
func (s *Server) claim(context.Context, Config) error {
	// A socket's whole path must fit in sockaddr_un, which is 104 bytes on
	// macOS and 108 on Linux, with a zero at the end.
	const longest = 103 - len("/run/.s.PGSQL.5432")
	if len(s.dir) > longest {
		return fmt.Errorf("the path %s has %d bytes, and a Unix socket in it would be too long to open: choose a data directory with at most %d", s.dir, len(s.dir), longest)
	}
	if err := makeEnterable(s.dir); err != nil {
		return explain(err, s.dir)
	}
	// The file is close-on-exec, as all that Go opens, or a server that outlived
	// us would hold it.
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return explain(err, s.dir)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		return fmt.Errorf("%s %w: stop that one, or choose another data directory", s.dir, ErrInUse)
	}
	s.lock = f
	return nil
}

// release gives the directory back. It is not enough to close the file: a process
// that somebody else is starting at this moment has it open too.
func (s *Server) release() {
	syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN) //nolint:errcheck // it may be closed
	s.lock.Close()                                   //nolint:errcheck // nothing was written
}

// makeEnterable makes a directory, and lets everybody enter it if we are root,
// because the account that the server runs as is another one. What is in it
// protects itself.
func makeEnterable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // see above
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 || info.Mode()&0o001 != 0 {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}

// command returns a command that runs as the server's account, with nothing of
// our environment but the time zone and locale it should have.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.programs.Dir, program), args...) //nolint:gosec // our own programs
	c.Dir = s.dir
	c.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	c.SysProcAttr = s.account.attributes()
	return c
}
