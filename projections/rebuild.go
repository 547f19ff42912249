package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// rebuildGroup is the group whose checkpoint says how far a rebuild is.
const rebuildGroup = "rebuild"

// rebuildBatch is how many events a rebuild projects at a time, if nothing else
// is said.
const rebuildBatch = 5000

// Rebuild makes a tenant's rows of some projections anew, from the first event
// on, which is read once for all of them. From then on they are those of this build, also
// if a newer one had made them. People see the old ones until the new ones are complete, and then, at
// once, the new ones. It may be interrupted: begun again for the same
// projections, it goes on where it was, unless another build began it. The
// function progress, if there is one, is told every now and then how far it is.
func (m *Models) Rebuild(ctx context.Context, tenant domain.TenantID, progress func(done, of eventstore.Position), ps ...Model) error {
	return m.rebuild(ctx, tenant, pace{batch: m.cfg.Rebuild, workers: workers(), progress: progress}, ps)
}

// pace says how fast a rebuild goes, and who is told how far it is.
type pace struct {
	batch    int // events at a time
	workers  int
	progress func(done, of eventstore.Position)
	rest     func(context.Context) error // called after each batch, if set: an error ends the rebuild
}

func (m *Models) rebuild(ctx context.Context, tenant domain.TenantID, at pace, ps []Model) error {
	r, err := m.beginRebuild(ctx, tenant, at, ps)
	if err != nil {
		return fmt.Errorf("begin rebuild: %w", err)
	}
	// What is added meanwhile is made up for, until it is little.
	for {
		live, err := m.cfg.Tracker.Checkpoint(ctx, Group, tenant)
		if err != nil {
			return err
		}
		if int(live.Position-r.at.Position) < r.pace.batch/10 {
			break
		}
		if err := r.advance(ctx, live.Position); err != nil {
			return err
		}
	}
	for n, done := 1, false; !done; n++ {
		if done, err = r.finish(ctx, n%triesToFinish == 0); err != nil {
			return fmt.Errorf("finish rebuild: %w", err)
		}
	}
	return m.sweep(ctx, tenant, r.names, at.rest)
}

// rebuild is a rebuild that is going on.
type rebuild struct {
	*Models
	target
	names []string
	at    eventstore.Checkpoint
	pace  pace
	self  int // this build
}

func (r *rebuild) progress(done, of eventstore.Position) {
	if r.pace.progress != nil {
		r.pace.progress(done, of)
	}
}

// beginRebuild begins a rebuild, or goes on with one.
func (m *Models) beginRebuild(ctx context.Context, tenant domain.TenantID, at pace, ps []Model) (*rebuild, error) {
	self, err := m.cfg.Builds.ours(ctx)
	if err != nil {
		return nil, err
	}
	r := &rebuild{Models: m, pace: at, self: self}
	for _, p := range ps {
		r.names = append(r.names, p.Name())
	}
	slices.Sort(r.names)
	err = m.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(tx wall.Tx) (err error) {
		r.target = target{
			// The rows of a batch may not be in the database yet when the next one
			// is worked out, so those of both have to be remembered.
			tenant: tenant, group: rebuildGroup, cache: newCache(rebuildCache),
			vers: make(map[string]int), parked: make(map[parkedStream]bool),
		}
		if r.at, err = lock(ctx, tx, rebuildGroup, tenant); err != nil {
			return err
		}
		var same bool
		err = tx.QueryRow(ctx, `select exists (select from crm.rebuild where tenant_id = $1 and projections = $2 and build = $3)`,
			tenant.UUID, r.names, m.cfg.Builds.key(r.names)).Scan(&same)
		if err == nil && !same {
			err = r.restart(ctx, tx)
		}
		if err != nil {
			return err
		}
		b := new(pgx.Batch)
		b.Queue(`select projection, latest from crm.serving where tenant_id = $1 and projection = any($2)`, tenant.UUID, r.names).
			Query(each(func(rows pgx.Rows) error {
				var name string
				var ver int
				err := rows.Scan(&name, &ver)
				r.vers[name] = ver
				return err
			}))
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		b = new(pgx.Batch)
		queueParked(b, r.target)
		return tx.SendBatch(ctx, b).Close()
	})
	return r, err
}

