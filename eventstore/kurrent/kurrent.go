// Package kurrent keeps the logs of tenants in EventStoreDB or KurrentDB: a
// stream for each record, named <tenant>-<kind>-<id>, so that the category of a
// stream is its tenant.
//
// That engine checks one stream at a time. What a command needs beyond that, it
// gets from the ledger in PostgreSQL, which judges the whole command and gives
// out its positions; from then on the command is decided, and there is only one
// way, forward:
//
//  1. The ledger decides, and keeps the events with it ([postgres.Ledger]).
//  2. The events are shipped: appended to their streams, each at its exact
//     revision and under its own ID, so that doing it again does nothing.
//  3. The command is acknowledged.
//  4. The witness sees the events in the log of the whole server, compares them
//     with what was decided, and lets go of them in the ledger.
//
// Whatever ends between two steps, somebody else takes up: what was decided and
// was not witnessed after a while is shipped by any node, and whoever finds
// events of a stream missing ships them first. See
// docs/adr/0010-decided-here-kept-there.md.
//
// The package knows nothing of what the events mean.
package kurrent

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/internal/calls"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// Config says where the log is. What is optional may be zero.
type Config struct {
	Ledger *postgres.Ledger
	Events *esdb.Client

	// Patience is how long the store tries to ship what was decided, or to read,
	// before it answers that the engine is away (default 10 s: an election takes
	// less). What was decided is shipped later then.
	Patience time.Duration

	// Limit is how many appends and reads may be under way at a time (default 128).
	Limit int

	// Metrics, if set, is where the store registers what it counts.
	Metrics prometheus.Registerer

	// Log, if set, is told what an operator should know.
	Log *slog.Logger
}

// Store is a log in EventStoreDB.
type Store struct {
	ledger   *postgres.Ledger
	events   *esdb.Client
	patience time.Duration
	log      *slog.Logger
	metrics  *metrics
	turns    chan struct{} // held by each append and read
	presence presence
	limit    atomic.Int64 // bytes of an append, if the server has said that it takes less than we thought
	arrived  *lru.Cache[eventstore.StreamID, eventstore.Version]

	calls calls.Calls
}

var _ eventstore.Store = (*Store)(nil)

// New returns a store. It needs the ledger and the connection for as long as it
// is used, and closes neither.
func New(cfg Config) *Store {
	s := &Store{ledger: cfg.Ledger, events: cfg.Events, patience: cfg.Patience, log: cfg.Log, metrics: newMetrics(cfg.Metrics)}
	if s.patience == 0 {
		s.patience = 10 * time.Second
	}
	if cfg.Limit == 0 {
		cfg.Limit = 128
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.turns = make(chan struct{}, cfg.Limit)
	const streams = 50_000 // that are remembered
	s.arrived, _ = lru.New[eventstore.StreamID, eventstore.Version](streams)
	return s
}

// Capabilities implements [eventstore.Store]. There is no limit of the engine on
// a whole command, because its events may travel one by one.
func (s *Store) Capabilities() eventstore.Capabilities {
	return eventstore.Capabilities{
		Engine: postgres.InKurrent, Decides: postgres.Here, Isolation: eventstore.IsolatedByApplication,
		MaxEventBytes: s.maxEventBytes(), MaxCommandBytes: eventstore.MaxCommandBytes,
	}
}

// maxEventBytes is what is surely left for an event after its envelope.
func (s *Store) maxEventBytes() int {
	return min(eventstore.MaxEventBytes, s.maxAppend()-envelopeBytes)
}

// maxAppend is how large an append may be.
func (s *Store) maxAppend() int {
	if said := int(s.limit.Load()); said > 0 {
		return min(said, s.events.MaxAppendBytes())
	}
	return s.events.MaxAppendBytes()
}

// Close refuses new commands, and waits until those that were accepted are
// answered or ctx is done.
func (s *Store) Close(ctx context.Context) error { return s.calls.Close(ctx) }

// Append implements [eventstore.Store]. If the engine is known to be away, no
// command is decided.
func (s *Store) Append(ctx context.Context, tenant domain.TenantID, commands ...eventstore.Command) []eventstore.Result {
	results := make([]eventstore.Result, len(commands))
	if !s.calls.Enter() {
		return refuse(results, eventstore.ErrClosed)
	}
	defer s.calls.Leave()
	if err := s.present(ctx); err != nil {
		return refuse(results, err)
	}
	accepted, of := make([]eventstore.Command, 0, len(commands)), make([]int, 0, len(commands))
	for i := range commands {
		if results[i].Err = s.unfit(&commands[i]); results[i].Err != nil {
			continue
		}
		accepted, of = append(accepted, commands[i]), append(of, i)
	}
	if len(accepted) == 0 {
		return results
	}
	decided := s.ledger.Decide(ctx, tenant, accepted...)
	s.deliver(ctx, tenant, accepted, decided)
	for k, i := range of {
		results[i] = decided[k]
	}
	return results
}

func refuse(results []eventstore.Result, err error) []eventstore.Result {
	for i := range results {
		results[i].Err = err
	}
	return results
}

// unfit says why the engine cannot take a command: a stream cannot have the name
// that follows from its kind, or an event is too large. Whatever else a command may
// not be, the ledger finds out.
func (s *Store) unfit(c *eventstore.Command) error {
	if !c.NumbersFit() {
		return eventstore.ErrMalformed
	}
	for _, w := range eventstore.WithLargest(*c).Writes {
		if !isKind(w.Stream.Kind) {
			return fmt.Errorf("%w: the kind of a stream is not one word", eventstore.ErrMalformed)
		}
		for i := range w.Events {
			e := &w.Events[i]
			if len(e.Data)+2*len(e.Meta)+2*len(e.Type) <= s.maxEventBytes() {
				continue // whatever its envelope looks like
			}
			made := encode(&eventstore.Recorded{Event: *e, Position: math.MaxInt64})
			if len(e.Data)+len(e.Meta) > s.maxEventBytes() || made.Size() > s.maxAppend() {
				return eventstore.ErrTooLarge
			}
		}
	}
	return nil
}

// Recall implements [eventstore.Store]. What it returns can be read in the engine.
func (s *Store) Recall(ctx context.Context, tenant domain.TenantID, command uuid.UUID, hash []byte) (eventstore.Receipt, bool, error) {
	r, found, err := s.ledger.Recall(ctx, tenant, command, hash)
	if err != nil || !found {
		return r, found, err
	}
	ctx, cancel := s.insist(ctx)
	defer cancel()
	if err := s.settle(ctx, tenant, r.First, r.Last); err != nil {
		return eventstore.Receipt{}, false, err
	}
	return r, true, nil
}

// Holders implements [eventstore.Store].
func (s *Store) Holders(ctx context.Context, tenant domain.TenantID, claims ...eventstore.Claim) ([]eventstore.StreamID, error) {
	return s.ledger.Holders(ctx, tenant, claims...)
}

// Last implements [eventstore.Store]. What was decided counts, whether it was
// shipped already or not.
func (s *Store) Last(ctx context.Context, tenant domain.TenantID, streams ...eventstore.StreamID) (map[eventstore.StreamID]string, error) {
	return s.ledger.Last(ctx, tenant, streams...)
}

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, tenant domain.TenantID) (eventstore.Position, error) {
	return s.ledger.Head(ctx, tenant)
}
