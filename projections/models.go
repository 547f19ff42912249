package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// Group is the name under which the read models keep their checkpoints. They
// share one: a tenant's events are read once for all of them.
const Group = "read_models"

// Config says what the read models follow, and where they are.
type Config struct {
	Wall    *wall.Wall
	Store   eventstore.Store
	Tracker eventstore.Tracker
	All     []Projection // usually [All]
	Owner   string       // names this node
	Build   string       // names the program: a rebuild that another one began is begun anew
	Signer  query.Signer // of the cursors of lists

	Follower eventstore.FollowerConfig // for what differs from the defaults

	Log *slog.Logger
	Now func() time.Time
}

// Models is the read models on one node: it answers what is asked of them, and
// while it runs keeps them up to date. It may be used concurrently.
type Models struct {
	cfg      Config
	follower *eventstore.Follower
	byKind   map[string][]Projection
	cache    *cache
	sessions *lru.Cache[domain.TenantID, session]
	watch    *watch
}

// What is remembered on a node, however many tenants there are.
const (
	cachedRows     = 8192
	cachedSessions = 1024
)

// New returns the read models of a database.
func New(cfg Config) *Models {
	sessions, err := lru.New[domain.TenantID, session](cachedSessions)
	if err != nil {
		panic(err) // only for a size of 0
	}
	m := &Models{
		cfg: cfg, byKind: make(map[string][]Projection), cache: newCache(cachedRows),
		sessions: sessions, watch: newWatch(),
	}
	for _, p := range cfg.All {
		m.byKind[p.Kind()] = append(m.byKind[p.Kind()], p)
	}
	f := cfg.Follower
	f.Store, f.Tracker, f.Group, f.Owner, f.Handle = cfg.Store, cfg.Tracker, Group, cfg.Owner, m.handle
	f.Log, f.Now = cfg.Log, cfg.Now
	m.follower = eventstore.NewFollower(f)
	return m
}

// Run keeps the read models up to date until ctx is done.
func (m *Models) Run(ctx context.Context) { m.follower.Run(ctx) }

// Notify says that the log of a tenant has grown. See [eventstore.Follower.Notify].
func (m *Models) Notify(tenant domain.TenantID, head eventstore.Position) {
	m.follower.Notify(tenant, head)
}

// target is a set of rows of one tenant that events are projected to, and the
// checkpoint that says how far they are.
type target struct {
	tenant domain.TenantID
	group  string
	vers   map[string]int // of the rows, by projection; those not named are left alone
	parked map[parkedStream]bool
	cache  *cache
}

type parkedStream struct {
	projection string
	stream     uuid.UUID
}

// session is the target that serves, as it is in one generation.
type session struct {
	generation int
	target
}

// handle projects a batch of events to the rows that people see.
func (m *Models) handle(ctx context.Context, b eventstore.Batch) error {
	s, ok := m.sessions.Get(b.Tenant)
	if !ok || s.generation != b.From.Generation {
		var err error
		if s, err = m.openSession(ctx, b.Tenant); err != nil {
			return err
		}
		m.sessions.Add(b.Tenant, s)
		if s.generation != b.From.Generation {
			return eventstore.ErrMoved
		}
	}
	sets, err := m.derive(ctx, s.target, b.Events, 1)
	if err != nil {
		return err
	}
	if _, err := m.write(ctx, s.target, b.From, b.To(), sets); err != nil {
		return err
	}
	for _, set := range sets {
		set.remember()
	}
	m.watch.reach(b.Tenant, b.To())
	return nil
}

