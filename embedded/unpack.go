package embedded

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unpack unpacks the programs in a package into a new directory, or leaves
// nothing.
func unpack(tgz io.Reader, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the server runs as somebody else
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)       //nolint:errcheck // when all went well it is not there any more
	root, err := os.OpenRoot(tmp) // so that nothing in the package can leave the directory
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	err = errors.Join(extract(tgz, root), link(root), open(tmp))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// extract writes the files of the package below "native", which is all there
// is to it.
func extract(tgz io.Reader, root *os.Root) error {
	gz, err := gzip.NewReader(tgz)
	if err != nil {
		return err
	}
	for tr := tar.NewReader(gz); ; {
		f, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(f.Name, "package/native/")
		if !ok || f.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(root, name, tr); err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	w, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return errors.Join(err, w.Close())
}

// link makes the links, which npm packages cannot hold, from a list that this
// one does.
func link(root *os.Root) error {
	list, err := root.ReadFile("pg-symlinks.json")
	if err != nil {
		return err
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(list, &links); err != nil {
		return err
	}
	for _, l := range links {
		if err := root.Symlink(filepath.Base(l.Source), strings.TrimPrefix(l.Target, "native/")); err != nil {
			return err
		}
	}
	return nil
}

// open lets everybody read everything, and run the programs, whatever the
// umask.
func open(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() || filepath.Base(filepath.Dir(path)) == "bin":
			return os.Chmod(path, 0o755) //nolint:gosec // see above
		case d.Type().IsRegular():
			return os.Chmod(path, 0o644) //nolint:gosec // see above
		}
		return nil
	})
}
