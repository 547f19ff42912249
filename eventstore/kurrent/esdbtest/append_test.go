package esdbtest_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

func TestAppendExpectsARevision(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given    string // events of the stream
		expected int64
		want     string
	}{
		"none, and there is none":        {"", none, "ok 0"},
		"none, but there is one":         {"a b", none, "wrong 1"},
		"the revision":                   {"a b", 1, "ok 2"},
		"an earlier one":                 {"a b", 0, "wrong 1"},
		"a later one":                    {"a b", 5, "wrong 1"},
		"a revision, but there is none":  {"", 0, "wrong none"},
		"any, and there is none":         {"", anyOne, "ok 0"},
		"any, and there is one":          {"a b", anyOne, "ok 2"},
		"some stream, but there is none": {"", exists, "wrong none"},
		"some stream, and there is one":  {"a b", exists, "ok 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, esdbtest.Start(t))
			if c.given != "" {
				w.append("s", none, named(c.given)...)
			}
			w.must(w.append("s", c.expected, event("new")), c.want)
		})
	}
}

func TestAppendRecognizesRepeats(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expected int64
		events   string
		want     string
	}{
		"all of them":            {none, "a b c", "ok 2"},
		"the second append":      {2, "d e", "ok 4"},
		"the beginning of one":   {none, "a b", "ok 1"},
		"across two":             {1, "c d", "ok 3"},
		"nothing":                {none, "", "wrong 4"},
		"first differs":          {none, "x b c", "wrong 4"},
		"later differs":          {none, "a x c", "wrong 4"},
		"more than there was":    {2, "d e f", "wrong 4"},
		"at another revision":    {1, "a b", "wrong 4"},
		"again at the current":   {4, "d e", "ok 6"},
		"any":                    {anyOne, "d e", "ok 4"},
		"any, out of the middle": {anyOne, "b c", "ok 2"},
		"any, first is new":      {anyOne, "x d", "ok 6"},
		"any, later is new":      {anyOne, "d x", "wrong 4"},
		"some stream":            {exists, "a", "ok 0"},
		"same ids and another payload is a repeat": {none, "a! b! c!", "ok 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := esdbtest.Start(t)
			w := dial(t, s)
			w.append("s", none, named("a b c")...)
			w.append("s", 2, named("d e")...)
			again := named(strings.ReplaceAll(c.events, "!", ""))
			if strings.Contains(c.events, "!") {
				for i := range again {
					again[i].Data = []byte(`"other"`)
				}
			}
			before := s.Events("s")
			w.must(w.append("s", c.expected, again...), c.want)
			for i, e := range s.Events("s")[:len(before)] {
				if !bytes.Equal(e.Data, before[i].Data) {
					t.Errorf("event %d was changed", i)
				}
			}
		})
	}
}

func TestARepeatIsToldItsOldPosition(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	once, err := w.tryAppend("s", none, named("a b")...)
	if err != nil {
		t.Fatal(err)
	}
	w.append("other", none, event("c"))
	again, err := w.tryAppend("s", none, named("a b")...)
	if err != nil {
		t.Fatal(err)
	}
	if was, is := once.GetSuccess().GetPosition(), again.GetSuccess().GetPosition(); was.GetCommitPosition() != is.GetCommitPosition() {
		t.Errorf("position %v became %v", was, is)
	}
}

// What is recognized by revision is recognized by the log; what is recognized
// without one was only remembered.
func TestRepeatsAfterARestart(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, named("a b")...)
	s.Stop()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	w = dial(t, s)
	w.must(w.append("s", none, named("a b")...), "ok 1")
	w.must(w.append("s", anyOne, named("a b")...), "ok 3")
}

// A known bug of the server: one id in two streams.
func TestAnIDIsRememberedForItsLastStreamOnly(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	w.append("one", anyOne, event("a"))
	w.append("two", anyOne, event("a"))
	w.must(w.append("two", anyOne, event("a")), "ok 0")
	w.must(w.append("one", anyOne, event("a")), "ok 1")
	w.must(w.append("one", none, event("a")), "ok 0") // the log remembers
}

