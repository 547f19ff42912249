package feed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

func open(t *testing.T) (*postgres.Store, eventstore.FollowerConfig, []domain.TenantID) {
	t.Helper()
	w := dbtest.New(t)
	store := postgres.New(postgres.Config{Wall: w})
	tenants := make([]domain.TenantID, 3)
	for i := range tenants {
		tenants[i].UUID = uuid.Must(uuid.NewV7())
		err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, tenants[i], postgres.Here) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return store, eventstore.FollowerConfig{
		Store: store, Tracker: postgres.NewTracker(w), Owner: "node",
		Poll: 20 * time.Millisecond, Linger: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}, tenants
}

func record(t *testing.T, store eventstore.Store, tenant domain.TenantID, n int) {
	t.Helper()
	w := eventstore.Write{Stream: eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.Must(uuid.NewV7())}}
	for i := range n {
		w.Events = append(w.Events, eventstore.Event{
			ID: uuid.Must(uuid.NewV7()), Type: "deal.won", Schema: 1,
			Data: fmt.Appendf(nil, `{"n":%d}`, i), Meta: []byte(`{"command_id":"01a1fe10-a4a2-7ef7-bb7d-79c543de4e4f"}`),
		})
	}
	if r := store.Append(t.Context(), tenant, eventstore.Command{ID: uuid.Must(uuid.NewV7()), Writes: []eventstore.Write{w}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
}

// Every event arrives, those of a tenant in order and never two messages of it
// at a time, although messages are refused and subscribers end all the time.
func TestSubscriber(t *testing.T) {
	t.Parallel()
	store, cfg, tenants := open(t)
	const events = 600
	go func() {
		for range events / 5 {
			for _, tenant := range tenants {
				record(t, store, tenant, 5)
			}
		}
	}()

	var mu sync.Mutex
	seen := map[string]eventstore.Position{}
	open := map[string]bool{}
	handle := func(m *message.Message) {
		tenant := m.Metadata.Get(feed.Tenant)
		mu.Lock()
		defer mu.Unlock()
		if open[tenant] {
			t.Error("a second message before the first was acknowledged")
		}
		if rand.N(4) == 0 {
			m.Nack()
			return
		}
		var got []feed.Event
		if err := json.Unmarshal(m.Payload, &got); err != nil {
			t.Error(err)
		}
		for _, e := range got {
			pos, err := strconv.ParseInt(e.Position, 10, 64)
			if err != nil || e.Tenant != tenant || eventstore.Position(pos) > seen[tenant]+1 {
				t.Errorf("%s at %s after %d of %s", e.Tenant, e.Position, seen[tenant], tenant)
			}
			seen[tenant] = max(seen[tenant], eventstore.Position(pos))
		}
		open[tenant] = true
		go func() {
			mu.Lock()
			defer mu.Unlock()
			open[tenant] = false
			m.Ack()
		}()
	}
	complete := func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, tenant := range tenants {
			if seen[tenant.String()] < events {
				return false
			}
		}
		return true
	}
	life := 100 * time.Millisecond // in the end longer than the machine needs, however busy it is
	for deadline := time.Now().Add(2 * time.Minute); !complete(); life += 20 * time.Millisecond {
		if time.Now().After(deadline) {
			t.Fatalf("not complete: %v", seen)
		}
		s := feed.NewSubscriber(cfg)
		ch, err := s.Subscribe(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(life, func() { s.Close() }) //nolint:errcheck // returns nil
		for m := range ch {
			handle(m)
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	store, cfg, tenants := open(t)
	record(t, store, tenants[0], 2)
	s := feed.NewSubscriber(cfg)
	defer s.Close() //nolint:errcheck // returns nil
	ch, err := s.Subscribe(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	m := <-ch
	b, ok := feed.FromContext(m.Context())
	if !ok || len(b.Events) != 2 || b.Tenant != tenants[0] {
		t.Errorf("batch = %+v", b)
	}
	want := message.Metadata{feed.Tenant: tenants[0].String(), feed.First: "1", feed.Last: "2"}
	if fmt.Sprint(m.Metadata) != fmt.Sprint(want) {
		t.Errorf("metadata = %v, want %v", m.Metadata, want)
	}
	var got []feed.Event
	if err := json.Unmarshal(m.Payload, &got); err != nil || len(got) != 2 {
		t.Fatalf("%s: %v", m.Payload, err)
	}
	e, r := got[1], b.Events[1]
	if e.SpecVersion != "1.0" || e.Type != "deal.won" || e.Subject != "deal/"+r.Stream.ID.String() || string(e.Data) != `{"n":1}` ||
		e.Version != 2 || e.Position != "2" || !e.Time.Equal(r.Time) || e.ID != (domain.ID{Prefix: "evt", UUID: r.ID}).String() {
		t.Errorf("event = %+v", e)
	}
	m.Nack()
	again := <-ch
	if again.UUID != m.UUID {
		t.Error("the same message comes again under another name")
	}
	again.Ack()
	if _, err := s.Subscribe(t.Context(), "other"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, open := <-ch; open {
		t.Error("a message after Close")
	}
	if _, err := s.Subscribe(context.Background(), "test"); err == nil {
		t.Error("subscribed though closed")
	}
}
