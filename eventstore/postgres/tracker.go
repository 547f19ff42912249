package postgres

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Tracker keeps checkpoints and leases in the database. It is independent of
// where the log is, but for [Tracker.Behind].
type Tracker struct {
	wall  *wall.Wall
	place float64
	takes func(group string) bool
}

var _ eventstore.Tracker = Tracker{}

// NewTracker returns a tracker behind a wall, for nodes whose build nobody knows.
func NewTracker(w *wall.Wall) Tracker {
	return Tracker{wall: w, place: math.Inf(-1), takes: func(string) bool { return false }}
}

// At returns the tracker for a node whose build has a place in the order of all builds.
// Only nodes of the newest build that is there hold leases, because others may not be
// able to read what it records.
func (t Tracker) At(place float64) Tracker {
	t.place = place
	return t
}

// TakingOver returns a tracker for a node that takes the leases of some groups over at
// once from those who have too many, or are older: there is no moment in which nobody has
// them, but one in which two nodes do the same work, of which one can commit it. It is
// for readers that do nothing beside what they commit with their checkpoint. Of
// others, leases are given up first, and then taken.
func (t Tracker) TakingOver(takes func(group string) bool) Tracker {
	t.takes = takes
	return t
}

// dispatch runs a statement that sees positions only, in one round trip.
func dispatch[T any](ctx context.Context, t Tracker, row pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	err = t.wall.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, row)
		return err
	})
	return all, err
}

// Lease implements [eventstore.Tracker].
func (t Tracker) Lease(ctx context.Context, owner string, ttl time.Duration, groups ...string) (eventstore.Held, error) {
	first := slices.DeleteFunc(slices.Clone(groups), t.takes)
	leases, err := dispatch(ctx, t, pgx.RowToStructByPos[lease], `select * from es.keep_leases($1, $2, $3, $4, $5, $6)`,
		groups, owner, ttl, eventstore.Shards, t.place, first)
	held := make(eventstore.Held, len(groups))
	for _, l := range leases {
		held[l.Group] = l.Shards
	}
	return held, err
}

type lease struct {
	Group  string
	Shards []eventstore.Shard
}

// Release implements [eventstore.Tracker].
func (t Tracker) Release(ctx context.Context, group, owner string) error {
	_, err := dispatch(ctx, t, pgx.RowTo[bool], `with leases as (delete from es.lease where grp = $1 and owner = $2)
		delete from es.follower where grp = $1 and owner = $2 returning true`, group, owner)
	return err
}

// Checkpoint implements [eventstore.Tracker].
func (t Tracker) Checkpoint(ctx context.Context, group string, tenant domain.TenantID) (at eventstore.Checkpoint, err error) {
	found, err := dispatch(ctx, t, pgx.RowToStructByPos[eventstore.Checkpoint],
		`select pos, generation from es.checkpoint where grp = $1 and tenant_id = $2`, group, tenant.UUID)
	if len(found) > 0 {
		at = found[0]
	}
	return at, err
}

// Move implements [eventstore.Tracker].
func (t Tracker) Move(ctx context.Context, group string, tenant domain.TenantID, from eventstore.Checkpoint, to eventstore.Position) error {
	err := t.wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select es.move_checkpoint($1, $2, $3, $4, $5)`, group, tenant.UUID, from.Position, from.Generation, to)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "RH001" {
		return eventstore.ErrMoved
	}
	return err
}

// TakeBack implements [eventstore.Tracker].
func (t Tracker) TakeBack(ctx context.Context, group string, tenant domain.TenantID, from eventstore.Checkpoint, to eventstore.Position) error {
	moved := true
	err := t.wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`update es.checkpoint set pos = $5, generation = generation + 1
			where grp = $1 and tenant_id = $2 and pos = $3 and generation = $4`, group, tenant.UUID, from.Position, from.Generation, to).
			Exec(func(tag pgconn.CommandTag) error {
				moved = tag.RowsAffected() == 1
				return nil
			})
	})
	if err == nil && !moved {
		err = eventstore.ErrMoved
	}
	return err
}

// Tenants lists all tenants that have a log, in the order in which they were
// made. It is for the operator's tools.
func (t Tracker) Tenants(ctx context.Context) ([]domain.TenantID, error) {
	tenant := func(row pgx.CollectableRow) (id domain.TenantID, err error) {
		err = row.Scan(&id.UUID)
		return id, err
	}
	return dispatch(ctx, t, tenant, `select tenant_id from es.tenant_head order by tenant_id`)
}
