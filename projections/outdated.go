package projections

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// RebuildGroup names those who share out who makes rows again that an older build has
// made. Who holds the first shard does so, for all tenants.
const RebuildGroup = "rebuilds"

// How rows are made again by themselves: a little at a time, and at rest for most of it,
// because others work with the database meanwhile.
const (
	outdatedBatch = 500              // events at a time
	outdatedRest  = 3                // how many times as long as it works it rests
	longestRest   = 2 * time.Second  // at a time
	outdatedLook  = 30 * time.Second // between two looks for what has to be made again
	outdatedTTL   = 9 * time.Second  // of the lease
)

// upkeep is how the rows of this node's tenants are brought to the definition of this
// build.
type upkeep struct {
	wake                     chan struct{}
	waiting, done, failed    atomic.Int64 // tenants; the last two since the start
	events                   atomic.Int64 // likewise, that were projected for it
	leased, rested           time.Time    // used by the one that makes rows again only
	restTimes                int
	current, currentPosition atomic.Int64 // how far it is with the tenant that is under way, and how far that goes
}

// Outdated is what is known of rows that another build has made than this one, or that
// nobody needs any more, of one tenant.
type Outdated struct {
	Tables []string            // or facts, whose rows have to be made again
	Unused []string            // that have rows of no use any more, after a rebuild that was interrupted
	Done   eventstore.Position // how far a rebuild is that was begun; 0 if there is none
}

// Outdated says what an older build, or nobody knows which, has made of a tenant.
func (m *Models) Outdated(ctx context.Context, tenant domain.TenantID) (o Outdated, err error) {
	type row struct {
		ver, build, swept int
	}
	rows := make(map[string]row)
	var at eventstore.Position
	begun := false
	_, err = m.read(ctx, tenant, func(b *pgx.Batch) {
		b.Queue(`select pos from es.checkpoint where grp = $1 and tenant_id = $2`, Group, tenant.UUID).
			Query(each(func(r pgx.Rows) error { return r.Scan(&at) }))
		b.Queue(`select projection, ver, build, swept from crm.serving where tenant_id = $1`, tenant.UUID).
			Query(each(func(r pgx.Rows) error {
				var name string
				var one row
				err := r.Scan(&name, &one.ver, &one.build, &one.swept)
				rows[name] = one
				return err
			}))
		b.Queue(`select exists (select from crm.rebuild where tenant_id = $1)`, tenant.UUID).QueryRow(func(r pgx.Row) error { return r.Scan(&begun) })
		b.Queue(`select pos from es.checkpoint where grp = $1 and tenant_id = $2`, rebuildGroup, tenant.UUID).
			Query(each(func(r pgx.Rows) error { return r.Scan(&o.Done) }))
	})
	if !begun {
		o.Done = 0
	}
	for _, p := range m.models {
		one, own := rows[p.Name()]
		if !own {
			one.build = rows[rest].build
		}
		is := same
		if err == nil && at > 0 {
			is, err = m.cfg.Builds.of(ctx, p.Name(), one.build)
		}
		switch {
		case is == older:
			o.Tables = append(o.Tables, p.Name())
		case one.swept < one.ver:
			o.Unused = append(o.Unused, p.Name())
		}
	}
	return o, err
}

// outdated returns the tenants that have something to be made again, or swept.
func (m *Models) outdated(ctx context.Context) (tenants []domain.TenantID, err error) {
	old, err := m.cfg.Builds.outdated(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range m.models {
		names = append(names, p.Name())
	}
	// A tenant without rows that serve has a checkpoint at 0, or none.
	err = m.cfg.Wall.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		rows, err := tx.Query(ctx, `with old (projection, build) as (select * from unnest($1::text[], $2::int[]))
			select s.tenant_id from crm.serving s join old o on o.projection = s.projection and o.build = s.build
				join es.checkpoint c on c.grp = $3 and c.tenant_id = s.tenant_id and c.pos > 0
			union select s.tenant_id from crm.serving s where s.swept < s.ver and s.projection = any($5)
			union select c.tenant_id from es.checkpoint c
				left join crm.serving d on d.tenant_id = c.tenant_id and d.projection = $4
				join old o on o.build = coalesce(d.build, 0)
				left join crm.serving s on s.tenant_id = c.tenant_id and s.projection = o.projection
				where c.grp = $3 and c.pos > 0 and s.tenant_id is null
			order by 1`, old.tables, old.builds, Group, rest, names)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t domain.TenantID, err error) {
			var id uuid.UUID
			err = row.Scan(&id)
			t.UUID = id
			return t, err
		})
		return err
	})
	return tenants, err
}

// keepCurrent makes rows again that an older build has made, until ctx is done.
func (m *Models) keepCurrent(ctx context.Context) {
	for ctx.Err() == nil {
		if err := m.renewOutdated(ctx); err != nil && ctx.Err() == nil && !isAway(err) {
			m.cfg.Log.WarnContext(ctx, "rows that an older build has made could not be made again; tried again soon", "error", err)
		}
		t := time.NewTimer(outdatedLook*9/10 + rand.N(outdatedLook/5)) //nolint:gosec // jitter
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-m.upkeep.wake:
		}
		t.Stop()
	}
}