// restart begins with rows of a version that there never were any of.
func (r *rebuild) restart(ctx context.Context, tx wall.Tx) error {
	r.at = eventstore.Checkpoint{Generation: r.at.Generation + 1}
	b := new(pgx.Batch)
	b.Queue(`insert into crm.serving (tenant_id, projection, ver, latest, build)
		select $1, name, 0, 1, coalesce((select s.build from crm.serving s where s.tenant_id = $1 and s.projection = $3), 0) from unnest($2::text[]) name
		on conflict (tenant_id, projection) do update set latest = serving.latest + 1`, r.tenant.UUID, r.names, rest)
	b.Queue(`insert into crm.rebuild (tenant_id, projections, build) values ($1, $2, $3)
		on conflict (tenant_id) do update set projections = excluded.projections, build = excluded.build`, r.tenant.UUID, r.names, r.cfg.Builds.key(r.names))
	b.Queue(`update es.checkpoint set pos = 0, generation = $3 where grp = $1 and tenant_id = $2`, rebuildGroup, r.tenant.UUID, r.at.Generation)
	return tx.SendBatch(ctx, b).Close()
}

// advance projects the events up to a position. While the rows of a batch are
// written, the next one is read and worked out.
func (r *rebuild) advance(ctx context.Context, goal eventstore.Position) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wait := func() error { return nil }
	for b := range r.readAhead(ctx, r.at.Position, goal) {
		var s *step
		if err = b.err; err == nil {
			s, err = r.derive(ctx, r.target, b.Batch, r.pace.workers)
		}
		if err != nil {
			break
		}
		s.remember()
		if err = wait(); err != nil {
			return err
		}
		wait = r.begin(ctx, s)
		r.progress(r.at.Position, goal)
		if r.pace.rest != nil {
			if err = wait(); err == nil {
				err = r.pace.rest(ctx)
			}
			if wait = func() error { return nil }; err != nil {
				break
			}
		}
	}
	err = errors.Join(err, wait())
	r.progress(r.at.Position, goal)
	return err
}

// begin begins to do a step, and returns what waits for the end of it.
func (r *rebuild) begin(ctx context.Context, s *step) (wait func() error) {
	s.from = r.at
	done := make(chan error, 1)
	go func() { done <- r.write(ctx, s) }()
	return func() error {
		if err := <-done; err != nil {
			return err
		}
		r.at = s.done()
		s.report(ctx, r.cfg.Log)
		for _, set := range s.sets {
			for _, p := range set.parked() {
				r.parked[parkedStream{set.name, p.event.Stream.ID}] = true
			}
		}
		return nil
	}
}

type readBatch struct {
	eventstore.Batch
	err error
}

// readAhead reads the events of the tenant up to a position, a batch ahead of
// whoever takes them.
func (r *rebuild) readAhead(ctx context.Context, after, goal eventstore.Position) <-chan readBatch {
	batches := make(chan readBatch, 1)
	go func() {
		defer close(batches)
		for after < goal && ctx.Err() == nil {
			b := readBatch{Batch: eventstore.Batch{Tenant: r.tenant, From: eventstore.Checkpoint{Position: after}}}
			if b.Events, b.err = r.cfg.Store.Read(ctx, r.tenant, after, min(r.pace.batch, int(goal-after))); b.err == nil {
				b.err = b.Check()
			}
			select {
			case batches <- b:
			case <-ctx.Done():
			}
			if b.err != nil {
				return
			}
			after = b.To()
		}
	}()
	return batches
}

// triesToFinish is how often it is tried to finish a rebuild without holding up those who
// project to the live rows. While somebody waits for each event of a busy tenant, these
// move on all the time, and it would never be done.
const triesToFinish = 4

// finish brings the new rows to where the live ones are and makes them the ones
// that people see. If the live rows have moved on in between, it does not, and has
// to be tried again; if it is to hold them, what is missing then is made up for while
// nobody else can project to the live rows. All that it needs meanwhile goes through one
// connection of those who project, because the others may be with those who wait for it.
// Whoever projects to the live rows then notices that the generation has changed.
func (r *rebuild) finish(ctx context.Context, hold bool) (done bool, err error) {
	live, err := r.cfg.Tracker.Checkpoint(ctx, Group, r.tenant)
	if err != nil {
		return false, err
	}
	if err := r.advance(ctx, live.Position); err != nil {
		return false, err
	}
	var last *step
	err = r.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: r.tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		live, err := lock(ctx, tx, Group, r.tenant)
		if err != nil {
			return err
		}
		b, at := new(pgx.Batch), r.at
		if left := int(live.Position - at.Position); left > 0 {
			if !hold || left > r.pace.batch {
				return nil
			}
			some, err := r.lastStep(ctx, tx, left)
			if err != nil || some.to < live.Position {
				return err
			}
			r.queueStep(b, some, r.self)
			last, at = some, some.done()
		}
		done = true
		queueMove(b, rebuildGroup, r.tenant, at, at.Position)
		b.Queue(`update crm.serving set ver = latest, build = $3 where tenant_id = $1 and projection = any($2)`, r.tenant.UUID, r.names, r.self)
		b.Queue(`delete from es.parked p using crm.serving s where p.tenant_id = $1 and s.tenant_id = $1
			and s.projection = p.projection and p.ver <> s.ver`, r.tenant.UUID)
		b.Queue(`delete from crm.rebuild where tenant_id = $1`, r.tenant.UUID)
		queueNextGeneration(b, Group, r.tenant)
		return moved(tx.SendBatch(ctx, b).Close())
	})
	switch {
	case last != nil && isRefused(err):
		return false, nil // the next try finds out which row it is
	case err != nil:
		return false, err
	case last != nil:
		r.at = last.done()
		last.report(ctx, r.cfg.Log)
	}
	return done, nil
}

