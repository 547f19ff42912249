package esdb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestAppendSends(t *testing.T) {
	t.Parallel()
	var got proposal
	var header metadata.MD
	c := client(t, Config{ConnectionName: "test"}, serve(t, &stub{append: func(ss streams.Streams_AppendServer) error {
		header, _ = metadata.FromIncomingContext(ss.Context())
		got = proposed(t, ss)
		return success(ss, 8, 4711)
	}}))
	events := []Event{event(`{"a":1}`), {ID: event("").ID, Type: "raw", Data: []byte{0xff}}}
	done, err := c.Append(within(t, 5*time.Second), "s-1", 6, events)
	if err != nil || done != (Appended{Revision: 8, Position: Position{Commit: 4711, Prepare: 4711}}) {
		t.Fatal(done, err)
	}
	if got.options.GetRevision() != 6 || string(got.options.GetStreamIdentifier().GetStreamName()) != "s-1" || len(got.events) != 2 {
		t.Fatal(got)
	}
	for i, e := range got.events {
		if fromWire(e.GetId()) != events[i].ID || string(e.GetData()) != string(events[i].Data) ||
			string(e.GetCustomMetadata()) != string(events[i].Meta) || e.GetMetadata()["type"] != events[i].Type {
			t.Error(e)
		}
	}
	if got.events[0].GetMetadata()["content-type"] != contentJSON || got.events[1].GetMetadata()["content-type"] != contentBytes {
		t.Error(got.events)
	}
	if !slices.Equal(header.Get("requires-leader"), []string{"true"}) || first(header, "connection-name") != "test" {
		t.Error(header)
	}
	if header.Get("authorization") != nil {
		t.Error("credentials in the clear")
	}
	if _, err := c.Append(within(t, 5*time.Second), "s-1", NoStream, events[:1]); err != nil || got.options.GetNoStream() == nil {
		t.Error(err, got.options)
	}
}

func TestAppendIsNotSent(t *testing.T) {
	t.Parallel()
	c := client(t, Config{MaxAppendBytes: 1000}, serve(t, &stub{append: func(ss streams.Streams_AppendServer) error {
		proposed(t, ss)
		return success(ss, 0, 1)
	}}))
	ctx := within(t, 5*time.Second)
	fits := Event{Type: strings.Repeat("t", 100), Data: make([]byte, 500), Meta: make([]byte, 300)}
	if _, err := c.Append(ctx, "s", NoStream, []Event{fits}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Append(ctx, "s", NoStream, []Event{fits, {Data: []byte("x")}})
	if e, ok := errors.AsType[*TooLarge](err); !ok || *e != (TooLarge{Size: 1001, Limit: 1000}) || !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	for _, bad := range []struct {
		stream   string
		expected int64
		events   []Event
	}{{"s", 0, nil}, {"", 0, []Event{fits}}, {"s", -2, []Event{fits}}} {
		if _, err := c.Append(ctx, bad.stream, bad.expected, bad.events); err == nil {
			t.Error(bad, "was sent")
		}
	}
}

// TestAppendRefused says what callers see of the server's errors. None of them
// is retried.
func TestAppendRefused(t *testing.T) {
	t.Parallel()
	wrong := func(w *streams.AppendResp_WrongExpectedVersion) func(streams.Streams_AppendServer) error {
		return func(ss streams.Streams_AppendServer) error {
			return ss.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}})
		}
	}
	fails := func(code codes.Code, trailer ...string) func(streams.Streams_AppendServer) error {
		return func(ss streams.Streams_AppendServer) error {
			ss.SetTrailer(metadata.Pairs(trailer...))
			return status.Error(code, "x")
		}
	}
	conflict := func(actual int64) func(error) bool {
		return func(err error) bool {
			c, ok := errors.AsType[*Conflict](err)
			return ok && *c == Conflict{Stream: "s", Expected: 3, Actual: actual}
		}
	}
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	for name, test := range map[string]struct {
		answer func(streams.Streams_AppendServer) error
		want   func(error) bool
	}{
		"at another": {wrong(&streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 5},
		}), conflict(5)},
		"at revision 0": {wrong(&streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentRevision{},
		}), conflict(0)},
		"no stream": {wrong(&streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}},
		}), conflict(NoStream)},
		"says nothing": {wrong(&streams.AppendResp_WrongExpectedVersion{}), conflict(NoStream)},
		"conflict in trailer": {fails(codes.FailedPrecondition, "exception", "wrong-expected-version", "stream-name", "s",
			"expected-version", "3", "actual-version", "7"), conflict(7)},
		"actual version empty": {fails(codes.FailedPrecondition, "exception", "wrong-expected-version", "stream-name", "s",
			"expected-version", "3", "actual-version", ""), conflict(NoStream)},
		"tombstone": {fails(codes.FailedPrecondition, "exception", "stream-deleted"), is(ErrDeleted)},
		"too large": {
			fails(codes.InvalidArgument, "exception", "maximum-append-size-exceeded", "maximum-append-size", "77"),
			func(err error) bool {
				e, ok := errors.AsType[*TooLarge](err)
				return ok && e.Limit == 77 && errors.Is(err, ErrTooLarge)
			},
		},
		"one too large":   {fails(codes.InvalidArgument, "exception", "maximum-append-event-size-exceeded"), is(ErrTooLarge)},
		"access denied":   {fails(codes.PermissionDenied, "exception", "access-denied"), is(ErrAccessDenied)},
		"bare denial":     {fails(codes.PermissionDenied), is(ErrAccessDenied)},
		"unauthenticated": {fails(codes.Unauthenticated), is(ErrUnauthenticated)},
		"deadline":        {fails(codes.DeadlineExceeded), is(context.DeadlineExceeded)},
		"nothing at all":  {func(ss streams.Streams_AppendServer) error { return ss.SendAndClose(&streams.AppendResp{}) }, isFault},
		"internal":        {fails(codes.Internal), isFault},
		"unknown":         {fails(codes.Unknown, "exception", "something-new"), isFault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c := client(t, Config{}, serve(t, &stub{append: func(ss streams.Streams_AppendServer) error {
				calls.Add(1)
				proposed(t, ss)
				return test.answer(ss)
			}}))
			_, err := c.Append(within(t, 5*time.Second), "s", 3, []Event{event("x")})
			if err == nil || !test.want(err) || calls.Load() != 1 {
				t.Errorf("got %v after %d calls", err, calls.Load())
			}
		})
	}
}

