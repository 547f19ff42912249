package kurrent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// house is an installation: a database, a double of an event store, and any
// number of nodes.
type house struct {
	*testing.T

	wall   *wall.Wall
	server *esdbtest.Server
	tenant domain.TenantID
}

func newHouse(t *testing.T, opts ...esdbtest.Option) *house {
	t.Helper()
	w := dbtest.New(t)
	h := &house{t, w, esdbtest.Start(t, opts...), newTenant(t, w)}
	if err := h.node().Ping(t.Context()); err != nil { // so that it knows its engine
		t.Fatal(err)
	}
	return h
}

// node is what one process has.
type node struct {
	*kurrent.Store

	house  *house
	ledger *postgres.Ledger
	client *esdb.Client
}

func (h *house) node() *node {
	h.Helper()
	ledger, client := postgres.NewLedger(postgres.Config{Wall: h.wall}), dial(h.T, h.server.URL())
	return &node{kurrent.New(kurrent.Config{Ledger: ledger, Events: client, Log: logger(h.T)}), h, ledger, client}
}

// watch runs the witness of a node until it is stopped.
func (n *node) watch(owner string) (stop func()) {
	n.house.Helper()
	ctx, cancel := context.WithCancel(n.house.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		kurrent.NewWitness(kurrent.WitnessConfig{
			Store: n.Store, Tracker: postgres.NewTracker(n.house.wall), Owner: owner,
			TTL: 300 * time.Millisecond, Overdue: time.Millisecond, Every: 10 * time.Millisecond, Doubt: 200 * time.Millisecond,
		}).Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	n.house.Cleanup(stop)
	return stop
}

// settled waits until nothing is pending.
func (n *node) settled() {
	n.house.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // nobody tells
		left, _, err := n.ledger.Backlog(n.house.Context())
		if err != nil {
			n.house.Fatal(err)
		}
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			n.house.Fatalf("%d events are pending still", left)
		}
	}
}

