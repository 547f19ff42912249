package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

const (
	// run is how many events of a parked record are published until it is
	// written down that they were.
	run = 100

	// last is how many events may be published while the checkpoint of the tenant
	// is held, and holding for how long that may take. The database ends
	// transactions that are idle for 10 s.
	last    = 10
	holding = 8 * time.Second
)

// Replay publishes the events of a parked record that wait, in order, and lets
// later ones follow as usual. It returns how many it has published. If the target
// still refuses one, it returns domain.Conflict with the code still_parked and
// the record stays parked there. It works while nodes publish.
//
// Nothing is lost between here and there: the checkpoint of the tenant is held
// while the last events are published and the record is let go of, so for every
// event it is clear whether it came before, and is published here, or after, and
// is published there.
func (b *Bus) Replay(ctx context.Context, s eventstore.StreamID) (published int, err error) {
	for {
		n, done, err := b.replayRun(ctx, s)
		published += n
		if err != nil || done {
			return published, err
		}
	}
}

// replayRun publishes some events. If these are not the last ones, it does so
// without holding up anybody.
func (b *Bus) replayRun(ctx context.Context, s eventstore.StreamID) (n int, done bool, err error) {
	at, err := b.cfg.Tracker.Checkpoint(ctx, GroupOf(b.cfg.Name), s.Tenant)
	if err != nil {
		return 0, false, err
	}
	p, err := b.parking.get(ctx, s)
	if err != nil {
		return 0, false, err
	}
	events, err := b.waiting(ctx, p, at.Position)
	if err != nil {
		return 0, false, err
	}
	if len(events) <= last {
		return b.finish(ctx, s)
	}
	n, reason, err := b.inOrder(ctx, events)
	if n == 0 && reason == "" {
		return n, false, err
	}
	next := p
	next.Version += eventstore.Version(n)
	switch {
	case reason != "":
		next.Position, next.Reason = events[n].Position, reason
	case n < len(events):
		next.Position, next.Reason = events[n].Position, Behind
	default: // where exactly the next one is does not matter, but that it comes later
		next.Position, next.Reason = events[n-1].Position+1, Behind
	}
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	scope := wall.Scope{Tenant: s.Tenant, Duty: wall.Projector}
	moveErr := b.cfg.Wall.InTenant(saving, scope, func(tx wall.Tx) error { return b.parking.move(saving, tx, p, next) })
	return n, false, errors.Join(moveErr, err, stillParked(reason))
}

// finish publishes the last events of a parked record and lets go of it. If many
// came meanwhile, it does nothing.
func (b *Bus) finish(ctx context.Context, s eventstore.StreamID) (n int, done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, holding)
	defer cancel()
	var reason Reason
	err = b.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: s.Tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		p, at, err := b.parking.lock(ctx, tx, s)
		if err != nil {
			return err
		}
		events, err := b.waiting(ctx, p, at)
		if err != nil || len(events) > last {
			return err
		}
		if n, reason, err = b.inOrder(ctx, events); err != nil {
			return err
		}
		if reason != "" {
			next := p
			next.Version, next.Position, next.Reason = events[n].Version, events[n].Position, reason
			return b.parking.move(ctx, tx, p, next)
		}
		done = true
		return b.parking.release(ctx, tx, p)
	})
	return n, done && err == nil, errors.Join(err, stillParked(reason))
}

// waiting returns up to a run of the events of a parked record up to a position.
func (b *Bus) waiting(ctx context.Context, p Parked, upTo eventstore.Position) (events []eventstore.Recorded, err error) {
	for e, err := range b.cfg.Store.ReadStream(ctx, p.Stream, p.Version-1) {
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		if e.Position > upTo || len(events) == run {
			break
		}
		events = append(events, e)
	}
	return events, nil
}

// inOrder publishes events of one record, one after another, and returns how many
// were taken, and why the next one was refused, if it was.
func (b *Bus) inOrder(ctx context.Context, events []eventstore.Recorded) (n int, reason Reason, err error) {
	for i, e := range events {
		err := b.publishOne(ctx, e)
		if reason, bad := refused(err); bad {
			return i, reason, nil
		}
		if err != nil {
			return i, "", fmt.Errorf("publish: %w", err)
		}
		b.published.Add(1)
	}
	return len(events), "", nil
}

func (b *Bus) publishOne(ctx context.Context, e eventstore.Recorded) error {
	m, err := NewMessage(e, b.cfg.Prefixes)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	m.SetContext(ctx)
	return publish(b.cfg.Target, b.cfg.Target.Topic(e.Stream, e.Type), []*message.Message{m})
}

func stillParked(reason Reason) error {
	if reason == "" {
		return nil
	}
	return domain.Conflict.Refusef("still_parked", "the target still refuses an event: %s", string(reason))
}

