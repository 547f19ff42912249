// Package postgres keeps the log in PostgreSQL. What may be appended is judged
// by one function of the database, es.append, which takes the commands of many
// tenants in one transaction and answers each by itself; see
// migrations/0002_log.sql. The package decides which commands travel together.
//
// It knows nothing of what the events mean.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/internal/calls"
	"github.com/rowhouse/rowhouse/wall"
)

// Config says where the log is and how to use it. What is optional may be zero.
type Config struct {
	Wall *wall.Wall

	// Lanes is how many batches may be under way at a time (default 2). Each
	// uses a connection.
	Lanes int

	// Patience is how long the store tries to reach a database that is away
	// before it gives up on the commands it holds (default 15 s).
	Patience time.Duration

	// Metrics, if set, is where the store registers what it counts.
	Metrics prometheus.Registerer

	// Log, if set, is told when the database is away.
	Log *slog.Logger
}

// Store is a log in PostgreSQL.
type Store struct {
	cfg     Config
	lanes   []*lane
	metrics *metrics

	calls calls.Calls
}

var _ eventstore.Store = (*Store)(nil)

// New returns a store behind a wall.
func New(cfg Config) *Store { return newStore(cfg, appendAll) }

func newStore(cfg Config, judge string) *Store {
	if cfg.Lanes == 0 {
		cfg.Lanes = 2
	}
	if cfg.Patience == 0 {
		cfg.Patience = 15 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, metrics: newMetrics(cfg.Metrics)}
	waiting := make(chan struct{}, 2)
	for range cfg.Lanes {
		s.lanes = append(s.lanes, newLane(recorder{cfg, s.metrics, waiting, judge}))
	}
	return s
}

// Close refuses new commands, and waits until those that were accepted are
// answered or ctx is done.
func (s *Store) Close(ctx context.Context) error { return s.calls.Close(ctx) }

// Append implements [eventstore.Store].
func (s *Store) Append(ctx context.Context, tenant domain.TenantID, commands ...eventstore.Command) []eventstore.Result {
	results := make([]eventstore.Result, len(commands))
	if !s.calls.Enter() {
		for i := range results {
			results[i].Err = eventstore.ErrClosed
		}
		return results
	}
	defer s.calls.Leave()
	entries := make([]entry, len(commands))
	var accepted []*entry
	for i := range commands {
		if entries[i], results[i].Err = newEntry(tenant, &commands[i]); results[i].Err == nil {
			entries[i].result = &results[i]
			accepted = append(accepted, &entries[i])
		}
	}
	if len(accepted) > 0 {
		s.lane(tenant).append(ctx, tenant, accepted)
	}
	return results
}

// lane returns the lane of a tenant: always the same one, so that the commands
// of a tenant do not wait for one another in the database.
func (s *Store) lane(t domain.TenantID) *lane {
	return s.lanes[int(t.UUID[14])%len(s.lanes)]
}

// Forget forgets the commands that are older than an age, however young that is
// not those of the last 7 days, and returns how many they were. What is
// forgotten may be sent again under the same ID as if it were new, unless its
// events are noticed.
func (s *Store) Forget(ctx context.Context, age time.Duration) (forgotten int64, err error) {
	const atOnce = 10_000
	for n := int64(atOnce); n == atOnce; forgotten += n {
		err := s.cfg.Wall.Outside(ctx, wall.Dispatcher, func(tx wall.Tx) error {
			tag, err := tx.Exec(ctx, `delete from es.command c using (
					select tenant_id, command_id from es.command where at < now() - $1::interval limit $2) old
				where c.tenant_id = old.tenant_id and c.command_id = old.command_id`, age, atOnce)
			n = tag.RowsAffected()
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("forget old commands: %w", err)
		}
	}
	return forgotten, nil
}

// Capabilities implements [eventstore.Store].
func (*Store) Capabilities() eventstore.Capabilities {
	return eventstore.Capabilities{
		Engine: Here, Decides: Here, Isolation: eventstore.IsolatedByDatabase,
		MaxEventBytes: eventstore.MaxEventBytes, MaxCommandBytes: eventstore.MaxCommandBytes,
	}
}
