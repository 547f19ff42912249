package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// broker is a target that keeps what it takes, and makes the trouble that it is
// told to.
type broker struct {
	trouble func(*message.Message) error // nil takes the message

	mu    sync.Mutex
	taken []taken
	ids   map[string]bool
	grown chan struct{} // closed and replaced with each message
}

// taken is a message that the broker took.
type taken struct {
	topic, id, tenant, key string
	version                int
	position               eventstore.Position
	message                *message.Message
}

func newBroker() *broker {
	return &broker{ids: map[string]bool{}, grown: make(chan struct{}), trouble: func(*message.Message) error { return nil }}
}

func (*broker) Topic(s eventstore.StreamID, eventType string) string {
	return bus.Subject("rowhouse", s, eventType)
}

func (*broker) Close() error { return nil }

// Publish takes messages in any order. Trouble with one of them does not keep it
// from taking others.
func (b *broker) Publish(topic string, messages ...*message.Message) (err error) {
	for _, i := range rand.Perm(len(messages)) {
		m := messages[i]
		if e := m.Context().Err(); e != nil {
			return e
		}
		b.mu.Lock()
		trouble := b.trouble
		b.mu.Unlock()
		if e := trouble(m); e != nil {
			err = e
			continue
		}
		b.take(topic, m)
	}
	return err
}

func (b *broker) take(topic string, m *message.Message) {
	version, _ := strconv.Atoi(m.Metadata["ce_version"])
	position, _ := strconv.Atoi(m.Metadata["ce_position"])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[m.UUID] = true
	b.taken = append(b.taken, taken{topic, m.UUID, m.Metadata["ce_tenant"], m.Metadata[bus.Key], version, eventstore.Position(position), m})
	close(b.grown)
	b.grown = make(chan struct{})
}

func (b *broker) make(trouble func(*message.Message) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = trouble
}

// wait waits until the broker has taken so many different events.
func (b *broker) wait(t *testing.T, n int) []taken {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		got, list, grown := len(b.ids), b.taken, b.grown
		b.mu.Unlock()
		if got >= n {
			return list
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("%d events of %d arrived", got, n)
		}
	}
}

// check checks that the first time that each event was taken was after that of
// the one before it on its record, and that all was taken as that of its tenant.
func check(t *testing.T, list []taken) {
	t.Helper()
	last, seen := map[string]int{}, map[string]bool{}
	for _, m := range list {
		if !strings.HasPrefix(m.topic, "rowhouse."+m.tenant+".") || !strings.HasPrefix(m.key, m.tenant+"/") {
			t.Errorf("event of %s on %s with key %s", m.tenant, m.topic, m.key)
		}
		if seen[m.id] {
			continue
		}
		seen[m.id] = true
		if m.version != last[m.key]+1 {
			t.Errorf("version %d after %d of %s", m.version, last[m.key], m.key)
		}
		last[m.key] = m.version
	}
}

// house is a log with two tenants.
type house struct {
	wall    *wall.Wall
	store   *eventstore.Tail
	tracker postgres.Tracker
	a, b    domain.TenantID

	mu   sync.Mutex
	open []*bus.Bus
	at   map[eventstore.StreamID]eventstore.Version
}

func newHouse(t *testing.T) *house {
	t.Helper()
	w := dbtest.New(t)
	h := &house{wall: w, tracker: postgres.NewTracker(w), at: map[eventstore.StreamID]eventstore.Version{}}
	engine := postgres.New(postgres.Config{Wall: w})
	h.store = &eventstore.Tail{Store: engine, Appended: func(tenant domain.TenantID, head eventstore.Position) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, b := range h.open {
			b.Notify(tenant, head)
		}
	}}
	t.Cleanup(func() { engine.Close(context.Background()) }) //nolint:errcheck // nothing was given to it any more
	for _, id := range []*domain.TenantID{&h.a, &h.b} {
		id.UUID = uuid.Must(uuid.NewV7())
		err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, *id, postgres.Here) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// record adds events to a record.
