package kurrent

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// healing is what heal remembers.
type healing struct {
	at       domain.TenantID // the last tenant that was looked at
	healed   map[domain.TenantID]healed
	told     map[domain.TenantID]told // of what could not be healed
	measured time.Time
}

// healed says up to where we have shipped the log of a tenant, since when, and
// when we did so last. For a while there is no point in doing it again: it is the
// witness that is late.
type healed struct {
	to          eventstore.Position
	since, last time.Time
}

type told struct {
	what string
	when time.Time
}

// heal ships what was decided and has not arrived in good time.
func (w *Witness) heal(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, w.cfg.Every*9/10+rand.N(w.cfg.Every/5+1)) //nolint:gosec // jitter
		w.measure(ctx)
		if w.store.present(ctx) != nil {
			continue // others say so
		}
		if err := w.healSome(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "cannot read which decided events are not in the event store yet; tried again in a moment", "error", err)
		}
	}
}

// healSome heals some tenants of those that need it, and the next ones when it is
// called again, so that each has its turn however many they are.
func (w *Witness) healSome(ctx context.Context) error {
	const looks, most = 1000, 100
	maps.DeleteFunc(w.healing.healed, func(_ domain.TenantID, h healed) bool { return time.Since(h.since) > 2*w.cfg.Doubt })
	maps.DeleteFunc(w.healing.told, func(_ domain.TenantID, t told) bool { return time.Since(t.when) > time.Minute })
	overdue, last, err := w.store.ledger.Overdue(ctx, w.cfg.Overdue, w.healing.at, looks)
	if err != nil {
		return err
	}
	healed := 0
	for _, t := range overdue {
		if !w.holds(eventstore.ShardOf(t)) || time.Since(w.healing.healed[t].last) < w.cfg.Overdue {
			continue
		}
		if healed == most || !w.canHeal(ctx) {
			return nil
		}
		if err := w.healTenant(ctx, t); err != nil && ctx.Err() == nil {
			w.complain(ctx, t, err)
		}
		w.healing.at = t
		healed++
	}
	w.healing.at = last
	return nil
}

func (w *Witness) canHeal(ctx context.Context) bool {
	return ctx.Err() == nil && !w.store.presence.away.Load()
}

// complain says why a tenant cannot be healed, the same thing once a minute.
func (w *Witness) complain(ctx context.Context, t domain.TenantID, err error) {
	if text := err.Error(); w.healing.told[t].what != text {
		w.healing.told[t] = told{text, time.Now()}
		w.log.WarnContext(ctx, "events that were decided could not be appended to the event store; they are kept, and tried again", "tenant", t.String(), "error", err)
	}
}

func (w *Witness) healTenant(ctx context.Context, t domain.TenantID) error {
	ctx, cancel := context.WithTimeout(ctx, w.store.patience)
	defer cancel()
	now := time.Now()
	h, known := w.healing.healed[t]
	if known && now.Sub(h.since) > w.cfg.Doubt {
		delete(w.healing.healed, t)
		return w.confirm(ctx, t, h.to)
	}
	if !known {
		h.since = now
	}
	head, err := w.store.ledger.Head(ctx, t)
	if err != nil {
		return err
	}
	return w.pages(ctx, t, h.to+1, head, func(entries []postgres.Entry, to eventstore.Position) error {
		err := w.each(ctx, entries, w.ship)
		if !errors.Is(err, eventstore.ErrUnavailable) && ctx.Err() == nil { // what cannot be shipped must not keep the rest
			w.healing.healed[t] = healed{to, h.since, now}
		}
		return err
	})
}

// pages gives the pending events of a tenant between two positions to f, page by
// page, with the position up to which they are all. It goes on after an error,
// unless the engine is away or it takes too long.
func (w *Witness) pages(ctx context.Context, t domain.TenantID, first, last eventstore.Position, f func([]postgres.Entry, eventstore.Position) error) error {
	var errs []error
	for first <= last {
		entries, err := w.store.ledger.PendingBetween(ctx, t, first, last, few)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		to := last
		if n := len(entries); n > 0 {
			to = entries[n-1].Position
		}
		err = f(entries, to)
		errs = append(errs, err)
		if errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil {
			break
		}
		first = to + 1
	}
	return errors.Join(errs...)
}

