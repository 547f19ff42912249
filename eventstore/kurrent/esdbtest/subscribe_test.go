package esdbtest_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

func byPrefix(window, multiplier uint32, prefix string) func(*streams.ReadReq_Options) {
	return filtered(window, multiplier, false, &expression{Prefix: []string{prefix}})
}

func TestSubscribeToStream(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t))
	w.append("s", none, named("a b")...)
	all, second := w.open(query("s", 0, live)), w.open(query("s", 0, live, fromRevision(0)))
	end, missing := w.open(query("s", 0, live, fromEnd)), w.open(query("t", 0, live))
	w.must(receives(all, 4), "confirmed s/0 s/1 caught-up")
	w.must(receives(second, 3), "confirmed s/1 caught-up")
	w.must(receives(end, 2), "confirmed caught-up")
	w.must(receives(missing, 2), "confirmed caught-up")
	w.append("s", 1, named("c d")...)
	w.append("t", none, event("e"))
	for _, s := range []streams.Streams_ReadClient{all, second, end} {
		w.must(receives(s, 2), "s/2 s/3")
	}
	w.must(receive(missing), "t/0")
	w.tombstone("t")
	w.must(receive(missing), "error: FailedPrecondition stream-deleted")
}

func TestSubscribeToAll(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	early := w.open(query("$all", 0, live))
	w.must(receives(early, 2), "confirmed caught-up")
	w.append("s", none, named("a b")...)
	w.must(receives(early, 2), "s/0 s/1")

	at := s.Log()[0].Position
	after, end := w.open(query("$all", 0, live, fromPosition(at, at))), w.open(query("$all", 0, live, fromEnd))
	future := w.open(query("$all", 0, live, fromPosition(at+10_000, at+10_000)))
	w.must(receives(after, 3), "confirmed s/1 caught-up")
	w.must(receives(end, 2), "confirmed caught-up")
	w.must(receives(future, 2), "confirmed caught-up")
	long := event("c")
	long.Data = make([]byte, 10_000)
	w.append("t", none, long)
	w.tombstone("s")
	for _, s := range []streams.Streams_ReadClient{early, after, end} {
		w.must(receives(s, 2), "t/0 s/9223372036854775807")
	}
	w.must(receive(future), "s/9223372036854775807")
}

func TestFilteredSubscription(t *testing.T) {
	t.Parallel()
	w := dial(t, esdbtest.Start(t, esdbtest.WithSystemEvents()))
	w.append("a-1", none, named("a b")...)
	w.append("b-1", none, event("c"))
	a := w.open(query("$all", 0, live, byPrefix(32, 1, "a-")))
	w.must(receives(a, 5), "confirmed a-1/0 a-1/1 checkpoint caught-up")
	end := w.open(query("$all", 0, live, fromEnd, byPrefix(1, 3, "a-")))
	w.must(receives(end, 2), "confirmed caught-up")
	w.append("b-1", 0, named("d e")...)
	w.append("a-1", 1, event("f")) // the third: a checkpoint is due
	w.append("b-1", 2, named("g h i")...)
	w.must(receive(a), "a-1/2")
	w.must(receives(end, 3), "a-1/2 checkpoint checkpoint")

	// Two pages, and an empty one at the end: nothing new to tell.
	pages := dial(t, esdbtest.Start(t))
	pages.append("b", none, named("a b c d")...)
	w.must(receives(pages.open(query("$all", 0, live, byPrefix(2, 1, "a-"))), 4), "confirmed checkpoint checkpoint caught-up")

	empty := dial(t, esdbtest.Start(t))
	w.must(receives(empty.open(query("$all", 0, live, byPrefix(32, 1, "a-"))), 2), "confirmed caught-up")
}

// A live checkpoint is the position of a record; one on the way there lies
// between records, and may be behind what was considered.
func TestCheckpointPositions(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	for i := range 45 {
		w.append("b", int64(i-1), event(strconv.Itoa(i)))
	}
	log := s.Log()
	call := w.open(query("$all", 0, live, byPrefix(10, 2, "a")))
	w.must(receive(call), "confirmed")
	for i, behind := range []int{10, 30, 40} { // pages of 10; the page before the one just read
		c := next(t, call)
		if c.GetCommitPosition() != log[behind].Position || c.GetPreparePosition() != 0 {
			t.Errorf("checkpoint %d is %v, want what follows %d records: %d", i, c, behind, log[behind].Position)
		}
	}
	w.must(receive(call), "caught-up")
	for i := range 20 {
		w.append("b", int64(i+44), event(strconv.Itoa(i+45)))
	}
	at := s.Log()[64].Position
	if c := next(t, call); c.GetCommitPosition() != at || c.GetPreparePosition() != at {
		t.Errorf("live checkpoint %v, want %d", c, at)
	}
}

func next(t *testing.T, call streams.Streams_ReadClient) *streams.ReadResp_Checkpoint {
	t.Helper()
	r, err := call.Recv()
	if err != nil || r.GetCheckpoint() == nil {
		t.Fatalf("%v, %v instead of a checkpoint", r, err)
	}
	return r.GetCheckpoint()
}

// Whoever goes on from a checkpoint, with both of its halves, misses nothing.
func TestNothingIsLostAfterACheckpoint(t *testing.T) {
	t.Parallel()
	s := esdbtest.Start(t)
	w := dial(t, s)
	for i := range 200 {
		stream := "b"
		if i%7 == 0 || i > 120 && i < 170 {
			stream = "a"
		}
		w.append(stream, anyOne, event(strconv.Itoa(i)))
	}
	for _, window := range []uint32{1, 3, 32, 500} {
		t.Run(fmt.Sprintf("window %d", window), func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			call := w.open(query("$all", 0, live, byPrefix(window, 1, "a")))
			var seen, checkpoints int
			for {
				r, err := call.Recv()
				if err != nil {
					t.Fatal(err)
				}
				if r.GetCaughtUp() != nil {
					break
				}
				if r.GetEvent() != nil {
					seen++
				}
				c := r.GetCheckpoint()
				if c == nil {
					continue
				}
				checkpoints++
				again := w.open(query("$all", 0, live, byPrefix(window, 500, "a"),
					fromPosition(c.GetCommitPosition(), c.GetPreparePosition())))
				w.must(receive(again), "confirmed")
				for n := seen; ; n++ {
					if m := receive(again); strings.HasPrefix(m, "a/") {
						w.must(m, fmt.Sprintf("a/%d", n))
						continue
					}
					if total := len(s.Events("a")); n != total {
						t.Errorf("%d of %d events after %v", n, total, c)
					}
					break
				}
			}
			if checkpoints == 0 {
				t.Error("no checkpoints")
			}
		})
	}
}