func (h *house) record(t *testing.T, s eventstore.StreamID, n int) {
	t.Helper()
	h.mu.Lock()
	at := h.at[s]
	h.at[s] += eventstore.Version(n)
	h.mu.Unlock()
	w := eventstore.Write{Stream: s, At: at}
	for i := range n {
		w.Events = append(w.Events, eventstore.Event{
			ID: uuid.Must(uuid.NewV7()), Type: s.Kind + ".renamed", Schema: 1, Data: fmt.Appendf(nil, `{"name":"secret %d"}`, i),
			Meta: []byte(`{"actor":{"kind":"system"},"command_id":"01a1fe10-a4a2-7ef7-bb7d-79c543de4e4f","correlation_id":"req\r\nce_tenant: x"}`),
		})
	}
	if r := h.store.Append(t.Context(), s.Tenant, eventstore.Command{ID: uuid.Must(uuid.NewV7()), Writes: []eventstore.Write{w}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
}

func newStream(tenant domain.TenantID) eventstore.StreamID {
	return eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.Must(uuid.NewV7())}
}

func (h *house) config(t *testing.T, target bus.Target) bus.Config {
	t.Helper()
	return bus.Config{
		Wall: h.wall, Store: h.store, Tracker: h.tracker, Name: "test", Target: target, Owner: uuid.NewString(),
		Prefixes: feed.Prefixes{"deal": "deal"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
}

// run runs a bus and returns it with a function that stops it.
func (h *house) run(t *testing.T, cfg bus.Config) (*bus.Bus, func()) {
	t.Helper()
	b := bus.New(cfg)
	h.mu.Lock()
	h.open = append(h.open, b)
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return b, stop
}

func (h *house) position(t *testing.T, tenant domain.TenantID) eventstore.Position {
	t.Helper()
	at, err := h.tracker.Checkpoint(t.Context(), bus.GroupOf("test"), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return at.Position
}

// settle waits until the checkpoint of a tenant is at the end of its log.
func (h *house) settle(t *testing.T, tenant domain.TenantID) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		head, err := h.store.Head(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		at := h.position(t, tenant)
		if at == head {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("at %d of %d", at, head)
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	s := newStream(h.a)
	h.record(t, s, 1)
	h.record(t, newStream(h.b), 3)
	h.run(t, h.config(t, target))
	list := target.wait(t, 4)
	check(t, list)
	log, err := h.store.Read(t.Context(), h.a, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.tenant != h.a.String() {
			continue
		}
		record := "deal/" + domain.ID{Prefix: "deal", UUID: s.ID}.String()
		want := message.Metadata{
			"content-type": "application/json", "ce_specversion": "1.0", "ce_id": m.id, "ce_source": "/tenants/" + h.a.String(),
			"ce_subject": record, "ce_type": "deal.renamed", "ce_time": log[0].Time.UTC().Format(time.RFC3339Nano),
			"ce_tenant": h.a.String(), "ce_position": "1", "ce_version": "1", "ce_schemaversion": "1",
			"ce_partitionkey": h.a.String() + "/" + record, "ce_actor": "system", "ce_correlationid": "req__ce_tenant: x",
		}
		if diff := cmp.Diff(want, m.message.Metadata); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		if string(m.message.Payload) != `{"name":"secret 0"}` || m.topic != "rowhouse."+h.a.String()+".deal.renamed" ||
			m.id != (domain.ID{Prefix: "evt", UUID: log[0].ID}).String() {
			t.Errorf("message %s on %s: %s", m.id, m.topic, m.message.Payload)
		}
	}
	h.settle(t, h.a)
	h.settle(t, h.b)
}

// greedy lets a node believe that it holds all shards, whoever else does.
type greedy struct{ postgres.Tracker }

func (greedy) Lease(_ context.Context, _ string, _ time.Duration, groups ...string) (eventstore.Held, error) {
	held := make(eventstore.Held)
	for s := range eventstore.Shard(eventstore.Shards) {
		for _, g := range groups {
			held[g] = append(held[g], s)
		}
	}
	return held, nil
}

var errTimeout = errors.New("timeout")

// Every event arrives, those of a record in order, although the target fails
// again and again in the middle of what it is given, and nodes come, go, and
// work at the same time. No checkpoint is ever beyond what was taken.
func TestTorture(t *testing.T) {
	t.Parallel()
	h, target := newHouse(t), newBroker()
	target.make(func(*message.Message) error {
		if rand.N(20) == 0 {
			return errTimeout
		}
		return nil
	})
	const records, rounds, each = 8, 30, 3
	var writers sync.WaitGroup
	for _, tenant := range []domain.TenantID{h.a, h.b} {
		for range records {
			s := newStream(tenant)
			writers.Go(func() {
				for range rounds {
					h.record(t, s, each)
				}
			})
		}
	}
	honest := func() {
		for _, tenant := range []domain.TenantID{h.a, h.b} {
			at, have := h.position(t, tenant), map[eventstore.Position]bool{}
			target.mu.Lock()
			for _, m := range target.taken {
				if m.tenant == tenant.String() {
					have[m.position] = true
				}
			}
			target.mu.Unlock()
			for p := range at {
				if !have[p+1] {
					t.Fatalf("checkpoint is at %d, but %d was not taken", at, p+1)
				}
			}
		}
	}
	cfg := h.config(t, target)
	cfg.Tracker = greedy{h.tracker}
	for range 20 {
		_, stopOne := h.run(t, cfg)
		_, stopOther := h.run(t, cfg)
		time.Sleep(time.Duration(rand.N(100)) * time.Millisecond)
		stopOne()
		honest()
		stopOther()
		honest()
	}
	writers.Wait()
	_, stop := h.run(t, h.config(t, target))
	list := target.wait(t, 2*records*rounds*each)
	check(t, list)
	h.settle(t, h.a)
	h.settle(t, h.b)
	honest()
	stop()
	t.Logf("%d messages for %d events", len(list), 2*records*rounds*each)
}
