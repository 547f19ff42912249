package esdbtest_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

func TestFaultsOfWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   esdbtest.Fault
		want    string
		written int
	}{
		"unavailable":              {esdbtest.Unavailable, "Unavailable", 0},
		"unavailable, but written": {esdbtest.Unavailable.AfterWrite(), "Unavailable", 1},
		"aborted":                  {esdbtest.Aborted, "Aborted", 0},
		"aborted, but written":     {esdbtest.Aborted.AfterWrite(), "Aborted", 1},
		"dropped":                  {esdbtest.Drop, "Unavailable", 0},
		"dropped, but written":     {esdbtest.Drop.AfterWrite(), "Unavailable", 1},
		"exhausted":                {esdbtest.ResourceExhausted, "ResourceExhausted", 0},
		"denied":                   {esdbtest.Deny, "PermissionDenied access-denied", 0},
		"unauthenticated":          {esdbtest.Unauthenticate, "Unauthenticated", 0},
		"not the leader":           {esdbtest.NotLeader, "NotFound not-leader", 0},
		"delayed":                  {esdbtest.Delay(time.Millisecond), "ok 0", 1},
		"anything":                 {esdbtest.Answer(codes.DataLoss, "?", "exception", "own"), "DataLoss own", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := esdbtest.Start(t)
			w := dial(t, s)
			s.Faults.Next(esdbtest.Append, c.fault)
			w.must(w.append("s", none, event("a")), c.want)
			if s.Len() != c.written {
				t.Errorf("%d events were written", s.Len())
			}
			w.must(w.append("s", none, event("a")), "ok 0")
			if s.Calls(esdbtest.Append) != 2 || s.Faults.Pending() != 0 {
				t.Errorf("%d calls, %d faults to come", s.Calls(esdbtest.Append), s.Faults.Pending())
			}
		})
	}
}

func TestFaultsOfDeletes(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, event("a"))
	s.Faults.Next(esdbtest.Tombstone, esdbtest.Unavailable, esdbtest.Aborted.AfterWrite())
	s.Faults.Next(esdbtest.Delete, esdbtest.Deny)
	w.must(w.delete("s"), "PermissionDenied access-denied")
	w.must(w.tombstone("s"), "Unavailable")
	w.must(w.tombstone("s"), "Aborted")
	w.must(w.tombstone("s"), "FailedPrecondition stream-deleted")
}

func TestFaultsOfReads(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	w.append("s", none, named("a b c")...)
	s.Faults.Next(esdbtest.Read, esdbtest.Unavailable, esdbtest.Aborted.AfterMessages(2), esdbtest.Aborted.AfterMessages(9))
	w.must(w.read(query("s", 9)), "error: Unavailable")
	w.must(w.read(query("s", 9)), "s/0 s/1 error: Aborted")
	w.must(w.read(query("s", 9)), "s/0 s/1 s/2 error: Aborted")
	w.must(w.read(query("s", 9)), "s/0 s/1 s/2")

	s.Faults.Next(esdbtest.Subscribe, esdbtest.Unavailable, esdbtest.Aborted.AfterMessages(3))
	w.must(w.read(query("s", 9, live)), "error: Unavailable")
	w.must(w.read(query("s", 9, live)), "confirmed s/0 s/1 error: Aborted")
	subscription := w.open(query("$all", 0, live))
	w.must(receives(subscription, 5), "confirmed s/0 s/1 s/2 caught-up")
	s.DropConnections()
	w.must(receive(subscription), "error: Unavailable")
	w.must(receives(w.open(query("$all", 0, live)), 2), "confirmed s/0")
}

func TestGate(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	gate := esdbtest.NewGate()
	s.Faults.Next(esdbtest.Append, gate.Hold(), gate.Hold().AfterWrite(), gate.Hold().AfterWrite())
	first := make(chan string)
	go func() { first <- w.append("one", none, event("a")) }()
	if c := <-gate.Entered(); c.Stream != "one" || c.Number != 1 || s.Len() != 0 {
		t.Errorf("%v has come, with %d events", c, s.Len())
	}
	second := make(chan string)
	go func() { second <- w.append("two", none, event("b")) }()
	if c := <-gate.Entered(); c.Stream != "two" || c.Method != esdbtest.Append || s.Len() != 1 {
		t.Errorf("%v has come, with %d events", c, s.Len())
	}
	ctx, cancel := context.WithCancel(w.ctx)
	third := make(chan string)
	go func() { third <- w.bounded(ctx).append("three", none, event("c")) }()
	<-gate.Entered()
	cancel()
	w.must(<-third, "Canceled")
	gate.Open()
	w.must(<-first, "ok 0")
	w.must(<-second, "ok 0")
	if s.Len() != 3 {
		t.Errorf("%d events were written", s.Len())
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	end := s.Faults.When(func(c esdbtest.Call) (esdbtest.Fault, bool) {
		return esdbtest.Unavailable, c.Stream == "s" && len(c.Metadata.Get("mark")) == 0
	})
	s.Faults.Next(esdbtest.Append, esdbtest.Aborted)
	w.must(w.append("s", none, event("a")), "Aborted")
	w.must(w.append("s", none, event("a")), "Unavailable")
	w.must(w.append("t", none, event("a")), "ok 0")
	w.must(w.with("mark", "1").append("s", none, event("a")), "ok 0")
	end()
	w.must(w.append("s", 0, event("b")), "ok 1")
	s.Faults.Always(esdbtest.Read, esdbtest.Deny)
	w.must(w.read(query("s", 1)), "error: PermissionDenied access-denied")
	s.Faults.Clear()
	w.must(w.read(query("s", 1)), "s/0")
}
