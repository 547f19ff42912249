package placement_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/placement"
)

// engine is a store that says its name by the head of every log.
type engine struct {
	eventstore.Store

	name  string
	head  eventstore.Position
	err   error // of appends
	calls int
}

func (e *engine) Capabilities() eventstore.Capabilities {
	return eventstore.Capabilities{Engine: e.name}
}

func (e *engine) Head(context.Context, domain.TenantID) (eventstore.Position, error) {
	e.calls++
	return e.head, nil
}

func (e *engine) Append(_ context.Context, _ domain.TenantID, c ...eventstore.Command) []eventstore.Result {
	results := make([]eventstore.Result, len(c))
	for i := range results {
		results[i] = eventstore.Result{Receipt: eventstore.Receipt{Last: e.head}, Err: e.err}
	}
	return results
}

// world is two engines, and a time and a directory that tests change.
type world struct {
	*placement.Store

	a, b   *engine
	now    time.Time
	places map[domain.TenantID]string
	asked  int
	fault  error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		a: &engine{name: "a", head: 1}, b: &engine{name: "b", head: 2},
		now: time.Unix(1e9, 0), places: make(map[domain.TenantID]string),
	}
	var err error
	w.Store, err = placement.New(placement.Config{
		Engines: map[string]eventstore.Store{"a": w.a, "b": w.b}, Default: "b",
		Where: func(_ context.Context, t domain.TenantID) (string, error) {
			w.asked++
			return w.places[t], w.fault
		},
		Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) tenant(place string) domain.TenantID {
	t := domain.TenantID{UUID: uuid.New()}
	w.places[t] = place
	return t
}

// in checks which engine is asked about a tenant.
func (w *world) in(t *testing.T, tenant domain.TenantID, want eventstore.Position) {
	t.Helper()
	if got, err := w.Head(t.Context(), tenant); got != want || err != nil {
		t.Errorf("asked engine %d, %v, want %d", got, err, want)
	}
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, theirs, unknown := w.tenant("a"), w.tenant("b"), w.tenant("")
	for range 3 {
		w.in(t, mine, 1)
		w.in(t, theirs, 2)
	}
	if w.asked != 2 {
		t.Errorf("asked %d times where two tenants are", w.asked)
	}
	w.in(t, unknown, 2) // which says that it does not know it
	if w.Capabilities().Engine != "b" {
		t.Error("capabilities are not those of the engine of new tenants")
	}
}

func TestPlacementIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moving := w.tenant("a")
	w.in(t, moving, 1)
	w.places[moving] = "b"
	w.now = w.now.Add(placement.Memory - 1)
	w.in(t, moving, 1)
	w.now = w.now.Add(1)
	w.in(t, moving, 2)

	// Who finds a log sealed looks again at once.
	w.b.err = eventstore.ErrSealed
	w.places[moving] = "a"
	if r := w.Append(t.Context(), moving, eventstore.Command{})[0]; !errors.Is(r.Err, eventstore.ErrSealed) {
		t.Errorf("got %+v", r)
	}
	w.in(t, moving, 1)
}

func TestPlacementElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := w.tenant("c")
	if _, err := w.Head(t.Context(), away); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("head: %v", err)
	}
	if r := w.Append(t.Context(), away, eventstore.Command{}, eventstore.Command{}); len(r) != 2 || !errors.Is(r[1].Err, eventstore.ErrUnavailable) {
		t.Errorf("append: %+v", r)
	}
	for _, err := range w.ReadStream(t.Context(), eventstore.StreamID{Tenant: away}, 0) {
		if !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("stream: %v", err)
		}
	}
	w.fault = errors.New("no database")
	if _, err := w.Read(t.Context(), w.tenant("a"), 0, 1); !errors.Is(err, w.fault) {
		t.Errorf("read: %v", err)
	}
	if w.a.calls+w.b.calls > 0 {
		t.Error("an engine was asked that does not keep the log")
	}
}