// ErrNotParked says that a record is not parked, or not any more.
var ErrNotParked = errors.New("record is not parked")

// Skip gives up the first of the events of a parked record that wait, for good,
// and writes down who decided so. It must be the one with this version: whoever
// decides has looked at it, and it may be another one by now. If others wait
// behind it, they wait on until they are replayed; it reports whether that is so.
func (p Parking) Skip(ctx context.Context, store eventstore.Store, s eventstore.StreamID, version eventstore.Version, by string) (more bool, err error) {
	err = p.wall.InTenant(ctx, wall.Scope{Tenant: s.Tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		parked, at, err := p.lock(ctx, tx, s)
		if err != nil {
			return err
		}
		if parked.Version != version {
			return domain.Conflict.Refusef("other_version", "the record waits at version %d, not %d", parked.Version, version)
		}
		if parked.Reason == Behind {
			return domain.Conflict.Refusef("not_refused", "the next event was not refused by anybody yet; replay it first")
		}
		_, err = tx.Exec(ctx, `insert into es.bus_skipped (tenant_id, target, stream_kind, stream_id, version, pos, reason, skipped_by, at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, now())`,
			s.Tenant.UUID, p.target, s.Kind, s.ID, parked.Version, parked.Position, parked.Reason, by)
		if err != nil {
			return err
		}
		for e, err := range store.ReadStream(ctx, s, parked.Version) {
			if err != nil {
				return err
			}
			if more = e.Position <= at; more {
				next := parked
				next.Version, next.Position, next.Reason = e.Version, e.Position, Behind
				return p.move(ctx, tx, parked, next)
			}
			break
		}
		return p.release(ctx, tx, parked)
	})
	return more, err
}

// get returns what is parked of a record.
func (p Parking) get(ctx context.Context, s eventstore.StreamID) (parked Parked, err error) {
	parked.Stream = s
	err = p.wall.Pipe(ctx, wall.Scope{Tenant: s.Tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select version, pos, reason, at from es.bus_parked
			where tenant_id = $1 and target = $2 and stream_kind = $3 and stream_id = $4`, s.Tenant.UUID, p.target, s.Kind, s.ID).
			QueryRow(func(row pgx.Row) error {
				return row.Scan(&parked.Version, &parked.Position, &parked.Reason, &parked.At)
			})
	})
	return parked, notParked(err)
}

// lock returns what is parked of a record, and how far the target has come with
// the tenant, and holds both until the transaction ends: the checkpoint first,
// as everybody does.
func (p Parking) lock(ctx context.Context, tx wall.Tx, s eventstore.StreamID) (parked Parked, at eventstore.Position, err error) {
	parked.Stream = s
	b := new(pgx.Batch)
	b.Queue(`select pos from es.checkpoint where grp = $1 and tenant_id = $2 for update`, GroupOf(p.target), s.Tenant.UUID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&at) })
	b.Queue(`select version, pos, reason, at from es.bus_parked
		where tenant_id = $1 and target = $2 and stream_kind = $3 and stream_id = $4 for update`, s.Tenant.UUID, p.target, s.Kind, s.ID).
		QueryRow(func(row pgx.Row) error {
			return row.Scan(&parked.Version, &parked.Position, &parked.Reason, &parked.At)
		})
	err = tx.SendBatch(ctx, b).Close()
	return parked, at, notParked(err)
}

func notParked(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotParked
	}
	return err
}

// move says from which event on a record is parked, unless somebody else did.
func (p Parking) move(ctx context.Context, tx wall.Tx, from, to Parked) error {
	tag, err := tx.Exec(ctx, `update es.bus_parked set version = $6, pos = $7, reason = $8
		where tenant_id = $1 and target = $2 and stream_kind = $3 and stream_id = $4 and version = $5`,
		from.Stream.Tenant.UUID, p.target, from.Stream.Kind, from.Stream.ID, from.Version, to.Version, to.Position, to.Reason)
	if err == nil && tag.RowsAffected() == 0 {
		return eventstore.ErrMoved
	}
	return err
}

// release lets a record go on. The new generation of the checkpoint makes
// everybody look again who is at work on later events and believes that the
// record is parked. The checkpoint must be held.
func (p Parking) release(ctx context.Context, tx wall.Tx, parked Parked) error {
	s := parked.Stream
	b := new(pgx.Batch)
	b.Queue(`delete from es.bus_parked where tenant_id = $1 and target = $2 and stream_kind = $3 and stream_id = $4`, s.Tenant.UUID, p.target, s.Kind, s.ID)
	b.Queue(`update es.checkpoint set generation = generation + 1 where grp = $1 and tenant_id = $2`, GroupOf(p.target), s.Tenant.UUID)
	return tx.SendBatch(ctx, b).Close()
}
