package postgres_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// Shards are shared fairly, by one node at a time, whoever comes and goes.
func TestTrackerLease(t *testing.T) {
	t.Parallel()
	tr := postgres.NewTracker(dbtest.New(t))
	held := map[string][]eventstore.Shard{}
	lease := func(owner string) {
		t.Helper()
		all, err := tr.Lease(t.Context(), owner, time.Hour, "group", "second")
		if err != nil {
			t.Fatal(err)
		}
		held[owner] = all["group"]
		if slices.Sort(held[owner]); !slices.Equal(held[owner], slices.Sorted(slices.Values(all["second"]))) {
			t.Errorf("%s holds %v, and of another group, with the same members, %v", owner, held[owner], all["second"])
		}
	}
	check := func(want ...int) {
		t.Helper()
		var all []eventstore.Shard
		for i, owner := range []string{"a", "b", "c"}[:len(want)] {
			if got := len(held[owner]); got != want[i] {
				t.Errorf("%s holds %d shards, want %d", owner, got, want[i])
			}
			all = append(all, held[owner]...)
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != len(all) {
			t.Errorf("shards are held twice: %v", held)
		}
	}
	lease("a")
	check(16)
	lease("b")
	lease("a") // gives up what is too much
	lease("b")
	check(8, 8)
	lease("c")
	lease("a")
	lease("b")
	lease("c")
	check(6, 6, 4)
	for _, group := range []string{"group", "second"} {
		if err := tr.Release(t.Context(), group, "b"); err != nil {
			t.Fatal(err)
		}
	}
	held["b"] = nil
	lease("a")
	lease("c")
	check(8, 0, 8)

	if held, err := tr.Lease(t.Context(), "c", time.Hour, "another group", "group"); err != nil || len(held["another group"]) != 16 || len(held["group"]) != 8 {
		t.Errorf("of groups with other members: %v, %v", held, err)
	}
	for _, owner := range []string{"d", "e"} { // d never renews
		if held, err := tr.Lease(t.Context(), owner, time.Millisecond, "short"); err != nil || len(held["short"]) != 16 {
			t.Errorf("%s: %v, %v", owner, held, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Leases of a node that has died end a day from now, because the clock of the
// database was set back since they were taken. Nobody waits for that; leases that
// are in order stay.
func TestTrackerLeaseAfterClockWasSetBack(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	tr := postgres.NewTracker(db.Wall)
	for _, owner := range []string{"dead", "alive"} {
		if _, err := tr.Lease(t.Context(), owner, 9*time.Second, "group"); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := tr.Lease(t.Context(), "dead", 9*time.Second, "group"); err != nil || len(held["group"]) != 8 {
		t.Fatalf("%v, %v", held, err)
	}
	for _, table := range []string{"es.lease", "es.follower"} {
		if _, err := db.Superuser(t).Exec(t.Context(), `update `+table+` set expires_at = expires_at + interval '1 day' where owner = 'dead'`); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := tr.Lease(t.Context(), "alive", 9*time.Second, "group"); err != nil || len(held["group"]) != 16 {
		t.Errorf("%v, %v", held, err)
	}
}

// Of those who move a checkpoint at the same time, one does.
func TestTrackerMove(t *testing.T) {
	t.Parallel()
	tr, tenant := postgres.NewTracker(dbtest.New(t)), domain.TenantID{UUID: uuid.New()}
	at := eventstore.Checkpoint{}
	for range 10 {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() { errs[i] = tr.Move(t.Context(), "group", tenant, at, at.Position+10) })
		}
		wg.Wait()
		moved := 0
		for _, err := range errs {
			if err == nil {
				moved++
			} else if !errors.Is(err, eventstore.ErrMoved) {
				t.Fatal(err)
			}
		}
		now, err := tr.Checkpoint(t.Context(), "group", tenant)
		if moved != 1 || err != nil || now.Position != at.Position+10 {
			t.Fatalf("%d moved; at %+v, %v", moved, now, err)
		}
		at = now
	}
	if now, err := tr.Checkpoint(t.Context(), "group", domain.TenantID{UUID: uuid.New()}); err != nil || now != (eventstore.Checkpoint{}) {
		t.Errorf("another tenant is at %+v, %v", now, err)
	}
	wrong := at
	wrong.Generation++
	if err := tr.Move(t.Context(), "group", tenant, wrong, 1000); !errors.Is(err, eventstore.ErrMoved) {
		t.Errorf("another generation: %v", err)
	}
}

func TestTrackerBehind(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	tr := postgres.NewTracker(db.Wall)
	super := db.Superuser(t)
	var all []eventstore.Shard
	want := map[domain.TenantID]eventstore.Lag{}
	for i := range eventstore.Shards {
		all = append(all, eventstore.Shard(i))
		tenant := domain.TenantID{UUID: uuid.UUID{0: 1, 15: byte(i)}}
		if _, err := super.Exec(t.Context(), `insert into es.tenant_head (tenant_id, last_pos) values ($1, $2)`, tenant.UUID, i); err != nil {
			t.Fatal(err)
		}
		var shard eventstore.Shard
		if err := super.QueryRow(t.Context(), `select es.shard($1)`, tenant.UUID).Scan(&shard); err != nil || shard != eventstore.ShardOf(tenant) {
			t.Fatalf("es.shard = %d, want %d; %v", shard, eventstore.ShardOf(tenant), err)
		}
		lag := eventstore.Lag{Group: "group", Tenant: tenant, Head: eventstore.Position(i)}
		if i%3 == 0 && i > 0 {
			lag.Checkpoint.Position = eventstore.Position(i - i%2)
			if err := tr.Move(t.Context(), "group", tenant, eventstore.Checkpoint{}, lag.Checkpoint.Position); err != nil {
				t.Fatal(err)
			}
		}
		if lag.Checkpoint.Position < lag.Head {
			want[tenant] = lag
		}
	}
	for _, shards := range [][]eventstore.Shard{all, all[:4], nil} {
		lags, _, err := tr.Behind(t.Context(), eventstore.Held{"group": shards}, eventstore.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, l := range want {
			if slices.Contains(shards, eventstore.ShardOf(l.Tenant)) {
				n++
			}
		}
		for _, l := range lags {
			if l != want[l.Tenant] || !slices.Contains(shards, eventstore.ShardOf(l.Tenant)) {
				t.Errorf("behind: %+v, want %+v", l, want[l.Tenant])
			}
		}
		if len(lags) != n {
			t.Errorf("%d are behind, want %d", len(lags), n)
		}
	}
	// Nobody but the tenant's own readers sees more than positions.
	if _, err := super.Exec(t.Context(), `set role rowhouse_dispatcher`); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`select * from es.event`, `select stream_id from es.parked`, `update es.checkpoint set pos = 0`, `select * from crm.serving`,
	} {
		if _, err := super.Exec(t.Context(), sql); err == nil {
			t.Errorf("dispatcher may %s", sql)
		}
	}
}

// What has changed since a mark is seen once it can be seen, whatever came first: the
// number of the change, the look, or the end of the transaction.
func TestTrackerBehindSince(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	tr, super, other := postgres.NewTracker(db.Wall), db.Superuser(t), db.Superuser(t)
	do := func(conn *pgx.Conn, sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	tenants := make([]domain.TenantID, 3)
	for i := range tenants {
		tenants[i].UUID = uuid.UUID{0: 1, 1: byte(i), 15: byte(i)}
		do(super, `insert into es.tenant_head (tenant_id, last_pos) values ($1, 5)`, tenants[i].UUID)
		for _, group := range []string{"one", "two"} {
			if err := tr.Move(t.Context(), group, tenants[i], eventstore.Checkpoint{}, 5); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := eventstore.Held{"one": {0, 1}, "two": {0, 2}}
	var mark eventstore.Mark
	// Others use the same server, so what was seen before may be seen again.
	see := func(what string, want ...eventstore.Lag) {
		t.Helper()
		all, _, err := tr.Behind(t.Context(), held, eventstore.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		lags, at, err := tr.Behind(t.Context(), held, mark)
		for _, l := range want {
			if !slices.Contains(lags, l) {
				t.Errorf("%s: %+v is not among %+v", what, l, lags)
			}
		}
		for _, l := range lags {
			if !slices.Contains(all, l) {
				t.Errorf("%s: %+v is not so: %+v", what, l, all)
			}
		}
		if mark = at; err != nil {
			t.Fatal(err)
		}
	}
	lag := func(group string, tenant int, at, head eventstore.Position) eventstore.Lag {
		return eventstore.Lag{Group: group, Tenant: tenants[tenant], Checkpoint: eventstore.Checkpoint{Position: at}, Head: head}
	}
	const grow = `update es.tenant_head set last_pos = last_pos + 1 where tenant_id = $1`
	see("nothing")
	before := mark
	see("nothing again")
	if mark != before {
		t.Errorf("the mark has moved though nothing has changed: %+v, %+v", before, mark)
	}
	do(super, grow, tenants[0].UUID)
	see("a log of both groups", lag("one", 0, 5, 6), lag("two", 0, 5, 6))
	do(super, grow, tenants[1].UUID)
	do(super, grow, tenants[2].UUID)
	see("logs of one group each", lag("one", 1, 5, 6), lag("two", 2, 5, 6))
	see("nothing more")

	// It is counted, and cannot be seen.
	do(super, `begin`)
	do(super, grow, tenants[0].UUID)
	see("a transaction that is open")
	see("and again")
	do(super, `commit`)
	see("when it has ended", lag("one", 0, 5, 7), lag("two", 0, 5, 7))

	// A transaction that is older than what others have done meanwhile.
	do(super, `begin`)
	do(super, `select pg_current_xact_id()`)
	do(other, grow, tenants[1].UUID)
	see("somebody else", lag("one", 1, 5, 7))
	do(super, grow, tenants[0].UUID)
	see("not yet", lag("one", 1, 5, 7))
	do(super, `commit`)
	see("the older one as well", lag("one", 0, 5, 8), lag("one", 1, 5, 7), lag("two", 0, 5, 8))

	// What is done through the door.
	for range 2 {
		see("settled")
	}
	checkpoint := eventstore.Checkpoint{Position: 5}
	if err := tr.Move(t.Context(), "two", tenants[2], checkpoint, 6); err != nil {
		t.Fatal(err)
	}
	see("a group that has read on")
	checkpoint.Position = 6
	if err := tr.TakeBack(t.Context(), "two", tenants[2], checkpoint, 3); err != nil {
		t.Fatal(err)
	}
	back := lag("two", 2, 3, 6)
	back.Checkpoint.Generation = 1
	see("a checkpoint that was moved back", back)
	do(super, `update es.tenant_head set last_pos = 2 where tenant_id = $1`, tenants[2].UUID)
	back.Head = 2
	see("a log that was taken back", back)

	mark.Server--
	lags, _, err := tr.Behind(t.Context(), held, mark)
	if err != nil || len(lags) != 4 {
		t.Errorf("after the server was started again: %+v, %v", lags, err)
	}
}

// Only nodes of the newest build that is there hold anything, whoever comes first, and
// builds that do not know their place come before all. When the newest has gone, the
// others go on.
func TestTrackerLeaseOfNewerBuild(t *testing.T) {
	t.Parallel()
	places := map[string]float64{"legacy": math.Inf(-1), "old": 1, "old too": 1, "new": 2, "new too": 2}
	type step struct {
		owner string
		holds int
	}
	for name, steps := range map[string][]step{
		"given up first": {
			{"legacy", 16},
			{"old", 0},
			{"legacy", 0},
			{"old", 16},
			{"new", 0},
			{"old", 0},
			{"old too", 0},
			{"new", 16},
			{"new too", 0},
			{"new", 8},
			{"new too", 8},
			{"old", 0},
			{"", 0},
			{"old", 16},
		},
		"taken over at once": {
			{"legacy", 16},
			{"old", 16},
			{"legacy", 0},
			{"old too", 8},
			{"new", 16},
			{"old", 0},
			{"old too", 0},
			{"new too", 8},
			{"new", 8},
			{"new too", 8},
			{"old", 0},
			{"", 0},
			{"old", 16},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dbtest.New(t)
			for i, s := range steps {
				tr := postgres.NewTracker(w).At(places[s.owner])
				if strings.HasPrefix(name, "taken") && s.owner != "legacy" {
					tr = tr.TakingOver(func(string) bool { return true })
				}
				if s.owner == "" { // all of them go
					for owner := range places {
						if err := tr.Release(t.Context(), "group", owner); err != nil {
							t.Fatal(err)
						}
					}
					continue
				}
				held, err := tr.Lease(t.Context(), s.owner, time.Hour, "group")
				if err != nil || len(held["group"]) != s.holds {
					t.Errorf("step %d: %s holds %d, want %d; %v", i, s.owner, len(held["group"]), s.holds, err)
				}
			}
		})
	}
}

// A build from before there were places calls the function that it knows, and gives way.
func TestTrackerLeaseOfEarlierRelease(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	held := func() (n int) {
		t.Helper()
		if err := db.Superuser(t).QueryRow(t.Context(), `select count(*) from es.take_leases('group', 'legacy', '1 hour', 16)`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := held(); n != 16 {
		t.Errorf("alone it holds %d", n)
	}
	if _, err := postgres.NewTracker(db.Wall).At(1).Lease(t.Context(), "new", time.Hour, "group"); err != nil {
		t.Fatal(err)
	}
	if n := held(); n != 0 {
		t.Errorf("beside a newer one it holds %d", n)
	}
}
