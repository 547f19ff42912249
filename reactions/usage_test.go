package reactions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

func newTenant(t *testing.T, w *wall.Wall) domain.TenantID {
	t.Helper()
	tenant := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
	err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, tenant, postgres.Here) })
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// record records a command with events of these kinds.
func record(t *testing.T, store eventstore.Store, tenant domain.TenantID, kinds ...string) {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	meta, err := json.Marshal(eventstore.Metadata{Command: id})
	if err != nil {
		t.Fatal(err)
	}
	cmd := eventstore.Command{ID: id}
	for _, kind := range kinds {
		cmd.Writes = append(cmd.Writes, eventstore.Write{
			Stream: eventstore.StreamID{Tenant: tenant, Kind: kind, ID: uuid.Must(uuid.NewV7())},
			Events: []eventstore.Event{{ID: uuid.Must(uuid.NewV7()), Type: kind + ".created", Schema: 1, Data: []byte("{}"), Meta: meta}},
		})
	}
	if r := store.Append(t.Context(), tenant, cmd)[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
}

// used returns the total of each dimension.
func used(t *testing.T, w *wall.Wall, tenant domain.TenantID) (map[string]int64, eventstore.Position) {
	t.Helper()
	lines, at, err := UsageOf(t.Context(), w, tenant, time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]int64{}
	for _, l := range lines {
		sum[l.Dimension] += l.Quantity
	}
	return sum, at
}

// Each event counts once, in whatever runs it is delivered, and however often,
// also when two count at the same time.
func TestUsageCountsOnce(t *testing.T) {
	t.Parallel()
	w := dbtest.New(t)
	store := postgres.New(postgres.Config{Wall: w})
	tenant, other := newTenant(t, w), newTenant(t, w)
	for range 100 {
		record(t, store, tenant, "deal", "contact")
		record(t, store, tenant, "deal")
	}
	record(t, store, other, "task")
	log, err := store.Read(t.Context(), tenant, 0, 1000)
	if err != nil || len(log) != 300 {
		t.Fatal(len(log), err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			patience := 20 // in the end more than the machine needs, however busy it is
			for _, at := used(t, w, tenant); at < 300; _, at = used(t, w, tenant) {
				patience++
				from := rand.N(at + 1)
				to := min(at+1+rand.N(eventstore.Position(20)), 300)
				b := eventstore.Batch{Tenant: tenant, From: eventstore.Checkpoint{Position: from}, Events: log[from:to]}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(patience))*time.Millisecond)
				countUsage(ctx, Services{Wall: w}, b) //nolint:errcheck // that is the point
				cancel()
			}
		})
	}
	wg.Wait()
	if err := countUsage(t.Context(), Services{Wall: w}, eventstore.Batch{Tenant: tenant, Events: log}); err != nil {
		t.Errorf("once more: %v", err)
	}
	got, _ := used(t, w, tenant)
	want := map[string]int64{"events": 300, "events.deal": 200, "events.contact": 100, "commands": 200}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	if got, at := used(t, w, other); len(got) > 0 || at != 0 {
		t.Errorf("another tenant's usage is %v at %d", got, at)
	}
	if err := countUsage(t.Context(), Services{Wall: w}, eventstore.Batch{Tenant: other, Events: log[5:6]}); !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("a gap: %v", err)
	}
}

// The router brings the log to the reactions, although they fail and panic.
func TestRouter(t *testing.T) {
	t.Parallel()
	w := dbtest.New(t)
	var router atomic.Pointer[Router]
	var told bytes.Buffer // only read when the router has ended
	store := &eventstore.Tail{Store: postgres.New(postgres.Config{Wall: w}), Appended: func(t domain.TenantID, p eventstore.Position) {
		if r := router.Load(); r != nil {
			r.Notify(t, p)
		}
	}}
	cfg := eventstore.FollowerConfig{
		Store: store, Tracker: postgres.NewTracker(w), Owner: "node", Poll: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&told, nil)), Now: time.Now,
	}
	usage := Usage
	usage.Linger = time.Millisecond
	var seen sync.Map // the first failure of each tenant is told at once, others later
	var first atomic.Bool
	usage.React = func(ctx context.Context, in Services, b eventstore.Batch) error {
		if _, again := seen.LoadOrStore(b.Tenant, true); again {
			return Usage.React(ctx, in, b)
		}
		if first.CompareAndSwap(false, true) {
			return errors.New("not now")
		}
		panic("no")
	}
	r := NewRouter(Services{Wall: w}, cfg, []Reaction{usage}, nil)
	router.Store(r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()

	tenants := []domain.TenantID{newTenant(t, w), newTenant(t, w)}
	for range 50 {
		for _, tenant := range tenants {
			record(t, store, tenant, "deal")
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		a, _ := used(t, w, tenants[0])
		b, _ := used(t, w, tenants[1])
		if a["events"] == 50 && b["commands"] == 50 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("usage is ", a, b))
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
	for word, want := range map[string]bool{"reaction usage: not now": true, "reaction usage: panic: string": true} {
		if strings.Contains(told.String(), word) != want {
			t.Errorf("%q is told: %t, want %t:\n%s", word, !want, want, &told)
		}
	}
}
