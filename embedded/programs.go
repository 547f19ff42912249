package embedded

import (
	"context"
	"errors"
	"fmt"
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
	Bin   string // the directory with initdb and postgres; nothing else is tried if set
	Cache string // where fetched programs are kept
	Major int    // the version that is needed; 0 for any
	Log   *slog.Logger
}

// Find returns the first programs that suit: those in the PATH, or the newest
// of those in the places where packages put them.
func (src Source) Find(ctx context.Context) (Programs, error) {
	if src.Bin != "" {
		p, err := inspect(ctx, src.Bin)
		if err != nil {
			return p, fmt.Errorf("the programs of PostgreSQL that were asked for: %w", err)
		}
		return p, nil
	}
	for _, dir := range candidates() {
		p, err := inspect(ctx, dir)
		if err == nil && p.Major >= MinMajor && (src.Major == 0 || p.Major == src.Major) {
			return p, nil
		}
	}
	return Programs{}, errors.New("no programs of PostgreSQL found")
}

// candidates returns the directories to look in, best first.
func candidates() []string {
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
		slices.SortFunc(found, func(a, b string) int { return number(b) - number(a) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// number returns the first number in a path, such as 15.
func number(path string) int {
	start := strings.IndexAny(path, "0123456789")
	if start < 0 {
		return 0
	}
	end := start
	for end < len(path) && path[end] >= '0' && path[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(path[start:end])
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
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Programs{}, err
	}
	out, err := exec.CommandContext(ctx, postgres, "-V").Output() //nolint:gosec // the path was found or given
	if err != nil {
		return Programs{}, fmt.Errorf("%s -V: %w", postgres, err)
	}
	fields := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	if len(fields) < 3 || fields[0] != "postgres" {
		return Programs{}, fmt.Errorf("%s -V says %.60q", postgres, out)
	}
	p := Programs{Dir: dir, Version: fields[2], Major: number(fields[2])}
	if p.Major < MinMajor {
		return p, fmt.Errorf("%s is %s, and at least %d is needed", postgres, p.Version, MinMajor)
	}
	return p, nil
}
