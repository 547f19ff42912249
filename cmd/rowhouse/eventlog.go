package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/placement"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/wall"
)

// logFlags say where the logs of tenants are.
type logFlags struct {
	Events string `env:"ROWHOUSE_EVENTS" placeholder:"URL" help:"Keep the logs of new tenants in this EventStoreDB or KurrentDB instead of PostgreSQL: esdb://user:password@host1:2113,host2:2113?option=value."`
}

// eventLog is the logs of all tenants, in whatever engine they are.
type eventLog struct {
	eventstore.Store

	engine  string // that keeps the logs of new tenants
	here    *postgres.Store
	ledger  *postgres.Ledger // these are nil if there is no other engine
	kurrent *kurrent.Store
	client  *esdb.Client
}

// connect connects the engines. It does not wait for them.
func (f logFlags) connect(ctx context.Context, w *wall.Wall, log *slog.Logger, metrics *prometheus.Registry) (*eventLog, error) {
	tracker := postgres.NewTracker(w)
	l := &eventLog{engine: postgres.Here, here: postgres.New(postgres.Config{Wall: w, Log: log, Metrics: metrics})}
	engines := map[string]eventstore.Store{postgres.Here: l.here}
	if f.Events == "" {
		elsewhere, err := tracker.Elsewhere(ctx)
		if err != nil || elsewhere {
			return l, cmp.Or(err, errors.New("the logs of some tenants are kept in an event store: say where it is with --events"))
		}
	} else {
		if err := l.join(f.Events, w, log, metrics); err != nil {
			return nil, fmt.Errorf("--events: %w", err)
		}
		engines[postgres.InKurrent] = l.kurrent
	}
	// Also if there is one engine only: another node may know of one more.
	var err error
	l.Store, err = placement.New(placement.Config{Engines: engines, Default: l.engine, Where: tracker.Where, Now: time.Now})
	return l, err
}

// join connects to the event store at a URL, for the logs of new tenants.
func (l *eventLog) join(url string, w *wall.Wall, log *slog.Logger, metrics *prometheus.Registry) error {
	cfg, err := esdb.Parse(url)
	if err != nil {
		return err
	}
	cfg.Log = log
	if l.client, err = esdb.New(cfg); err != nil {
		return err
	}
	l.engine = postgres.InKurrent
	l.ledger = postgres.NewLedger(postgres.Config{Wall: w, Log: log})
	l.kurrent = kurrent.New(kurrent.Config{Ledger: l.ledger, Events: l.client, Log: log, Metrics: metrics})
	return nil
}

// watch does what an engine needs somebody to do all the time.
func (l *eventLog) watch(ctx context.Context, w *wall.Wall, owner string) {
	if l.kurrent != nil {
		kurrent.NewWitness(kurrent.WitnessConfig{Store: l.kurrent, Tracker: postgres.NewTracker(w), Owner: owner}).Run(ctx)
	}
}

// close answers what the log was given.
func (l *eventLog) close(ctx context.Context) error {
	var errs []error
	if l.kurrent != nil {
		errs = append(errs, l.kurrent.Close(ctx), l.ledger.Close(ctx))
	}
	errs = append(errs, l.here.Close(ctx))
	if l.client != nil {
		errs = append(errs, l.client.Close())
	}
	return errors.Join(errs...)
}
