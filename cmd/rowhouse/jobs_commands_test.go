package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// An operator sees which jobs have failed and why, has them done again, and drops
// them. Metrics count them, and name no tenant.
func TestJobsCommands(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "root.key")
	if err := os.WriteFile(key, []byte(db.Root.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append(append([]string{"jobs"}, args...), "--data", dir, "--database-url", db.URL, "--root-key-file", key), &out, t.Output())
		return out.String(), err
	}
	want := func(contains []string, args ...string) {
		t.Helper()
		out, err := do(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		for _, part := range contains {
			if !strings.Contains(out, part) {
				t.Errorf("%v: no %q in\n%s", args, part, out)
			}
		}
	}
	tenant := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
	a, b, later := uuid.New(), uuid.New(), uuid.New()
	order := func(id uuid.UUID, due time.Time) jobs.Order {
		return jobs.Order{Job: jobs.Job{
			ID: id, Process: "test", Kind: "note", Name: "take_note", Subject: "the weather", DueAt: due,
			Args: []byte(`{"n":7}`), Cause: jobs.Cause{Event: a, Actor: domain.ID{Prefix: "usr", UUID: b}},
		}}
	}
	err := db.Wall.Outside(t.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(t.Context(), tx, tenant, postgres.Here) })
	if err == nil {
		err = db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
			return jobs.Put(t.Context(), tx, tenant, now(), []jobs.Order{order(a, now()), order(b, now()), order(later, now().Add(time.Hour))})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	super := db.Superuser(t)
	workers := jobs.NewWorkers(db.Wall, jobs.Handlers{}, func() time.Time { return now().AddDate(0, 0, 1) })
	for range 20 { // nobody does them, until they are parked
		if err := workers.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Exec(t.Context(), `update jobs.job set due_at = ordered_at where parked_at is null and id <> $1`, later); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Exec(t.Context(), `update jobs.job set due_at = now() + interval '1 year' where id = $1`, later); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Exec(t.Context(), `update jobs.head set next_at = now()`); err != nil {
			t.Fatal(err)
		}
	}
	q, err := jobs.NewQueue(jobs.QueueConfig{Wall: db.Wall, Workers: workers, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(q)
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, f := range families {
		told[f.GetName()] = f.String()
		if strings.Contains(f.String(), "ten_") || strings.Contains(f.String(), tenant.UUID.String()) {
			t.Errorf("a metric names a tenant: %s", f)
		}
	}
	if m := told["rowhouse_jobs_parked"]; !strings.Contains(m, `"take_note"`) || !strings.Contains(m, "value:2") {
		t.Errorf("parked jobs: %s", m)
	}
	if m := told["rowhouse_jobs_parked_total"]; !strings.Contains(m, "value:2") {
		t.Errorf("newly parked jobs: %s", m)
	}

	name := func(id uuid.UUID) string { return jobID(id).String() }
	want([]string{"tenant", tenant.String(), "parked: " + name(a), "parked: " + name(b), "does not know jobs of the kind"}, "list")
	want([]string{"waiting: " + name(later), "take_note"}, "list", "--waiting", "--tenant", tenant.String())
	want([]string{"take_note", "the weather", `{"n":7}`, "evt_", "usr_", "16 times", "parked"}, "show", "--tenant", tenant.String(), name(a))
	want([]string{"removed"}, "drop", "--tenant", tenant.String(), name(a))
	want([]string{"as soon as"}, "retry", "--tenant", tenant.String(), name(b))
	want([]string{"0 jobs"}, "retry")
	for _, args := range [][]string{
		{"show", "--tenant", tenant.String(), name(a)},
		{"drop", "--tenant", tenant.String(), name(a)},
		{"retry", "--tenant", tenant.String(), name(a)},
		{"retry", name(b)},
		{"show", "--tenant", "ten_x", name(b)},
		{"show", "--tenant", tenant.String(), "con_00000000000000000000000001"},
		{"drop", name(b)},
	} {
		if out, err := do(args...); err == nil {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	did := 0
	workers = jobs.NewWorkers(db.Wall, jobs.Handlers{Work: map[string]jobs.Work{"note": func(context.Context, jobs.Job) ([]jobs.Order, error) {
		did++
		return nil, nil
	}}}, now)
	if err := workers.Drain(t.Context()); err != nil || did != 1 {
		t.Errorf("%d jobs were done: %v", did, err)
	}
}
