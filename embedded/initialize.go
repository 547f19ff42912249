package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

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
	s.log.InfoContext(ctx, "making a new database", "dir", s.dataDir(), "postgres", s.programs.Version)
	fresh := s.dataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := append([]string{"-D", fresh, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--data-checksums"}, s.locale()...)
	if cfg.Ephemeral {
		args = append(args, "--no-sync", "--wal-segsize=1")
	}
	if out, err := s.command(ctx, "initdb", args...).CombinedOutput(); err != nil {
		return explainStart(fmt.Errorf("initdb: %w\n%s", err, out), s)
	}
	return os.Rename(fresh, s.dataDir())
}

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
	if uid := owner(s.dataDir()); uid != want {
		return fmt.Errorf("%s belongs to %s: run as that user, or as root, or choose another data directory", s.dataDir(), username(uid))
	}
	return nil
}

// answer makes sure that the server answers and has our database.
func (s *Server) answer(ctx context.Context) error {
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
