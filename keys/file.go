package keys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadOrCreate reads the root key from a file, and makes both if there is no
// file. When several processes do that at the same time they get the same key.
// It is for installations that hold nothing yet: elsewhere a key that is missing
// was lost, and another one is no replacement. See [Load].
func LoadOrCreate(path string) (Root, error) {
	root, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := create(path); err != nil {
		return Root{}, fmt.Errorf("make a root key: %w", err)
	}
	return Load(path)
}

// Load reads the root key from a file. If there is no file, the error is an
// [fs.ErrNotExist]. A file that others than its owner can read is refused.
func Load(path string) (Root, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Root{}, fmt.Errorf("root key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Root{}, fmt.Errorf("root key: others can read %s (mode %04o), so it is no secret: run chmod 600 on it, or replace it if they may have", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator's choice
	if err != nil {
		return Root{}, fmt.Errorf("root key: %w", err)
	}
	root, err := ParseRoot(string(text))
	if err != nil {
		return Root{}, fmt.Errorf("%s: %w; without the right key what it protects is lost, so restore it from a backup", path, err)
	}
	return root, nil
}

// create makes the file under another name and links it to its own when it is
// complete and on disk, so that nobody ever reads a part of it or sees it
// change.
func create(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the file protects itself
		return err
	}
	tmp, err := os.CreateTemp(dir, ".root-key-") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	var random [RootSize]byte
	rand.Read(random[:]) // it never fails: the process would end
	_, err = tmp.WriteString(NewRoot(random).Text() + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil // somebody else was faster, and theirs is the key
		}
		return err
	}
	d, err := os.Open(dir) //nolint:gosec // the operator's choice
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