func isAway(err error) bool {
	return wall.IsPassing(err) || errors.Is(err, eventstore.ErrUnavailable)
}

// renewOutdated makes all rows again that an older build has made, one tenant after
// another, if this node is the one to do so. Where that fails, the others go on.
func (m *Models) renewOutdated(ctx context.Context) error {
	tenants, err := m.outdated(ctx)
	if err != nil || len(tenants) == 0 {
		m.upkeep.waiting.Store(0)
		return err
	}
	m.upkeep.leased, m.upkeep.rested = time.Time{}, m.cfg.Now()
	if err := m.lead(ctx); err != nil {
		m.upkeep.waiting.Store(0) // another node counts
		if errors.Is(err, errNotOurs) {
			return nil
		}
		return err
	}
	defer m.release(ctx)
	m.cfg.Log.InfoContext(ctx, "rows that an older build has made are made again, while they serve", "tenants", len(tenants))
	for i, tenant := range tenants {
		m.upkeep.waiting.Store(int64(len(tenants) - i))
		switch err := m.renewTenant(ctx, tenant); {
		case err == nil:
			m.upkeep.done.Add(1)
		case errors.Is(err, errNotOurs):
			m.upkeep.waiting.Store(0)
			return nil
		case ctx.Err() != nil, isAway(err):
			return err
		default:
			m.upkeep.failed.Add(1)
			m.cfg.Log.WarnContext(ctx, "rows of a tenant that an older build has made could not be made again; tried again soon", "tenant", tenant.String(), "error", err)
		}
	}
	m.upkeep.waiting.Store(0)
	m.cfg.Log.InfoContext(ctx, "rows that an older build has made were made again", "tenants", len(tenants))
	return nil
}

// renewTenant makes the rows of a tenant again, with one reading of its log.
func (m *Models) renewTenant(ctx context.Context, tenant domain.TenantID) error {
	o, err := m.Outdated(ctx, tenant)
	if err != nil {
		return err
	}
	var ps []Model
	for _, p := range m.models {
		if slices.Contains(o.Tables, p.Name()) {
			ps = append(ps, p)
		}
	}
	last := eventstore.Position(0)
	at := pace{batch: outdatedBatch, workers: 1, rest: m.pause, progress: func(done, of eventstore.Position) {
		if done > last {
			m.upkeep.events.Add(int64(done - last))
			last = done
		}
		m.upkeep.current.Store(int64(done))
		m.upkeep.currentPosition.Store(int64(of))
	}}
	if len(ps) > 0 {
		err = m.rebuild(ctx, tenant, at, ps)
	}
	if err == nil && len(o.Unused) > 0 {
		err = m.sweep(ctx, tenant, o.Unused, m.pause)
	}
	return err
}

// errNotOurs says that another node makes rows again.
var errNotOurs = errors.New("another node does this")

// lead makes this node the one that makes rows again, or returns errNotOurs.
func (m *Models) lead(ctx context.Context) error {
	now := m.cfg.Now()
	if now.Sub(m.upkeep.leased) < outdatedTTL/3 {
		return nil
	}
	held, err := m.cfg.Tracker.Lease(ctx, m.cfg.Owner, outdatedTTL, RebuildGroup)
	switch {
	case err != nil:
		return err
	case !slices.Contains(held[RebuildGroup], 0):
		return errNotOurs
	}
	m.upkeep.leased = now
	return nil
}

func (m *Models) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = m.cfg.Tracker.Release(ctx, RebuildGroup, m.cfg.Owner) // it ends by itself
}

// pause rests after some work, and makes sure that the work is still that of this node.
func (m *Models) pause(ctx context.Context) error {
	worked := m.cfg.Now().Sub(m.upkeep.rested)
	t := time.NewTimer(min(max(worked, 0)*time.Duration(m.upkeep.restTimes), longestRest))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	m.upkeep.rested = m.cfg.Now()
	return m.lead(ctx)
}

// queueCurrent queues the statement that tells whether the rows of a table that serve
// are as this build makes them, from their first event on. If not, what is new in the
// table, such as a column or words to search by, is not there for all of them yet, and
// must not be used as if it were. It belongs into the round trip that reads the rows.
// Builds are those of [Builds.madeBy], which asks nobody as a rule.
func queueCurrent(b *pgx.Batch, tenant domain.TenantID, p Model, builds []int, current *bool) {
	b.Queue(`select coalesce(
			(select build from crm.serving where tenant_id = $1 and projection = $2),
			(select build from crm.serving where tenant_id = $1 and projection = $5), 0) = any($3)
		or not exists (select from es.checkpoint where grp = $4 and tenant_id = $1 and pos > 0)`, tenant.UUID, p.Name(), builds, Group, rest).
		QueryRow(func(row pgx.Row) error { return row.Scan(current) })
}

// Current reports whether the rows of a table that serve are as this build makes them.
// See queueCurrent, which tells in the round trip that reads them.
func (m *Models) Current(ctx context.Context, p Model, tenant domain.TenantID) (current bool, err error) {
	builds, err := m.cfg.Builds.madeBy(ctx, p.Name())
	if err != nil {
		return false, err
	}
	_, err = m.read(ctx, tenant, func(b *pgx.Batch) { queueCurrent(b, tenant, p, builds, &current) })
	return current, err
}