func TestAppendSize(t *testing.T) {
	t.Parallel()
	sized := func(n int) esdbtest.Event { // with 2 bytes for each character of the type
		return esdbtest.Event{ID: uuid.New(), Type: "type", Data: make([]byte, n-8)}
	}
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.must(w.append("s", none, sized(1<<19), sized(1<<19)), "ok 1")
	w.must(w.append("s", 1, sized(1<<19), sized(1<<19+1)), "InvalidArgument maximum-append-size-exceeded")
	if s.Len() != 2 {
		t.Errorf("the log has %d events", s.Len())
	}
	call, err := w.Append(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = call.Send(appendOptions("s", 1))
	_ = call.Send(proposed(sized(1<<20 + 1)))
	if _, err := call.CloseAndRecv(); err == nil {
		t.Fatal("accepted")
	}
	want(t, call.Trailer(), "maximum-append-size", "1048576")

	w = dial(t, esdbtest.Start(t, esdbtest.WithMaxAppendSize(100), esdbtest.WithMaxAppendEventSize(50)))
	w.must(w.append("s", none, sized(50), sized(50)), "ok 1")
	w.must(w.append("s", 1, sized(51)), "InvalidArgument maximum-append-event-size-exceeded")
	w.must(w.append("s", 1, sized(50), sized(50), sized(9)), "InvalidArgument maximum-append-size-exceeded")
}

func TestAppendRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	nameless, anonymous := event("a"), event("b")
	nameless.Type, anonymous.ID = "", uuid.Nil
	untyped := proposed(event("c"))
	delete(untyped.GetProposedMessage().Metadata, "content-type")
	unexpecting := appendOptions("s", none)
	unexpecting.GetOptions().ExpectedStreamRevision = nil
	for name, c := range map[string]struct {
		messages []*streams.AppendReq
		want     string
	}{
		"no options first":  {[]*streams.AppendReq{proposed(event("a"))}, "Unknown"},
		"options twice":     {[]*streams.AppendReq{appendOptions("s", none), appendOptions("s", none)}, "Unknown"},
		"no revision":       {[]*streams.AppendReq{unexpecting}, "InvalidArgument"},
		"no stream":         {[]*streams.AppendReq{appendOptions("", none), proposed(event("a"))}, "Unknown"},
		"no type of event":  {[]*streams.AppendReq{appendOptions("s", none), proposed(nameless)}, "Unknown"},
		"no id":             {[]*streams.AppendReq{appendOptions("s", none), proposed(anonymous)}, "Unknown"},
		"no content type":   {[]*streams.AppendReq{appendOptions("s", none), untyped}, "InvalidArgument missing-required-metadata-property"},
		"revision too high": {[]*streams.AppendReq{appendOptions("s", -9)}, "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call, err := w.Append(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.messages {
				_ = call.Send(m)
			}
			_, err = call.CloseAndRecv()
			if err = explain(err, call.Trailer()); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestPositionsGrowWithTheBytes(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, named("a b c")...)
	w.append("t", none, event("d"))
	log := s.Log()
	for i := range log[1:] {
		if gap := log[i+1].Position - log[i].Position; gap < 50 {
			t.Errorf("event %d is %d after its predecessor", i+1, gap)
		}
	}
	if !slices.EqualFunc(s.Streams(), []string{"s", "t"}, strings.EqualFold) || s.Len() != 4 {
		t.Errorf("streams %v, %d events", s.Streams(), s.Len())
	}
}

func want(t *testing.T, trailer metadata.MD, key, value string) {
	t.Helper()
	if got := trailer.Get(key); len(got) != 1 || got[0] != value {
		t.Errorf("%s is %v, want %s", key, got, value)
	}
}
