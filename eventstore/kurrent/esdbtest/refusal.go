package esdbtest

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// refusal is an answer that is not the one asked for, in the server's words
// (RpcExceptions.cs): what matters to clients is in the trailer.
type refusal struct {
	code    codes.Code
	message string
	trailer metadata.MD
}

func (r *refusal) Error() string              { return r.message }
func (r *refusal) GRPCStatus() *status.Status { return status.New(r.code, r.message) }

func refuse(code codes.Code, message, exception string, pairs ...string) *refusal {
	r := &refusal{code: code, message: message}
	if exception != "" {
		r.trailer = metadata.Pairs(append([]string{"exception", exception}, pairs...)...)
	}
	return r
}

// thrown is what Kestrel makes of any other exception.
func thrown() *refusal {
	return refuse(codes.Unknown, "Exception was thrown by handler.", "")
}

func ended(ctx context.Context) error { return status.FromContextError(ctx.Err()).Err() }

func invalid(what, kind string) *refusal {
	return refuse(codes.InvalidArgument, fmt.Sprintf("'%s' is not a valid %s", what, kind), "")
}

func streamDeleted(stream string) *refusal {
	return refuse(codes.FailedPrecondition, fmt.Sprintf("Event stream '%s' is deleted.", stream),
		"stream-deleted", "stream-name", stream)
}

func notLeader(leader *Server) *refusal {
	if leader == nil || !leader.alive() {
		return refuse(codes.Unknown, "No leader info available in response", "")
	}
	return refuse(codes.NotFound, "Leader info available", "not-leader",
		"leader-endpoint-host", leader.host(), "leader-endpoint-port", strconv.Itoa(leader.port()))
}

func accessDenied() *refusal {
	return refuse(codes.PermissionDenied, "Access Denied", "access-denied")
}

func unauthenticated() *refusal {
	return refuse(codes.Unauthenticated, "Bad gRPC response. HTTP status code: 401", "")
}

func appendTooLarge(limit int) *refusal {
	return refuse(codes.InvalidArgument, fmt.Sprintf("Maximum Append Size of %d Exceeded.", limit),
		"maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(limit))
}

func eventTooLarge(id string, size, limit int) *refusal {
	return refuse(codes.InvalidArgument,
		fmt.Sprintf("Event with Id: %s, Size: %d, exceeds Maximum Append Event Size of %d.", id, size, limit),
		"maximum-append-event-size-exceeded", "maximum-append-event-size", strconv.Itoa(limit),
		"event-id", id, "proposed-append-event-size", strconv.Itoa(size))
}

func propertyMissing(name string) *refusal {
	return refuse(codes.InvalidArgument, fmt.Sprintf("Required Metadata Property '%s' is missing", name),
		"missing-required-metadata-property", "required-metadata-properties", "type,content-type")
}

// wrongVersion is a lost race. An append answers it as a result, a delete as
// an error.
type wrongVersion struct {
	stream           string
	expected, actual int64
}

func (w *wrongVersion) Error() string {
	return fmt.Sprintf("Delete failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d",
		w.stream, w.expected, w.actual)
}

func (w *wrongVersion) onDelete() *refusal {
	return refuse(codes.FailedPrecondition, w.Error(), "wrong-expected-version", "stream-name", w.stream,
		"expected-version", strconv.FormatInt(w.expected, 10), "actual-version", strconv.FormatInt(w.actual, 10))
}
