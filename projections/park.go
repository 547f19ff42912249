package projections

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Parked is a record whose events could not be projected from some version on.
// What people see of it is as it was before.
type Parked struct {
	Projection string
	Stream     uuid.UUID
	Version    eventstore.Version  // of the first event that waits
	Position   eventstore.Position // of the same
	Class      string              // of the error: panic, decode, order, or an SQLSTATE
	At         time.Time
}

// Parked returns the parked records of a tenant, the oldest first.
func (m *Models) Parked(ctx context.Context, tenant domain.TenantID) (list []Parked, err error) {
	_, err = m.read(ctx, tenant, func(b *pgx.Batch) {
		b.Queue(`select projection, stream_id, version, pos, class, at from es.parked p
			where tenant_id = $1 and ver = (select coalesce(max(s.ver), 0) from crm.serving s where s.tenant_id = $1 and s.projection = p.projection)
			order by at, pos`, tenant.UUID).
			Query(func(rows pgx.Rows) (err error) {
				list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Parked])
				return err
			})
	})
	return list, err
}

// Unpark makes the row of a parked record from all of its events, and lets later
// ones follow as usual. If it still cannot be done, it returns domain.Conflict
// with the code still_parked, and the record stays parked.
func (m *Models) Unpark(ctx context.Context, p Projection, tenant domain.TenantID, id uuid.UUID) error {
	scope := wall.Scope{Tenant: tenant, Duty: wall.Projector}
	return m.cfg.Wall.InTenant(ctx, scope, func(tx wall.Tx) error {
		at, err := lock(ctx, tx, Group, tenant) // nobody projects this tenant meanwhile
		if err != nil {
			return err
		}
		var ver int
		if err := tx.QueryRow(ctx, `select coalesce((select ver from crm.serving where tenant_id = $1 and projection = $2), 0)`,
			tenant.UUID, p.Name()).Scan(&ver); err != nil {
			return err
		}
		cs, err := m.refold(ctx, p, eventstore.StreamID{Tenant: tenant, Kind: p.Kind(), ID: id}, ver, at.Position)
		if err != nil {
			return err
		}
		b := new(pgx.Batch)
		cs.queueWrite(b)
		for _, still := range cs.parked() {
			return stillParked(still.class)
		}
		b.Queue(`delete from es.parked where tenant_id = $1 and projection = $2 and ver = $3 and stream_id = $4`, tenant.UUID, p.Name(), ver, id)
		queueNextGeneration(b, Group, tenant)
		err = tx.SendBatch(ctx, b).Close()
		if isRefused(err) {
			return stillParked(classify(err))
		}
		return err
	})
}

// refold makes the row of a record from its events up to a position.
func (m *Models) refold(ctx context.Context, p Projection, s eventstore.StreamID, ver int, upTo eventstore.Position) (changes, error) {
	events, err := m.events(ctx, s, 0, func(e eventstore.Recorded) bool { return e.Position <= upTo })
	if err != nil {
		return nil, err
	}
	cs := p.changes(s.Tenant, ver, newCache(0))
	for _, e := range events {
		cs.add(e)
	}
	cs.missing()
	if err := cs.fold(1); err != nil {
		return nil, err
	}
	for _, still := range cs.parked() {
		return nil, stillParked(still.class)
	}
	return cs, nil
}

func stillParked(class string) error {
	return domain.Conflict.Refusef("still_parked", "the events still cannot be projected: %s", class)
}
