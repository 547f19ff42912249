package bus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/eventstore"
)

// purge ends a record.
func (h *house) purge(t *testing.T, s eventstore.StreamID) {
	t.Helper()
	h.mu.Lock()
	at := h.at[s]
	h.at[s]++
	h.mu.Unlock()
	e := eventstore.Event{ID: uuid.Must(uuid.NewV7()), Type: s.Kind + ".purged", Schema: 1, Data: []byte(`{}`), Meta: []byte(`{"actor":{"kind":"system"}}`)}
	w := eventstore.Write{Stream: s, At: at, Events: []eventstore.Event{e}}
	r := h.store.Append(t.Context(), s.Tenant, eventstore.Command{ID: uuid.Must(uuid.NewV7()), Writes: []eventstore.Write{w}})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
}

// wantWithheld checks that events of a record came without what was in them.
func wantWithheld(t *testing.T, list []taken, n int) {
	t.Helper()
	ids := map[string]bool{}
	for _, m := range list {
		ids[m.id] = true
		payload, withheld := string(m.message.Payload), m.message.Metadata["ce_withheld"]
		if isPurge := strings.HasSuffix(m.message.Metadata["ce_type"], ".purged"); isPurge != (payload == "{}") || !isPurge && (payload != "null" || withheld != "true") {
			t.Errorf("%s: %s, withheld: %q", m.message.Metadata["ce_type"], payload, withheld)
		}
	}
	if len(ids) != n {
		t.Errorf("%d events, want %d", len(ids), n)
	}
}

// A broker that is connected later is not told what was in the events of a
// record that was purged.
func TestPurgedBeforePublished(t *testing.T) {
	t.Parallel()
	h, b := newHouse(t), newBroker()
	s := newStream(h.a)
	h.record(t, s, 3)
	h.purge(t, s)
	_, stop := h.run(t, h.config(t, b))
	defer stop()
	wantWithheld(t, b.wait(t, 4), 4)
	check(t, b.taken)
}

// Nor is one that was away meanwhile.
func TestPurgedWhileAway(t *testing.T) {
	t.Parallel()
	h, b := newHouse(t), newBroker()
	s := newStream(h.a)
	refused := make(chan struct{}, 1000)
	b.make(func(*message.Message) error { refused <- struct{}{}; return errors.New("away") })
	_, stop := h.run(t, h.config(t, b))
	defer stop()
	h.record(t, s, 3)
	<-refused
	<-refused
	h.purge(t, s)
	b.make(func(*message.Message) error { return nil })
	wantWithheld(t, b.wait(t, 4), 4)
}

// Nor is one that did not take the record, when it is replayed.
func TestPurgedWhileParked(t *testing.T) {
	t.Parallel()
	h, b := newHouse(t), newBroker()
	s := newStream(h.a)
	b.make(func(*message.Message) error { return bus.Refuse(bus.TooLarge, nil) })
	one, stop := h.run(t, h.config(t, b))
	defer stop()
	h.record(t, s, 3)
	h.settle(t, h.a)
	h.purge(t, s)
	h.settle(t, h.a)
	b.make(func(*message.Message) error { return nil })
	if _, err := one.Replay(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	wantWithheld(t, b.wait(t, 4), 4)
}
