package bus_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// refuseVersion makes trouble that lasts with a version of a record.
func refuseVersion(s eventstore.StreamID, version string) func(*message.Message) error {
	key := s.Tenant.String() + "/deal/" + domain.ID{Prefix: "deal", UUID: s.ID}.String()
	return func(m *message.Message) error {
		if m.Metadata[bus.Key] == key && m.Metadata["ce_version"] == version {
			return bus.Refuse(bus.TooLarge, errors.New("so much"))
		}
		return nil
	}
}

func willing(*message.Message) error { return nil }

func (h *house) parked(t *testing.T, tenant domain.TenantID) []bus.Parked {
	t.Helper()
	list, err := bus.NewParking(h.wall, "test").List(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func code(err error) string {
	if refusal, ok := errors.AsType[*domain.Error](err); ok {
		return refusal.Code
	}
	return ""
}

// What is refused waits with all that follows it on the same record, and nothing
// else does. It is published in order when that was mended, while more and more
// comes.
func TestPark(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	bad, good := newStream(h.a), newStream(h.a)
	target.make(refuseVersion(bad, "3"))
	b, _ := h.run(t, h.config(t, target))
	h.record(t, bad, 4)
	h.record(t, good, 2)
	h.record(t, newStream(h.b), 1)
	target.wait(t, 2+2+1)
	h.settle(t, h.a)
	for range 80 {
		h.record(t, bad, 3)
	}
	h.record(t, good, 1)
	target.wait(t, 6)
	h.settle(t, h.a)

	parked := h.parked(t, h.a)
	if len(parked) != 1 || parked[0].Stream != bad || parked[0].Version != 3 || parked[0].Position != 3 || parked[0].Reason != bus.TooLarge {
		t.Fatalf("parked = %+v", parked)
	}
	if others := h.parked(t, h.b); len(others) > 0 {
		t.Errorf("another tenant sees %+v", others)
	}
	if n, err := b.Replay(t.Context(), bad); n != 0 || code(err) != "still_parked" {
		t.Errorf("replay = %d, %v", n, err)
	}
	if _, err := b.Replay(t.Context(), good); !errors.Is(err, bus.ErrNotParked) {
		t.Errorf("replay of what is not parked: %v", err)
	}
	target.make(refuseVersion(bad, "200")) // the next one
	if n, err := b.Replay(t.Context(), bad); n != 197 || code(err) != "still_parked" {
		t.Errorf("replay = %d, %v", n, err)
	}
	if parked := h.parked(t, h.a); len(parked) != 1 || parked[0].Version != 200 {
		t.Errorf("parked = %+v", parked)
	}
	target.make(willing)
	var writing sync.WaitGroup
	var enough atomic.Bool
	more := 0
	writing.Go(func() {
		for ; !enough.Load(); more++ {
			h.record(t, bad, 1)
		}
	})
	published, err := b.Replay(t.Context(), bad)
	if err != nil || published < 45 {
		t.Errorf("replay = %d, %v", published, err)
	}
	enough.Store(true)
	writing.Wait()
	list := target.wait(t, 244+3+1+more)
	check(t, list)
	h.settle(t, h.a)
	if parked := h.parked(t, h.a); len(parked) > 0 {
		t.Errorf("parked = %+v", parked)
	}
	h.record(t, bad, 1)
	check(t, target.wait(t, 244+3+1+more+1))
	t.Logf("%d were replayed, %d came meanwhile", published, more)
}

// Again and again a record is parked and let go of, by several nodes and
// operators at the same time.
func TestParkTorture(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	var refusing atomic.Bool
	s := newStream(h.a)
	target.make(func(m *message.Message) error {
		if m.Metadata["ce_type"] == "deal.renamed" && refusing.Load() {
			return bus.Refuse(bus.Invalid, nil)
		}
		return nil
	})
	a, _ := h.run(t, h.config(t, target))
	b, _ := h.run(t, h.config(t, target))
	const rounds = 40
	for i := range rounds {
		refusing.Store(true)
		h.record(t, s, 1+i%3)
		if i%4 > 0 {
			h.settle(t, h.a)
		}
		refusing.Store(false)
		var all sync.WaitGroup
		for _, by := range []*bus.Bus{a, b} {
			all.Go(func() {
				_, err := by.Replay(t.Context(), s)
				if err != nil && !errors.Is(err, bus.ErrNotParked) && !errors.Is(err, eventstore.ErrMoved) {
					t.Errorf("replay: %v", err)
				}
			})
		}
		h.record(t, s, 1)
		all.Wait()
	}
	h.settle(t, h.a)
	for range 2 { // one may have lost against the other, and parked it once more
		if _, err := a.Replay(t.Context(), s); err != nil && !errors.Is(err, bus.ErrNotParked) {
			t.Error(err)
		}
	}
	h.mu.Lock()
	n := int(h.at[s])
	h.mu.Unlock()
	check(t, target.wait(t, n))
}

// Skipping gives up one event, by name, and no other.
func TestSkip(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	s, last := newStream(h.a), newStream(h.a)
	target.make(func(m *message.Message) error {
		return errors.Join(refuseVersion(s, "2")(m), refuseVersion(last, "1")(m))
	})
	b, _ := h.run(t, h.config(t, target))
	h.record(t, s, 4)
	h.record(t, last, 1)
	h.settle(t, h.a)
	p := bus.NewParking(h.wall, "test")
	for _, other := range []eventstore.Version{1, 3} {
		if _, err := p.Skip(t.Context(), h.store, s, other, "ann"); code(err) != "other_version" {
			t.Errorf("skip of version %d: %v", other, err)
		}
	}
	if more, err := p.Skip(t.Context(), h.store, s, 2, "ann"); err != nil || !more {
		t.Fatalf("more = %v, %v", more, err)
	}
	if _, err := p.Skip(t.Context(), h.store, s, 3, "ann"); code(err) != "not_refused" {
		t.Errorf("skip of what was not refused: %v", err)
	}
	if parked := h.parked(t, h.a); len(parked) != 2 || parked[0].Version != 3 || parked[0].Reason != bus.Behind {
		t.Errorf("parked = %+v", parked)
	}
	if n, err := b.Replay(t.Context(), s); n != 2 || err != nil {
		t.Errorf("replay = %d, %v", n, err)
	}
	if more, err := p.Skip(t.Context(), h.store, last, 1, "bob"); err != nil || more {
		t.Errorf("more = %v, %v", more, err)
	}
	if _, err := p.Skip(t.Context(), h.store, last, 1, "bob"); !errors.Is(err, bus.ErrNotParked) {
		t.Errorf("skip of what is not parked: %v", err)
	}
	h.record(t, last, 1)
	h.settle(t, h.a)
	different := map[string]bool{}
	for _, m := range target.wait(t, 4) {
		different[m.id] = true
	}
	if len(different) != 4 {
		t.Errorf("%d events were published", len(different))
	}
	for tenant, want := range map[domain.TenantID]string{h.a: "1 too_large bob, 2 too_large ann", h.b: ""} {
		var got string
		err := h.wall.Pipe(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
			b.Queue(`select coalesce(string_agg(format('%s %s %s', version, reason, skipped_by), ', ' order by version), '') from es.bus_skipped`).
				QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
		})
		if err != nil || got != want {
			t.Errorf("skipped = %q, %v, want %q", got, err, want)
		}
	}
	targets, err := bus.Targets(t.Context(), h.wall)
	if err != nil || len(targets) != 1 || targets[0] != "test" {
		t.Errorf("targets = %v, %v", targets, err)
	}
}

// metrics returns what buses tell, by name and target.
func metrics(t *testing.T, of ...prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(of...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) != 1 {
				t.Errorf("%s has labels %v", family.GetName(), m.GetLabel())
			}
			values[family.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	s := newStream(h.a)
	target.make(refuseVersion(s, "2"))
	b, _ := h.run(t, h.config(t, target))
	h.record(t, s, 3)
	h.record(t, newStream(h.b), 4)
	h.settle(t, h.a)
	h.settle(t, h.b)
	values := metrics(t, b, bus.New(bus.Config{Name: "other", Wall: h.wall, Log: h.config(t, target).Log, Now: h.config(t, target).Now}))
	for name, want := range map[string]float64{
		"rowhouse_bus_published_total test": 5, "rowhouse_bus_failures_total test": 0, "rowhouse_bus_away test": 0, "rowhouse_bus_parked_records test": 1,
		"rowhouse_bus_parked_records other": 0, "rowhouse_follower_lag_events bus:test": 0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}
