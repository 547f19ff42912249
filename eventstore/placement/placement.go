// Package placement sends what is asked of the log of a tenant to the engine that
// keeps it, when an installation has more than one.
//
// It knows nothing of the engines, nor of how a log gets from one to another.
package placement

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Memory is how long a node may go on asking the engine that a log was in. So
// whoever moves a log lets nothing be appended to it for longer than that before
// it takes events at its new place.
const Memory = 2 * time.Second

// Config says where logs can be.
type Config struct {
	Engines map[string]eventstore.Store // by name
	Default string                      // what keeps the logs of new tenants

	// Where returns the name of the engine that keeps the log of a tenant, and ""
	// if there is no such tenant.
	Where func(context.Context, domain.TenantID) (string, error)

	Now func() time.Time
}

// Store is a log in several engines: the log of each tenant is in one of them.
type Store struct {
	cfg    Config
	places *lru.Cache[domain.TenantID, place]
}

var _ eventstore.Store = (*Store)(nil)

// place is where a log was when we looked.
type place struct {
	engine string
	until  time.Time
}

// New returns a store.
func New(cfg Config) (*Store, error) {
	if cfg.Engines[cfg.Default] == nil {
		return nil, fmt.Errorf("placement: there is no engine %q", cfg.Default)
	}
	const most = 20_000 // tenants that are remembered
	places, err := lru.New[domain.TenantID, place](most)
	if err != nil {
		return nil, err
	}
	return &Store{cfg, places}, nil
}

// Capabilities implements [eventstore.Store] for new tenants.
func (s *Store) Capabilities() eventstore.Capabilities {
	return s.cfg.Engines[s.cfg.Default].Capabilities()
}

// of returns the engine that keeps the log of a tenant.
func (s *Store) of(ctx context.Context, t domain.TenantID) (eventstore.Store, error) {
	now := s.cfg.Now()
	p, ok := s.places.Get(t)
	if !ok || !now.Before(p.until) {
		engine, err := s.cfg.Where(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("find the engine of a log: %w", err)
		}
		if engine == "" {
			return s.cfg.Engines[s.cfg.Default], nil // which says that it does not know it
		}
		p = place{engine, now.Add(Memory)}
		s.places.Add(t, p)
	}
	e := s.cfg.Engines[p.engine]
	if e == nil {
		return nil, fmt.Errorf("the log of a tenant is kept by %q, and this node has no connection to it: %w", p.engine, eventstore.ErrUnavailable)
	}
	return e, nil
}

// Append implements [eventstore.Store].
func (s *Store) Append(ctx context.Context, tenant domain.TenantID, commands ...eventstore.Command) []eventstore.Result {
	e, err := s.of(ctx, tenant)
	if err != nil {
		results := make([]eventstore.Result, len(commands))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	results := e.Append(ctx, tenant, commands...)
	for _, r := range results {
		if errors.Is(r.Err, eventstore.ErrSealed) {
			s.places.Remove(tenant) // it may be moving
			break
		}
	}
	return results
}

// Recall implements [eventstore.Store].
func (s *Store) Recall(ctx context.Context, tenant domain.TenantID, command uuid.UUID, hash []byte) (eventstore.Receipt, bool, error) {
	e, err := s.of(ctx, tenant)
	if err != nil {
		return eventstore.Receipt{}, false, err
	}
	return e.Recall(ctx, tenant, command, hash)
}

// Holders implements [eventstore.Store].
func (s *Store) Holders(ctx context.Context, tenant domain.TenantID, claims ...eventstore.Claim) ([]eventstore.StreamID, error) {
	e, err := s.of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return e.Holders(ctx, tenant, claims...)
}

// ReadStream implements [eventstore.Store].
func (s *Store) ReadStream(ctx context.Context, id eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	e, err := s.of(ctx, id.Tenant)
	if err != nil {
		return func(yield func(eventstore.Recorded, error) bool) { yield(eventstore.Recorded{}, err) }
	}
	return e.ReadStream(ctx, id, after)
}

// Read implements [eventstore.Store].
func (s *Store) Read(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	e, err := s.of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return e.Read(ctx, tenant, after, limit)
}

// Last implements [eventstore.Store].
func (s *Store) Last(ctx context.Context, tenant domain.TenantID, streams ...eventstore.StreamID) (map[eventstore.StreamID]string, error) {
	e, err := s.of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return e.Last(ctx, tenant, streams...)
}

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, tenant domain.TenantID) (eventstore.Position, error) {
	e, err := s.of(ctx, tenant)
	if err != nil {
		return 0, err
	}
	return e.Head(ctx, tenant)
}
