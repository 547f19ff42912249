package projections

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
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
	if _, at, err := f.Get(t.Context(), widgets, other, s.ID); !errors.Is(err, domain.NotFound) || at != 0 {
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
		f.cache.lru.Purge()
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
