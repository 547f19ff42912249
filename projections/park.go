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

// Unpark makes the row of a parked record from all of its events, and what it tells in
// facts, and lets later events follow as usual. If it still cannot be done, it returns
// domain.Conflict with the code still_parked, and the record stays parked.
func (m *Models) Unpark(ctx context.Context, p Projection, tenant domain.TenantID, id uuid.UUID) error {
	scope := wall.Scope{Tenant: tenant, Duty: wall.Projector}
	names := []string{p.Name()}
	for _, f := range m.cfg.Facts {
		if _, ok := f.follows(p.Name()); ok {
			names = append(names, f.Name())
		}
	}
	return m.cfg.Wall.InTenant(ctx, scope, func(tx wall.Tx) error {
		at, err := lock(ctx, tx, Group, tenant) // nobody projects this tenant meanwhile
		if err != nil {
			return err
		}
		vers, err := servingVers(ctx, tx, tenant, names)
		if err != nil {
			return err
		}
		t := target{tenant: tenant, cache: newCache(0), vers: make(map[string]int)}
		for i, name := range names {
			t.vers[name] = vers[i]
		}
		all, err := m.refold(ctx, t, eventstore.StreamID{Tenant: tenant, Kind: p.Kind(), ID: id}, at.Position)
		if err != nil {
			return err
		}
		b := new(pgx.Batch)
		for _, w := range all {
			w.queueWrite(b)
			for _, still := range w.parked() {
				return stillParked(still.class)
			}
		}
		b.Queue(`delete from es.parked p using unnest($2::text[], $4::int[]) as n (name, ver)
			where p.tenant_id = $1 and p.projection = n.name and p.ver = n.ver and p.stream_id = $3`, tenant.UUID, names, id, vers)
		queueNextGeneration(b, Group, tenant)
		err = tx.SendBatch(ctx, b).Close()
		if isRefused(err) {
			return stillParked(classify(err))
		}
		return err
	})
}

// servingVers returns the versions of the rows of some models that serve.
func servingVers(ctx context.Context, tx wall.Tx, tenant domain.TenantID, names []string) (vers []int, err error) {
	err = tx.QueryRow(ctx, `select array(select coalesce(s.ver, 0) from unnest($2::text[]) with ordinality as n (name, place)
		left join crm.serving s on s.tenant_id = $1 and s.projection = n.name order by n.place)`, tenant.UUID, names).Scan(&vers)
	return vers, err
}

// refold makes the row of a record, and what it tells, from its events up to a position.
func (m *Models) refold(ctx context.Context, t target, s eventstore.StreamID, upTo eventstore.Position) (all []writes, err error) {
	events, err := m.events(ctx, s, 0, func(e eventstore.Recorded) bool { return e.Position <= upTo })
	if err != nil {
		return nil, err
	}
	d, err := m.sort(t, events)
	if err != nil {
		return nil, err
	}
	for _, one := range d.tables {
		one.missing()
		if err := one.fold(1); err != nil {
			return nil, err
		}
		for _, still := range one.parked() {
			return nil, stillParked(still.class)
		}
		all = append(all, one.changes)
	}
	for _, f := range d.facts {
		f.anew()
		f.gone(purgesOf(events))
		all = append(all, f.factSet)
	}
	return all, nil
}

func stillParked(class string) error {
	return domain.Conflict.Refusef("still_parked", "the events still cannot be projected: %s", class)
}
