package esdb

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func notFound() *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{}}}
}

// oddities are messages that no read may stumble over.
func oddities() []*streams.ReadResp {
	return []*streams.ReadResp{
		{},
		{Content: &streams.ReadResp_Event{}},
		{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{}}},
		{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{Link: &streams.ReadResp_ReadEvent_RecordedEvent{}}}},
		{Content: &streams.ReadResp_FirstStreamPosition{FirstStreamPosition: 1}},
		{Content: &streams.ReadResp_LastStreamPosition{LastStreamPosition: 1}},
		{Content: &streams.ReadResp_LastAllStreamPosition{}},
		{Content: &streams.ReadResp_FellBehind_{}},
		{Content: &streams.ReadResp_Checkpoint_{}},
	}
}

func revisions(t *testing.T, c *Client, from uint64, limit int) (got []uint64, err error) {
	t.Helper()
	for r, err := range c.ReadStream(within(t, 10*time.Second), "s", from, limit) {
		if err != nil {
			return got, err
		}
		got = append(got, r.Revision)
	}
	return got, nil
}

// TestReadStreamGoesOn: a connection that drops in the middle is not seen.
func TestReadStreamGoesOn(t *testing.T) {
	t.Parallel()
	const last = 9
	c := client(t, Config{}, serve(t, &stub{read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
		if err := sendAll(ss, oddities()...); err != nil {
			return err
		}
		from := r.GetOptions().GetStream().GetRevision()
		for n := range r.GetOptions().GetCount() {
			switch {
			case from+n > last:
				return nil
			case n == 3:
				return unavailable()
			}
			if err := ss.Send(at("s", from+n, 100+from+n)); err != nil {
				return err
			}
		}
		return nil
	}}))
	for _, test := range []struct {
		from  uint64
		limit int
		want  []uint64
	}{
		{0, 0, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{7, 0, []uint64{7, 8, 9}},
		{2, 5, []uint64{2, 3, 4, 5, 6}},
		{9, 1, []uint64{9}},
		{10, 0, nil},
		{math.MaxUint64, 0, nil},
	} {
		if got, err := revisions(t, c, test.from, test.limit); err != nil || !slices.Equal(got, test.want) {
			t.Error(test, got, err)
		}
	}
	for r, err := range c.ReadStream(within(t, 10*time.Second), "s", 0, 0) {
		if err != nil || r.Revision > 4 {
			t.Fatal(r, err)
		}
		if r.Revision == 4 {
			break
		}
	}
}

// TestReadAllBeginsAfter: the server begins at the position itself, counts what
// the client leaves out, and drops the connection.
func TestReadAllBeginsAfter(t *testing.T) {
	t.Parallel()
	log := []*streams.ReadResp{at("a-1", 0, 10), at("a-2", 0, 20), at("ab-1", 0, 30), at("a-1", 1, 40), at("$x", 0, 50), at("a-1", 2, 60)}
	drops := 0
	c := client(t, Config{}, serve(t, &stub{read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
		o, n := r.GetOptions(), uint64(0)
		if o.GetFilter().GetMax() != filterWindow || o.GetUuidOption().GetStructured() == nil {
			t.Error(o)
		}
		for _, m := range log {
			if m.GetEvent().GetEvent().GetCommitPosition() < o.GetAll().GetPosition().GetCommitPosition() {
				continue
			}
			if n++; n > o.GetCount() {
				return nil
			}
			if n == 3 && drops == 0 {
				drops++
				return unavailable()
			}
			if err := ss.Send(m); err != nil {
				return err
			}
		}
		return nil
	}}))
	for _, test := range []struct {
		after  uint64
		filter Filter
		limit  int
		want   []uint64
	}{
		{0, Filter{Regex: "."}, 0, []uint64{10, 20, 30, 40, 50, 60}},
		{0, Filter{}, 0, []uint64{10, 20, 30, 40, 60}},
		{0, Filter{Prefixes: []string{"a-"}}, 0, []uint64{10, 20, 40, 60}},
		{0, Filter{Prefixes: []string{"a-", "ab-"}}, 3, []uint64{10, 20, 30}},
		{20, Filter{Prefixes: []string{"a-"}}, 2, []uint64{40, 60}},
		{40, Filter{}, 1, []uint64{60}},
		{60, Filter{}, 1, nil},
	} {
		drops = 0
		var got []uint64
		for r, err := range c.ReadAll(within(t, 10*time.Second), Position{test.after, test.after}, test.filter, test.limit) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Position.Commit)
		}
		if !slices.Equal(got, test.want) {
			t.Error(test, got)
		}
	}
}

func TestReadRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer     func(streams.Streams_ReadServer) error
		read, last error
		revision   int64
	}{
		"none": {func(ss streams.Streams_ReadServer) error { return ss.Send(notFound()) }, ErrNotFound, nil, NoStream},
		"none, in the trailer": {func(ss streams.Streams_ReadServer) error {
			ss.SetTrailer(metadata.Pairs("exception", "stream-not-found"))
			return status.Error(codes.NotFound, "x")
		}, ErrNotFound, nil, NoStream},
		"tombstone": {func(ss streams.Streams_ReadServer) error {
			ss.SetTrailer(metadata.Pairs("exception", "stream-deleted"))
			return status.Error(codes.FailedPrecondition, "x")
		}, ErrDeleted, ErrDeleted, NoStream},
		"all hidden": {func(streams.Streams_ReadServer) error { return nil }, nil, nil, NoStream},
		"there":      {func(ss streams.Streams_ReadServer) error { return ss.Send(at("s", 12, 1)) }, nil, nil, 12},
		"denied": {func(streams.Streams_ReadServer) error {
			return status.Error(codes.PermissionDenied, "x")
		}, ErrAccessDenied, ErrAccessDenied, NoStream},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked *streams.ReadReq_Options
			c := client(t, Config{}, serve(t, &stub{read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
				asked = r.GetOptions()
				return test.answer(ss)
			}}))
			if _, err := revisions(t, c, 0, 0); !errors.Is(err, test.read) {
				t.Error(err)
			}
			last, err := c.LastRevision(within(t, 5*time.Second), "s")
			if last != test.revision || !errors.Is(err, test.last) {
				t.Error(last, err)
			}
			if asked.GetReadDirection() != streams.ReadReq_Options_Backwards || asked.GetStream().GetEnd() == nil || asked.GetCount() != 1 {
				t.Error(asked)
			}
		})
	}
}

// TestReadWaits: without a deadline a read may take as long as its consumer
// likes, but not wait for ever for the next event.
func TestReadWaits(t *testing.T) {
	t.Parallel()
	c := client(t, Config{DefaultDeadline: 200 * time.Millisecond}, serve(t, &stub{read: func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error {
		_ = sendAll(ss, at("s", 0, 1), at("s", 1, 2))
		<-ss.Context().Done()
		return ss.Context().Err()
	}}))
	n := 0
	for _, err := range c.ReadStream(t.Context(), "s", 0, 0) {
		if err != nil {
			if n != 2 || !errors.Is(err, context.DeadlineExceeded) {
				t.Error(n, err)
			}
			return
		}
		n++
		<-time.After(300 * time.Millisecond)
	}
	t.Error("it ended")
}

func TestRecorded(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	full := &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: toWire(id), StreamIdentifier: identifier("s-1"), StreamRevision: 3, CommitPosition: 9, PreparePosition: 8,
		Metadata: map[string]string{"type": "t", "content-type": contentJSON, "created": "16094592001234567"},
		Data:     []byte("d"), CustomMetadata: []byte("m"),
	}
	got := recorded(full)
	if got.ID != id || got.Type != "t" || !got.JSON || string(got.Data) != "d" || string(got.Meta) != "m" || got.Stream != "s-1" ||
		got.Revision != 3 || got.Position != (Position{9, 8}) || !got.Time.Equal(time.Date(2021, 1, 1, 0, 0, 0, 123456700, time.UTC)) {
		t.Error(got)
	}
	for name, e := range map[string]*streams.ReadResp_ReadEvent_RecordedEvent{
		"nil": nil, "empty": {},
		"no position": {CommitPosition: math.MaxUint64, PreparePosition: math.MaxUint64},
		"nonsense":    {Id: &shared.UUID{Value: &shared.UUID_String_{String_: "x"}}, Metadata: map[string]string{"created": "yesterday"}},
	} {
		if got := recorded(e); got.ID != uuid.Nil || got.Position != (Position{}) || !got.Time.IsZero() || got.JSON {
			t.Error(name, got)
		}
	}
	if got := recorded(&streams.ReadResp_ReadEvent_RecordedEvent{Id: &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}}); got.ID != id {
		t.Error(got.ID)
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	ordered := []Position{{}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {math.MaxUint64, math.MaxUint64}}
	for i, p := range ordered {
		if back, err := ParsePosition(p.String()); err != nil || back != p {
			t.Error(p, back, err)
		}
		for j, q := range ordered {
			if p.After(q) != (i > j) || (p.Compare(q) == 0) != (i == j) {
				t.Error(p, q)
			}
		}
	}
	for _, bad := range []string{"", "1/2", "C:1", "C:1/P:", "C:-1/P:1", "P:1/C:1", "C:1/P:2/", "C:1/P:18446744073709551616"} {
		if p, err := ParsePosition(bad); err == nil {
			t.Error(bad, p)
		}
	}
}

// FuzzRecorded feeds what a server may send, however broken, to what reads it.
func FuzzRecorded(f *testing.F) {
	for _, m := range append(oddities(), at("s", 1, 2), checkpoint(3), caughtUp(), confirmed(), notFound()) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m streams.ReadResp
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		r := recorded(m.GetEvent().GetEvent())
		if y := r.Time.Year(); !r.Time.IsZero() && r.Time.Location() != time.UTC {
			t.Error(y)
		}
		_ = size(&m)
		s := subscription{client: &Client{cfg: Config{}.withDefaults()}}
		msg := Message{Position: Position{Commit: 5, Prepare: 5}}
		s.add(t.Context(), &msg, &m)
		if !msg.Position.After(Position{Commit: 5, Prepare: 4}) {
			t.Error("back to", msg.Position)
		}
	})
}
