package dbtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/embedded"
	"github.com/rowhouse/rowhouse/migrations"
)

// template is the database that those of the tests are copies of.
const template = "template_rowhouse"

// form changes with everything that a server is made from and that is neither
// its programs nor the migrations: the options of initdb.
const form = 2

// server is the server of this test binary.
type server struct {
	url    string
	dir    string
	source embedded.Source
	bare   string   // the directory of one on which nothing was migrated, to copy
	alive  *os.File // see ownDir
	admin  *pgxpool.Pool
}

// do runs statements that no transaction can hold. Its connections stay, because a
// new process of PostgreSQL takes longer than most of what it is asked for.
func (s *server) do(statements ...string) error {
	ctx := context.Background() // not that of the test, which is over when Cleanup runs
	for _, q := range statements {
		if _, err := s.admin.Exec(ctx, q, pgx.QueryExecModeExec); err != nil {
			return err
		}
	}
	return nil
}

// start starts the server, once. It is a copy of one that was made and migrated before, which takes a tenth
// of a second instead of three. It is never stopped: it dies with us, and the
// next one to start clears its directory away.
var start = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	home := filepath.Join(place(), "rowhouse-test-"+strconv.Itoa(os.Geteuid()))
	if err := errors.Join(claim(home), claim(cache())); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(home, "lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // it has no content

	src := embedded.Source{Cache: cache()}
	programs, err := src.Find(ctx)
	if err != nil {
		return nil, err
	}
	src.Bin = programs.Dir
	model, err := modelServer(ctx, home, src, programs)
	if err != nil {
		return nil, fmt.Errorf("make the server that others are copies of: %w", err)
	}
	dir, alive, err := ownDir(home)
	if err != nil {
		return nil, err
	}
	if err := copyTree(dir, filepath.Join(model, migrated)); err != nil {
		return nil, err
	}
	s, err := embedded.Start(ctx, embedded.Config{Dir: dir, Source: src, Ephemeral: true})
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(s.URL())
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	return &server{s.URL(), dir, src, filepath.Join(model, bare), alive, pool}, nil
})

// place returns where to keep the servers: in memory if there is room, because a
// database is some hundred files that soon go away again. It is not in the
// temporary or cache directory of the user, because those may be too deep for a
// socket, or closed to the account that the server runs as when we are root.
func place() string {
	const memory, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err == nil && uint64(fs.Bavail)*uint64(fs.Bsize) > room { //nolint:unconvert // their types differ between systems
		return memory
	}
	return "/tmp"
}

// cache returns where to keep fetched programs: where the server's account can
// run them.
func cache() string { return filepath.Join("/tmp", "rowhouse-test-bin-"+strconv.Itoa(os.Geteuid())) }

// claim makes a directory that others can enter but not write to, and makes
// sure that it is ours: anybody can make a directory in /tmp.
func claim(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to somebody else: remove it", dir)
	}
	return os.Chmod(dir, 0o755) // whatever the umask
}

func lockFile(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// The servers in the directory of the models.
const (
	bare     = "bare"     // as initdb leaves it
	migrated = "migrated" // with the template in it
)

// modelServer returns the directory of two stopped servers, one of which has a
// migrated database in it. It is named after all that it depends on, so it is made
// once for every state of that.
func modelServer(ctx context.Context, home string, src embedded.Source, p embedded.Programs) (string, error) {
	schema, err := migrations.Fingerprint()
	if err != nil {
		return "", err
	}
	name := sha256.Sum256(fmt.Append(nil, form, p, schema))
	dir := filepath.Join(home, fmt.Sprintf("model-%.8x", name))
	if _, err := os.Stat(dir); err == nil {
		return dir, os.Chtimes(dir, time.Now(), time.Now())
	}
	if err := forgetModels(home); err != nil {
		return "", err
	}
	building := filepath.Join(home, "building")
	if err := os.RemoveAll(building); err != nil {
		return "", err
	}
	if err := os.Mkdir(building, 0o755); err != nil {
		return "", err
	}
	first := filepath.Join(building, bare)
	s, err := embedded.Start(ctx, embedded.Config{Dir: first, Source: src, Ephemeral: true})
	if err == nil {
		err = s.Stop(ctx)
	}
	if err != nil {
		return "", err
	}
	second := filepath.Join(building, migrated)
	if err := errors.Join(os.Mkdir(second, 0o755), copyTree(second, first)); err != nil {
		return "", err
	}
	if s, err = embedded.Start(ctx, embedded.Config{Dir: second, Source: src, Ephemeral: true}); err != nil {
		return "", err
	}
	err = admin(ctx, s.URL(), "create database "+template)
	if err == nil {
		err = migrations.Up(ctx, onDatabase(s.URL(), template), Root())
	}
	if err == nil {
		err = admin(ctx, s.URL(), "alter database "+template+" with is_template true allow_connections false")
	}
	if err := errors.Join(err, s.Stop(ctx)); err != nil {
		return "", err
	}
	return dir, os.Rename(building, dir)
}

// admin runs statements that no transaction can hold, on a server that is being made.
func admin(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing to do about it
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// forgetModels removes those that have not been used for a day.
func forgetModels(home string) error {
	models, err := filepath.Glob(filepath.Join(home, "model-*"))
	for _, m := range models {
		if info, err := os.Stat(m); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			if err := os.RemoveAll(m); err != nil {
				return err
			}
		}
	}
	return err
}

// ownDir makes a directory for this process and removes those of processes that
// have ended. Whoever is alive holds a lock on the file "alive" in its own.
func ownDir(home string) (dir string, alive *os.File, err error) {
	dirs, err := filepath.Glob(filepath.Join(home, "run-*"))
	if err != nil {
		return "", nil, err
	}
	for _, d := range dirs {
		f, err := lockFile(filepath.Join(d, "alive"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue
		}
		os.RemoveAll(d) //nolint:errcheck // what its server still writes to, the next one will remove
		f.Close()       //nolint:errcheck // it has no content
	}
	dir = filepath.Join(home, "run-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", nil, err
	}
	alive, err = lockFile(filepath.Join(dir, "alive"), syscall.LOCK_EX)
	return dir, alive, err
}

// copyTree copies a directory into another, with owners and permissions.
func copyTree(dst, src string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		to := filepath.Join(dst, strings.TrimPrefix(path, src))
		switch {
		case path == src:
			return nil
		case d.IsDir():
			err = os.Mkdir(to, info.Mode().Perm())
		case info.Mode().IsRegular():
			err = copyFile(to, path, info.Mode().Perm())
		default:
			return nil // there are none that matter
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && os.Geteuid() == 0 {
			err = os.Chown(to, int(st.Uid), int(st.Gid))
		}
		return err
	})
}

func copyFile(dst, src string, mode fs.FileMode) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	to, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
