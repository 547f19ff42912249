package projections

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
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
	Facts   []Facts      // usually [AllFacts]
	Kinds   []string     // of records that have no table, or are known anyhow; an event of any other is one of a newer build
	Owner   string       // names this node
	Build   string       // names the program: a rebuild that another one began is begun anew
	Builds  *Builds      // knows the builds of the database; made for Build and All if nil
	Signer  query.Signer // of the cursors of lists

	Follower eventstore.FollowerConfig // for what differs from the defaults
	Patience time.Duration             // how long Wait waits (default 2 s)
	Rebuild  int                       // events that a rebuild projects at a time (default 5,000)
	Cache    int                       // bytes of rows that are remembered (default 32 MB)
	Changed  int                       // records of a kind that may have changed since a moment of which there is a list (default 10,000)
	Folded   int                       // bytes of the documents of these records (default 48 MB)

	Log *slog.Logger
	Now func() time.Time
}

// Models is the read models on one node: it answers what is asked of them, and
// while it runs keeps them up to date. It may be used concurrently.
type Models struct {
	cfg      Config
	follower *eventstore.Follower
	models   []Model // all tables, and all facts
	byKind   map[string][]Projection
	known    map[string]bool // the kinds of records
	cache    *cache
	// Of the rows of records with long histories, and what they are by table.
	snapshots eventstore.Snapshots
	forms     map[string]eventstore.Form

	turn     chan struct{} // to fold for a list of the past while a transaction is open
	sessions *lru.Cache[domain.TenantID, session]
	watch    *watch
	upkeep   upkeep
}

// What is remembered on a node, however many tenants there are.
const (
	cachedRows     = 32 << 20 // bytes
	cachedSessions = 1024
)

// New returns the read models of a database.
func New(cfg Config) *Models {
	cfg.Rebuild = cmp.Or(cfg.Rebuild, rebuildBatch)
	cfg.Patience = cmp.Or(cfg.Patience, maxWait)
	cfg.Changed = cmp.Or(cfg.Changed, mostChanged)
	cfg.Folded = cmp.Or(cfg.Folded, mostFolded)
	if cfg.Builds == nil {
		cfg.Builds = NewBuilds(cfg.Wall, Build{Name: cfg.Build, All: modelsOf(cfg.All, cfg.Facts)})
	}
	sessions, err := lru.New[domain.TenantID, session](cachedSessions)
	if err != nil {
		panic(err) // only for a size of 0
	}
	m := &Models{
		cfg: cfg, models: modelsOf(cfg.All, cfg.Facts), byKind: make(map[string][]Projection), known: make(map[string]bool), cache: newCache(cmp.Or(cfg.Cache, cachedRows)),
		snapshots: NewSnapshots(cfg.Wall, cfg.Log), forms: make(map[string]eventstore.Form),
		turn: make(chan struct{}, 1), sessions: sessions, watch: newWatch(), upkeep: upkeep{wake: make(chan struct{}, 1), restTimes: outdatedRest},
	}
	for _, p := range cfg.All {
		m.byKind[p.Kind()], m.known[p.Kind()] = append(m.byKind[p.Kind()], p), true
		m.forms[p.Name()] = formOf(p, cfg.Build)
	}
	for _, kind := range cfg.Kinds {
		m.known[kind] = true
	}
	f := cfg.Follower
	f.Together = cmp.Or(f.Together, 16)
	f.Store, f.Tracker, f.Group, f.Owner, f.Handle = cfg.Store, cfg.Tracker, Group, cfg.Owner, m.handle
	f.Log, f.Now, f.Away = cfg.Log, cfg.Now, wall.IsPassing
	f.TakenBack = m.Reset // there are rows of events that are not in the log any more
	m.follower = eventstore.NewFollower(f)
	return m
}

// Run keeps the read models up to date until ctx is done, and makes rows again that an
// older build has made.
func (m *Models) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { m.keepCurrent(ctx) })
	m.follower.Run(ctx)
	running.Wait()
}

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

