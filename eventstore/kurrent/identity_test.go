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

// TestRestoredEventStore has an event store that was restored from a backup, while
// nobody watched it or while somebody did: the mark is there, and the end of the
// log is not. The witness says so, and sees what is written from then on.
func TestRestoredEventStore(t *testing.T) {
	t.Parallel()
	for name, watched := range map[string]bool{"watched": true, "not watched": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restored(t, watched)
		})
	}
}

func restored(t *testing.T, watched bool) {
	t.Helper()
	h := newHouse(t)
	mark := h.server.Log()
	n, out := h.node().told(nil)
	impatient := kurrent.WitnessConfig{Doubt: 100 * time.Millisecond, Overdue: time.Hour} // it only looks into the log
	stop := n.watchLike(impatient)
	for range 4 {
		c := h.one()
		c.Writes[0].Events[0].Data = fmt.Appendf(nil, `{"name":%q}`, bytes.Repeat([]byte("x"), 40<<10))
		n.do(c)
	}
	n.settled()
	if !watched {
		stop()
	}
	h.server.Stop()
	h.server.Empty()
	for _, e := range mark {
		h.server.AppendForeign(e.Stream, e)
	}
	if err := h.server.Restart(); err != nil {
		t.Fatal(err)
	}
	if !watched {
		n.watchLike(impatient)
	}
	out.wait(t, "as after a restore from a backup")
	for range 3 {
		n.do(h.one())
	}
	n.settled()
	if times := strings.Count(out.text.String(), "as after a restore from a backup"); times != 1 {
		t.Errorf("it says so %d times", times)
	}
}

// watchLike is watch for another kind of witness.
func (n *node) watchLike(cfg kurrent.WitnessConfig) (stop func()) {
	n.house.Helper()
	cfg.Store, cfg.Tracker, cfg.Owner = n.Store, postgres.NewTracker(n.house.wall), "node"
	cfg.TTL, cfg.Every = 300*time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithCancel(n.house.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		kurrent.NewWitness(cfg).Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	n.house.Cleanup(stop)
	return stop
}