// log reads the whole log of the house's tenant.
func (n *node) log() []eventstore.Recorded {
	n.house.Helper()
	var all []eventstore.Recorded
	for {
		page, err := n.Read(n.house.Context(), n.house.tenant, eventstore.Position(len(all)), 500)
		if err != nil {
			n.house.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

// history reads a stream.
func (n *node) history(s eventstore.StreamID) (all []eventstore.Recorded) {
	n.house.Helper()
	for e, err := range n.ReadStream(n.house.Context(), s, 0) {
		if err != nil {
			n.house.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (h *house) stream() eventstore.StreamID {
	return eventstore.StreamID{Tenant: h.tenant, Kind: "deal", ID: newID()}
}

func write(s eventstore.StreamID, at eventstore.Version, n int) eventstore.Write {
	w := eventstore.Write{Stream: s, At: at}
	for range n {
		id := newID()
		w.Events = append(w.Events, eventstore.Event{
			ID: id, Type: "deal.renamed", Schema: 1, Data: fmt.Appendf(nil, `{"name":%q}`, id), Meta: []byte(`{"actor":{"kind":"system"}}`),
		})
	}
	return w
}

// appendFor appends a command, and gives up after a time.
func (n *node) appendFor(d time.Duration, c eventstore.Command) eventstore.Result {
	n.house.Helper()
	ctx, cancel := context.WithTimeout(n.house.Context(), d)
	defer cancel()
	return n.Append(ctx, c.Writes[0].Stream.Tenant, c)[0]
}

// strand appends a command that is decided while the engine does not take it. On a busy
// machine the decision alone may need longer than what the engine is given, and is tried again.
func (n *node) strand(c eventstore.Command) {
	n.house.Helper()
	for d := 300 * time.Millisecond; ; d *= 2 {
		r := n.appendFor(d, c)
		if errors.Is(r.Err, eventstore.ErrUnavailable) {
			return
		}
		if !errors.Is(r.Err, context.DeadlineExceeded) || d > 10*time.Second {
			n.house.Fatalf("got %+v from an engine that is away", r)
		}
	}
}

// do appends a command that must be recorded.
func (n *node) do(c eventstore.Command) eventstore.Receipt {
	n.house.Helper()
	r := n.appendFor(20*time.Second, c)
	if r.Err != nil {
		n.house.Fatal(r.Err)
	}
	return r.Receipt
}

func nameOf(s eventstore.StreamID) string {
	return fmt.Sprintf("%x-%s-%s", s.Tenant.UUID[:], s.Kind, s.ID)
}

// a crash is a place between two steps of a command where the node ends.
type crash struct {
	name  string
	order func(f *esdbtest.Faults, streams []eventstore.StreamID)
}

// only lets appends to some streams through.
func only(f *esdbtest.Faults, streams ...eventstore.StreamID) {
	f.When(func(c esdbtest.Call) (esdbtest.Fault, bool) {
		through := slices.ContainsFunc(streams, func(s eventstore.StreamID) bool { return nameOf(s) == c.Stream })
		return esdbtest.Unavailable, c.Method == esdbtest.Append && !through
	})
}

var crashes = []crash{
	{"decided, nothing shipped", func(f *esdbtest.Faults, _ []eventstore.StreamID) { only(f) }},
	{"the first of three streams shipped", func(f *esdbtest.Faults, s []eventstore.StreamID) { only(f, s[0]) }},
	{"the last of three streams shipped", func(f *esdbtest.Faults, s []eventstore.StreamID) { only(f, s[2]) }},
	{"two of three streams shipped", func(f *esdbtest.Faults, s []eventstore.StreamID) { only(f, s[0], s[2]) }},
	{"all shipped, and no answer came", func(f *esdbtest.Faults, _ []eventstore.StreamID) {
		f.Always(esdbtest.Append, esdbtest.Drop.AfterWrite())
	}},
	{"one shipped, and no answer came", func(f *esdbtest.Faults, s []eventstore.StreamID) {
		f.When(func(c esdbtest.Call) (esdbtest.Fault, bool) {
			if c.Stream == nameOf(s[1]) {
				return esdbtest.Aborted.AfterWrite(), c.Method == esdbtest.Append
			}
			return esdbtest.Unavailable, c.Method == esdbtest.Append
		})
	}},
}

// TestCrash ends a node between any two steps of a command for three streams and
// a claim. Whoever reads then, or repeats the command, finds all of it; and what
// is missing in the engine gets there by itself.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, heals := range []string{"by itself", "when it is repeated", "when somebody is in conflict with it"} {
		for _, crash := range crashes {
			t.Run(crash.name+", heals "+heals, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				h.crash(crash, heals)
			})
		}
	}
}

func (h *house) crash(crash crash, heals string) {
	streams := []eventstore.StreamID{h.stream(), h.stream(), h.stream()}
	first := h.node()
	first.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(streams[1], 0, 2)}})
	c := eventstore.Command{
		ID: newID(), Hash: []byte("hash"),
		Writes: []eventstore.Write{write(streams[0], 0, 2), write(streams[1], 2, 1), write(streams[2], 0, 3)},
		Claim:  []eventstore.Claim{{Scope: "email", Key: "ada@example.org", Stream: streams[0]}},
	}
	crash.order(&h.server.Faults, streams)
	first.strand(c)

	// The node is gone. Others see the whole of it, although the engine does not
	// have it yet.
	other := h.node()
	if n := len(other.log()); n != 8 {
		h.Errorf("%d events can be read, want 8", n)
	}
	for i, want := range []int{2, 3, 3} {
		if n := len(other.history(streams[i])); n != want {
			h.Errorf("%d events of stream %d can be read, want %d", n, i, want)
		}
	}
	// But it is not acknowledged to anybody.
	ctx, cancel := context.WithTimeout(h.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := other.Recall(ctx, h.tenant, c.ID, c.Hash); !errors.Is(err, eventstore.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		h.Errorf("recalled: %v", err)
	}

	h.server.Faults.Clear()
	switch heals {
	case "when it is repeated":
		if r := other.do(c); r.First != 3 || r.Last != 8 || !r.Repeated {
			h.Errorf("repeated: %+v", r)
		}
	case "when somebody is in conflict with it":
		for _, s := range streams {
			var conflict *eventstore.Conflict
			r := other.appendFor(20*time.Second, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}})
			if !errors.As(r.Err, &conflict) || len(other.history(s)) != int(conflict.At) {
				h.Errorf("got %+v and can read %d events", r, len(other.history(s)))
			}
		}
	default:
		other.watch("other")
		other.settled()
	}
	h.whole(other, c, streams)
	if heals != "by itself" {
		other.watch("other")
		other.settled()
		h.whole(other, c, streams)
	}
}

// whole makes sure that a command is there once and as a whole.
func (h *house) whole(n *node, c eventstore.Command, streams []eventstore.StreamID) {
	h.Helper()
	log := n.log()
	if len(log) != 8 {
		h.Fatalf("%d events, want 8", len(log))
	}
	for i, s := range streams {
		var want []eventstore.Recorded
		for _, e := range log {
			if e.Stream == s {
				want = append(want, e)
			}
		}
		if diff := cmp.Diff(want, n.history(s)); diff != "" {
			h.Errorf("stream %d: %s", i, diff)
		}
		if there := len(h.server.Events(nameOf(s))); there != len(want) {
			h.Errorf("stream %d has %d events in the engine, want %d", i, there, len(want))
		}
	}
	at := 2
	for _, w := range c.Writes {
		for _, e := range w.Events {
			if got := log[at]; got.ID != e.ID || string(got.Data) != string(e.Data) || string(got.Meta) != string(e.Meta) {
				h.Errorf("position %d has another event", at+1)
			}
			at++
		}
	}
	if r, ok, err := n.Recall(h.Context(), h.tenant, c.ID, c.Hash); err != nil || !ok || r.First != 3 || r.Last != 8 {
		h.Errorf("recalled %+v, %t, %v", r, ok, err)
	}
	if holder, err := n.Holders(h.Context(), h.tenant, eventstore.Claim{Scope: "email", Key: "ada@example.org"}); err != nil || holder[0] != streams[0] {
		h.Errorf("the claim is held by %v, %v", holder, err)
	}
}
