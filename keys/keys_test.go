package keys

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const text = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestParseRoot(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		text:                  true,
		text + "\n":           true,
		strings.ToUpper(text): true,
		"":                    false,
		text[:62]:             false,
		text + "00":           false,
		"zz" + text[2:]:       false,
	} {
		root, err := ParseRoot(in)
		if (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
		if ok && root.Text() != text {
			t.Errorf("%q became %q", in, root.Text())
		}
		if err != nil && len(in) > 8 && strings.Contains(err.Error(), in[4:8]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	root, err := ParseRoot(text)
	if err != nil {
		t.Fatal(err)
	}
	// Pinned, because what was derived before must be derived again: passwords,
	// seals and all that was ever encrypted.
	if got := hex.EncodeToString(root.Derive("test", 16)); got != "2a358663eb1e5cb94ef6b2306e577dd5" {
		t.Errorf("got %s", got)
	}
	if bytes.Equal(root.Derive("one", 32), root.Derive("two", 32)) {
		t.Error("two purposes have one key")
	}
}

func TestRootKeepsSilent(t *testing.T) {
	t.Parallel()
	root, err := ParseRoot(text)
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprintf("%v %+v %#v %s", root, root, root, root) + fmt.Sprint(struct{ R Root }{root}, &root)
	if strings.Contains(said, "0001") || strings.Contains(said, "0 1 2 3") {
		t.Errorf("said %s", said)
	}
}

func TestLoadOrCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "root.key")
	var wg sync.WaitGroup
	got := make([]string, 16)
	for i := range got {
		wg.Go(func() {
			root, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = root.Text()
		})
	}
	wg.Wait()
	for _, text := range got {
		if text != got[0] {
			t.Fatalf("two keys were made at once")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("it left %v, %v", files, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"readable by the group": {text, 0o640, "chmod 600"},
		"readable by all":       {text, 0o604, "chmod 600"},
		"empty":                 {"", 0o600, "64 hexadecimal digits"},
		"cut":                   {text[:40], 0o600, "64 hexadecimal digits"},
	} {
		path := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreate(path); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
}
