package wall

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsAway reports whether an error says that the database could not be reached,
// ended the connection, or has none left: nothing is wrong with what was asked,
// and the same may work soon. Whether a statement that was under way had its
// effect is not known.
func IsAway(err error) bool {
	if errors.Is(err, errClockSet) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // whatever it is that keeps us out
	}
	if e, answered := errors.AsType[*pgconn.PgError](err); answered {
		return isAwayCode(e.Code)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true // also what took longer than its context allows
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// IsTooSlow reports whether the database broke a statement off because it took too
// long, by itself or because of what others held.
func IsTooSlow(err error) bool {
	e, answered := errors.AsType[*pgconn.PgError](err)
	return answered && (e.Code == "57014" || e.Code == "55P03") // query_canceled, lock_not_available
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
// database is away, or was too slow, or is short of something, such as room on its
// disk. The same will work when that has passed.
func IsPassing(err error) bool {
	if IsAway(err) || IsTooSlow(err) {
		return true
	}
	e, answered := errors.AsType[*pgconn.PgError](err)
	return answered && (strings.HasPrefix(e.Code, "53") || strings.HasPrefix(e.Code, "58")) // insufficient resources, system errors
}

// isAwayCode reports whether an SQLSTATE is about the server or the connection,
// and not about a statement.
func isAwayCode(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P05", // it stops, crashed, starts, or has waited for us for too long
		"53300", // too many connections
		"25006", // it takes no changes, because it is a standby by now, or its operator said so
		"25P03": // a transaction that was left alone for too long
		return true
	}
	return strings.HasPrefix(code, "08") // connection exceptions
}
