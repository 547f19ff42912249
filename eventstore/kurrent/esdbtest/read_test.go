package esdbtest_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

func TestReadStream(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	w.append("s", none, named("a b c d")...)
	for name, c := range map[string]struct {
		req  *streams.ReadReq
		want string
	}{
		"all of it":               {query("s", 9), "s/0 s/1 s/2 s/3"},
		"some of it":              {query("s", 2), "s/0 s/1"},
		"from a revision":         {query("s", 9, fromRevision(2)), "s/2 s/3"},
		"from past the end":       {query("s", 9, fromRevision(4)), ""},
		"from the end":            {query("s", 9, fromEnd), ""},
		"backwards":               {query("s", 3, backwards, fromEnd), "s/3 s/2 s/1"},
		"backwards from":          {query("s", 9, backwards, fromRevision(1)), "s/1 s/0"},
		"backwards from the past": {query("s", 1, backwards, fromRevision(99)), "s/3"},
		"a missing one":           {query("t", 9), "not-found"},
		"nothing":                 {query("s", 0), "error: Unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			w.must(w.read(c.req), c.want)
		})
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("a-1", none, named("x y")...)
	w.append("b-1", none, event("z"))
	w.append("a-2", none, event("y"))
	third := s.Log()[2].Position
	type e = expression
	for name, c := range map[string]struct {
		req  *streams.ReadReq
		want string
	}{
		"all of it":               {query("$all", 9), "a-1/0 a-1/1 b-1/0 a-2/0"},
		"some of it":              {query("$all", 2), "a-1/0 a-1/1"},
		"from a position, with":   {query("$all", 9, fromPosition(third, third)), "b-1/0 a-2/0"},
		"from between two":        {query("$all", 9, fromPosition(third, 0)), "b-1/0 a-2/0"},
		"from right behind one":   {query("$all", 9, fromPosition(third, third+1)), "a-2/0"},
		"from the end":            {query("$all", 9, fromEnd), ""},
		"backwards":               {query("$all", 2, fromEnd, backwards), "a-2/0 b-1/0"},
		"backwards from, without": {query("$all", 9, fromPosition(third, third), backwards), "a-1/1 a-1/0"},
		"streams by prefix":       {query("$all", 9, filtered(32, 1, false, &e{Prefix: []string{"a-"}})), "a-1/0 a-1/1 a-2/0"},
		"streams by prefixes":     {query("$all", 9, filtered(32, 1, false, &e{Prefix: []string{"b", "a-2"}})), "b-1/0 a-2/0"},
		"streams by pattern":      {query("$all", 9, filtered(32, 1, false, &e{Regex: "-2$"})), "a-2/0"},
		"types by prefix":         {query("$all", 9, filtered(32, 1, true, &e{Prefix: []string{"type-y"}})), "a-1/1 a-2/0"},
		"types by pattern":        {query("$all", 9, filtered(32, 1, true, &e{Regex: "[xz]"})), "a-1/0 b-1/0"},
		"filtered backwards":      {query("$all", 9, fromEnd, backwards, filtered(32, 1, false, &e{Regex: "1$"})), "b-1/0 a-1/1 a-1/0"},
		"limited after filtering": {query("$all", 1, filtered(1, 1, false, &e{Prefix: []string{"a-2"}})), "a-2/0"},
		"by no pattern":           {query("$all", 9, filtered(32, 1, false, &e{Regex: "("})), "error: Unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			w.must(w.read(c.req), c.want)
		})
	}
}

func TestReadRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	filter := filtered(32, 1, false, &expression{Prefix: []string{"a"}})
	for name, req := range map[string]*streams.ReadReq{
		"no options":               {},
		"no form of ids":           query("s", 1, func(o *streams.ReadReq_Options) { o.UuidOption = nil }),
		"no stream":                query("s", 1, func(o *streams.ReadReq_Options) { o.StreamOption = nil }),
		"no start":                 query("s", 1, func(o *streams.ReadReq_Options) { o.GetStream().RevisionOption = nil }),
		"no count":                 query("s", 1, func(o *streams.ReadReq_Options) { o.CountOption = nil }),
		"no word on filters":       query("$all", 1, func(o *streams.ReadReq_Options) { o.FilterOption = nil }),
		"a filter on a stream":     query("s", 1, filter),
		"a backward subscription":  query("$all", 1, live, backwards),
		"a filter with no window":  query("$all", 1, filter, func(o *streams.ReadReq_Options) { o.GetFilter().Window = nil }),
		"a filter with no subject": query("$all", 1, filter, func(o *streams.ReadReq_Options) { o.GetFilter().Filter = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			w.must(w.read(req), "error: InvalidArgument")
		})
	}
	w.must(w.read(query("$all", 1, live, filtered(32, 0, false, &expression{Prefix: []string{"a"}}))), "error: Unknown")
}

func TestAnEventComesBackWhole(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 2, 29, 12, 0, 0, 123456700, time.UTC)
	s := esdbtest.Start(t, esdbtest.WithClock(func() time.Time { return at }))
	w := dial(t, s)
	binary := event("binary")
	binary.JSON = false
	w.append("s", none, event("json"), binary)
	for i, contentType := range []string{"application/json", "application/octet-stream"} {
		r, err := w.open(query("s", 1, fromRevision(uint64(i)))).Recv()
		if err != nil {
			t.Fatal(err)
		}
		want := s.Events("s")[i]
		e := r.GetEvent().GetEvent()
		got := esdbtest.Event{
			Stream: string(e.GetStreamIdentifier().GetStreamName()), Number: int64(e.GetStreamRevision()),
			ID: want.ID, Type: e.GetMetadata()["type"], JSON: want.JSON, Data: e.GetData(), Meta: e.GetCustomMetadata(),
			Created: at, Position: e.GetCommitPosition(),
		}
		if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "size" }, cmp.Ignore())); diff != "" {
			t.Error(diff)
		}
		if e.GetPreparePosition() != e.GetCommitPosition() || r.GetEvent().GetCommitPosition() != e.GetCommitPosition() {
			t.Errorf("positions %v", r)
		}
		if got := e.GetMetadata()["created"]; got != strconv.FormatInt(at.UnixNano()/100, 10) {
			t.Errorf("created %s", got)
		}
		if got := e.GetMetadata()["content-type"]; got != contentType {
			t.Errorf("content type %s", got)
		}
		if got := e.GetId(); got.GetStructured().GetMostSignificantBits() != wireID(want.ID).GetStructured().GetMostSignificantBits() {
			t.Errorf("id %v", got)
		}
		r, err = w.open(query("s", 1, fromRevision(uint64(i)), func(o *streams.ReadReq_Options) {
			o.UuidOption.Content = &streams.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}}
		})).Recv()
		if err != nil || r.GetEvent().GetEvent().GetId().GetString_() != want.ID.String() {
			t.Errorf("id as text: %v, %v", r, err)
		}
	}
}
