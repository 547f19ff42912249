package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// What the followers of three nodes, twenty groups each, ask of the database, and
// what it costs, with ten thousand tenants: while nothing happens, and while one
// tenant is written to.
//
//	go test ./eventstore/postgres -run '^$' -bench Followers -benchtime 20x
func BenchmarkFollowers(b *testing.B) {
	const tenants, groups, nodes = 10_000, 20, 3
	db := dbtest.Open(b)
	super := db.Superuser(b)
	for _, sql := range []string{
		`insert into es.tenant_head (tenant_id, last_pos) select gen_random_uuid(), 100 from generate_series(1, ` + strconv.Itoa(tenants) + `)`,
		`insert into es.checkpoint (grp, tenant_id, pos) select 'group ' || g, tenant_id, 100 from es.tenant_head, generate_series(1, ` + strconv.Itoa(groups) + `) g`,
		`vacuum analyze es.tenant_head`, `vacuum analyze es.checkpoint`, `checkpoint`,
	} {
		if _, err := super.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	measure := func(b *testing.B, during func()) {
		b.Helper()
		began, cpu, asked := time.Now(), used(b, super), statements(b, super)
		for range b.N {
			time.Sleep(time.Second)
			during()
		}
		took := time.Since(began).Seconds()
		b.ReportMetric(float64(statements(b, super)-asked)/took, "statements/s")
		b.ReportMetric((used(b, super)-cpu).Seconds()/took*100, "%core")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("without followers", func(b *testing.B) { measure(b, func() {}) })
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	log := slog.New(slog.NewTextHandler(b.Output(), nil))
	for n := range nodes {
		w, err := wall.Open(b.Context(), db.Config())
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		defer running.Wait() // before that
		defer stop()
		tracker, owner := postgres.NewTracker(w), fmt.Sprint("node ", n)
		lookout := eventstore.NewLookout(eventstore.LookoutConfig{Tracker: tracker, Owner: owner, Log: log, Now: time.Now})
		running.Go(func() { lookout.Run(ctx) })
		for g := range groups {
			group := fmt.Sprint("group ", g+1)
			f := eventstore.NewFollower(eventstore.FollowerConfig{
				Store: skipped{}, Tracker: tracker, Group: group, Owner: owner, Lookout: lookout, Log: log, Now: time.Now,
				Handle: eventstore.OneByOne(func(ctx context.Context, b eventstore.Batch) error {
					return tracker.Move(ctx, group, b.Tenant, b.From, b.To())
				}),
			})
			running.Go(func() { f.Run(ctx) })
		}
	}
	time.Sleep(12 * time.Second) // until the shards are shared out
	b.Run("idle", func(b *testing.B) { measure(b, func() {}) })
	b.Run("one is written to", func(b *testing.B) {
		measure(b, func() {
			if _, err := super.Exec(b.Context(), `update es.tenant_head set last_pos = last_pos + 1 where tenant_id = (select min(tenant_id::text)::uuid from es.tenant_head)`); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// skipped is a log whose events nobody looks at.
type skipped struct{ eventstore.Store }

func (skipped) Read(_ context.Context, t domain.TenantID, after eventstore.Position, _ int) ([]eventstore.Recorded, error) {
	return []eventstore.Recorded{{Stream: eventstore.StreamID{Tenant: t}, Position: after + 1}}, nil
}

// statements returns how many transactions the database has ended. Followers send
// each statement as a transaction of its own.
func statements(b *testing.B, super *pgx.Conn) (n int64) {
	b.Helper()
	if err := super.QueryRow(b.Context(), `select xact_commit + xact_rollback from pg_stat_database where datname = current_database()`).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// used returns how much processor time this process and the database server have used.
func used(b *testing.B, super *pgx.Conn) time.Duration {
	b.Helper()
	var backend int
	if err := super.QueryRow(b.Context(), `select pg_backend_pid()`).Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server := stat(backend)[1]
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	sum := int64(0)
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if s := stat(pid); s != nil && (s[1] == server || int64(pid) == server || pid == os.Getpid()) {
			sum += s[11] + s[12]
		}
	}
	return time.Duration(sum) * time.Second / 100
}

// stat returns the fields of /proc/pid/stat after the name.
func stat(pid int) (fields []int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	for f := range strings.FieldsSeq(rest) {
		n, _ := strconv.ParseInt(f, 10, 64)
		fields = append(fields, n)
	}
	return fields
}
