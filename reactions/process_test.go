package reactions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// rang is the event of the processes below.
type rang struct {
	Bell int `json:"bell"`
}

func (rang) EventType() string { return "bell.rang" }

// counted is how often a bell rang.
type counted struct {
	N int `json:"n,omitzero"`
}

// told says how often a bell rang.
type told struct {
	Bell string `json:"bell"`
	N    int    `json:"n"`
}

// A process gets each event once, also if it is delivered several times and broken
// off in between. What it remembers of a bell is what the events of the bell say; its
// orders are carried out once; and a wake-up finds what it remembers then.
func TestProcessOnce(t *testing.T) {
	t.Parallel()
	w := dbtest.New(t)
	store := postgres.New(postgres.Config{Wall: w})
	tenant, other := newTenant(t, w), newTenant(t, w)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var heard []told
	tell := NewWork("tell", func(_ context.Context, _ Services, _ jobs.Job, args told) ([]Order, error) {
		heard = append(heard, args)
		return nil, nil
	})
	bell := func(e Event[rang]) string { return fmt.Sprint("bell ", e.Data.Bell) }
	p := NewProcess("bells",
		OnSubject(bell, func(s counted, e Event[rang]) (counted, []Order) {
			s.N++
			orders := []Order{WakeAt("silent", now.Add(time.Hour))}
			if s.N%10 == 0 {
				orders = append(orders, tell.Do(told{bell(e), s.N}))
			}
			return s, orders
		}),
		Woken(func(s counted, w Wakeup) (counted, []Order) {
			return counted{}, []Order{tell.Do(told{w.Subject + " is " + w.Key, s.N})}
		}),
	)
	ring := func(tenant domain.TenantID, times int) {
		for i := range times {
			recordBell(t, store, tenant, fmt.Sprintf(`{"bell":%d}`, i%3))
		}
	}
	ring(tenant, 100)
	ring(other, 1)
	log, err := store.Read(t.Context(), tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	tracker := postgres.NewTracker(w)
	in := Services{Wall: w, Now: func() time.Time { return now }}
	at := func() eventstore.Checkpoint {
		c, err := tracker.Checkpoint(t.Context(), p.name, tenant)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for patience := 5; at().Position < 100; patience++ {
		from := at()
		if rand.N(2) == 0 {
			from.Position = rand.N(from.Position + 1) // somebody who does not know how far others have come
		}
		to := min(from.Position+1+rand.N(eventstore.Position(20)), 100)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(patience))*time.Millisecond)
		p.react(ctx, in, tracker, eventstore.Batch{Tenant: tenant, From: from, Events: log[from.Position:to]}) //nolint:errcheck // that is the point
		cancel()
	}
	drain := func() {
		t.Helper()
		heard = nil
		if err := jobs.NewWorkers(w, in.Handlers([]Process{p}, []AnyWork{tell}), in.Now).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(heard, func(a, b told) int { return cmpTold(a, b) })
	}
	drain()
	want := []told{{"bell 0", 10}, {"bell 0", 20}, {"bell 0", 30}, {"bell 1", 10}, {"bell 1", 20}, {"bell 1", 30}, {"bell 2", 10}, {"bell 2", 20}, {"bell 2", 30}}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	now = now.Add(time.Hour)
	drain()
	want = []told{{"bell 0 is silent", 34}, {"bell 1 is silent", 33}, {"bell 2 is silent", 33}}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("told after an hour (-want +got):\n%s", diff)
	}
	drain()
	if len(heard) > 0 {
		t.Error("told again:", heard)
	}
	err = w.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(tx wall.Tx) error {
		states, err := jobs.States(t.Context(), tx, tenant, p.name, []string{"bell 0", "bell 1", "bell 2"})
		if len(states) > 0 {
			t.Error("a state that is nothing is kept:", states)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	late := p.react(t.Context(), in, tracker, eventstore.Batch{Tenant: tenant, Events: log[:10]})
	if !errors.Is(late, eventstore.ErrMoved) {
		t.Error("a batch that comes late:", late)
	}
}

func cmpTold(a, b told) int {
	if a.Bell != b.Bell {
		if a.Bell < b.Bell {
			return -1
		}
		return 1
	}
	return a.N - b.N
}

// recordBell records that a bell rang.
func recordBell(t *testing.T, store eventstore.Store, tenant domain.TenantID, data string) {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	meta, err := json.Marshal(eventstore.Metadata{Command: id})
	if err != nil {
		t.Fatal(err)
	}
	r := store.Append(t.Context(), tenant, eventstore.Command{ID: id, Writes: []eventstore.Write{{
		Stream: eventstore.StreamID{Tenant: tenant, Kind: "bell", ID: id},
		Events: []eventstore.Event{{ID: uuid.Must(uuid.NewV7()), Type: "bell.rang", Schema: 1, Data: []byte(data), Meta: meta}},
	}}})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
}

// A process that fails at an event changes nothing, and is given it again; one that
// fails when it is woken is parked in the end, and the others go on.
func TestProcessFails(t *testing.T) {
	t.Parallel()
	w := dbtest.New(t)
	store := postgres.New(postgres.Config{Wall: w})
	tenant := newTenant(t, w)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := Services{Wall: w, Now: func() time.Time { return now }}
	tracker := postgres.NewTracker(w)
	broken := true
	p := NewProcess("fragile",
		OnSubject(func(e Event[rang]) string { return strconv.Itoa(e.Data.Bell) }, func(s counted, e Event[rang]) (counted, []Order) {
			if broken && e.Data.Bell == 1 {
				panic("ada@example.org")
			}
			s.N++
			return s, []Order{WakeAt("k", now)}
		}),
		Woken(func(s counted, w Wakeup) (counted, []Order) {
			if w.Subject == "1" {
				panic("ada@example.org")
			}
			return counted{}, nil
		}),
	)
	recordBell(t, store, tenant, `{"bell":0}`)
	recordBell(t, store, tenant, `{"bell":1}`)
	log, err := store.Read(t.Context(), tenant, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	b := eventstore.Batch{Tenant: tenant, Events: log}
	if err := p.react(t.Context(), in, tracker, b); err == nil || err.Error() != "panic: string" {
		t.Error(err)
	}
	desk := jobs.Desk{Wall: w, Now: in.Now}
	if waiting, _, _, err := desk.Count(t.Context(), tenant); waiting != 0 || err != nil {
		t.Error(waiting, err)
	}
	broken = false
	if err := p.react(t.Context(), in, tracker, b); err != nil {
		t.Error(err)
	}
	for range 20 {
		if err := jobs.NewWorkers(w, in.Handlers([]Process{p}, nil), in.Now).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	list, err := desk.List(t.Context(), tenant, true, 10)
	if err != nil || len(list) != 1 || list[0].Subject != "1" || list[0].Error != "panic: string" || list[0].Name != "fragile.k" {
		t.Errorf("%+v, %v", list, err)
	}
	if waiting, _, _, err := desk.Count(t.Context(), tenant); waiting != 0 || err != nil {
		t.Error(waiting, err)
	}
}
