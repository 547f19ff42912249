package esdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What the server may refuse. Everything else is a fault.
var (
	ErrNotFound        = errors.New("esdb: no such stream")
	ErrDeleted         = errors.New("esdb: stream is deleted for good")
	ErrTooLarge        = errors.New("esdb: append is too large")
	ErrAccessDenied    = errors.New("esdb: access denied")
	ErrUnauthenticated = errors.New("esdb: credentials missing or not accepted")

	// ErrNotLeader and ErrUnavailable are retried for as long as the context of
	// the caller lasts. ErrUnavailable leaves open whether a write was made; the
	// same append, with the same IDs, finds out.
	ErrNotLeader   = errors.New("esdb: node is not the leader")
	ErrUnavailable = errors.New("esdb: no answer from the server")

	// ErrClosed is returned by calls on a client that was closed, also by those
	// that were under way. Whether a write was made is left open.
	ErrClosed = errors.New("esdb: client is closed")
)

// Conflict is returned by an append to a stream that is not at the revision
// that was expected. [NoStream] stands for a stream without events.
type Conflict struct {
	Stream           string
	Expected, Actual int64
}

// Error does not name the stream, so that it may be logged.
func (c *Conflict) Error() string {
	return fmt.Sprintf("esdb: stream is at revision %d, not %d", c.Actual, c.Expected)
}

// TooLarge is returned by an append that is larger than the server accepts, in
// bytes as [Event.Size] counts. It is an [ErrTooLarge]. Size is 0 if the server
// found out, and Limit if it did not say.
type TooLarge struct{ Size, Limit int }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("%v: %d bytes, %d allowed", ErrTooLarge, e.Size, e.Limit)
}

// Is makes it an [ErrTooLarge].
func (*TooLarge) Is(target error) bool { return target == ErrTooLarge }

// notLeader is an [ErrNotLeader] of a server that knows who is, or does not.
type notLeader struct{ leader string }

func (e *notLeader) Error() string      { return ErrNotLeader.Error() + "; leader: " + e.leader }
func (*notLeader) Is(target error) bool { return target == ErrNotLeader }

// exceptions are the refusals that the server names in the trailer.
var exceptions = map[string]func(metadata.MD) error{
	"stream-deleted":   func(metadata.MD) error { return ErrDeleted },
	"stream-not-found": func(metadata.MD) error { return ErrNotFound },
	"access-denied":    func(metadata.MD) error { return ErrAccessDenied },
	"maximum-append-size-exceeded": func(t metadata.MD) error {
		return &TooLarge{Limit: int(number(t, "maximum-append-size", 0))}
	},
	"maximum-append-event-size-exceeded": func(t metadata.MD) error {
		return &TooLarge{Limit: int(number(t, "maximum-append-event-size", 0))}
	},
	"wrong-expected-version": func(t metadata.MD) error {
		return &Conflict{
			Stream:   first(t, "stream-name"),
			Expected: number(t, "expected-version", NoStream),
			Actual:   number(t, "actual-version", NoStream),
		}
	},
	"not-leader": func(t metadata.MD) error {
		host, port := first(t, "leader-endpoint-host"), number(t, "leader-endpoint-port", 0)
		if host == "" || port < 1 || port > 65535 {
			return &notLeader{}
		}
		return &notLeader{leader: net.JoinHostPort(host, strconv.FormatInt(port, 10))}
	},
}

// translate turns the end of a call into one of the errors above, if it is one.
func translate(err error, trailer metadata.MD) error {
	if err == nil {
		return nil
	}
	if f, ok := exceptions[first(trailer, "exception")]; ok {
		return f(trailer)
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case codes.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	case codes.Unavailable, codes.ResourceExhausted: // it has no time or room for us now
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case codes.Aborted: // the server gave up waiting for its own write: it may still be made
		return fmt.Errorf("%w, outcome unknown: %w", ErrUnavailable, err)
	case codes.PermissionDenied:
		return fmt.Errorf("%w: %w", ErrAccessDenied, err)
	case codes.Unauthenticated:
		return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	default:
		if broken(s) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return fmt.Errorf("esdb: %w", err)
	}
}

// broken says whether a status is the way in which a connection that was cut,
// an election, or a disk that takes nothing shows.
func broken(s *status.Status) bool {
	switch s.Code() {
	case codes.Internal:
		return says(s, "RST_STREAM") || says(s, disk...)
	case codes.Unknown, codes.FailedPrecondition, codes.DataLoss:
		return says(s, "No leader info available") || says(s, disk...)
	default:
		return false
	}
}

// disk is what .NET says of a disk that is full, fails, or takes no writes, on
// Linux and on Windows. The server has no status of its own for that.
var disk = []string{
	"No space left on device", "There is not enough space on the disk", "Disk quota exceeded",
	"Read-only file system", "The media is write protected", "Input/output error", "I/O error",
}

func says(s *status.Status, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s.Message(), w) })
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func number(md metadata.MD, key string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(first(md, key), 10, 64); err == nil {
		return n
	}
	return otherwise
}
