package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MinMajor is the oldest major version of PostgreSQL that will do.
const MinMajor = 15

// Programs are the programs of a PostgreSQL server.
type Programs struct {
	Dir     string // where initdb and postgres are
	Version string // such as 15.18
	Major   int    // such as 15
}

// Source says where programs may come from.
type Source struct {
	Bin   string // the directory with initdb and postgres; nothing else is tried if it, or ROWHOUSE_POSTGRES_BIN, is set
	Cache string // where programs that had to be fetched are kept
	Major int    // the version that is needed; 0 for any
	Log   *slog.Logger
}

// Find returns the first programs that suit: those in the PATH, the newest of
// those in the places where packages put them, or those that were fetched
// before. If there are none it gets some: root on Debian installs the package,
// and everybody else a copy of their own.
func (src Source) Find(ctx context.Context) (Programs, error) {
	if src.Log == nil {
		src.Log = slog.New(slog.DiscardHandler)
	}
	if bin := cmp.Or(src.Bin, os.Getenv("ROWHOUSE_POSTGRES_BIN")); bin != "" {
		p, err := inspect(ctx, bin)
		if err != nil {
			return p, fmt.Errorf("the programs of PostgreSQL that were asked for will not do: %w", err)
		}
		return p, nil
	}
	return src.find(ctx, installed, src.apt, src.npm)
}

// find tries what is there, and then the ways to get more.
func (src Source) find(ctx context.Context, candidates func() []string, ways ...func(context.Context) error) (Programs, error) {
	p, ok := src.first(ctx, candidates())
	failed := src.barred(ctx)
	for _, way := range ways {
		if ok {
			return p, nil
		}
		if err := way(ctx); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		p, ok = src.first(ctx, candidates())
	}
	if ok {
		return p, nil
	}
	return p, fmt.Errorf(`no programs of PostgreSQL%s found, and none could be fetched. Do one of these:
  - install them (Debian: apt-get install postgresql; macOS: brew install postgresql@%d),
  - say where they are with ROWHOUSE_POSTGRES_BIN (the directory with initdb and postgres),
  - or use a server of your own with --database-url.
%w`, src.wanted(), newest, failed)
}

func (src Source) wanted() string {
	if src.Major == 0 {
		return fmt.Sprintf(" %d or newer", MinMajor)
	}
	return fmt.Sprintf(" %d, which the data needs,", src.Major)
}

func (src Source) first(ctx context.Context, dirs []string) (Programs, bool) {
	for _, dir := range append(dirs, src.fetched()...) {
		p, err := inspect(ctx, dir)
		if err == nil && (src.Major == 0 || p.Major == src.Major) {
			return p, true
		}
	}
	return Programs{}, false
}

// barred returns why programs that were fetched may not be run, if that is so.
// There is no point in fetching them again.
func (src Source) barred(ctx context.Context) error {
	for _, dir := range src.fetched() {
		if _, err := inspect(ctx, dir); errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// fetched returns the directories with programs in the cache, newest first.
func (src Source) fetched() []string {
	dirs, _ := filepath.Glob(filepath.Join(src.Cache, "postgresql-*", "bin"))
	return newestFirst(dirs)
}

// installed returns the directories to look in, best first.
func installed() []string {
	var dirs []string
	if file, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(file))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",         // Debian
		"/usr/pgsql-*/bin",                  // Red Hat
		"/usr/libexec/postgresql*",          // Alpine
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew
		"/usr/local/opt/postgresql*/bin",
		"/usr/local/pgsql/bin", // built from source
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, newestFirst(found)...)
	}
	return dirs
}

func newestFirst(dirs []string) []string {
	slices.SortFunc(dirs, func(a, b string) int {
		return number(filepath.Base(filepath.Dir(b))) - number(filepath.Base(filepath.Dir(a)))
	})
	return dirs
}

// number returns the first number in a text, such as 15.
func number(text string) int {
	digits := strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@-_. ()")
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// inspect looks at the programs in a directory and runs one of them. It follows
// links, because PostgreSQL finds its other files from where its programs are.
func inspect(ctx context.Context, dir string) (Programs, error) {
	postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return Programs{}, err
	}
	dir = filepath.Dir(postgres)
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil { //nolint:gosec // the path was found or given
		return Programs{}, err
	}
	out, err := exec.CommandContext(ctx, postgres, "-V").Output() //nolint:gosec // the path was found or given
	if errors.Is(err, fs.ErrPermission) {
		return Programs{}, fmt.Errorf("%w: %s may not be run: look at its mode, and whether its file system is mounted with noexec", err, postgres)
	}
	if err != nil {
		return Programs{}, fmt.Errorf("%s -V: %w", postgres, err)
	}
	// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	version, ok := strings.CutPrefix(string(out), "postgres (PostgreSQL) ")
	if !ok {
		return Programs{}, fmt.Errorf("%s -V says %.60q", postgres, out)
	}
	version, _, _ = strings.Cut(strings.TrimSpace(version), " ")
	p := Programs{Dir: dir, Version: version, Major: number(version)}
	if p.Major < MinMajor {
		return p, fmt.Errorf("%s is %s, and at least %d is needed", postgres, p.Version, MinMajor)
	}
	return p, nil
}
