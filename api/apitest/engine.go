package apitest

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// OnEach tries on a backend of each engine what depends on how logs are kept: what is
// told of them, and who may change them when. All else needs one engine only; see [New].
func OnEach(t *testing.T, try func(*testing.T, *Server)) {
	t.Helper()
	for _, engine := range Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			try(t, On(t, engine))
		})
	}
}

// Engines returns the names of all engines.
func Engines() []string { return []string{postgres.Here, postgres.InKurrent} }

// Engine returns the name of the engine that the backends of [New] keep their
// logs in: what the environment says in ROWHOUSE_TEST_ENGINE, or PostgreSQL.
func Engine() string { return cmp.Or(os.Getenv("ROWHOUSE_TEST_ENGINE"), postgres.Here) }

// openLog returns a log that nobody else uses, in an engine.
func (s *Server) openLog(engine string, cfg postgres.Config, log *slog.Logger) eventstore.Store {
	s.t.Helper()
	switch engine {
	case postgres.Here:
		return postgres.New(cfg)
	case postgres.InKurrent:
		return s.openKurrent(cfg, log)
	default:
		s.t.Fatalf("ROWHOUSE_TEST_ENGINE=%s is not known", engine)
		return nil
	}
}

// openKurrent returns a log in an event store: in a double of it, or in the real
// one that the environment names in ROWHOUSE_TEST_KURRENT_URL.
func (s *Server) openKurrent(ledger postgres.Config, log *slog.Logger) *kurrent.Store {
	s.t.Helper()
	url := os.Getenv("ROWHOUSE_TEST_KURRENT_URL")
	if url == "" {
		s.Double = esdbtest.Start(s.t)
		url = s.Double.URL()
	}
	cfg, err := esdb.Parse(url)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Log = log
	client, err := esdb.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	store := kurrent.New(kurrent.Config{Ledger: postgres.NewLedger(ledger), Events: client, Log: log, Patience: 15 * time.Second})
	witness := kurrent.NewWitness(kurrent.WitnessConfig{Store: store, Tracker: postgres.NewTracker(ledger.Wall), Owner: "test"})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { witness.Run(ctx) })
	s.t.Cleanup(func() {
		stop()
		running.Wait()
		if err := client.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return store
}
