package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// Batch is a run of events of one tenant.
type Batch struct {
	Tenant domain.TenantID
	From   Checkpoint // where the reader was before
	Events []Recorded // those after From, at least one, without a gap
}

// To returns the position of the last event.
func (b Batch) To() Position { return b.Events[len(b.Events)-1].Position }

// FollowerConfig says what to follow, and for whom. The zero value of what is
// optional means the default.
type FollowerConfig struct {
	Store   Store
	Tracker Tracker
	Group   string // names the readers for good: checkpoints are kept under it
	Owner   string // names this node

	// Handle is given the batches, those of a tenant one after another, those
	// of different tenants also at the same time. It must move the checkpoint
	// from Batch.From to Batch.To, or return an error: then it is given the
	// events again later, not necessarily in the same batch. It must not keep
	// the slice.
	Handle func(context.Context, Batch) error

	Workers  int           // batches handled at a time (default 2)
	Batch    int           // events in a batch while others wait (default 500)
	MaxBatch int           // events in a batch while nobody waits (default 4,000)
	Linger   time.Duration // between the batches of a tenant, so that they are worth it (default 5 ms)
	Poll     time.Duration // how often to ask which tenants are behind (default 1 s)
	TTL      time.Duration // of leases, renewed three times as often (default 15 s)

	Log *slog.Logger
	Now func() time.Time
}

func (c *FollowerConfig) setDefaults() {
	orDefault(&c.Workers, 2)
	orDefault(&c.Batch, 500)
	orDefault(&c.MaxBatch, max(c.Batch, 4000))
	orDefault(&c.Linger, 5*time.Millisecond)
	orDefault(&c.Poll, time.Second)
	orDefault(&c.TTL, 15*time.Second)
}

func orDefault[T comparable](v *T, def T) {
	if *v == *new(T) {
		*v = def
	}
}

// Follower brings a group of readers up to date with the logs of all tenants,
// and keeps them there, on as many nodes as run one. It holds something in
// memory only for tenants that have just been written to.
type Follower struct {
	cfg   FollowerConfig
	queue *queue
}

// NewFollower returns a follower, which does nothing until [Follower.Run].
func NewFollower(cfg FollowerConfig) *Follower {
	cfg.setDefaults()
	return &Follower{cfg: cfg, queue: newQueue(cfg.Linger, cfg.Now)}
}

// Notify tells the follower that the log of a tenant has grown up to a
// position. It never blocks. Nothing depends on it but that the follower looks
// at once: what it is not told of, it finds out by itself a little later.
func (f *Follower) Notify(tenant domain.TenantID, head Position) { f.queue.notice(tenant, head) }

// Run follows until ctx is done, and then lets others take over at once.
func (f *Follower) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, f.queue.close)
	defer stop()
	var workers sync.WaitGroup
	for range f.cfg.Workers {
		workers.Go(func() { f.work(ctx) })
	}
	f.watch(ctx)
	workers.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := f.cfg.Tracker.Release(ctx, f.cfg.Group, f.cfg.Owner); err != nil {
		f.cfg.Log.WarnContext(ctx, "leases will run out by themselves", "group", f.cfg.Group, "error", err)
	}
}

// watch keeps the leases, and looks every now and then which tenants are behind:
// those that other nodes append to, and those of shards that were gained. No two
// nodes look at the same moment for long.
func (f *Follower) watch(ctx context.Context) {
	var leased time.Time
	for ctx.Err() == nil {
		if f.cfg.Now().Sub(leased) >= f.cfg.TTL/3 {
			f.lease(ctx, &leased)
		}
		f.poll(ctx)
		sleep(ctx, f.cfg.Poll*9/10+rand.N(f.cfg.Poll/5+1)) //nolint:gosec // jitter
	}
}

