package projections

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Batches of any size lead to the same rows.
func TestProject(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant, other := f.newTenant(), f.newTenant()
	s := newWidget(tenant)
	f.log.record(s, widgetCreated{Name: "one"}, widgetRenamed{Name: "two"}, widgetNoticed{})
	f.project(t, tenant, 2)
	got, all := f.get(t, s), f.log.all(tenant)
	want := &widgetRow{Name: "two", Tags: []string{}, Row: Row{
		ID: domain.ID{Prefix: "wid", UUID: s.ID}, Type: "widget", Version: 3, Position: 3,
		CreatedAt: all[0].Time, CreatedBy: ann, UpdatedAt: all[2].Time, UpdatedBy: ann,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Row{})); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if _, at, err := f.Get(t.Context(), sees(other), widgets, s.ID); !errors.Is(err, domain.NotFound) || at != 0 {
		t.Errorf("another tenant gets %v at %d", err, at)
	}

	f.log.record(s, widgetDeleted{})
	f.project(t, tenant, 10)
	if got := f.get(t, s); got == nil || got.DeletedAt == nil {
		t.Errorf("deleted widget is %+v", got)
	}
	f.log.record(s, widgetRestored{}, widgetPurged{})
	f.project(t, tenant, 1)
	if got := f.get(t, s); got != nil {
		t.Errorf("purged widget is %+v", got)
	}
}

func TestBatchSizeDoesNotMatter(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	streams := f.log.busyDay(tenant, 50)
	var sums []Checksum
	for _, n := range []int{1, 3, 1000} {
		if err := f.Reset(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		f.forgetRows()
		f.project(t, tenant, n)
		sum, err := f.Checksum(t.Context(), widgets, tenant)
		if err != nil || sum.Rows != len(streams) {
			t.Fatalf("checksum %+v, %v", sum, err)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] || sums[1] != sums[2] {
		t.Errorf("checksums differ: %+v", sums)
	}
}

// Batches of several tenants share a transaction, but what is wrong with one of
// them is no concern of the others.
func TestTogether(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenants := make([]domain.TenantID, 4)
	streams := make([]eventstore.StreamID, len(tenants))
	batches := make([]eventstore.Batch, len(tenants))
	for i := range tenants {
		tenants[i] = f.newTenant()
		streams[i] = newWidget(tenants[i])
		f.log.record(streams[i], widgetCreated{Name: "one"})
		batches[i] = eventstore.Batch{Tenant: tenants[i], Events: f.log.all(tenants[i])}
	}
	rename := func(names ...string) {
		for i, name := range names {
			f.log.record(streams[i], widgetRenamed{Name: name})
			batches[i].From.Position = batches[i].To()
			batches[i].Events = f.log.all(tenants[i])[batches[i].From.Position:]
		}
	}
	check := func(errs []error, want ...string) {
		t.Helper()
		for i, name := range want {
			if row := f.get(t, streams[i]); row.Name != name {
				t.Errorf("widget %d is called %q, want %q; %v", i, row.Name, name, errs[i])
			}
			if moved := errors.Is(errs[i], eventstore.ErrMoved); moved != (i == 1) && errs[i] != nil {
				t.Errorf("widget %d: %v", i, errs[i])
			}
		}
	}
	check(f.handle(t.Context(), batches), "one", "one", "one", "one")
	rename("two", "two", "a\x00b", "two")
	if err := f.another(t).handleOne(t.Context(), batches[1]); err != nil {
		t.Fatal(err)
	}
	errs := f.handle(t.Context(), batches)
	check(errs, "two", "two", "one", "two")
	if !errors.Is(errs[1], eventstore.ErrMoved) {
		t.Errorf("the batch that somebody else has handled: %v", errs[1])
	}
	for i, tenant := range tenants {
		parked, err := f.Parked(t.Context(), tenant)
		if err != nil || len(parked) > 0 != (i == 2) {
			t.Errorf("parked of tenant %d: %+v, %v", i, parked, err)
		}
	}
}

// Nodes that take tenants in different orders do not wait for one another in a
// circle.
func TestTogetherInOneOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const events = 100
	tenants := make([]domain.TenantID, 6)
	for i := range tenants {
		tenants[i] = f.newTenant()
		for range events {
			f.log.record(newWidget(tenants[i]), widgetCreated{Name: "one"})
		}
	}
	logs := make(map[domain.TenantID][]eventstore.Recorded)
	for _, tenant := range tenants {
		logs[tenant] = f.log.all(tenant)
	}
	for at := range events {
		var nodes sync.WaitGroup
		for range 3 {
			slices.Reverse(tenants)
			var steps []*step
			for _, tenant := range tenants {
				b := eventstore.Batch{Tenant: tenant, From: eventstore.Checkpoint{Position: eventstore.Position(at)}, Events: logs[tenant][at:][:1]}
				s, err := f.prepare(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				steps = append(steps, s)
			}
			nodes.Go(func() {
				if err := moved(f.commit(t.Context(), steps)); err != nil && !errors.Is(err, eventstore.ErrMoved) {
					t.Errorf("a node: %v", err)
				}
			})
		}
		nodes.Wait()
	}
	for _, tenant := range tenants {
		if sum := f.checksum(t, tenant); sum.Rows != events {
			t.Errorf("%d rows, want %d", sum.Rows, events)
		}
	}
}
