package kurrent_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/storetest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// realServer is where a real server is, if there is one for tests.
func realServer() string { return os.Getenv("ROWHOUSE_TEST_KURRENT_URL") }

// engine returns the address of a server: the real one, or else a double.
func engine(t *testing.T) string {
	t.Helper()
	if url := realServer(); url != "" {
		return url
	}
	return esdbtest.Start(t).URL()
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// dial returns a client that is closed with the test.
func dial(t testing.TB, url string) *esdb.Client {
	t.Helper()
	cfg, err := esdb.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	c, err := esdb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// newTenant makes a tenant whose log is in the engine.
func newTenant(t testing.TB, w *wall.Wall) domain.TenantID {
	t.Helper()
	id := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
	err := w.Outside(t.Context(), wall.Access, func(tx wall.Tx) error {
		return postgres.CreateTenant(t.Context(), tx, id, postgres.InKurrent)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// witness runs a witness of a store until the test ends.
func witness(t testing.TB, w *wall.Wall, s *kurrent.Store, owner string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		kurrent.NewWitness(kurrent.WitnessConfig{Store: s, Tracker: postgres.NewTracker(w), Owner: owner}).Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// TestStore is the law for a store that is watched, and so reads its events from
// the engine now and then, and for one that is not.
func TestStore(t *testing.T) {
	t.Parallel()
	for _, watched := range []bool{false, true} {
		name := map[bool]string{false: "pending", true: "witnessed"}[watched]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, url := dbtest.New(t), engine(t)
			ledger := postgres.NewLedger(postgres.Config{Wall: w})
			client := dial(t, url)
			if watched {
				witness(t, w, kurrent.New(kurrent.Config{Ledger: ledger, Events: client, Log: logger(t)}), "node")
			}
			storetest.Run(t, func(t *testing.T) (eventstore.Store, func() domain.TenantID) {
				t.Helper()
				return kurrent.New(kurrent.Config{Ledger: ledger, Events: client}), func() domain.TenantID { return newTenant(t, w) }
			})
		})
	}
}

// TestKinds has kinds that cannot be part of the name of a stream.
func TestKinds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	for _, kind := range []string{"", "a-b", "Deal", "a\x00b", "dé", "_a", "1"} {
		s := h.stream()
		s.Kind = kind
		if r := n.appendFor(20*time.Second, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}}); !errors.Is(r.Err, eventstore.ErrMalformed) {
			t.Errorf("%q: got %+v", kind, r)
		}
	}
	if head, err := n.Head(t.Context(), h.tenant); head != 0 || err != nil {
		t.Errorf("%d events were decided, %v", head, err)
	}
}
