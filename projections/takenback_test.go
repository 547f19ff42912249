package projections

import (
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// takeBack lets a log be as it was at a position, as somebody does who puts back a
// part of a backup.
func (l *log) takeBack(t *testing.T, tenant domain.TenantID, to eventstore.Position) {
	t.Helper()
	at := []any{tenant.UUID, int64(to)}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`alter table es.event disable trigger final`, nil},
		{`delete from es.event where tenant_id = $1 and pos > $2`, at},
		{`update es.tenant_head set last_pos = $2 where tenant_id = $1`, at},
		{`alter table es.event enable trigger final`, nil},
	} {
		if _, err := l.super.Exec(t.Context(), step.sql, step.args...); err != nil {
			t.Fatal(err)
		}
	}
}

// A log that was taken back makes its rows anew: those of the lost end go, and what
// is recorded in its place is shown.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.Follower.Poll = 20 * time.Millisecond })
	tenant, other := f.newTenant(), f.newTenant()
	kept, lost := newWidget(tenant), newWidget(tenant)
	f.log.record(kept, widgetCreated{Name: "kept"})
	f.log.record(lost, widgetCreated{Name: "lost"})
	f.log.record(kept, widgetRenamed{Name: "lost"})
	f.log.record(newWidget(other), widgetCreated{Name: "other"})
	run(t, f.Models)
	f.settled(t, tenant)
	f.settled(t, other)
	foreign := f.checksum(t, other)

	f.log.takeBack(t, tenant, 1)
	for deadline := time.Now().Add(20 * time.Second); f.get(t, lost) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a record that is not in the log any more is still shown")
		}
	}
	again := newWidget(tenant)
	f.log.versions[kept] = 1
	f.log.record(again, widgetCreated{Name: "again"})
	f.log.record(kept, widgetRenamed{Name: "renamed"})
	f.settled(t, tenant)
	if k, a := f.get(t, kept), f.get(t, again); k == nil || a == nil || k.Name != "renamed" || a.Name != "again" {
		t.Errorf("%+v, %+v", k, a)
	}
	if f.checksum(t, other) != foreign {
		t.Error("the rows of another tenant have changed")
	}
}