// openSession asks which rows of a tenant serve, and which streams are parked.
// The generation is read first: if what comes after it is newer, the session is
// not used, because no checkpoint will have its generation.
func (m *Models) openSession(ctx context.Context, tenant domain.TenantID) (session, error) {
	s := session{target: target{
		tenant: tenant, group: Group, cache: m.cache,
		vers: make(map[string]int, len(m.cfg.All)), parked: make(map[parkedStream]bool),
	}}
	for _, p := range m.cfg.All {
		s.vers[p.Name()] = 0
	}
	err := m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select generation from es.checkpoint where grp = $1 and tenant_id = $2`, Group, tenant.UUID).
			Query(each(func(rows pgx.Rows) error { return rows.Scan(&s.generation) }))
		b.Queue(`select projection, ver from crm.serving where tenant_id = $1`, tenant.UUID).
			Query(each(func(rows pgx.Rows) error {
				var name string
				var ver int
				err := rows.Scan(&name, &ver)
				if _, ours := s.vers[name]; ours {
					s.vers[name] = ver
				}
				return err
			}))
		queueParked(b, s.target)
	})
	return s, err
}

// queueParked queues the statement that gets the parked streams of a target.
func queueParked(b *pgx.Batch, t target) {
	b.Queue(`select projection, ver, stream_id from es.parked where tenant_id = $1`, t.tenant.UUID).
		Query(each(func(rows pgx.Rows) error {
			var p parkedStream
			var ver int
			err := rows.Scan(&p.projection, &ver, &p.stream)
			if at, ours := t.vers[p.projection]; ours && at == ver {
				t.parked[p] = true
			}
			return err
		}))
}

func each(row func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// set is what events change in one table.
type set struct {
	name string
	ver  int
	changes
}

// derive works out what events make of the rows of a target.
func (m *Models) derive(ctx context.Context, t target, events []eventstore.Recorded, workers int) ([]set, error) {
	sets := m.sort(t, events)
	err := m.load(ctx, t, sets)
	for _, s := range sets {
		if err == nil {
			err = s.fold(workers)
		}
	}
	return sets, err
}

// sort gives each event to the tables that show records of its kind. Events of
// parked streams wait in the log.
func (m *Models) sort(t target, events []eventstore.Recorded) (sets []set) {
	byName := make(map[string]changes, len(t.vers))
	for _, e := range events {
		for _, p := range m.byKind[e.Stream.Kind] {
			ver, ours := t.vers[p.Name()]
			if !ours || t.parked[parkedStream{p.Name(), e.Stream.ID}] {
				continue
			}
			cs := byName[p.Name()]
			if cs == nil {
				cs = p.changes(t.tenant, ver, t.cache)
				byName[p.Name()], sets = cs, append(sets, set{p.Name(), ver, cs})
			}
			cs.add(e)
		}
	}
	return sets
}

// load gets the rows that are there already, if there are any that we do not
// happen to remember.
func (m *Models) load(ctx context.Context, t target, sets []set) error {
	loads := new(pgx.Batch)
	for _, s := range sets {
		if missing := s.missing(); len(missing) > 0 {
			s.queueLoad(loads, missing)
		}
	}
	if loads.Len() == 0 {
		return nil
	}
	return m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: t.tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.QueuedQueries = append(b.QueuedQueries, loads.QueuedQueries...)
	})
}

// write writes rows and moves the checkpoint of their target, in one round trip
// that is one transaction. It returns the checkpoint. A row that the database
// refuses is parked, as if its events could not be read.
func (m *Models) write(ctx context.Context, t target, from eventstore.Checkpoint, to eventstore.Position, sets []set) (eventstore.Checkpoint, error) {
	scope := wall.Scope{Tenant: t.tenant, Duty: wall.Projector}
	for attempt := 0; ; attempt++ {
		at := eventstore.Checkpoint{Position: to, Generation: from.Generation}
		err := m.cfg.Wall.Pipe(ctx, scope, func(b *pgx.Batch) {
			queueMove(b, t.group, t.tenant, from, to)
			for _, s := range sets {
				s.queueWrite(b)
			}
			if m.park(b, t, sets) {
				queueNextGeneration(b, t.group, t.tenant)
				at.Generation++
			}
		})
		if !isRefused(err) || attempt == 2 {
			return at, moved(err)
		}
		if err := m.bisect(ctx, scope, sets); err != nil {
			return at, err
		}
	}
}

// park queues the statements that park what could not be projected, and reports
// whether there is anything.
func (m *Models) park(b *pgx.Batch, t target, sets []set) (any bool) {
	for _, s := range sets {
		for _, p := range s.parked() {
			any = true
			b.Queue(`insert into es.parked (tenant_id, projection, ver, stream_id, version, pos, class, at)
				values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
				t.tenant.UUID, s.name, s.ver, p.event.Stream.ID, p.event.Version, p.event.Position, p.class, m.cfg.Now())
			m.cfg.Log.Error("stream is parked", "projection", s.name, "tenant", t.tenant.String(),
				"stream", p.event.Stream.ID.String(), "position", int64(p.event.Position), "class", p.class)
		}
	}
	return any
}

var errRollback = errors.New("roll back")

// bisect finds the rows that the database refuses.
func (m *Models) bisect(ctx context.Context, scope wall.Scope, sets []set) error {
	err := m.cfg.Wall.InTenant(ctx, scope, func(tx wall.Tx) error {
		for _, s := range sets {
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

// workers is how many goroutines fold when there is much to fold.
func workers() int { return runtime.GOMAXPROCS(0) }
