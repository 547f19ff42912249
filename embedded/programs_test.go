package embedded

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fake makes programs that say they are of a version.
func fake(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(dir, "postgres"), "echo 'postgres (PostgreSQL) "+version+"'")
	script(t, filepath.Join(dir, "initdb"), "exit 1")
	return dir
}

func script(t *testing.T, name, body string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]Programs{
		"15.18 (Debian 15.18-0+deb12u1)": {Version: "15.18", Major: 15},
		"18.4":                           {Version: "18.4", Major: 18},
		"19beta2":                        {Version: "19beta2", Major: 19},
		"14.9":                           {},
		"9.6.24":                         {},
		"":                               {},
	} {
		dir := fake(t, t.TempDir(), says)
		want.Dir = dir
		got, err := inspect(t.Context(), dir)
		if ok := want.Major > 0; (err == nil) != ok || ok && got != want {
			t.Errorf("%q: got %+v, %v", says, got, err)
		}
	}

	half := fake(t, t.TempDir(), "15.18")
	if err := os.Remove(filepath.Join(half, "initdb")); err != nil {
		t.Fatal(err)
	}
	broken := fake(t, t.TempDir(), "15.18")
	script(t, filepath.Join(broken, "postgres"), "exit 127")
	for _, dir := range []string{half, broken, filepath.Join(half, "nothing")} {
		if got, err := inspect(t.Context(), dir); err == nil {
			t.Errorf("%s: got %+v", dir, got)
		}
	}

	linked := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.Symlink(filepath.Join(fake(t, filepath.Join(linked, "real"), "15.18"), name), filepath.Join(linked, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := inspect(t.Context(), linked); err != nil || filepath.Base(got.Dir) != "real" {
		t.Errorf("the links lead to %s, %v", got.Dir, err)
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	got := newestFirst([]string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin", "/x/postgresql@18/bin", "/x/postgresql-17.10.0-beta.17/bin"})
	var majors []string
	for _, dir := range got {
		majors = append(majors, strconv.Itoa(number(filepath.Base(filepath.Dir(dir)))))
	}
	if strings.Join(majors, " ") != "18 17 15 9" {
		t.Errorf("got %v", got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := func(version string) string { return fake(t, filepath.Join(dir, "postgresql-"+version, "bin"), version) }
	pg14, pg15, pg17 := pg("14.1"), pg("15.1"), pg("17.1")
	fetched := func(context.Context) error {
		fake(t, filepath.Join(dir, "cache", "postgresql-16.1", "bin"), "16.1")
		return nil
	}
	useless := func(context.Context) error { return nil }
	failing := func(context.Context) error { return errors.New("no network") }

	for name, c := range map[string]struct {
		major     int
		installed []string
		ways      []func(context.Context) error
		want      string // or what the error says
	}{
		"the first that will do":       {0, []string{pg14, pg15, pg17}, nil, "15.1"},
		"the one that the data needs":  {17, []string{pg14, pg15, pg17}, nil, "17.1"},
		"nothing is fetched needless":  {0, []string{pg15}, []func(context.Context) error{failing}, "15.1"},
		"fetched":                      {0, []string{pg14}, []func(context.Context) error{fetched, failing}, "16.1"},
		"fetched the second way":       {16, []string{pg15}, []func(context.Context) error{failing, useless, fetched}, "16.1"},
		"nothing at all":               {0, nil, []func(context.Context) error{failing}, "PostgreSQL 15 or newer found"},
		"and why":                      {0, nil, []func(context.Context) error{failing}, "no network"},
		"first way out":                {0, nil, nil, "apt-get install postgresql"},
		"second way out":               {0, nil, nil, "ROWHOUSE_POSTGRES_BIN"},
		"third way out":                {0, nil, nil, "--database-url"},
		"not the one that data needs":  {18, []string{pg15}, []func(context.Context) error{fetched}, "PostgreSQL 18, which the data needs"},
		"not even one that is too old": {14, []string{pg14}, nil, "PostgreSQL 14, which the data needs"},
	} {
		src := Source{Major: c.major, Cache: filepath.Join(t.TempDir(), "cache"), Log: slog.New(slog.DiscardHandler)}
		if strings.HasPrefix(c.want, "16") {
			src.Cache = filepath.Join(dir, "cache")
		}
		got, err := src.find(t.Context(), func() []string { return c.installed }, c.ways...)
		if got.Version != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}

	_, err := Source{Bin: pg14}.Find(t.Context())
	if err == nil || !strings.Contains(err.Error(), "at least 15 is needed") {
		t.Errorf("took the programs that were asked for although they are too old: %v", err)
	}
}

// TestApt has programs in the path that write down how they were called.
func TestApt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root installs packages")
	}
	dir := t.TempDir()
	for _, name := range []string{"apt-get", "pg_conftool"} {
		script(t, filepath.Join(dir, name), `echo "$DEBIAN_FRONTEND `+name+` $@" >> '`+dir+`/calls'; test "$1" != "$FAILS" || { echo 'no such package' >&2; exit 100; }`)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	src := Source{Log: slog.New(slog.DiscardHandler)}
	if err := src.apt(t.Context()); err != nil {
		t.Error(err)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	const want = `noninteractive apt-get update -q
noninteractive apt-get install -y -q --no-install-recommends postgresql-common
noninteractive pg_conftool /etc/postgresql-common/createcluster.conf set create_main_cluster off
noninteractive apt-get install -y -q --no-install-recommends postgresql
noninteractive pg_conftool /etc/postgresql-common/createcluster.conf remove create_main_cluster
`
	if err != nil || string(calls) != want {
		t.Errorf("called\n%s, %v", calls, err)
	}
	src.Major = 17
	if err := src.apt(t.Context()); err != nil {
		t.Error(err)
	}
	if calls, err := os.ReadFile(filepath.Join(dir, "calls")); err != nil || !strings.Contains(string(calls), "no-install-recommends postgresql-17\n") {
		t.Errorf("called\n%s, %v", calls, err)
	}
	t.Setenv("FAILS", "install")
	if err := src.apt(t.Context()); err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Errorf("got %v", err)
	}
}