// lease renews the leases. If that fails for long, others hold them already, so
// there is no point in going on.
func (f *Follower) lease(ctx context.Context, leased *time.Time) {
	now := f.cfg.Now() // before asking: the lease began no earlier
	shards, err := f.cfg.Tracker.Lease(ctx, f.cfg.Group, f.cfg.Owner, f.cfg.TTL)
	switch {
	case err == nil:
		*leased = now
		f.queue.hold(shards)
	case ctx.Err() == nil:
		f.cfg.Log.WarnContext(ctx, "leases cannot be renewed", "group", f.cfg.Group, "error", err)
		if now.Sub(*leased) >= f.cfg.TTL*2/3 {
			f.queue.hold(nil)
		}
	}
}

func (f *Follower) poll(ctx context.Context) {
	shards := f.queue.shards()
	if len(shards) == 0 {
		return
	}
	lags, err := f.cfg.Tracker.Behind(ctx, f.cfg.Group, shards)
	if err != nil {
		if ctx.Err() == nil {
			f.cfg.Log.WarnContext(ctx, "cannot see who is behind", "group", f.cfg.Group, "error", err)
		}
		return
	}
	f.queue.behind(lags)
}

// work handles one batch of one tenant after another.
func (f *Follower) work(ctx context.Context) {
	for {
		j, ok := f.queue.take()
		if !ok {
			return
		}
		o := f.step(ctx, j)
		if ctx.Err() != nil {
			return
		}
		f.report(ctx, j, o, f.queue.finish(j, o))
	}
}

func (f *Follower) report(ctx context.Context, j job, o outcome, wait time.Duration) {
	level, msg := slog.LevelWarn, "batch failed"
	switch {
	case o.err == nil || errors.Is(o.err, ErrMoved):
		return
	case halts(o.err):
		level, msg = slog.LevelError, "tenant is halted"
	}
	//nolint:sloglint // one of two static messages
	f.cfg.Log.Log(ctx, level, msg, "group", f.cfg.Group, "tenant", j.tenant.String(), "head", int64(j.head), "retry_in", wait, "error", o.err)
}

// halts reports whether an error will not go away by itself.
func halts(err error) bool {
	return errors.Is(err, ErrGap) || errors.Is(err, domain.ErrNewerSchema) || errors.Is(err, domain.ErrUnknownEvent)
}

// step handles a batch of a tenant.
func (f *Follower) step(ctx context.Context, j job) (o outcome) {
	if j.from == nil {
		at, err := f.cfg.Tracker.Checkpoint(ctx, f.cfg.Group, j.tenant)
		if err != nil {
			return outcome{err: fmt.Errorf("read checkpoint: %w", err)}
		}
		j.from = &at
	}
	if j.head <= j.from.Position {
		return outcome{at: *j.from}
	}
	limit := f.cfg.MaxBatch
	if f.queue.busy() {
		limit = f.cfg.Batch
	}
	events, err := f.cfg.Store.Read(ctx, j.tenant, j.from.Position, limit)
	if err != nil {
		return outcome{err: fmt.Errorf("read log: %w", err)}
	}
	b := Batch{Tenant: j.tenant, From: *j.from, Events: events}
	if err := b.Check(); err != nil {
		return outcome{err: err}
	}
	if err := f.handle(ctx, b); err != nil {
		return outcome{err: err}
	}
	at := Checkpoint{Position: b.To(), Generation: b.From.Generation}
	return outcome{at: at, events: len(events), full: len(events) == limit}
}

// Check makes sure that nothing was skipped, whatever the reason, and otherwise
// returns ErrGap: a reader that goes on over a gap would be wrong for ever, and
// nobody would know.
func (b Batch) Check() error {
	if len(b.Events) == 0 {
		return fmt.Errorf("%w: nothing after %d", ErrGap, b.From.Position)
	}
	for i, e := range b.Events {
		if want := b.From.Position + Position(i) + 1; e.Position != want || e.Stream.Tenant != b.Tenant {
			return fmt.Errorf("%w: %d where %d should be", ErrGap, e.Position, want)
		}
	}
	return nil
}

// handle keeps a panic in one batch from ending the others.
func (f *Follower) handle(ctx context.Context, b Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while handling a batch: %T", p) // not p: it may hold what is in the events
		}
	}()
	return f.cfg.Handle(ctx, b)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