func isFault(err error) bool {
	for _, e := range []error{ErrNotFound, ErrDeleted, ErrTooLarge, ErrNotLeader, ErrUnavailable, ErrAccessDenied, ErrUnauthenticated, ErrClosed, context.Canceled} {
		if errors.Is(err, e) {
			return false
		}
	}
	_, conflict := errors.AsType[*Conflict](err)
	return !conflict
}

// TestAppendAgain: an answer that leaves the outcome open is followed by the
// very same append, until there is an answer that does not.
func TestAppendAgain(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"unavailable":       unavailable(),
		"server timeout":    status.Error(codes.Aborted, "Operation timed out: CommitTimeout"),
		"server going away": status.Error(codes.Canceled, "Call canceled by the server."),
		"stream reset":      status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR"),
		"election":          status.Error(codes.Unknown, "No leader info available in response"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []proposal
			c := client(t, Config{}, serve(t, &stub{append: func(ss streams.Streams_AppendServer) error {
				seen = append(seen, proposed(t, ss))
				if len(seen) < 3 {
					return failure
				}
				return success(ss, 4, 9)
			}}))
			events := []Event{event("a"), event("b")}
			done, err := c.Append(within(t, 10*time.Second), "s", 2, events)
			if err != nil || done.Revision != 4 || len(seen) != 3 {
				t.Fatal(done, err, len(seen))
			}
			for _, p := range seen {
				if p.options.GetRevision() != 2 || fromWire(p.events[0].GetId()) != events[0].ID || fromWire(p.events[1].GetId()) != events[1].ID {
					t.Error(p)
				}
			}
		})
	}
}

