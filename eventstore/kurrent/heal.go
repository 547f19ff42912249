package kurrent

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// healed says up to where we have shipped the log of a tenant, and since when.
// For a while there is no point in doing it again: it is the witness that is late.
type healed struct {
	to    eventstore.Position
	since time.Time
}

// heal ships what was decided and has not arrived in good time.
func (w *Witness) heal(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, w.cfg.Every*9/10+rand.N(w.cfg.Every/5+1)) //nolint:gosec // jitter
		if w.store.presence.away.Load() && w.store.present(ctx) != nil {
			continue
		}
		if err := w.healOnce(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "events that were decided are not in the event store yet", "error", err)
		}
		w.measure(ctx)
	}
}

func (w *Witness) healOnce(ctx context.Context) error {
	const tenants = 100
	maps.DeleteFunc(w.healed, func(_ domain.TenantID, h healed) bool { return time.Since(h.since) > 2*w.cfg.Doubt })
	overdue, err := w.store.ledger.Overdue(ctx, w.cfg.Overdue, tenants)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range overdue {
		if w.holds(eventstore.ShardOf(t)) {
			errs = append(errs, w.healTenant(ctx, t))
		}
	}
	return errors.Join(errs...)
}

func (w *Witness) healTenant(ctx context.Context, t domain.TenantID) error {
	ctx, cancel := context.WithTimeout(ctx, w.store.patience)
	defer cancel()
	before, known := w.healed[t]
	if known && time.Since(before.since) > w.cfg.Doubt {
		delete(w.healed, t)
		return w.confirm(ctx, t, before.to)
	}
	if !known {
		before.since = time.Now()
	}
	head, err := w.store.ledger.Head(ctx, t)
	if err != nil {
		return err
	}
	if err := w.store.settle(ctx, t, before.to+1, head); err != nil {
		return err
	}
	w.healed[t] = healed{head, before.since}
	return nil
}

// confirm looks for pending events of a tenant in their streams, and testifies
// that it has seen them there, without moving the place of the witness. It is for
// when the witness has gone past them: servers are known to have sent places that
// were beyond events not sent yet, and a server that was restored from a backup is
// behind the place.
func (w *Witness) confirm(ctx context.Context, t domain.TenantID, to eventstore.Position) error {
	for first := eventstore.Position(1); first <= to; {
		entries, err := w.store.ledger.PendingBetween(ctx, t, first, to, few)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := w.store.shipEntries(ctx, entries); err != nil {
			return err
		}
		seen, err := w.look(ctx, t, entries)
		if err != nil {
			return err
		}
		at, err := w.store.ledger.Watched(ctx, Group)
		if err != nil {
			return err
		}
		strange, err := w.store.ledger.Witness(ctx, Group, at, at, seen)
		if err != nil && !errors.Is(err, eventstore.ErrMoved) { // then another time
			return err
		}
		w.report(ctx, seen, strange)
		first = entries[len(entries)-1].Position + 1
	}
	return nil
}

// look reads events from their streams.
func (w *Witness) look(ctx context.Context, t domain.TenantID, entries []postgres.Entry) (seen []postgres.Sighting, err error) {
	there := make([]postgres.Entry, len(entries))
	for i, e := range entries {
		e.Pending = false // the streams are what counts
		there[i] = e
	}
	var mu sync.Mutex
	err = w.store.fetch(ctx, t, there, func(_ *postgres.Entry, is eventstore.Recorded) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, sighting(&is))
		return nil
	})
	return seen, err
}

func sighting(e *eventstore.Recorded) postgres.Sighting {
	return postgres.Sighting{
		Stream: e.Stream, Version: e.Version, Position: e.Position, Event: e.ID, Hash: postgres.HashOf(e.Data, e.Meta),
	}
}

// measure says how much is pending, if this node watches.
func (w *Witness) measure(ctx context.Context) {
	if !w.holds(0) {
		w.store.metrics.pending.Set(0)
		w.store.metrics.oldest.Set(0)
		return
	}
	if n, oldest, err := w.store.ledger.Backlog(ctx); err == nil {
		w.store.metrics.pending.Set(float64(n))
		w.store.metrics.oldest.Set(oldest.Seconds())
	}
}
