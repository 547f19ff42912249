package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// callTimeout bounds one call of the database. The database itself gives up
// sooner, so this is for one that cannot be reached any more.
const callTimeout = 15 * time.Second

// recorder takes batches to the database. It may be used concurrently.
type recorder struct {
	cfg     Config
	metrics *metrics
	waiting chan struct{} // held by those who outwait somebody
	judge   string        // the call of the function that judges
}

// record gives entries their results, but for those of tenants whose heads are
// held by somebody else: these it returns, each tenant by itself.
func (r recorder) record(ctx context.Context, entries []*entry) (held [][]*entry) {
	if len(entries) == 0 {
		return nil
	}
	slices.SortStableFunc(entries, byTenant)
	start := time.Now()
	held = r.divide(ctx, entries)
	r.metrics.observe(len(entries), time.Since(start))
	return held
}

func byTenant(a, b *entry) int { return bytes.Compare(a.tenant.UUID[:], b.tenant.UUID[:]) }

// divide records entries that are in the order of their tenants. If the
// database refuses them as a whole they are tried in two halves, so that one
// cannot spoil it for the others.
func (r recorder) divide(ctx context.Context, entries []*entry) (held [][]*entry) {
	err := r.insist(ctx, entries)
	switch {
	case err == nil:
	case isHeld(err):
		if entries[0].tenant == entries[len(entries)-1].tenant {
			return [][]*entry{entries}
		}
		for same := range sameTenant(entries) {
			held = append(held, r.divide(ctx, same)...)
		}
	case len(entries) == 1 || errors.Is(err, eventstore.ErrUnavailable):
		fail(entries, err)
	default:
		held = r.divide(ctx, entries[:len(entries)/2])
		held = append(held, r.divide(ctx, entries[len(entries)/2:])...)
	}
	return held
}

func fail(entries []*entry, err error) {
	for _, e := range entries {
		e.result.Err = err
	}
}

// sameTenant yields the entries of one tenant after the other.
func sameTenant(entries []*entry) iter.Seq[[]*entry] {
	return func(yield func([]*entry) bool) {
		for from, to := 0, 0; from < len(entries); from = to {
			for to < len(entries) && entries[to].tenant == entries[from].tenant {
				to++
			}
			if !yield(entries[from:to]) {
				return
			}
		}
	}
}

// outwait records entries of one tenant as soon as whoever holds the head of its
// log lets go of it. No more than a few may wait at a time, because each takes a
// connection.
func (r recorder) outwait(ctx context.Context, entries []*entry) {
	deadline := time.Now().Add(r.cfg.Patience)
	r.waiting <- struct{}{}
	defer func() { <-r.waiting }()
	left := entries
	for {
		left = slices.Concat(r.divide(ctx, left)...)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			fail(left, fmt.Errorf("%w: somebody holds the head of the tenant's log", eventstore.ErrUnavailable))
			break
		}
	}
}

// isHeld reports whether the database gave up waiting for the head of a tenant's
// log.
func isHeld(err error) bool {
	e, answered := errors.AsType[*pgconn.PgError](err)
	return answered && e.Code == lockNotAvailable && strings.Contains(e.Where, "tenant_head")
}

const lockNotAvailable = "55P03"

// insist calls the database until it answers. What was recorded although the
// answer was lost is then answered as repeated.
func (r recorder) insist(ctx context.Context, entries []*entry) error {
	deadline := time.Now().Add(r.cfg.Patience)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := r.call(ctx, entries)
		switch {
		case err == nil:
			return nil
		case isHeld(err) || !isAway(err):
			return fmt.Errorf("append to the log: %w", err)
		case wall.IsAway(err) && !wall.MayPassSoon(err):
			// Somebody has to do something first, and the others of the batch
			// would fare no better by themselves.
			return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
		case time.Now().Add(wait).After(deadline):
			return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
		}
		r.metrics.resent.Inc()
		r.cfg.Log.DebugContext(ctx, "commands are sent again because the database did not answer", "commands", len(entries), "error", err)
		time.Sleep(wait)
	}
}

// isAway reports whether the database could not be reached, or is overloaded, so
// that the same call may work soon.
func isAway(err error) bool {
	if e, answered := errors.AsType[*pgconn.PgError](err); answered && e.Code == lockNotAvailable {
		return true // a lock that nobody holds for long
	}
	return wall.IsAway(err)
}

// call has the database judge and record the entries in one transaction.
func (r recorder) call(ctx context.Context, entries []*entry) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if r.judge == appendAll && len(entries) == 1 && entries[0].isSimple() {
		if done, err := r.appendOne(ctx, entries[0]); done || err != nil {
			return err
		}
	}
	return r.appendAll(ctx, entries)
}
