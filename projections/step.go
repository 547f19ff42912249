package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// set is what events change in one model.
type set struct {
	name string
	ver  int
	writes
}

// tableSet is what events change in one table.
type tableSet struct {
	table Projection
	changes
	alone bool // it is only to be told to facts: the rows are not written
}

// step is what events change in the rows of a target, and from where to where
// they bring its checkpoint.
type step struct {
	target
	from   eventstore.Checkpoint
	to     eventstore.Position
	tables []tableSet
	sets   []set                 // what is written: to tables first, and then to facts
	gone   []eventstore.StreamID // that are purged by the events
}

// done returns the checkpoint after the step. What is parked makes another
// generation.
func (s *step) done() eventstore.Checkpoint {
	at := eventstore.Checkpoint{Position: s.to, Generation: s.from.Generation}
	if slices.ContainsFunc(s.sets, func(s set) bool { return len(s.parked()) > 0 }) {
		at.Generation++
	}
	return at
}

func (s *step) remember() {
	for _, table := range s.tables {
		table.remember()
	}
}

// report tells the operator what was parked. It tells nothing of what is in it.
func (s *step) report(ctx context.Context, log *slog.Logger) {
	for _, set := range s.sets {
		for _, p := range set.parked() {
			log.ErrorContext(ctx, "a record is parked: an event of it cannot be shown, so its row stays as it is until a rebuild", "projection", set.name, "tenant", s.tenant.String(),
				"stream", p.event.Stream.ID.String(), "position", int64(p.event.Position), "class", p.class)
		}
	}
}

// derive works out what events make of the rows of a target.
func (m *Models) derive(ctx context.Context, t target, b eventstore.Batch, workers int) (*step, error) {
	return m.deriveFrom(ctx, t, b, workers, func(loads *pgx.Batch) error {
		return m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: t.tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
			b.QueuedQueries = append(b.QueuedQueries, loads.QueuedQueries...)
		})
	})
}

// deriveFrom is derive with rows that are got by a function.
func (m *Models) deriveFrom(ctx context.Context, t target, b eventstore.Batch, workers int, get func(*pgx.Batch) error) (*step, error) {
	d, err := m.sort(t, b.Events)
	if err != nil {
		return nil, err
	}
	if err = ctx.Err(); err == nil {
		err = m.load(ctx, d.tables, get)
	}
	for _, s := range d.tables {
		if err == nil {
			err = s.fold(workers)
		}
	}
	s := &step{target: t, from: b.From, to: b.To(), tables: d.tables}
	for _, one := range d.tables {
		if !one.alone {
			s.sets = append(s.sets, set{one.table.Name(), t.vers[one.table.Name()], one.changes})
		}
	}
	purges := purgesOf(b.Events)
	for _, f := range d.facts {
		f.gone(purges)
		s.sets = append(s.sets, set{f.name, t.vers[f.name], f.factSet})
	}
	for _, e := range purges {
		s.gone = append(s.gone, e.Stream)
	}
	return s, err
}

// purgesOf returns those of some events that end their stream.
func purgesOf(events []eventstore.Recorded) (purges []eventstore.Recorded) {
	for _, e := range events {
		if domain.IsPurge(e.Type) {
			purges = append(purges, e)
		}
	}
	return purges
}

// sorting gives events to those whose rows they change.
type sorting struct {
	target
	tables []tableSet // that have events
	facts  []namedFacts
	routes map[string]*route // by table
}

type namedFacts struct {
	name string
	factSet
}

// route is where the events of the records of a table go.
type route struct {
	changes   changes // nil if nowhere
	ours      bool    // the rows of the table are written
	listeners []listener
	names     []string // of their facts
}

// sort gives each event to the tables that show records of its kind, and lets facts
// listen. Events of parked streams wait in the log. An event of a kind that this build does
// not know may be one that a newer build has a table for.
func (m *Models) sort(t target, events []eventstore.Recorded) (*sorting, error) {
	d := &sorting{target: t, routes: make(map[string]*route, len(m.cfg.All))}
	for _, f := range m.cfg.Facts {
		if ver, ours := t.vers[f.Name()]; ours {
			d.facts = append(d.facts, namedFacts{f.Name(), f.set(t.tenant, ver)})
		}
	}
	for _, e := range events {
		if !m.known[e.Stream.Kind] {
			return nil, fmt.Errorf("%q at %d: %w", e.Type, e.Position, domain.ErrUnknownEvent)
		}
		for _, p := range m.byKind[e.Stream.Kind] {
			r := d.routes[p.Name()]
			if r == nil {
				r = d.route(p)
				d.routes[p.Name()] = r
			}
			if r.changes != nil {
				d.add(p.Name(), r, e)
			}
		}
	}
	return d, nil
}

// route returns where the events of the records of a table go.
func (d *sorting) route(p Projection) *route {
	ver, ours := d.vers[p.Name()]
	cs := p.changes(d.tenant, ver, d.cache)
	r := &route{ours: ours}
	for _, f := range d.facts {
		if l := f.listener(p.Name(), cs, !ours); l != nil {
			r.listeners, r.names = append(r.listeners, l), append(r.names, f.name)
		}
	}
	if ours || len(r.listeners) > 0 {
		r.changes, d.tables = cs, append(d.tables, tableSet{p, cs, !ours})
	}
	return r
}

