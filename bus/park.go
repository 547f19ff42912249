package bus

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Parked is a record whose events wait, because the target does not take the
// first of them. The events themselves are in the log.
type Parked struct {
	Stream   eventstore.StreamID
	Version  eventstore.Version  // of the first event that waits
	Position eventstore.Position // of the same
	Reason   Reason
	At       time.Time // since when; not before it is stored
}

// Behind is the reason for which an event waits that may well be taken: the one
// before it was skipped, and nobody has asked yet for the others.
const Behind Reason = "behind"

// Parking is what is parked of one target. It needs no target to look at it.
type Parking struct {
	wall   *wall.Wall
	target string
}

// NewParking returns what is parked of the target with a name.
func NewParking(w *wall.Wall, target string) Parking { return Parking{w, target} }

// List returns the parked records of a tenant, the one that waits longest first.
func (p Parking) List(ctx context.Context, tenant domain.TenantID) (list []Parked, err error) {
	err = p.wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select stream_kind, stream_id, version, pos, reason, at from es.bus_parked
			where tenant_id = $1 and target = $2 order by pos`, tenant.UUID, p.target).
			Query(func(rows pgx.Rows) (err error) {
				list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Parked, error) {
					p := Parked{Stream: eventstore.StreamID{Tenant: tenant}}
					return p, row.Scan(&p.Stream.Kind, &p.Stream.ID, &p.Version, &p.Position, &p.Reason, &p.At)
				})
				return err
			})
	})
	return list, err
}

// among returns which of the records in a batch are parked.
func (p Parking) among(ctx context.Context, batch eventstore.Batch) (map[eventstore.StreamID]bool, error) {
	ids := make([]uuid.UUID, 0, len(batch.Events))
	for _, e := range batch.Events {
		ids = append(ids, e.Stream.ID)
	}
	held := make(map[eventstore.StreamID]bool)
	s := eventstore.StreamID{Tenant: batch.Tenant}
	err := p.wall.Pipe(ctx, wall.Scope{Tenant: batch.Tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select stream_kind, stream_id from es.bus_parked where tenant_id = $1 and target = $2 and stream_id = any($3)`,
			batch.Tenant.UUID, p.target, ids).
			Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&s.Kind, &s.ID}, func() error {
					held[s] = true
					return nil
				})
				return err
			})
	})
	return held, err
}

// settle moves the checkpoint on and parks records, both or neither. If somebody
// else has moved it, or has let a record go on that the caller believed to be
// parked, it returns ErrMoved.
func (p Parking) settle(ctx context.Context, batch eventstore.Batch, to eventstore.Position, parked []Parked) error {
	from := batch.From
	err := p.wall.Pipe(ctx, wall.Scope{Tenant: batch.Tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select es.move_checkpoint($1, $2, $3, $4, $5)`, GroupOf(p.target), batch.Tenant.UUID, from.Position, from.Generation, to)
		for _, r := range parked {
			b.Queue(`insert into es.bus_parked (tenant_id, target, stream_kind, stream_id, version, pos, reason, at)
				values ($1, $2, $3, $4, $5, $6, $7, now()) on conflict do nothing`,
				batch.Tenant.UUID, p.target, r.Stream.Kind, r.Stream.ID, r.Version, r.Position, r.Reason)
		}
	})
	return moved(err)
}

// moved returns ErrMoved if that is why a transaction ended, or would have been
// if it had waited: whoever holds a checkpoint for long is about to let a record
// go on.
func moved(err error) error {
	const lockNotAvailable = "55P03"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "RH001" || e.Code == lockNotAvailable) {
		return eventstore.ErrMoved
	}
	return err
}

// count counts the parked records of all tenants.
func (p Parking) count(ctx context.Context) (n int64, err error) {
	err = p.wall.Outside(ctx, wall.Dispatcher, func(tx wall.Tx) error {
		return tx.QueryRow(ctx, `select count(*) from es.bus_parked where target = $1`, p.target).Scan(&n)
	})
	return n, err
}

// Targets returns the names of all targets that anything was ever published to.
func Targets(ctx context.Context, w *wall.Wall) (names []string, err error) {
	err = w.Outside(ctx, wall.Dispatcher, func(tx wall.Tx) error {
		rows, err := tx.Query(ctx, `select distinct substr(grp, 5) from es.checkpoint where grp like 'bus:%' order by 1`)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}
