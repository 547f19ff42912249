package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// choose finds the programs that suit the data, and the account to run them as.
func (s *Server) choose(ctx context.Context, cfg Config) error {
	major := newestData(s.dir)
	src := cfg.Source
	src.Cache, src.Major = filepath.Join(s.dir, "bin"), major
	if src.Log == nil {
		src.Log = s.log
	}
	var err error
	if s.programs, err = src.Find(ctx); err != nil {
		return err
	}
	if major != 0 && major != s.programs.Major {
		return fmt.Errorf("%s holds data of PostgreSQL %d, and the programs in %s are %s: install PostgreSQL %[2]d beside them, or bring the data to %[5]d with pg_upgrade",
			s.dir, major, s.programs.Dir, s.programs.Version, s.programs.Major)
	}
	s.account, err = lend(s.dataDir())
	return err
}

// Exists reports whether a directory holds a database that Start made.
func Exists(dir string) bool { return newestData(dir) > 0 }

// newestData returns the newest major version that there is data of, or 0.
func newestData(dir string) (newest int) {
	files, _ := filepath.Glob(filepath.Join(dir, "pg*", "data"))
	for _, f := range files {
		name := filepath.Base(filepath.Dir(f))
		if major, err := strconv.Atoi(strings.TrimPrefix(name, "pg")); err == nil {
			newest = max(newest, major)
		}
	}
	return newest
}

// initialize makes the directories that are missing. The data directory is made
// under another name and renamed when it is complete, so that one that was
// interrupted is never taken for a database.
func (s *Server) initialize(ctx context.Context, cfg Config) error {
	if err := s.makeDir(socketDir(s.dir), 0o700); err != nil {
		return err
	}
	if err := s.makeDir(s.versionDir(), 0o700); err != nil {
		return err
	}
	version, err := os.ReadFile(filepath.Join(s.dataDir(), "PG_VERSION"))
	switch {
	case err == nil:
		if strings.TrimSpace(string(version)) != strconv.Itoa(s.programs.Major) {
			return fmt.Errorf("%s says that it holds data of PostgreSQL %.20q, and not %d: it was left untouched", s.dataDir(), version, s.programs.Major)
		}
		return s.checkOwner()
	case !errors.Is(err, fs.ErrNotExist):
		return explain(err, s.dataDir())
	}
	if _, err := os.Lstat(s.dataDir()); err == nil {
		return fmt.Errorf("%s exists, but is no data directory of PostgreSQL: it was left untouched; move it away, or choose another data directory", s.dataDir())
	}
	if err := checkRoom(s.dir); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "making a new database", "dir", s.dataDir(), "postgres", s.programs.Version)
	fresh := s.dataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := append([]string{"-D", fresh, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--data-checksums"}, s.locale()...)
	if cfg.Ephemeral {
		args = append(args, "--no-sync", "--wal-segsize=1")
	}
	if err := s.initdb(ctx, args); err != nil {
		return err
	}
	return os.Rename(fresh, s.dataDir())
}

// initdb makes a data directory. Unlike the server, it wants a name for the user
// number that it runs as, which container platforms often have none for: then it
// is run where the number is shown to it as one that has a name, if the system
// lets us.
func (s *Server) initdb(ctx context.Context, args []string) error {
	out, err := s.command(ctx, "initdb", args...).CombinedOutput()
	if err != nil && bytes.Contains(out, []byte(nameless)) {
		named := s.command(ctx, "initdb", args...)
		if lendName(named) {
			if again, failed := named.CombinedOutput(); failed == nil || len(again) > 0 && !bytes.Contains(again, []byte(nameless)) {
				out, err = again, failed
			}
		}
	}
	if err != nil {
		return explainStart(explainOutput(fmt.Errorf("a new database could not be made: initdb: %w", err), string(out), s.dataDir()), s)
	}
	return nil
}

// nameless is what initdb says when its user number has no name.
const nameless = "could not look up effective user ID"

// locale makes text sort by code point, which no update of the C library can
// change, and be UTF-8.
func (s *Server) locale() []string {
	switch {
	case s.programs.Major >= 17:
		return []string{"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}
	case runtime.GOOS == "darwin":
		return []string{"--locale=C", "--lc-ctype=UTF-8"}
	default:
		return []string{"--locale=C.UTF-8"}
	}
}

func (s *Server) makeDir(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	switch {
	case err == nil:
		err = s.account.give(dir)
		if err != nil {
			err = explainStart(err, s)
		}
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	return explain(err, s.dir)
}

// checkOwner says so, before PostgreSQL does, when the data belongs to somebody
// else.
func (s *Server) checkOwner() error {
	want := s.account.uid
	if !s.account.other {
		want = os.Geteuid()
	}
	for _, dir := range []string{s.dataDir(), s.versionDir(), socketDir(s.dir)} {
		if uid := owner(dir); uid != want {
			return fmt.Errorf("%s belongs to %s: run as that user, or as root, or choose another data directory", dir, username(uid))
		}
	}
	info, err := os.Stat(s.dataDir())
	if err != nil {
		return explain(err, s.dataDir())
	}
	if open := info.Mode().Perm() &^ 0o750; open != 0 {
		return fmt.Errorf("the data directory %s can be read or changed by other accounts (its mode is %04o), which PostgreSQL refuses: run chmod 0700 on it", s.dataDir(), info.Mode().Perm())
	}
	return nil
}

// checkRoom says so, before initdb does, when there is no room for a database.
func checkRoom(dir string) error {
	const needed = 100 << 20
	if room := roomOn(dir); room < needed {
		return fmt.Errorf("%w: there are %d MB left on the disk of %s, and a new database needs %d MB: make room, or choose another data directory with --data", errFull, room>>20, dir, needed>>20)
	}
	return nil
}

// answer makes sure that the server answers and has our database.
func (s *Server) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // it may have been stopped for a while
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "3D000" { // invalid_catalog_name: not there yet
		if conn, err = pgx.Connect(ctx, address(s.dir, "postgres")); err == nil {
			_, err = conn.Exec(ctx, `create database `+Database)
		}
	}
	if conn != nil {
		conn.Close(ctx) //nolint:errcheck // it has served
	}
	return err
}
