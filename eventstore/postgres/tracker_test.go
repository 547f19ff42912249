package postgres_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

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
		shards, err := tr.Lease(t.Context(), "group", owner, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		held[owner] = shards
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
	if err := tr.Release(t.Context(), "group", "b"); err != nil {
		t.Fatal(err)
	}
	held["b"] = nil
	lease("a")
	lease("c")
	check(8, 0, 8)

	if shards, err := tr.Lease(t.Context(), "another group", "c", time.Hour); err != nil || len(shards) != 16 {
		t.Errorf("of another group: %v, %v", shards, err)
	}
	for _, owner := range []string{"d", "e"} { // d never renews
		if shards, err := tr.Lease(t.Context(), "short", owner, time.Millisecond); err != nil || len(shards) != 16 {
			t.Errorf("%s: %v, %v", owner, shards, err)
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
		if _, err := tr.Lease(t.Context(), "group", owner, 9*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if shards, err := tr.Lease(t.Context(), "group", "dead", 9*time.Second); err != nil || len(shards) != 8 {
		t.Fatalf("%v, %v", shards, err)
	}
	for _, table := range []string{"es.lease", "es.follower"} {
		if _, err := db.Superuser(t).Exec(t.Context(), `update `+table+` set expires_at = expires_at + interval '1 day' where owner = 'dead'`); err != nil {
			t.Fatal(err)
		}
	}
	if shards, err := tr.Lease(t.Context(), "group", "alive", 9*time.Second); err != nil || len(shards) != 16 {
		t.Errorf("%v, %v", shards, err)
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
		lag := eventstore.Lag{Tenant: tenant, Head: eventstore.Position(i)}
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
		lags, err := tr.Behind(t.Context(), "group", shards)
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
