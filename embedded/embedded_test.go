package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// place makes a directory that the server can be in: not t.TempDir, which is
// closed to other accounts, and may be too deep for a socket.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "rh-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // it is only litter
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// memory returns a directory in memory if there is one with room, because a
// database is a thousand files that soon go away again.
func memory() string {
	const memory, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err == nil && uint64(fs.Bavail)*uint64(fs.Bsize) > room { //nolint:unconvert // their types differ between systems
		return memory
	}
	return "/tmp"
}

// used makes a directory that a server has been in before. It copies one,
// because to make a new one takes a second.
func used(t *testing.T) string {
	t.Helper()
	from, err := model()
	if err != nil {
		t.Fatal(err)
	}
	dir := place(t)
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// model makes the directory that the others are copies of. TestMain removes it.
var model = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp(memory(), "rh-")
	if err != nil {
		return "", err
	}
	s, err := Start(context.Background(), Config{Dir: dir, Ephemeral: true})
	if err != nil {
		return "", err
	}
	return dir, s.Stop(context.Background())
})

// start starts a server that is stopped with the test at the latest.
func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
		s.release()
	default:
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func query[T any](t *testing.T, s *Server, sql string) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // it has served
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	remember = `with t as (select pg_catalog.lo_from_bytea(4711, 'kept')) select count(*) from t`
	recall   = `select convert_from(lo_get(4711), 'UTF8')`
)

// refused starts a server that cannot start, and returns what it says.
func refused(t *testing.T, dir string) string {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true})
	if err == nil {
		stop(t, s)
		t.Fatal("it started")
	}
	return err.Error()
}

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s, err := Start(t.Context(), Config{Dir: dir}) // and not ephemeral, as others are
	if err != nil {
		t.Fatal(err)
	}
	query[int](t, s, remember)
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "unix_socket_permissions": "0700",
	} {
		if got := query[string](t, s, "show "+setting); got != want {
			t.Errorf("%s is %s", setting, got)
		}
	}
	if query[bool](t, s, `select 'Z' < 'a' and 'z' < 'ä' and lower('Ä') = 'ä'`) != true {
		t.Error("text is not UTF-8 in the order of code points")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, start(t, dir), recall); got != "kept" {
		t.Errorf("found %q", got)
	}
}

func TestSocketIsPrivate(t *testing.T) {
	t.Parallel()
	dir := used(t)
	start(t, dir)
	info, err := os.Stat(filepath.Join(dir, "run"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can reach the socket, and there is no password: mode %v, %v", info.Mode(), err)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	dir := used(t)
	s := start(t, dir)
	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("says %v", err)
	}
	query[int](t, s, `select 1`) // the first one has not noticed
	if URL(dir) != s.URL() {
		t.Errorf("others would look for it at %s, and it is at %s", URL(dir), s.URL())
	}
}

func TestStopNow(t *testing.T) {
	t.Parallel()
	dir := used(t)
	s := start(t, dir)
	query[int](t, s, remember)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := query[string](t, start(t, dir), recall); got != "kept" {
		t.Errorf("found %q", got)
	}
}

// TestStaleFiles leaves the lock files of a server that has gone, with the
// number of a process that has nothing to do with it.
func TestStaleFiles(t *testing.T) {
	t.Parallel()
	dir := used(t)
	s := start(t, dir)
	query[int](t, s, remember)
	stop(t, s)
	stale := strconv.Itoa(os.Getpid()) + "\n" + s.dataDir() + "\n1700000000\n5432\n" + socketDir(s.dir) + "\n\n"
	for _, name := range []string{filepath.Join(s.dataDir(), "postmaster.pid"), filepath.Join(socketDir(s.dir), ".s.PGSQL.5432.lock")} {
		if err := os.WriteFile(name, []byte(stale), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := query[string](t, start(t, dir), recall); got != "kept" {
		t.Errorf("found %q", got)
	}
}

func TestInterruptedInit(t *testing.T) {
	t.Parallel()
	dir := place(t)
	half := filepath.Join(dir, "pg"+strconv.Itoa(here(t).Major), "data.new")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		s := &Server{}
		var err error
		if s.account, err = lend(half); err != nil {
			t.Fatal(err)
		}
		if err := s.account.give(filepath.Dir(half)); err != nil {
			t.Fatal(err)
		}
	}
	start(t, dir)
}

func here(t *testing.T) Programs {
	t.Helper()
	p, err := Source{}.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLeavesAlone gives it directories that it does not understand. It must say
// so, and not touch them.
func TestLeavesAlone(t *testing.T) {
	t.Parallel()
	ours := strconv.Itoa(here(t).Major)
	for name, c := range map[string]struct {
		file, content string
		bin           string
		says          []string
	}{
		"older data":   {"pg9/data/PG_VERSION", "9\n", here(t).Dir, []string{"PostgreSQL 9", here(t).Version, "pg_upgrade"}},
		"newer data":   {"pg99/data/PG_VERSION", "99\n", here(t).Dir, []string{"PostgreSQL 99", here(t).Version, "install PostgreSQL 99"}},
		"mislaid data": {"pg" + ours + "/data/PG_VERSION", "99\n", "", []string{`"99\n"`, "left untouched"}},
		"other files":  {"pg" + ours + "/data/thesis.txt", "years of work", "", []string{"is no data directory of PostgreSQL", "left untouched"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := place(t)
			file := filepath.Join(dir, c.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Start(t.Context(), Config{Dir: dir, Source: Source{Bin: c.bin}, Ephemeral: true})
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q: %v", want, err)
				}
			}
			if now, err := os.ReadFile(file); err != nil || string(now) != c.content {
				t.Errorf("the file was touched: %q, %v", now, err)
			}
			if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
				t.Errorf("there are other files now: %v, %v", files, err)
			}
		})
	}
}

func TestPathTooLong(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(place(t), strings.Repeat("x", 90))
	if says := refused(t, dir); !strings.Contains(says, "too long") || !strings.Contains(says, "at most") {
		t.Errorf("says %s", says)
	}
	fits := place(t)
	fits = filepath.Join(fits, strings.Repeat("x", 85-len(fits)-1))
	start(t, fits)
}

func TestBadSetting(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Dir: used(t), Ephemeral: true, Settings: map[string]string{"shared_buffers": "a lot"}})
	if err == nil || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("it does not say what PostgreSQL says: %v", err)
	}
}

// TestGivesUp starts a server under a context that ends meanwhile.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	dir := used(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s, err := Start(ctx, Config{Dir: dir, Ephemeral: true})
	if err == nil {
		stop(t, s) // fast machine
	}
	start(t, dir) // nothing is in its way
}
