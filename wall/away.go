package wall

import (
	"errors"
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

// isAwayCode reports whether an SQLSTATE is about the server or the connection,
// and not about a statement.
func isAwayCode(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P05", // it stops, crashed, starts, or has waited for us for too long
		"53300", // too many connections
		"25P03": // a transaction that was left alone for too long
		return true
	}
	return strings.HasPrefix(code, "08") // connection exceptions
}