// handle projects batches of different tenants to the rows that people see: all
// of them in one transaction, and if that fails, each in one of its own.
func (m *Models) handle(ctx context.Context, batches []eventstore.Batch) []error {
	errs := make([]error, len(batches))
	steps, of := make([]*step, 0, len(batches)), make([]int, 0, len(batches))
	for i, b := range batches {
		var s *step
		errs[i] = guard(func() (err error) {
			s, err = m.prepare(ctx, b)
			return err
		})
		if errs[i] == nil {
			steps, of = append(steps, s), append(of, i)
		}
	}
	together := len(steps) > 1 && guard(func() error { return m.commit(ctx, steps) }) == nil
	for k, s := range steps {
		if !together {
			errs[of[k]] = guard(func() error { return m.write(ctx, s) })
		}
		if errs[of[k]] == nil {
			s.remember()
			m.keepRows(ctx, s)
			s.report(ctx, m.cfg.Log)
			m.watch.reach(s.tenant, s.to)
		}
	}
	return errs
}

// guard makes an error of a panic, so that it is one tenant's and not that of
// all tenants of a batch.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %T", errPanic, p) // not p, which may hold what is in the events
		}
	}()
	return f()
}

// prepare works out what a batch means.
func (m *Models) prepare(ctx context.Context, b eventstore.Batch) (*step, error) {
	s, ok := m.sessions.Get(b.Tenant)
	if !ok || s.generation != b.From.Generation {
		if ok { // what was known may be of a log that was taken back since
			m.cache.forget(b.Tenant)
		}
		var err error
		if s, err = m.openSession(ctx, b.Tenant); err != nil {
			return nil, err
		}
		m.sessions.Add(b.Tenant, s)
		if s.generation != b.From.Generation {
			return nil, eventstore.ErrMoved
		}
	}
	return m.derive(ctx, s.target, b, 1)
}

// openSession asks which rows of a tenant serve, and which streams are parked.
// The generation is read first: if what comes after it is newer, the session is
// not used, because no checkpoint will have its generation.
func (m *Models) openSession(ctx context.Context, tenant domain.TenantID) (session, error) {
	made := make(map[string]int)
	s := session{target: target{
		tenant: tenant, group: Group, cache: m.cache,
		vers: make(map[string]int, len(m.models)), parked: make(map[parkedStream]bool),
	}}
	for _, p := range m.models {
		s.vers[p.Name()] = 0
	}
	err := m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select generation from es.checkpoint where grp = $1 and tenant_id = $2`, Group, tenant.UUID).
			Query(each(func(rows pgx.Rows) error { return rows.Scan(&s.generation) }))
		b.Queue(`select projection, ver, build from crm.serving where tenant_id = $1`, tenant.UUID).
			Query(each(func(rows pgx.Rows) error {
				var name string
				var ver, build int
				err := rows.Scan(&name, &ver, &build)
				if _, ours := s.vers[name]; ours {
					s.vers[name] = ver
				}
				made[name] = build
				return err
			}))
		queueParked(b, s.target)
	})
	if err == nil {
		err = m.mayWrite(ctx, made)
	}
	return s, err
}

// mayWrite returns an error if rows that serve were made by a newer build, which would
// make others of the same events. Made says which build has made those of a table; that
// without a name has made all others that it knows.
func (m *Models) mayWrite(ctx context.Context, made map[string]int) error {
	if _, err := m.cfg.Builds.of(ctx, rest, made[rest]); err != nil { // which makes it known
		return err
	}
	all := maps.Clone(made)
	for _, name := range m.cfg.Builds.tablesOf(made[rest]) {
		if _, own := made[name]; !own {
			all[name] = made[rest]
		}
	}
	delete(all, rest)
	for name, build := range all {
		is, err := m.cfg.Builds.of(ctx, name, build)
		if err != nil {
			return err
		}
		switch is {
		case newer:
			return fmt.Errorf("%s: %w", name, errNewerRows)
		case older:
			select {
			case m.upkeep.wake <- struct{}{}:
			default: // it looks already
			}
		case same:
		}
	}
	return nil
}

// rest is the name under which it is written down who made the rows of all tables of
// which that is not written down.
const rest = ""

// queueBegun queues the statement that writes down that all rows of a tenant are made by
// this build, because there are none yet.
func queueBegun(b *pgx.Batch, tenant domain.TenantID, self int) {
	b.Queue(`insert into crm.serving (tenant_id, projection, ver, latest, build) values ($1, $2, 0, 0, $3) on conflict do nothing`, tenant.UUID, rest, self)
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
