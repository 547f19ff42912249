package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// Batch is a run of events of one tenant.
type Batch struct {
	Tenant domain.TenantID
	From   Checkpoint // where the reader was before
	Events []Recorded // those after From, at least one, without a gap
	Faults int        // how often in a row it was tried to get further, in vain
}

// To returns the position of the last event.
func (b Batch) To() Position { return b.Events[len(b.Events)-1].Position }

// ErrAway says that what a handler delivers to is away, so that no tenant can go
// on. A handler that returns it has told somebody by itself, so the follower does
// not, and lets the tenant try again after 5 s at the latest.
var ErrAway = errors.New("nobody takes what there is to deliver")

// FollowerConfig says what to follow, and for whom. The zero value of what is
// optional means the default.
type FollowerConfig struct {
	Store   Store
	Tracker Tracker
	Group   string // names the readers for good: checkpoints are kept under it
	Owner   string // names this node

	// Lookout keeps the leases of all followers of this node and looks for what other
	// nodes append. If it is nil, the follower makes one of its own, from Tracker,
	// Owner, Poll and TTL, which mean nothing otherwise.
	Lookout *Lookout

	// Handle is given batches of different tenants, those of one tenant one
	// after another. It must move the checkpoint of each from Batch.From to
	// Batch.To, or return an error for it, in the order of the batches: then it
	// is given the events again later, not necessarily in the same batch. It
	// must not keep the slices.
	Handle func(context.Context, []Batch) []error

	// TakenBack, if set, is called for a tenant whose log ends before the place
	// that the group has come to, because it was taken back to an earlier state. It
	// must move the checkpoint back, or return an error, and then is called again
	// later. Without it the checkpoint is moved to the end of the log: what comes
	// from now on is handed over, and what was handed over of the lost end stays so.
	TakenBack func(context.Context, domain.TenantID) error

	Together int           // batches handed over at a time, if they are small (default 1)
	Workers  int           // calls of Handle at a time (default 2), at most half of them for tenants that failed
	Batch    int           // events in a batch while others wait (default 500)
	MaxBatch int           // events in a batch while nobody waits (default 4,000)
	Linger   time.Duration // between the batches of a tenant, unless somebody waits (default 50 ms)
	Poll     time.Duration // see [LookoutConfig]
	TTL      time.Duration // see [LookoutConfig]
	Patience time.Duration // for how long a tenant may fail until the log has a line about it (default 0)

	// Away reports whether an error says that the database is away or short of
	// something, and nothing about a tenant: then nobody is told for each tenant, and
	// all are tried again within a second (default: [ErrUnavailable] alone says so).
	Away func(error) bool

	Log *slog.Logger
	Now func() time.Time
}

func (c *FollowerConfig) setDefaults() {
	c.Together = cmp.Or(c.Together, 1)
	c.Workers = cmp.Or(c.Workers, 2)
	c.Batch = cmp.Or(c.Batch, 500)
	c.MaxBatch = cmp.Or(c.MaxBatch, max(c.Batch, 4000))
	c.Linger = cmp.Or(c.Linger, 50*time.Millisecond)
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
	return &Follower{cfg: cfg, queue: newQueue(cfg.Linger, cfg.Patience, cfg.Now)}
}

// Notify tells the follower that the log of a tenant has grown up to a
// position. It never blocks. Nothing depends on it but that the follower looks
// at once: what it is not told of, it finds out by itself a little later.
func (f *Follower) Notify(tenant domain.TenantID, head Position) { f.queue.notice(tenant, head) }

// Hurry says that somebody waits for a tenant: there is no point in waiting for
// more events before those that there are are handled.
func (f *Follower) Hurry(tenant domain.TenantID) { f.queue.hurry(tenant) }

// Run follows until ctx is done, and then lets others take over at once. If it
// does not come to that, because the node died, others take over as soon as its
// leases have run out and they look: with the defaults, 9 s + 3 s + 1.1 s after
// it last renewed them at the latest. Run may be called again when it has returned.
// A [Lookout] that is shared must run as well.
func (f *Follower) Run(ctx context.Context) {
	f.queue.open()
	lookout := f.cfg.Lookout
	var workers sync.WaitGroup
	if lookout == nil {
		lookout = NewLookout(LookoutConfig{
			Tracker: f.cfg.Tracker, Owner: f.cfg.Owner, Poll: f.cfg.Poll, TTL: f.cfg.TTL, Log: f.cfg.Log, Now: f.cfg.Now,
		})
		workers.Go(func() { lookout.Run(ctx) })
	}
	lookout.join(f.cfg.Group, f.queue)
	workers.Go(func() {
		<-ctx.Done()
		f.queue.close()
	})
	for range f.cfg.Workers {
		workers.Go(func() { f.work(ctx) })
	}
	workers.Wait()
	lookout.leave(ctx, f.cfg.Group)
}

// work handles what is next in the queue, again and again.
func (f *Follower) work(ctx context.Context) {
	for {
		jobs := f.queue.take(f.cfg.Together, f.cfg.Workers, f.cfg.Batch)
		if len(jobs) == 0 {
			return
		}
		outcomes := f.step(ctx, jobs)
		for i, o := range outcomes {
			outcomes[i].away = o.err != nil && f.isAway(o.err)
		}
		if ctx.Err() != nil {
			return
		}
		for i, faults := range f.queue.finish(jobs, outcomes) {
			if faults > 0 {
				f.report(ctx, jobs[i], outcomes[i].err, faults)
			}
		}
	}
}

