package esdbtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

func TestSoftDelete(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expected int64
		want     string
		reads    string
	}{
		"revived as new":         {none, "ok 3", "s/3"},
		"revived by anybody":     {anyOne, "ok 3", "s/3"},
		"revived by its last":    {2, "ok 3", "s/3"},
		"by an earlier revision": {1, "wrong 2", "not-found"},
		"as existing":            {exists, "FailedPrecondition stream-deleted", "not-found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, esdbtest.Start(t))
			w.append("s", none, named("a b c")...)
			w.append("$$s", none, metadataEvent(`{"$acl":{"$r":"ops"},"own":1.50}`))
			w.must(w.delete("s"), "ok")
			w.must(w.read(query("s", 9)), "not-found")
			w.must(w.append("s", c.expected, event("new")), c.want)
			w.must(w.read(query("s", 9)), c.reads)
			w.must(w.read(query("$all", 4)), "s/0 s/1 s/2 $$s/0") // all of it, still
		})
	}
}

func TestSoftDeleteDropsMetadata(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, event("a"))
	w.append("$$s", none, metadataEvent(`{"own":1.50}`))
	w.delete("s")
	w.append("s", none, event("b"))
	var data []string
	for _, e := range s.Events("$$s") {
		data = append(data, string(e.Data))
	}
	if got, want := fmt.Sprint(data), `[{"own":1.50} {"$tb":9223372036854775807} {"$tb":1}]`; got != want {
		t.Errorf("metadata %s, want %s", got, want)
	}
	w.must(w.read(query("$$s", 9)), "$$s/2") // a metadata stream shows its last event

	// Metadata for a stream that is deleted revives it, empty.
	w.delete("s")
	w.append("$$s", anyOne, metadataEvent(`{"own":2.50}`))
	w.must(w.read(query("s", 9)), "")
	if e := s.Events("$$s"); string(e[len(e)-1].Data) != `{"$tb":2,"own":2.50}` {
		t.Errorf("metadata %s", e[len(e)-1].Data)
	}
}

func TestDeletesExpectARevision(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.must(w.delete("nowhere"), "FailedPrecondition wrong-expected-version")
	w.append("s", none, named("a b c")...)
	var trailer metadata.MD
	o := &streams.TombstoneReq_Options{
		StreamIdentifier:       identify("s"),
		ExpectedStreamRevision: &streams.TombstoneReq_Options_Revision{Revision: 1},
	}
	if _, err := w.Tombstone(w.ctx, &streams.TombstoneReq{Options: o}, grpc.Trailer(&trailer)); err == nil {
		t.Fatal("accepted")
	}
	want(t, trailer, "exception", "wrong-expected-version")
	want(t, trailer, "stream-name", "s")
	want(t, trailer, "expected-version", "1")
	want(t, trailer, "actual-version", "2")
	o.ExpectedStreamRevision = &streams.TombstoneReq_Options_Revision{Revision: 2}
	resp, err := w.Tombstone(w.ctx, &streams.TombstoneReq{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if log := s.Log(); resp.GetPosition().GetCommitPosition() != log[len(log)-1].Position {
		t.Errorf("position %v", resp.GetPosition())
	}
}

func TestTombstoneIsFinal(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	const gone = "FailedPrecondition stream-deleted"
	w.append("s", none, named("a b")...)
	w.must(w.tombstone("s"), "ok")
	for _, expected := range []int64{none, anyOne, exists, 1} {
		w.must(w.append("s", expected, event("c")), gone)
	}
	w.must(w.append("s", none, named("a b")...), gone) // a repeat, too
	w.must(w.tombstone("s"), gone)
	w.must(w.delete("s"), gone)
	w.must(w.read(query("s", 9)), "error: "+gone)
	w.must(w.read(query("$all", 9)), "s/0 s/1 s/9223372036854775807")
	w.must(w.tombstone("never written"), "ok")
	w.must(w.append("never written", none, event("d")), gone)
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		metadata, want string
	}{
		"none":            {`{}`, "s/0 s/1 s/2 s/3"},
		"nonsense":        {`[`, "s/0 s/1 s/2 s/3"},
		"max count":       {`{"$maxCount":2}`, "s/2 s/3"},
		"before":          {`{"$tb":1}`, "s/1 s/2 s/3"},
		"stricter count":  {`{"$tb":1,"$maxCount":1}`, "s/3"},
		"stricter before": {`{"$tb":3,"$maxCount":3}`, "s/3"},
		"everything":      {`{"$tb":9}`, ""},
		"max age":         {`{"$maxAge":30}`, "s/2 s/3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := make(chan time.Time, 1)
			clock <- now
			w := dial(t, esdbtest.Start(t, esdbtest.WithClock(func() time.Time {
				at := <-clock
				clock <- at.Add(10 * time.Second) // with every look
				return at
			})))
			w.append("s", none, named("a b c d")...)
			w.append("$$s", none, metadataEvent(c.metadata))
			w.must(w.read(query("s", 9)), c.want)
		})
	}
}

func TestScavenge(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	for _, stream := range []string{"kept", "deleted", "tombstoned", "cut"} {
		w.append(stream, none, event(stream+"1"), event(stream+"2"), event(stream+"3"))
	}
	w.append("$$tombstoned", none, metadataEvent(`{"$maxCount":10}`))
	w.append("$$cut", none, metadataEvent(`{"$maxCount":10}`))
	w.append("$$cut", 0, metadataEvent(`{"$maxCount":2}`))
	w.delete("deleted")
	w.tombstone("tombstoned")
	subscription := w.open(query("$all", 0, live))
	receives(subscription, 4) // holds on to the old log
	if n := s.Scavenge(); n != 2+3+1+1+1 {
		t.Errorf("%d events were removed", n)
	}
	if n := s.Scavenge(); n != 0 {
		t.Errorf("%d more events were removed", n)
	}
	w.must(w.read(query("$all", 99)),
		"kept/0 kept/1 kept/2 deleted/2 cut/1 cut/2 $$cut/1 $$deleted/0 tombstoned/9223372036854775807")
	w.must(w.append("deleted", none, event("again")), "ok 3")
	w.must(w.append("tombstoned", none, event("again")), "FailedPrecondition stream-deleted")
	w.must(w.append("cut", 2, event("again")), "ok 3")
}

func metadataEvent(data string) esdbtest.Event {
	return esdbtest.Event{ID: uuid.New(), Type: "$metadata", JSON: true, Data: []byte(data)}
}
