package wall

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Trouble is why the database does not do now what it was asked for, although
// nothing is wrong with that: the same may work soon. The zero value is none.
type Trouble string

// The troubles. After each of them but Away, it is known that a statement that was
// under way had no effect.
const (
	Away      Trouble = "away"      // it cannot be reached, or has ended the connection
	DiskFull  Trouble = "disk_full" // it has no room to store anything
	Exhausted Trouble = "exhausted" // it has no memory, connection or file handle left
	IOError   Trouble = "io_error"  // its disk fails
	ReadOnly  Trouble = "read_only" // it takes no changes, such as a standby
)

// Troubles lists all of them.
func Troubles() []Trouble { return []Trouble{Away, DiskFull, Exhausted, IOError, ReadOnly} }

// TroubleOf returns the trouble that an error tells of.
func TroubleOf(err error) Trouble {
	switch {
	case errors.Is(err, errClockSet):
		return Away // the next seals are good
	case errors.Is(err, errStandby):
		return ReadOnly
	}
	e, answered := asPgError(err)
	if answered {
		if t := troubleOf(e); t != "" {
			return t
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return Away // whatever it is that keeps us out
	}
	if answered {
		return ""
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return Away // also what took longer than its context allows
	}
	if pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return Away
	}
	return ""
}

// IsAway reports whether an error tells of a trouble, whichever it is.
func IsAway(err error) bool { return TroubleOf(err) != "" }

// MayPassSoon reports whether an error tells of a trouble that often passes within
// seconds. The others last until somebody does something.
func MayPassSoon(err error) bool {
	t := TroubleOf(err)
	return t == Away || t == Exhausted
}

// IsTooSlow reports whether the database broke a statement off because it took too
// long, by itself or because of what others held.
func IsTooSlow(err error) bool {
	e, answered := asPgError(err)
	if !answered {
		return false
	}
	switch e.Code {
	case "57014", // query_canceled
		"55P03",          // lock_not_available
		"40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// plain makes an error of connecting say what the server said, if it said
// anything, and not what was tried before: that it has no TLS, for instance.
func plain(err error) error {
	connect, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	said, ok := asPgError(err)
	if !ok {
		return err
	}
	return &refusedConnection{fmt.Sprintf("the database at %s takes no connection of %s: %s: %s (SQLSTATE %s)", connect.Config.Host, connect.Config.User, said.Severity, said.Message, said.Code), err}
}

// refusedConnection is an error of connecting, in other words.
type refusedConnection struct {
	text string
	err  error
}

// Error implements [error].
func (r *refusedConnection) Error() string { return r.text }

// Unwrap returns what it was said of.
func (r *refusedConnection) Unwrap() error { return r.err }

// IsPassing reports whether an error says nothing about what was asked: the
// database is in trouble, was too slow, or misses a file. The same will work when
// that has passed.
func IsPassing(err error) bool {
	e, answered := asPgError(err)
	return IsAway(err) || IsTooSlow(err) || answered && strings.HasPrefix(e.Code, "58")
}

// troubles says what the SQLSTATEs mean that are about the server or the
// connection, and not about a statement. Those of two digits are classes.
var troubles = map[string]Trouble{
	"08": Away, // connection exceptions
	"53": Exhausted,

	"57P01": Away, // admin_shutdown
	"57P02": Away, // crash_shutdown
	"57P03": Away, // cannot_connect_now: it starts, stops, or recovers
	"57P04": Away, // database_dropped
	"57P05": Away, // idle_session_timeout
	"25P03": Away, // idle_in_transaction_session_timeout
	"25P04": Away, // transaction_timeout

	"53100": DiskFull,
	"58000": IOError, // system_error
	"58030": IOError,
	"25006": ReadOnly, // read_only_sql_transaction
	"55000": ReadOnly, // object_not_in_prerequisite_state: it recovers
}

func troubleOf(e *pgconn.PgError) Trouble {
	switch {
	case len(e.Code) != 5:
		return ""
	case isStorage(e.File) && e.Code == "XX000":
		return DiskFull // a quota that is used up (EDQUOT), for which PostgreSQL has no code
	case isStorage(e.File) && e.Code == "42501":
		return IOError // a file system that takes no writes (EROFS), likewise
	case e.Code == "54000" && (e.Routine == "GetNewTransactionId" || e.Routine == "GetNewMultiXactId"):
		return ReadOnly // it was not vacuumed for so long that it takes no changes
	case e.Code == "55000" && e.Routine == "exec_stmt_raise":
		return "" // a function of ours speaks of its own objects
	}
	if t, known := troubles[e.Code]; known {
		return t
	}
	return troubles[e.Code[:2]]
}

// isStorage reports whether a source file of PostgreSQL is about files on disk.
func isStorage(file string) bool {
	switch file {
	case "md.c", "fd.c", "slru.c", "xlog.c", "buffile.c", "copydir.c":
		return true
	}
	return false
}

// Detail says in a few words what a trouble is.
func (t Trouble) Detail() string {
	switch t {
	case Away:
		return "the database cannot be reached"
	case DiskFull:
		return "the database has no room left on its disk"
	case Exhausted:
		return "the database has no memory or no connections left"
	case IOError:
		return "the disk of the database fails"
	case ReadOnly:
		return "the database takes no changes"
	}
	return ""
}