// TestDeadlines: nobody waits beyond their own context, whatever the server does.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	addr := serve(t, &stub{
		append: func(ss streams.Streams_AppendServer) error { return hang(ss.Context()) },
		read:   func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error { return hang(ss.Context()) },
	})
	for name, addrs := range map[string][]string{
		"silent":  {addr},
		"refused": {"127.0.0.1:1"},
		"cluster": {"127.0.0.1:1", "127.0.0.1:2"},
		"no DNS":  {"no-such-host.invalid:1"},
		"nowhere": {"192.0.2.1:2113"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := map[string]func(context.Context, *Client) error{
				"append": func(ctx context.Context, c *Client) error {
					_, err := c.Append(ctx, "s", 0, []Event{event("x")})
					return err
				},
				"ping": func(ctx context.Context, c *Client) error { return c.Ping(ctx) },
				"read": func(ctx context.Context, c *Client) error {
					for _, err := range c.ReadStream(ctx, "s", 0, 0) {
						return err
					}
					return nil
				},
			}
			for call, do := range calls {
				c := client(t, Config{DefaultDeadline: 150 * time.Millisecond}, addrs...)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				start := time.Now()
				if err := do(ctx, c); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
					t.Errorf("%s: %v after %v", call, err, time.Since(start))
				}
				cancel()
				if err := do(t.Context(), c); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
					t.Errorf("%s with the default deadline: %v after %v", call, err, time.Since(start))
				}
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(20*time.Millisecond, cancel)
				if err := do(ctx, c); !errors.Is(err, context.Canceled) {
					t.Errorf("%s cancelled: %v", call, err)
				}
			}
		})
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	answer := func(code codes.Code, trailer ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			if code == codes.OK {
				return nil
			}
			_ = grpc.SetTrailer(ctx, metadata.Pairs(trailer...))
			return status.Error(code, "x")
		}
	}
	for name, test := range map[string]struct {
		answer            func(context.Context) error
		delete, tombstone error
	}{
		"fine":         {answer(codes.OK), nil, nil},
		"gone already": {answer(codes.FailedPrecondition, "exception", "stream-deleted"), ErrDeleted, nil},
		"never was": {
			answer(codes.FailedPrecondition, "exception", "wrong-expected-version", "expected-version", "-2", "actual-version", "-1"),
			ErrNotFound, &Conflict{Expected: -2, Actual: -1},
		},
		"not allowed": {answer(codes.PermissionDenied), ErrAccessDenied, ErrAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, Config{}, serve(t, &stub{delete: test.answer, tombstone: test.answer}))
			ctx := within(t, 5*time.Second)
			if err := c.Delete(ctx, "s"); !errors.Is(err, test.delete) {
				t.Error(err)
			}
			err := c.Tombstone(ctx, "s")
			if want, ok := errors.AsType[*Conflict](test.tombstone); ok {
				if got, ok := errors.AsType[*Conflict](err); !ok || *got != *want {
					t.Error(err)
				}
			} else if !errors.Is(err, test.tombstone) {
				t.Error(err)
			}
		})
	}
}

func TestServerVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		version string
		err     error
		want    string
		is      error
	}{
		"released": {version: "23.10.8", want: "23.10.8"},
		"own":      {version: "26.1.0-prerelease", want: "26.1.0-prerelease"},
		"old":      {err: status.Error(codes.Unimplemented, "x")},
		"proxy":    {err: status.Error(codes.NotFound, "x")},
		"denied":   {err: status.Error(codes.PermissionDenied, "x"), is: ErrAccessDenied},
	} {
		c := client(t, Config{}, serve(t, &stub{features: func() (string, error) { return test.version, test.err }}))
		if v, err := c.ServerVersion(within(t, 5*time.Second)); v != test.want || !errors.Is(err, test.is) {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}

// TestWritesWait: only so many are under way, others wait no longer than they
// want to, and neither reads nor Close wait for them.
func TestWritesWait(t *testing.T) {
	t.Parallel()
	var under atomic.Int32
	arrived := make(chan struct{}, 100)
	c := client(t, Config{MaxWrites: 3}, serve(t, &stub{
		append: func(ss streams.Streams_AppendServer) error {
			if n := under.Add(1); n > 3 {
				t.Error(n, "at a time")
			}
			defer under.Add(-1)
			arrived <- struct{}{}
			<-ss.Context().Done()
			return ss.Context().Err()
		},
		read: func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error { return ss.Send(notFound()) },
	}))
	ended := make(chan error, 10)
	for range 10 {
		go func() {
			_, err := c.Append(t.Context(), "s", NoStream, []Event{event("x")})
			ended <- err
		}()
	}
	for range 3 {
		<-arrived
	}
	if err := c.Ping(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	_, err := c.Append(within(t, 20*time.Millisecond), "s", NoStream, []Event{event("x")})
	if !errors.Is(err, context.DeadlineExceeded) || len(arrived) > 0 {
		t.Error(err, len(arrived))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for range 10 {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}
