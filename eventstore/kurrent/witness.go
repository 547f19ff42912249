package kurrent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// WitnessConfig says who watches a store. What is optional may be zero.
type WitnessConfig struct {
	Store   *Store
	Tracker eventstore.Tracker // shares the work between nodes
	Owner   string             // names this node

	TTL     time.Duration // of leases, renewed three times as often (default 9 s)
	Overdue time.Duration // how long events may be pending before they are shipped again (default 3 s)
	Every   time.Duration // how often to look for such (default 1 s)
	Doubt   time.Duration // how long after that to wait for the witness, before looking at the streams themselves (default 1 min)
}

// Group is what leases and the place in the engine's log are kept under. The nodes
// that run a witness follow it.
const Group = "kurrent"

// Witness watches the log of the whole server, and lets go of what was decided
// when it sees it there. It also ships what was decided and never arrived. One
// node at a time watches; all of them heal, each its shards.
type Witness struct {
	cfg   WitnessConfig
	store *Store
	log   *slog.Logger

	mu   sync.Mutex
	held []eventstore.Shard

	healing healing // used by heal only

	// Used by watch only:
	ended   int       // streams that were deleted and that we have said nothing of
	mourned time.Time // when we said something
}

// NewWitness returns a witness that does nothing until [Witness.Run].
func NewWitness(cfg WitnessConfig) *Witness {
	cfg.TTL = cmp.Or(cfg.TTL, 9*time.Second)
	cfg.Overdue = cmp.Or(cfg.Overdue, 3*time.Second)
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.Doubt = cmp.Or(cfg.Doubt, time.Minute)
	return &Witness{cfg: cfg, store: cfg.Store, log: cfg.Store.log, healing: healing{
		healed: make(map[domain.TenantID]healed), told: make(map[domain.TenantID]told),
	}}
}

// nowAndThen is how often to look at what hardly ever changes.
func (w *Witness) nowAndThen() time.Duration { return w.cfg.Doubt / 6 }

// Run watches and heals until ctx is done, and then lets others take over at
// once.
func (w *Witness) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { w.heal(ctx) })
	stop, watching := func() {}, false
	var leased time.Time
	for ctx.Err() == nil {
		w.lease(ctx, &leased)
		switch first := w.holds(0); {
		case first && !watching:
			stop, watching = w.startWatch(ctx), true
		case !first && watching:
			stop()
			watching = false
		}
		pause(ctx, w.cfg.TTL/3)
	}
	stop()
	running.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := w.cfg.Tracker.Release(ctx, Group, w.cfg.Owner); err != nil {
		w.log.WarnContext(ctx, "leases could not be given back, so other nodes take over only when they have run out", "group", Group, "error", err)
	}
}

// startWatch watches until the returned function is called.
func (w *Witness) startWatch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.watch(ctx)
	}()
	return func() { cancel(); <-done }
}

// lease renews the leases. If that fails for long, others hold them already.
func (w *Witness) lease(ctx context.Context, leased *time.Time) {
	now := time.Now() // before asking: the lease began no earlier
	leases, err := w.cfg.Tracker.Lease(ctx, w.cfg.Owner, w.cfg.TTL, Group)
	held := leases[Group]
	if err != nil {
		if ctx.Err() == nil {
			w.log.WarnContext(ctx, "leases could not be renewed; this node tries again, and stops watching the event store if it fails for long", "group", Group, "error", err)
		}
		if now.Sub(*leased) < w.cfg.TTL*2/3 {
			return
		}
		held = nil
	} else {
		*leased = now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = held
}

// holds reports whether a shard is ours. Whoever has the first one watches.
func (w *Witness) holds(s eventstore.Shard) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.held, s)
}

// watch follows the log of the server from the stored place, again and again
// until ctx is done.
func (w *Witness) watch(ctx context.Context) {
	w.store.metrics.watching.Set(1)
	defer w.store.metrics.watching.Set(0)
	for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 2*time.Second) {
		began := time.Now()
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, eventstore.ErrMoved): // somebody else watches, too: both go on from where they are
		default:
			w.log.WarnContext(ctx, "the event store cannot be watched: its log cannot be followed; tried again in a moment, and meanwhile what was decided stays pending", "error", err)
		}
		if time.Since(began) > 10*time.Second {
			wait = 50 * time.Millisecond
		}
		pause(ctx, wait/2+rand.N(wait)) //nolint:gosec // jitter
	}
}