// each gives the entries of each stream to f, several streams at a time.
func (*Witness) each(ctx context.Context, entries []postgres.Entry, f func(context.Context, []postgres.Entry) error) error {
	const atOnce = 16
	streams := make(map[eventstore.StreamID][]postgres.Entry)
	for i := range entries {
		streams[entries[i].Stream] = append(streams[entries[i].Stream], entries[i])
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, of := range streams {
		g.Go(func() error { return f(ctx, of) })
	}
	return g.Wait()
}

// ship ships entries of one stream that are not there. It looks first, because
// most often they are, and nothing was late but the witness.
func (w *Witness) ship(ctx context.Context, entries []postgres.Entry) error {
	last, err := w.last(ctx, streamName(entries[0].Stream))
	if err != nil {
		return err
	}
	for len(entries) > 0 && revision(entries[0].Version) <= last {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil
	}
	if err := w.store.shipEntries(ctx, entries); err != nil {
		return err
	}
	w.store.metrics.healed.Add(float64(len(entries)))
	return nil
}

// last returns the revision of the last event of a stream.
func (w *Witness) last(ctx context.Context, stream string) (int64, error) {
	if err := w.store.take(ctx); err != nil {
		return esdb.NoStream, err
	}
	defer w.store.give()
	last, err := w.store.events.LastRevision(ctx, stream)
	if err != nil {
		return last, w.store.failed(ctx, err, nil)
	}
	return last, nil
}

// inStreams is what is testified under that was seen in streams, and not in the
// log of the server. It is no place there, so it never moves.
const inStreams = Group + ", in streams"

// confirm looks for pending events of a tenant in their streams, and testifies
// that it has seen them there. It is for when the witness has gone past them:
// servers are known to have sent places that were beyond events not sent yet, and
// a server that was restored from a backup is behind the place.
func (w *Witness) confirm(ctx context.Context, t domain.TenantID, to eventstore.Position) error {
	return w.pages(ctx, t, 1, to, func(entries []postgres.Entry, _ eventstore.Position) error {
		var mu sync.Mutex
		var seen []postgres.Sighting
		missed := w.each(ctx, entries, func(ctx context.Context, entries []postgres.Entry) error {
			if err := w.ship(ctx, entries); err != nil {
				return err
			}
			for i := range entries {
				entries[i].Pending = false // the streams are what counts
			}
			return w.store.fetch(ctx, t, entries, func(_ *postgres.Entry, is eventstore.Recorded) error {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, sighting(&is))
				return nil
			})
		})
		strange, err := w.store.ledger.Witness(ctx, inStreams, "", "", seen)
		if err != nil && !errors.Is(err, eventstore.ErrMoved) { // then another time
			return errors.Join(missed, err)
		}
		w.report(ctx, seen, strange)
		return missed
	})
}

func sighting(e *eventstore.Recorded) postgres.Sighting {
	return postgres.Sighting{
		Stream: e.Stream, Version: e.Version, Position: e.Position, Event: e.ID, Hash: postgres.HashOf(e.Data, e.Meta),
	}
}

// measure says now and then how much is pending, if this node watches.
func (w *Witness) measure(ctx context.Context) {
	if !w.holds(0) {
		w.store.metrics.pending.Set(0)
		w.store.metrics.oldest.Set(0)
		w.healing.measured = time.Time{}
		return
	}
	if time.Since(w.healing.measured) < w.nowAndThen() {
		return
	}
	w.healing.measured = time.Now()
	if n, oldest, err := w.store.ledger.Backlog(ctx); err == nil {
		w.store.metrics.pending.Set(float64(n))
		w.store.metrics.oldest.Set(oldest.Seconds())
	}
}