// lastStep works out what the events make of the new rows that these are behind.
func (r *rebuild) lastStep(ctx context.Context, tx wall.Tx, events int) (*step, error) {
	b := eventstore.Batch{Tenant: r.tenant, From: r.at}
	var err error
	if b.Events, err = r.cfg.Store.Read(ctx, r.tenant, r.at.Position, events); err == nil {
		err = b.Check()
	}
	if err != nil {
		return nil, err
	}
	return r.deriveFrom(ctx, r.target, b, r.pace.workers, func(loads *pgx.Batch) error { return tx.SendBatch(ctx, loads).Close() })
}

// Reset drops all of a tenant's rows: from one moment to the next people see
// none, and then those that are projected from the first event on.
func (m *Models) Reset(ctx context.Context, tenant domain.TenantID) error {
	names := []string{rest}
	for _, p := range m.models {
		names = append(names, p.Name())
	}
	self, err := m.cfg.Builds.ours(ctx)
	if err != nil {
		return err
	}
	err = m.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		for _, group := range []string{Group, rebuildGroup} {
			if _, err := lock(ctx, tx, group, tenant); err != nil {
				return err
			}
		}
		b := new(pgx.Batch)
		// What only other builds have is made anew as well: by them.
		b.Queue(`insert into crm.serving (tenant_id, projection, ver, latest, build) select $1, name, 1, 1, $3
			from (select unnest($2::text[]) union select projection from crm.serving where tenant_id = $1) all_of_them (name)
			on conflict (tenant_id, projection) do update set ver = serving.latest + 1, latest = serving.latest + 1, build = excluded.build`, tenant.UUID, names, self)
		b.Queue(`delete from es.parked where tenant_id = $1`, tenant.UUID)
		b.Queue(`delete from crm.rebuild where tenant_id = $1`, tenant.UUID)
		b.Queue(`update es.checkpoint set pos = 0, generation = generation + 1 where grp = any($1) and tenant_id = $2`,
			[]string{Group, rebuildGroup}, tenant.UUID)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return err
	}
	m.follower.Forget(tenant)
	m.cache.forget(tenant)
	return m.sweep(ctx, tenant, names[1:], nil)
}

// rebuildCache is how many bytes of rows a rebuild remembers.
const rebuildCache = 32 << 20

// sweepBatch is how many rows are deleted in one transaction.
const sweepBatch = 5000

// sweep deletes rows that are of no use any more: of versions that do not serve,
// and are not being filled. Then it writes down that they are gone, so that it is known
// if it did not come to that.
func (m *Models) sweep(ctx context.Context, tenant domain.TenantID, names []string, pause func(context.Context) error) error {
	scope := wall.Scope{Tenant: tenant, Duty: wall.Projector}
	for _, p := range m.models {
		if !slices.Contains(names, p.Name()) {
			continue
		}
		ver := 0
		err := m.cfg.Wall.Pipe(ctx, scope, func(b *pgx.Batch) {
			b.Queue(`select ver from crm.serving where tenant_id = $1 and projection = $2`, tenant.UUID, p.Name()).
				Query(each(func(rows pgx.Rows) error { return rows.Scan(&ver) }))
		})
		for _, sweep := range p.upkeep().sweeps {
			for deleted := int64(sweepBatch); err == nil && deleted == sweepBatch; {
				err = m.cfg.Wall.Pipe(ctx, scope, func(b *pgx.Batch) {
					b.Queue(sweep, tenant.UUID, p.Name(), sweepBatch).Exec(func(tag pgconn.CommandTag) error {
						deleted = tag.RowsAffected()
						return nil
					})
				})
				if err == nil && pause != nil {
					err = pause(ctx)
				}
			}
		}
		if err == nil {
			err = m.cfg.Wall.Pipe(ctx, scope, func(b *pgx.Batch) {
				b.Queue(`update crm.serving set swept = $3 where tenant_id = $1 and projection = $2 and swept < $3`, tenant.UUID, p.Name(), ver)
			})
		}
		if err != nil {
			return fmt.Errorf("sweep %s: %w", p.Name(), err)
		}
	}
	return nil
}
