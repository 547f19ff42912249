package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server runs as. PostgreSQL refuses to run as root, so root
// lends it another account; everybody else runs it as themselves, which is the
// zero account.
type account struct {
	name     string
	uid, gid int
	other    bool // than the one of this process
}

// lend chooses the account: the owner of the data if there is any, or else one
// that exists for the purpose.
func lend(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	names := []string{"postgres", "nobody"}
	if uid := owner(dataDir); uid > 0 {
		name, ok := nameOf(uid)
		if !ok { // the server needs none
			return account{name: "number " + strconv.Itoa(uid), uid: uid, gid: group(dataDir), other: true}, nil
		}
		names = []string{name}
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, err
		}
		return account{name: name, uid: uid, gid: gid, other: true}, nil
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root, and none of the accounts %v exists: create one, or run rowhouse as another user", names)
}

// give makes the account the owner of a file or directory.
func (a account) give(path string) error {
	if !a.other {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// owner returns the number of the user who owns a file, or -1.
func owner(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// group returns the number of the group that a file belongs to, or -1.
func group(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}

// explain says what to do about a directory that we may not use.
func explain(err error, dir string) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for owner(dir) < 0 && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir) // it could not be made in there
	}
	return fmt.Errorf("%w: %s belongs to %s: run as that user, or choose another data directory", err, dir, username(owner(dir)))
}

// nameOf returns the name of a user number, if it has one.
func nameOf(uid int) (string, bool) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", false
	}
	return u.Username, true
}

func username(uid int) string {
	if name, ok := nameOf(uid); ok {
		return "the user " + name
	}
	return fmt.Sprintf("user number %d", uid)
}

// explainStart says why a program could not be started as another account.
func explainStart(err error, s *Server) error {
	switch {
	case !s.account.other || !errors.Is(err, fs.ErrPermission):
		return err
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: this root may not change to the user %s, as PostgreSQL needs it (a container without the SETUID capability?): run rowhouse as an ordinary user, or give it your own database with --database-url", err, s.account.name)
	default:
		return fmt.Errorf("%w: PostgreSQL runs as the user %s, who cannot reach %s or %s: choose a data directory that everybody can enter, such as /var/lib/rowhouse", err, s.account.name, s.dir, s.programs.Dir)
	}
}
