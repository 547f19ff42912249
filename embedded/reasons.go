package embedded

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// errFull says that there is no room left on the disk of the data directory.
var errFull = errors.New("the disk is full")

// little is how much room there must be on a disk that is not taken for full:
// four files of the write-ahead log. What PostgreSQL lacked it gives back in part
// when it ends, and it does not always say in its log what that was.
const little = 64 << 20

// roomOn returns how much room there is for us on the disk of a directory, in
// bytes, or a lot if that cannot be told.
func roomOn(dir string) uint64 {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 1 << 62
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize) //nolint:unconvert // their types differ between systems
}

// A reason is what PostgreSQL says when it does not start, and what to do then.
type reason struct {
	says, do string
	err      error // that it is, or nil
}

// reasons are those that operators meet, the first that fits counting.
var reasons = []reason{
	{"No space left on device", "the disk of %s is full: make room, and it goes on by itself", errFull},
	{"Disk quota exceeded", "the disk quota of the account that PostgreSQL runs as is used up at %s: raise it, and it goes on by itself", errFull},
	{"invalid locale name", "the locale C.UTF-8, which text is kept in, is not installed here for %s: install it (Debian: the package libc-bin has it; Red Hat: glibc-minimal-langpack), or use a PostgreSQL of your own with --database-url", nil},
	{"could not look up effective user ID", "the user number that PostgreSQL would run as has no name, and initdb needs one to make %s: add an entry for the number to /etc/passwd, run rowhouse as a user who has one, or use a PostgreSQL of your own with --database-url", nil},
	{"could not open shared memory segment", "PostgreSQL cannot make shared memory in /dev/shm for %s: mount it so that the account can write there (docker run --shm-size=256m), or use a PostgreSQL of your own with --database-url", nil},
	{"could not resize shared memory segment", "/dev/shm is too small for the PostgreSQL of %s: give it at least 64 MB (docker run --shm-size=256m)", nil},
	{"could not map anonymous shared memory", "there is not enough memory for the PostgreSQL of %s, which takes 300 MB to start: give this machine or container at least 512 MB", nil},
	{"could not create shared memory segment", "the kernel gives no shared memory to the PostgreSQL of %s: raise kernel.shmmax and kernel.shmmni, or the memory of the container", nil},
	{"could not create semaphores", "the kernel gives no semaphores to the PostgreSQL of %s: raise kernel.sem", nil},
	{"has invalid permissions", "the data directory %s can be read or changed by other accounts, which PostgreSQL refuses: run chmod 0700 on it", nil},
	{"has wrong ownership", "the data directory %s belongs to another account than the one that PostgreSQL runs as: give it back with chown", nil},
	{"Read-only file system", "the file system of %s can only be read: mount it so that it can be written to, or choose another data directory with --data", nil},
	{"Too many open files", "the account that PostgreSQL runs as may not open enough files for %s: raise the limit (ulimit -n) to at least 4096", nil},
	{"is not compatible with this version", "the data in %s was made by another PostgreSQL: install the programs of that one, or bring the data to this one with pg_upgrade", nil},
	{"could not locate a valid checkpoint record", "the write-ahead log in %s is damaged: put a backup back", nil},
	{"could not find the database system", "files are missing in %s: put a backup back", nil},
}

// explainOutput adds to an error what the words of PostgreSQL mean, in a sentence
// that says what to do.
func explainOutput(err error, words, dir string) error {
	for _, r := range reasons {
		if !strings.Contains(words, r.says) {
			continue
		}
		say := fmt.Sprintf(r.do, dir)
		if r.err != nil {
			return fmt.Errorf("%w: %s (%w)\n%s", r.err, say, err, words)
		}
		return fmt.Errorf("%s (%w)\n%s", say, err, words)
	}
	if roomOn(dir) < little {
		return fmt.Errorf("%w: the disk of %s is full: make room, and it goes on by itself (%w)\n%s", errFull, dir, err, words)
	}
	return fmt.Errorf("%w\n%s", err, words)
}

// explainEnd says why the server ended while it was starting.
func (s *Server) explainEnd(c *child) error {
	err := c.failure()
	if err == nil {
		err = errors.New("somebody has shut it down")
	}
	return explainOutput(fmt.Errorf("the server ended while it was starting: %w", err), s.output.tail(), s.dataDir())
}
