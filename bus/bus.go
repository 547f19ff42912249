package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/wall"
)

// Config says what is published, and where to.
type Config struct {
	Wall    *wall.Wall
	Store   eventstore.Store
	Tracker eventstore.Tracker

	Name     string // of the target, for good: see [Endpoint]
	Target   Target // not closed by the bus
	Prefixes feed.Prefixes
	Owner    string // names this node

	// Lookout is that of all followers of this node, if they share one.
	Lookout *eventstore.Lookout

	Timeout time.Duration // for a target to take messages (default 10 s)

	Log *slog.Logger
	Now func() time.Time
}

// Bus brings the events of all tenants to one target, together with as many
// other nodes as do the same. How far it has come with each tenant is kept in
// the database, and moves on only over what the target has taken or what was
// parked.
type Bus struct {
	cfg      Config // its store is the log as brokers may see it
	outward  eventstore.Outward
	parking  Parking
	gate     *gate
	follower *eventstore.Follower

	published atomic.Uint64
}

// New returns a bus, which does nothing until [Bus.Run].
func New(cfg Config) *Bus {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Log = cfg.Log.With("target", cfg.Name)
	outward := eventstore.Outward{Store: cfg.Store, Ends: domain.IsPurge}
	cfg.Store = outward
	b := &Bus{cfg: cfg, outward: outward, parking: NewParking(cfg.Wall, cfg.Name), gate: newGate(cfg.Log, cfg.Now)}
	b.follower = eventstore.NewFollower(eventstore.FollowerConfig{
		Store: cfg.Store, Tracker: cfg.Tracker, Group: GroupOf(cfg.Name), Owner: cfg.Owner, Lookout: cfg.Lookout,
		Handle: eventstore.OneByOne(b.handle), Workers: 16, Batch: 200, MaxBatch: 1000, Linger: 20 * time.Millisecond,
		Patience: patience, Away: wall.IsPassing, Log: cfg.Log, Now: cfg.Now,
	})
	return b
}

// Run publishes until ctx is done. It may be called again then.
func (b *Bus) Run(ctx context.Context) { b.follower.Run(ctx) }

// Notify says that the log of a tenant has grown. It never blocks.
func (b *Bus) Notify(tenant domain.TenantID, head eventstore.Position) {
	b.follower.Notify(tenant, head)
}

// handle publishes a batch and moves the checkpoint over it, or over as much of
// it as was taken. It holds no connection to the database while it waits for the
// target.
func (b *Bus) handle(ctx context.Context, batch eventstore.Batch) error {
	waited, leave, err := b.gate.enter(ctx, batch.Faults > 0)
	if err != nil {
		return err
	}
	defer leave()
	if waited { // perhaps so long that somebody else has the tenant now
		at, err := b.cfg.Tracker.Checkpoint(ctx, GroupOf(b.cfg.Name), batch.Tenant)
		if err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
		if at != batch.From {
			return eventstore.ErrMoved
		}
		// Or so long that a record was purged.
		if batch.Events, err = b.outward.Withhold(ctx, batch.Tenant, batch.Events); err != nil {
			return fmt.Errorf("see what was purged: %w", err)
		}
	}
	held, err := b.parking.among(ctx, batch)
	if err != nil {
		return fmt.Errorf("read what is parked: %w", err)
	}
	d := newDelivery(batch, held)
	err = b.deliver(ctx, d)
	to := d.settled()
	if to == batch.From.Position {
		return err
	}
	// Also when we stop: what is not kept now is published again.
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	parked := d.parkedUpTo(to)
	if err := b.parking.settle(saving, batch, to, parked); err != nil {
		return err
	}
	for _, p := range parked {
		b.cfg.Log.WarnContext(ctx, "a record is parked: the broker refuses its next event, so its events wait until somebody replays or skips them", "tenant", batch.Tenant.String(),
			"kind", p.Stream.Kind, "position", int64(p.Position), "reason", string(p.Reason))
	}
	return err
}

// deliver publishes a batch, until it is done, or some of it is not taken. Then
// the tenant has its turn again later, and a worker is free for another one.
func (b *Bus) deliver(ctx context.Context, d *delivery) error {
	for open := d.next(); len(open) > 0; open = d.next() {
		taken, err := b.publish(ctx, open)
		if taken {
			b.gate.succeeded(ctx)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case b.gate.failed(ctx, err):
			return errors.Join(eventstore.ErrAway, err)
		default:
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}
