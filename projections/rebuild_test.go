package projections

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

func (f *fixture) checksum(t *testing.T, tenant domain.TenantID) Checksum {
	t.Helper()
	sum, err := f.Checksum(t.Context(), widgets, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// rows returns how many rows of a tenant there are, of all versions.
func (f *fixture) rows(t *testing.T, tenant domain.TenantID) (n int) {
	t.Helper()
	err := f.db.Wall.Pipe(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select count(*) from crm.widgets where tenant_id = $1`, tenant.UUID).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run lets the read models follow the log until the test, or what is returned,
// ends it.
func run(t testing.TB, m *Models) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// settled waits until the read models show the whole log of a tenant.
func (f *fixture) settled(t *testing.T, tenant domain.TenantID) {
	t.Helper()
	head, err := f.log.Head(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	f.Notify(tenant, head)
	for range 30 {
		if err := f.Wait(t.Context(), tenant, head); err == nil {
			return
		}
	}
	t.Fatal("the read models do not come to the end of the log")
}

// The rows are the same whether they were projected as the events came, made
// again while people write, or dropped and projected from the beginning. Nobody
// ever sees half of them.
func TestRebuild(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.Follower.Poll, c.Rebuild = 50*time.Millisecond, 500 })
	tenant, other := f.newTenant(), f.newTenant()
	streams := f.log.busyDay(tenant, 1000)
	f.log.busyDay(other, 10)
	run(t, f.Models)
	f.settled(t, tenant)
	f.settled(t, other)

	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { // writes
		for ctx.Err() == nil {
			head := f.log.record(streams[rand.N(len(streams))], widgetRenamed{Name: "under load"})
			f.Notify(tenant, head)
			time.Sleep(time.Millisecond)
		}
	})
	load.Go(func() { // reads
		last := eventstore.Position(0)
		for ctx.Err() == nil {
			sum, err := f.Checksum(t.Context(), widgets, tenant)
			at, err2 := f.Position(t.Context(), tenant)
			if err != nil || err2 != nil || sum.Rows != len(streams) || at < last {
				t.Errorf("during the rebuild: %+v at %d after %d, %v, %v", sum, at, last, err, err2)
				return
			}
			last = at
		}
	})
	foreign := f.checksum(t, other)
	told := 0
	if err := f.Rebuild(t.Context(), tenant, func(done, of eventstore.Position) { told++ }, widgets); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	load.Wait()
	f.settled(t, tenant)
	live := f.checksum(t, tenant)
	if n := f.rows(t, tenant); n != len(streams) || told == 0 {
		t.Errorf("%d rows after the rebuild, want %d; told %d times", n, len(streams), told)
	}
	if err := f.Rebuild(t.Context(), tenant, nil, widgets); err != nil {
		t.Fatal(err)
	}
	if again := f.checksum(t, tenant); again != live {
		t.Errorf("rebuilt: %+v, live: %+v", again, live)
	}
	if err := f.Reset(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	f.settled(t, tenant)
	if again := f.checksum(t, tenant); again != live {
		t.Errorf("dropped and projected again: %+v, live: %+v", again, live)
	}
	if f.checksum(t, other) != foreign || f.rows(t, other) != 10 {
		t.Error("another tenant's rows have changed")
	}
}

// A rebuild that is interrupted goes on where it was, unless it was begun by
// another build.
func TestRebuildResumes(t *testing.T) {
	t.Parallel()
	const batch = 200
	small := func(c *Config) { c.Rebuild = batch }
	f := setup(t, small)
	tenant := f.newTenant()
	f.log.busyDay(tenant, 3*batch)
	f.project(t, tenant, batch)
	want := f.checksum(t, tenant)

	interrupt := func(m *Models) (done eventstore.Position) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := m.Rebuild(ctx, tenant, func(at, _ eventstore.Position) {
			if at > 0 {
				done = max(done, at)
				cancel()
			}
		}, widgets)
		if err == nil {
			t.Fatal("the rebuild was not interrupted")
		}
		return done
	}
	interrupt(f.Models)
	if f.checksum(t, tenant) != want {
		t.Fatal("an interrupted rebuild has changed what people see")
	}
	var resumedAt eventstore.Position = -1
	if err := f.Rebuild(t.Context(), tenant, func(at, _ eventstore.Position) {
		if resumedAt < 0 {
			resumedAt = at
		}
	}, widgets); err != nil {
		t.Fatal(err)
	}
	if resumedAt < batch {
		t.Errorf("resumed at %d, though that much was done: %d", resumedAt, batch)
	}
	if sum := f.checksum(t, tenant); sum != want || f.rows(t, tenant) != want.Rows {
		t.Errorf("resumed: %+v, want %+v", sum, want)
	}

	interrupt(f.Models)
	newer := f.another(t, small, func(c *Config) { c.Build = "newer" })
	first := eventstore.Position(-1)
	if err := newer.Rebuild(t.Context(), tenant, func(at, _ eventstore.Position) {
		if first < 0 {
			first = at
		}
	}, widgets); err != nil || first != 0 {
		t.Fatalf("another build resumes at %d, %v", first, err)
	}
	if sum := f.checksum(t, tenant); sum != want || f.rows(t, tenant) != want.Rows {
		t.Errorf("rebuilt by another build: %+v, want %+v", sum, want)
	}
}

// A rebuild of nothing, and one of rows that are behind, come to an end.
func TestRebuildOfLittle(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	if err := f.Rebuild(t.Context(), tenant, nil, widgets); err != nil {
		t.Fatal(err)
	}
	streams := f.log.busyDay(tenant, 20)
	if err := f.Rebuild(t.Context(), tenant, nil, widgets); err != nil {
		t.Fatal(err)
	}
	if at, err := f.Position(t.Context(), tenant); err != nil || at != 0 {
		t.Errorf("at %d though nothing was projected, %v", at, err)
	}
	f.project(t, tenant, 7)
	if sum := f.checksum(t, tenant); sum.Rows != len(streams) || f.rows(t, tenant) != len(streams) {
		t.Errorf("%d rows that are seen, of %d", sum.Rows, f.rows(t, tenant))
	}
}

// A rebuild by a build that can read what another could not leaves nothing parked.
func TestRebuildUnparks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	s, still := newWidget(tenant), newWidget(tenant)
	f.log.record(s, widgetCreated{Name: "one"}, widgetExploded{}, widgetRenamed{Name: "two"})
	f.log.record(still, widgetCreated{Name: "one"}, "widget.renamed", widgetRenamed{Name: "two"})
	f.project(t, tenant, 2)
	mended := newWidgets(func(*widgetRow, Event[widgetExploded]) {})
	after := f.another(t, func(c *Config) { c.All = []Projection{mended} })
	if err := after.Rebuild(t.Context(), tenant, nil, mended); err != nil {
		t.Fatal(err)
	}
	parked, err := f.Parked(t.Context(), tenant)
	if err != nil || len(parked) != 1 || parked[0].Stream != still.ID {
		t.Errorf("parked = %+v, %v", parked, err)
	}
	if got := f.get(t, s); got.Name != "two" || got.Version != 3 {
		t.Errorf("after the rebuild it is %+v", got)
	}
	f.log.record(still, widgetRenamed{Name: "three"})
	f.project(t, tenant, 1) // by the old build, which thinks of the old version
	if got := f.get(t, still); got.Name != "one" {
		t.Errorf("parked, but it is %+v", got)
	}
}

// Nodes that die, connections that break and nodes that both believe to be in
// charge neither lose nor repeat anything.
func TestChaos(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenants := []domain.TenantID{f.newTenant(), f.newTenant(), f.newTenant()}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, tenant := range tenants {
		wg.Go(func() { // writers
			for ctx.Err() == nil {
				f.log.busyDay(tenant, 5)
				time.Sleep(5 * time.Millisecond)
			}
		})
		for range 2 {
			node := f.another(t)
			wg.Go(func() { // nodes, each of which dies all the time
				for ctx.Err() == nil {
					life, die := context.WithTimeout(ctx, rand.N(30*time.Millisecond))
					catchUp(life, node, tenant, 1+rand.N(20)) //nolint:errcheck // that is the point
					die()
				}
			})
		}
	}
	super := f.db.Superuser(t)
	for ctx.Err() == nil {
		_, err := super.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and usename = 'rowhouse_projector' order by random() limit 1`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	wg.Wait()
	for _, tenant := range tenants {
		eventually(t, func() error { return catchUp(t.Context(), f.Models, tenant, 1000) })
		live := f.checksum(t, tenant)
		eventually(t, func() error { return f.Reset(t.Context(), tenant) })
		eventually(t, func() error { return catchUp(t.Context(), f.Models, tenant, 1000) })
		parked, err := f.Parked(t.Context(), tenant)
		if again := f.checksum(t, tenant); again != live || live.Rows == 0 || len(parked) > 0 || err != nil {
			t.Errorf("live %+v, projected again %+v, parked %v, %v", live, again, parked, err)
		}
	}
}

// eventually tries again: there may be several broken connections in the pool.
func eventually(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for range 20 {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// restless is a tracker under whose eyes the live rows move on whenever somebody asks how
// far they are.
type restless struct {
	eventstore.Tracker
	moveOn func()
}

func (r *restless) Checkpoint(ctx context.Context, group string, t domain.TenantID) (eventstore.Checkpoint, error) {
	at, err := r.Tracker.Checkpoint(ctx, group, t)
	if group == Group {
		r.moveOn()
	}
	return at, err
}

// A rebuild comes to an end, although the live rows have always moved on when it has
// caught up with them.
func TestRebuildOfBusyTenant(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	streams := f.log.busyDay(tenant, 50)
	f.project(t, tenant, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	moves := 0
	node := f.another(t, func(c *Config) {
		c.Tracker = &restless{c.Tracker, func() {
			if moves++; moves > 50 {
				cancel()
				return
			}
			f.log.record(streams[moves%10], widgetRenamed{Name: "moved"})
			f.log.record(newWidget(tenant), widgetCreated{Name: "new"})
			if moves%3 == 0 {
				f.log.record(newWidget(tenant), widgetCreated{Name: "purged"}, widgetDeleted{}, widgetPurged{})
			}
			f.project(t, tenant, 1000)
		}}
	})
	if err := node.Rebuild(ctx, tenant, nil, widgets); err != nil {
		t.Fatalf("after %d moves: %v", moves, err)
	}
	f.project(t, tenant, 1000)
	live := f.checksum(t, tenant)
	if f.rows(t, tenant) != live.Rows {
		t.Errorf("%d rows, of which %d serve", f.rows(t, tenant), live.Rows)
	}
	f.log.record(streams[0], widgetRenamed{Name: "after that"})
	f.project(t, tenant, 1000)
	live = f.checksum(t, tenant)
	if err := f.Reset(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	f.project(t, tenant, 1000)
	if again := f.checksum(t, tenant); again != live {
		t.Errorf("dropped and projected again: %+v, live: %+v", again, live)
	}
}