func (d *sorting) add(table string, r *route, e eventstore.Recorded) {
	listeners := r.listeners
	if len(d.parked) > 0 {
		if r.ours && d.parked[parkedStream{table, e.Stream.ID}] {
			return
		}
		listeners = nil
		for i, l := range r.listeners {
			if !d.parked[parkedStream{r.names[i], e.Stream.ID}] {
				listeners = append(listeners, l)
			}
		}
		if !r.ours && len(listeners) == 0 {
			return
		}
	}
	r.changes.add(e, listeners)
}

// load gets the rows that are there already, if there are any that we do not
// happen to remember. What is only told to facts is not there: it follows from the log.
func (m *Models) load(ctx context.Context, tables []tableSet, get func(*pgx.Batch) error) error {
	loads := new(pgx.Batch)
	for _, s := range tables {
		missing := s.missing()
		for _, e := range missing {
			if !s.alone {
				continue
			}
			row, err := m.rowUntil(ctx, s.table, e.Stream, eventstore.Until{Version: e.Version - 1}, nil)
			if err != nil && !isEvent(err) {
				return err
			}
			s.begin(e.Stream.ID, row) // what cannot be folded does not follow from that
		}
		if len(missing) > 0 && !s.alone {
			s.queueLoad(loads, missing)
		}
	}
	if loads.Len() == 0 {
		return nil
	}
	return get(loads)
}

// isEvent reports whether an error is about an event that cannot be folded.
func isEvent(err error) bool {
	_, ok := errors.AsType[*eventError](err)
	return ok && !halts(err)
}

// write does a step. A row that the database refuses is parked, as if its events
// could not be read.
func (m *Models) write(ctx context.Context, s *step) error {
	for attempt := 0; ; attempt++ {
		err := m.commit(ctx, []*step{s})
		if !isRefused(err) || attempt == 2 {
			return moved(err)
		}
		if err := m.bisect(ctx, s); err != nil {
			return err
		}
	}
}

// commit does steps of different tenants, in one round trip that is one
// transaction. Each is done behind the wall of its own tenant: a statement asks
// anew whose seal it is. Nobody waits in a circle, because all go in the order
// of the tenants.
func (m *Models) commit(ctx context.Context, steps []*step) error {
	steps = slices.SortedFunc(slices.Values(steps), func(a, b *step) int { return bytes.Compare(a.tenant.UUID[:], b.tenant.UUID[:]) })
	tenants := make([]domain.TenantID, len(steps))
	for i, s := range steps {
		tenants[i] = s.tenant
	}
	self, err := m.cfg.Builds.ours(ctx)
	if err != nil {
		return err
	}
	return m.cfg.Wall.Sealed(ctx, wall.Projector, tenants, func(c wall.Tx, seals []string) error {
		b := new(pgx.Batch)
		for i, s := range steps {
			b.Queue(`select set_config('rowhouse.seal', $1, true)`, seals[i])
			m.queueStep(b, s, self)
		}
		return c.SendBatch(ctx, b).Close()
	})
}

func (m *Models) queueStep(b *pgx.Batch, s *step, self int) {
	queueMove(b, s.group, s.tenant, s.from, s.to)
	if s.group == Group && s.from.Position == 0 {
		queueBegun(b, s.tenant, self)
	}
	for _, set := range s.sets {
		set.queueWrite(b)
		for _, p := range set.parked() {
			m.queueParking(b, s.tenant, set, p)
		}
	}
	for _, id := range s.gone {
		queueForgetting(b, id)
	}
	if s.done().Generation != s.from.Generation {
		queueNextGeneration(b, s.group, s.tenant)
	}
}

// queueParking queues the statement that parks a record.
func (m *Models) queueParking(b *pgx.Batch, tenant domain.TenantID, s set, p parking) {
	b.Queue(`insert into es.parked (tenant_id, projection, ver, stream_id, version, pos, class, at)
		values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
		tenant.UUID, s.name, s.ver, p.event.Stream.ID, p.event.Version, p.event.Position, p.class, m.cfg.Now())
}

var errRollback = errors.New("roll back")

// bisect finds the rows that the database refuses.
func (m *Models) bisect(ctx context.Context, s *step) error {
	err := m.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: s.tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		for _, s := range s.sets {
			if err := s.bisect(ctx, tx); err != nil {
				return fmt.Errorf("find the row that %s refuses: %w", s.name, err)
			}
		}
		return errRollback
	})
	if errors.Is(err, errRollback) {
		return nil
	}
	return err
}

// bisect tries to write some things, and refuses those that the database will not have: it
// tries all of them, and if that fails each half.
func bisect[T any](ctx context.Context, tx wall.Tx, all []T, queue func(*pgx.Batch, []T), refuse func(T, error)) error {
	if len(all) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `savepoint try`); err != nil {
		return err
	}
	b := new(pgx.Batch)
	queue(b, all)
	refusal := tx.SendBatch(ctx, b).Close()
	if _, err := tx.Exec(ctx, `rollback to savepoint try`); err != nil {
		return err
	}
	switch {
	case refusal == nil:
		return nil
	case !isRefused(refusal):
		return refusal
	case len(all) > 1:
		half := len(all) / 2
		return errors.Join(bisect(ctx, tx, all[:half], queue, refuse), bisect(ctx, tx, all[half:], queue, refuse))
	}
	refuse(all[0], refusal)
	return nil
}

// workers is how many goroutines fold when there is much to fold.
func workers() int { return runtime.GOMAXPROCS(0) }