// follow follows the log of the server from the stored place until something is
// wrong.
func (w *Witness) follow(ctx context.Context) error {
	at, from, lost, err := w.place(ctx)
	if err != nil {
		return err
	}
	if lost {
		w.log.ErrorContext(ctx, "the event store ends before what was seen of it, as after a restore from a backup; its log is followed again from the start", "place", at)
		start := from.String()
		if err := w.testify(ctx, at, start, nil); err != nil {
			return err
		}
		at = start
	}
	ctx, stop := context.WithCancelCause(ctx)
	var doubting sync.WaitGroup
	doubting.Go(func() { w.doubt(ctx, stop) })
	defer doubting.Wait()
	defer stop(nil) // before that
	err = w.store.events.Subscribe(ctx, from, esdb.Filter{Regex: Streams}, func(ctx context.Context, m esdb.Message) error {
		to := m.Position.String()
		if to == at && len(m.Events) == 0 {
			return nil
		}
		if err := w.testify(ctx, at, to, m.Events); err != nil {
			return err
		}
		at = to
		return nil
	})
	return cmp.Or(context.Cause(ctx), err)
}

var errLost = errors.New("the place of the witness is not there any more")

// doubt makes sure now and then that the server is still the one that we follow,
// and has not gone back to an earlier state: who subscribes does not notice.
func (w *Witness) doubt(ctx context.Context, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		pause(ctx, w.nowAndThen())
		_, _, lost, err := w.place(ctx)
		switch {
		case errors.Is(err, errAnother):
			stop(err)
		case lost:
			stop(errLost)
		}
	}
}

// place returns the stored place, and from where to follow the log: that is the
// start, if the place is lost because the server does not have it any more. The
// server must be ours.
func (w *Witness) place(ctx context.Context) (at string, from esdb.Position, lost bool, err error) {
	if err := w.store.identify(ctx); err != nil {
		return "", from, false, w.store.failed(ctx, err, nil)
	}
	if at, err = w.store.ledger.Watched(ctx, Group); err != nil {
		return "", from, false, fmt.Errorf("read where the witness was: %w", err)
	}
	if at == "" {
		return at, from, false, nil
	}
	if from, err = esdb.ParsePosition(at); err != nil {
		return "", from, false, err
	}
	end, err := w.store.events.Last(ctx)
	if err != nil {
		return "", from, false, fmt.Errorf("find the end of the log: %w", err)
	}
	// A place may be behind the last event, because a server also counts records
	// that are no events.
	const records = 64 << 10
	if from.Commit > end.Commit+records {
		return at, esdb.Position{}, true, nil
	}
	return at, from, false, nil
}

// tombstone is the type of the event that ends a stream for good.
const tombstone = "$streamDeleted"

// testify tells the ledger what was seen.
func (w *Witness) testify(ctx context.Context, from, to string, events []esdb.Recorded) error {
	seen := make([]postgres.Sighting, 0, len(events))
	foreign, ended := 0, 0
	for i := range events {
		if events[i].Type == tombstone {
			ended++ // it says nothing but that
			continue
		}
		e, err := decode(&events[i])
		if err != nil {
			foreign++ // its name could be anything, so it is not told
			continue
		}
		seen = append(seen, sighting(&e))
	}
	strange, err := w.store.ledger.Witness(ctx, Group, from, to, seen)
	if err != nil {
		return err
	}
	w.report(ctx, seen, strange)
	w.mourn(ctx, ended)
	if foreign > 0 {
		w.log.ErrorContext(ctx, "events in streams of tenants were written by somebody else; they are ignored", "events", foreign)
	}
	w.store.metrics.strange.Add(float64(foreign))
	return nil
}

// report tells of events that are not as they were decided.
func (w *Witness) report(ctx context.Context, seen []postgres.Sighting, strange []int) {
	const enough = 10 // lines about one batch
	for _, i := range strange[:min(len(strange), enough)] {
		w.log.ErrorContext(ctx, "an event in the event store is not as it was decided; what was decided counts",
			"tenant", seen[i].Stream.Tenant.String(), "stream", seen[i].Stream.ID, "version", int(seen[i].Version))
	}
	w.store.metrics.strange.Add(float64(len(strange)))
}

// mourn counts streams that were deleted for good, and says so now and then.
func (w *Witness) mourn(ctx context.Context, streams int) {
	w.store.metrics.deleted.Add(float64(streams))
	w.ended += streams
	if w.ended == 0 || time.Since(w.mourned) < time.Minute {
		return
	}
	w.log.WarnContext(ctx, "streams of tenants were deleted for good; unless somebody drops or purges logs, something is wrong", "streams", w.ended)
	w.ended, w.mourned = 0, time.Now()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
