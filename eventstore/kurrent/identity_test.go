package kurrent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/wall"
)

func (h *house) one() eventstore.Command {
	return eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 1)}}
}

// told returns a node like another one, that logs to what is returned.
func (n *node) told(metrics prometheus.Registerer) (*node, *output) {
	out := &output{}
	s := kurrent.New(kurrent.Config{Ledger: n.ledger, Events: n.client, Log: slog.New(slog.NewTextHandler(out, nil)), Metrics: metrics})
	return &node{s, n.house, n.ledger, n.client}, out
}

func (n *node) head() eventstore.Position {
	n.house.Helper()
	head, err := n.Head(n.house.Context(), n.house.tenant)
	if err != nil {
		n.house.Fatal(err)
	}
	return head
}

// TestAnotherEventStore starts nodes with an event store that is not the one that
// the logs are in, and one that is it again.
func TestAnotherEventStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	n.do(h.one())
	at := "C:1/P:1"
	if _, err := n.ledger.Witness(t.Context(), kurrent.Group, "", at, nil); err != nil {
		t.Fatal(err)
	}
	ours := h.server
	wrong := esdbtest.Start(t)
	forged := esdbtest.Start(t)
	for _, e := range ours.Log() {
		e.ID = newID()
		forged.AppendForeign(e.Stream, e)
	}
	for name, server := range map[string]*esdbtest.Server{"an empty one": wrong, "one with another mark": forged} {
		h.server = server
		before := server.Len()
		m, out := h.node().told(nil)
		m.watch("node")
		for range 3 {
			if r := m.appendFor(5*time.Second, h.one()); !errors.Is(r.Err, eventstore.ErrUnavailable) {
				t.Errorf("%s: got %+v", name, r)
			}
			if err := m.Ping(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), "not the event store that the logs are kept in") {
				t.Errorf("%s: answers with %v", name, err)
			}
			if events, err := m.Read(t.Context(), h.tenant, 0, 10); err == nil && len(events) == 0 {
				t.Errorf("%s: the log seems to be empty", name)
			}
		}
		if got := m.head(); got != 1 {
			t.Errorf("%s: %d events were decided", name, got-1)
		}
		if server.Len() != before {
			t.Errorf("%s: it was written to", name)
		}
		out.wait(t, "not the event store that the logs are kept in", "cannot be watched")
		if place, err := m.ledger.Watched(t.Context(), kurrent.Group); place != at || err != nil {
			t.Errorf("%s: the place is %q, %v", name, place, err)
		}
	}
	h.server = ours
	h.node().do(h.one())
}

// TestReplacedEventStore has another server come to the address of an event store,
// while nobody asks for anything.
func TestReplacedEventStore(t *testing.T) {
	t.Parallel()
	for name, noticed := range map[string]bool{"the connection is known to be gone": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replaced(t, noticed)
		})
	}
}

func replaced(t *testing.T, noticed bool) {
	t.Helper()
	h := newHouse(t)
	n := h.node()
	n.do(h.one())
	before := h.server.Calls(esdbtest.Read)
	for range 10 {
		n.do(h.one())
	}
	if reads := h.server.Calls(esdbtest.Read) - before; reads > 1 { // the first one may find a new connection
		t.Errorf("it looks who is there %d times", reads)
	}
	head, connection := n.head(), n.client.Connection()
	h.server.Stop()
	for noticed && n.client.Connection() == connection {
		runtime.Gosched()
	}
	h.server.Empty()
	if err := h.server.Restart(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r := n.appendFor(5*time.Second, h.one()); !errors.Is(r.Err, eventstore.ErrUnavailable) {
			t.Errorf("got %+v", r)
		}
	}
	if got := n.head(); noticed && (got != head || h.server.Len() != 0) || got > head+1 {
		t.Errorf("%d events were decided, and %d were written", got-head, h.server.Len())
	}
}

