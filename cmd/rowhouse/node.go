package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"
)

// identity names this process among those that share the work. One that comes
// back after a crash has the same name, and so goes on at once with what it had
// taken on, instead of waiting until its leases have run out.
type identity struct {
	name string
	file *os.File // locked for as long as the name is ours
}

// takeIdentity takes the name that is kept in a directory or, if a process that
// runs has it already, makes one up.
func takeIdentity(dir string) (identity, error) {
	f, err := os.OpenFile(filepath.Join(dir, "node"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the data directory is the operator's choice
	if err != nil {
		return identity{}, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return identity{name: uuid.NewString()}, f.Close()
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(f)
	}
	name := string(text)
	if _, bad := uuid.Parse(name); err == nil && bad != nil {
		name = uuid.NewString()
		_, err = f.WriteAt([]byte(name), 0)
	}
	if err != nil {
		return identity{}, errors.Join(err, f.Close())
	}
	return identity{name, f}, nil
}

// close lets go of the name.
func (i identity) close() error {
	if i.file == nil {
		return nil
	}
	return i.file.Close()
}
