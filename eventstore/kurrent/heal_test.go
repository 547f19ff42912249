package kurrent_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

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
	if strings.Contains(out.text.String(), "not as it was decided") {
		t.Error("the ledger was asked about them")
	}
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
		h.node().strand(c)
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
	n.strand(sick)
	h.server.Faults.Clear()
	made := kurrent.Encode(&eventstore.Recorded{Event: write(h.stream(), 0, 1).Events[0], Position: 1, Time: time.Now()})
	h.server.AppendForeign(nameOf(sick.Writes[0].Stream), esdbtest.Event{ID: newID(), Type: made.Type, Data: made.Data, Meta: made.Meta})
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	for range 5 {
		n.do(h.one())
	}
	m, out := n.told(nil)
	m.watch("node")
	out.wait(t, "level=WARN msg=\"events that were decided could not be appended to the event store; they are kept, and tried again\" tenant="+h.tenant.String())
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
	if times := strings.Count(out.text.String(), "events that were decided could not be appended to the event store; they are kept, and tried again"); times != 1 {
		t.Errorf("it says so %d times:\n%s", times, &out.text)
	}
}

// decide decides a command that nobody ships.
func (n *node) decide(tenant domain.TenantID, writes ...eventstore.Write) {
	n.house.Helper()
	if r := n.ledger.Decide(n.house.Context(), tenant, eventstore.Command{ID: newID(), Writes: writes})[0]; r.Err != nil {
		n.house.Fatal(r.Err)
	}
}

// forgetful is a witness that does not see anything, and does not look for it.
func (h *house) forgetful() kurrent.WitnessConfig {
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	return kurrent.WitnessConfig{Overdue: time.Millisecond, Doubt: time.Hour}
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !so(); time.Sleep(5 * time.Millisecond) { // nobody tells
		if time.Now().After(end) {
			t.Fatalf("it never happens that %s", what)
		}
	}
}

// TestHealsAll has more tenants to heal than are healed at a time: each has its
// turn, although nobody sees that the first ones were healed.
func TestHealsAll(t *testing.T) {
	t.Parallel()
	const tenants = 130
	h := newHouse(t)
	metrics := prometheus.NewRegistry()
	n, _ := h.node().told(metrics)
	for range tenants {
		tenant := newTenant(t, h.wall)
		n.decide(tenant, write(eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: newID()}, 0, 1))
	}
	n.watchLike(h.forgetful())
	until(t, "all are healed", func() bool { return count(t, metrics, "rowhouse_kurrent_healed_events_total") == tenants })
}

// TestHealsFurther has a tenant with so much to heal that the time for it runs out:
// the next time it goes on from there.
func TestHealsFurther(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	early, late := h.stream(), h.stream()
	for at := range eventstore.Version(4) {
		n.decide(h.tenant, write(early, 250*at, 250)) // a page in all
	}
	n.decide(h.tenant, write(late, 0, 1))
	var looks [2]atomic.Int64
	h.server.Faults.When(func(c esdbtest.Call) (esdbtest.Fault, bool) {
		switch {
		case c.Method != esdbtest.Read:
		case c.Stream == nameOf(early):
			looks[0].Add(1)
		case c.Stream == nameOf(late):
			return esdbtest.Delay(10 * time.Second), looks[1].Add(1) < 3
		}
		return esdbtest.Fault{}, false
	})
	cfg := h.forgetful()
	cfg.Store = kurrent.New(kurrent.Config{Ledger: n.ledger, Events: n.client, Patience: 3 * time.Second}) // what is early is shipped well within it
	m := &node{cfg.Store, h, n.ledger, n.client}
	m.watchLike(cfg)
	until(t, "the last one is healed", func() bool { return len(h.server.Events(nameOf(late))) == 1 })
	if looks[0].Load() != 1 || looks[1].Load() < 3 {
		t.Errorf("it looked at what was healed %d times, and at the rest %d times", looks[0].Load(), looks[1].Load())
	}
}