// TestMarksOnce has nodes of one installation start at the same time, on an event
// store that nobody has used, and on one where somebody was interrupted.
func TestMarksOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, marked, err := h.node().ledger.Installation(t.Context())
	if err != nil || !marked {
		t.Fatalf("marked: %t, %v", marked, err)
	}
	name := "rowhouse-" + id.String()
	if events := h.server.Events(name); len(events) != 1 || events[0].ID != id || events[0].Type != "rowhouse.installation" {
		t.Errorf("the mark is %+v", events)
	}
	h = newHouse(t)
	err = h.wall.Outside(t.Context(), wall.Dispatcher, func(tx wall.Tx) error {
		_, err := tx.Exec(t.Context(), `update es.installation set marked_at = null`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	for range 5 {
		n := h.node()
		go func() { errs <- n.Ping(t.Context()) }()
	}
	for range 5 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	before := h.server.Calls(esdbtest.Read)
	n := h.node()
	for range 3 {
		if err := n.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := h.server.Calls(esdbtest.Read) - before; got != 3 {
		t.Errorf("%d reads for 3 looks", got)
	}
}

// TestRestoredEventStore has an event store that was restored from a backup: the
// mark is there, and the end of the log is not. The witness says so, and sees what
// is written from then on.
func TestRestoredEventStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	mark := h.server.Log()
	stop := n.watch("node")
	for range 4 {
		c := h.one()
		c.Writes[0].Events[0].Data = fmt.Appendf(nil, `{"name":%q}`, bytes.Repeat([]byte("x"), 40<<10))
		n.do(c)
	}
	n.settled()
	stop()
	h.server = esdbtest.Start(t)
	for _, e := range mark {
		h.server.AppendForeign(e.Stream, e)
	}
	m, out := h.node().told(nil)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		kurrent.NewWitness(kurrent.WitnessConfig{ // that does not look for anything elsewhere
			Store: m.Store, Tracker: postgres.NewTracker(h.wall), Owner: "node", TTL: 300 * time.Millisecond, Overdue: time.Hour,
		}).Run(ctx)
	}()
	defer func() { end(); <-ended }()
	out.wait(t, "was it restored from a backup?")
	for range 3 {
		r := m.Append(t.Context(), h.tenant, h.one())
		if r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
	}
	m.settled()
	if times := strings.Count(out.text.String(), "was it restored"); times != 1 {
		t.Errorf("it says so %d times", times)
	}
}

// TestPoison has somebody write into streams whose names look almost like ours.
// The witness counts them, and goes on.
func TestPoison(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := kurrent.Encode(&eventstore.Recorded{Event: write(h.stream(), 0, 1).Events[0], Position: 1, Time: time.Now()})
	kinds := []string{"a\x00b", "a\xffb", "Deal", "deal2", "_deal", "de al", "", "ä"}
	for _, kind := range kinds {
		name := fmt.Sprintf("%x-%s-%s", h.tenant.UUID[:], kind, newID())
		h.server.AppendForeign(name, esdbtest.Event{ID: newID(), Type: made.Type, Data: made.Data, Meta: made.Meta})
	}
	metrics := prometheus.NewRegistry()
	n, out := h.node().told(metrics)
	n.watch("node")
	n.do(h.one())
	n.settled()
	out.wait(t, "written by somebody else")
	if n := count(t, metrics, "rowhouse_kurrent_strange_events_total"); n != float64(len(kinds)) {
		t.Errorf("%v events are strange, want %d", n, len(kinds))
	}
}

// count returns what a counter says.
func count(t *testing.T, metrics *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// TestHeals counts what was healed, and not what was only not seen yet.
func TestHeals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	metrics := prometheus.NewRegistry()
	n, _ := h.node().told(metrics)
	for range 5 {
		n.do(h.one())
	}
	only(&h.server.Faults)
	other := newTenant(t, h.wall)
	for _, tenant := range []domain.TenantID{h.tenant, other} {
		c := eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: newID()}, 0, 3)}}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if r := h.node().Append(ctx, tenant, c)[0]; !errors.Is(r.Err, eventstore.ErrUnavailable) {
			t.Fatalf("got %+v", r)
		}
		cancel()
	}
	h.server.Faults.Clear()
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	n.watch("node")
	n.settled()
	if got := count(t, metrics, "rowhouse_kurrent_healed_events_total"); got != 6 {
		t.Errorf("%v events were healed, want 6", got)
	}
	if got := count(t, metrics, "rowhouse_kurrent_shipped_events_total"); got != 11 {
		t.Errorf("%v events were shipped, want 11", got)
	}
}

// TestSickTenant has a tenant with a stream that somebody else wrote into, which
// nothing can be done about: its other streams and other tenants are healed, and
// the log names it, once.
func TestSickTenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	only(&h.server.Faults)
	sick := h.one()
	n := h.node()
	n.appendFor(300*time.Millisecond, sick)
	h.server.Faults.Clear()
	made := kurrent.Encode(&eventstore.Recorded{Event: write(h.stream(), 0, 1).Events[0], Position: 1, Time: time.Now()})
	h.server.AppendForeign(nameOf(sick.Writes[0].Stream), esdbtest.Event{ID: newID(), Type: made.Type, Data: made.Data, Meta: made.Meta})
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	for range 5 {
		n.do(h.one())
	}
	m, out := n.told(nil)
	m.watch("node")
	out.wait(t, "level=WARN msg=\"events that were decided are not in the event store yet\" tenant="+h.tenant.String())
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // nobody tells
		left, _, err := m.ledger.Backlog(t.Context())
		if err != nil || time.Now().After(until) {
			t.Fatalf("%d are pending, %v", left, err)
		}
		if left == 1 {
			break
		}
	}
	time.Sleep(time.Second) // for more of the same
	out.mu.Lock()
	defer out.mu.Unlock()
	if times := strings.Count(out.text.String(), "events that were decided are not in the event store yet"); times != 1 {
		t.Errorf("it says so %d times:\n%s", times, &out.text)
	}
}