func (f *Follower) isAway(err error) bool {
	return errors.Is(err, ErrUnavailable) || f.cfg.Away != nil && f.cfg.Away(err)
}

// report says what is wrong with a tenant.
func (f *Follower) report(ctx context.Context, j job, err error, faults int) {
	level, msg := slog.LevelWarn, "events of a tenant could not be handled; tried again, with growing pauses"
	if halts(err) {
		level, msg = slog.LevelError, "a tenant is halted: its next events cannot be read, and none is skipped; tried again every 30 s"
	}
	//nolint:sloglint // one of two static messages
	f.cfg.Log.Log(ctx, level, msg, "group", f.cfg.Group, "tenant", j.tenant.String(), "head", int64(j.head), "attempts", faults, "error", err)
}

// halts reports whether an error will not go away by itself.
func halts(err error) bool {
	return errors.Is(err, ErrGap) || errors.Is(err, domain.ErrNewerSchema) || errors.Is(err, domain.ErrUnknownEvent)
}

// step handles a batch of each of some tenants.
func (f *Follower) step(ctx context.Context, jobs []job) []outcome {
	outcomes := make([]outcome, len(jobs))
	batches, of := make([]Batch, 0, len(jobs)), make([]int, 0, len(jobs))
	for i, j := range jobs {
		b, o := f.readSafely(ctx, j)
		if outcomes[i] = o; len(b.Events) > 0 {
			batches, of = append(batches, b), append(of, i)
		}
	}
	if len(batches) == 0 {
		return outcomes
	}
	errs := f.handle(ctx, batches)
	for k, i := range of {
		if errs[k] != nil {
			outcomes[i] = outcome{at: batches[k].From, err: errs[k]}
		}
	}
	return outcomes
}

// readSafely keeps a panic from ending more than the job that it happened in.
func (f *Follower) readSafely(ctx context.Context, j job) (b Batch, o outcome) {
	defer func() {
		if p := recover(); p != nil {
			b, o = Batch{}, outcome{err: fmt.Errorf("panic while reading a batch: %T", p)} // not p: it may hold what is in the events
		}
	}()
	return f.read(ctx, j)
}

// read reads the next batch of a tenant, and returns how the job ends if it is
// handled. There are no events if there is nothing to handle.
func (f *Follower) read(ctx context.Context, j job) (Batch, outcome) {
	if j.from == nil {
		at, err := f.cfg.Tracker.Checkpoint(ctx, f.cfg.Group, j.tenant)
		if err != nil {
			return Batch{}, outcome{err: fmt.Errorf("read checkpoint: %w", err)}
		}
		j.from = &at
	}
	if j.head < j.from.Position {
		return Batch{}, outcome{at: *j.from, err: f.lookBack(ctx, j)}
	}
	if j.head == j.from.Position {
		return Batch{}, outcome{at: *j.from}
	}
	limit := f.cfg.MaxBatch
	if f.queue.busy() {
		limit = f.cfg.Batch
	}
	events, err := f.cfg.Store.Read(ctx, j.tenant, j.from.Position, limit)
	if err != nil {
		return Batch{}, outcome{at: *j.from, err: fmt.Errorf("read log: %w", err)}
	}
	b := Batch{Tenant: j.tenant, From: *j.from, Events: events, Faults: j.faults}
	if err := b.Check(); err != nil {
		return Batch{}, outcome{at: *j.from, err: err}
	}
	at := Checkpoint{Position: b.To(), Generation: b.From.Generation}
	return b, outcome{at: at, events: len(events), full: len(events) == limit}
}

// lookBack finds out why a group is further than the log of a tenant was known to
// go. Usually somebody else has come further meanwhile. But if the log does end
// there, it was taken back, and whoever went on from the checkpoint would leave out
// all that is recorded up to it.
func (f *Follower) lookBack(ctx context.Context, j job) error {
	head, err := f.cfg.Store.Head(ctx, j.tenant)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	if head >= j.from.Position {
		return nil
	}
	f.queue.tookBack()
	f.cfg.Log.ErrorContext(ctx, "the log of a tenant ends before the place that was reached in it: it was taken back to an earlier state. What the backend derives from it is made anew; what others were sent of the lost end, they keep",
		"group", f.cfg.Group, "tenant", j.tenant.String(), "was_at", int64(j.from.Position), "log_ends_at", int64(head))
	if f.cfg.TakenBack != nil {
		err = f.cfg.TakenBack(ctx, j.tenant)
	} else {
		err = f.cfg.Tracker.TakeBack(ctx, f.cfg.Group, j.tenant, *j.from, min(head, j.head))
	}
	if err != nil {
		return fmt.Errorf("take back how far the group is: %w", err)
	}
	return ErrMoved // and go on from where it is now
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

// handle keeps a panic from ending more than the batches it happened in.
func (f *Follower) handle(ctx context.Context, batches []Batch) (errs []error) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("panic while handling a batch: %T", p) // not p: it may hold what is in the events
			errs = slices.Repeat([]error{err}, len(batches))
		}
	}()
	return f.cfg.Handle(ctx, batches)
}

// OneByOne makes a function that handles batches of one that handles a batch.
func OneByOne(handle func(context.Context, Batch) error) func(context.Context, []Batch) []error {
	return func(ctx context.Context, batches []Batch) []error {
		errs := make([]error, len(batches))
		for i, b := range batches {
			errs[i] = handle(ctx, b)
		}
		return errs
	}
}
