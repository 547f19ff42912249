package projections

import (
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// A panic that is not in a handler concerns the record that it is about, and
// neither the others of its tenant nor other tenants of the same batch.
func TestPanicBesideHandlers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	fragile := newWidgets(func(*widgetRow, Event[widgetExploded]) {})
	pack := fragile.columns[0].pack
	fragile.columns[0].pack = func(entries []*entry[widgetRow], nullable bool) any {
		for _, e := range entries {
			if e.row.Name == "boom" {
				panic("what is in the record")
			}
		}
		return pack(entries, nullable)
	}
	m := f.another(t, func(c *Config) { c.All = []Projection{fragile} })
	one, other := f.newTenant(), f.newTenant()
	bad, good, theirs := newWidget(one), newWidget(one), newWidget(other)
	f.log.record(bad, widgetCreated{Name: "fine"})
	f.log.record(good, widgetCreated{Name: "good"})
	f.log.record(bad, widgetRenamed{Name: "boom"})
	f.log.record(theirs, widgetCreated{Name: "theirs"})
	errs := m.handle(t.Context(), []eventstore.Batch{
		{Tenant: one, Events: f.log.all(one)}, {Tenant: other, Events: f.log.all(other)},
	})
	for i, err := range errs {
		if err != nil {
			t.Errorf("tenant %d: %v", i, err)
		}
	}
	if a, b := f.get(t, good), f.get(t, theirs); a == nil || b == nil {
		t.Errorf("the others are %+v and %+v", a, b)
	}
	parked, err := m.Parked(t.Context(), one)
	if err != nil || len(parked) != 1 || parked[0].Stream != bad.ID || parked[0].Class != "panic" {
		t.Errorf("parked = %+v, %v", parked, err)
	}
	if err := m.Unpark(t.Context(), fragile, one, bad.ID); err == nil {
		t.Error("it was unparked before a repair")
	}
	if err := f.Unpark(t.Context(), widgets, one, bad.ID); err != nil {
		t.Error(err)
	}
	if got := f.get(t, bad); got == nil || got.Name != "boom" {
		t.Errorf("after a repair it is %+v", got)
	}
}

// fuse is what cannot be written as JSON.
type fuse bool

func (fuse) MarshalJSON() ([]byte, error) { panic("what is in the record") }

type bombRow struct {
	Row
	Fuse fuse `json:"fuse"`
}

func TestPanicWhileFolding(t *testing.T) {
	t.Parallel()
	bombs := table("bombs", widgetAggregate, on(func(*bombRow, Event[widgetCreated]) {}))
	tenant := domain.TenantID{UUID: uuid.New()}
	cs := bombs.changes(tenant, 0, newCache(0))
	cs.add(eventstore.Recorded{
		Event:  eventstore.Event{Type: "widget.created", Schema: 1, Data: []byte(`{}`), Meta: []byte(`{}`)},
		Stream: newWidget(tenant), Version: 1, Position: 1,
	}, nil)
	cs.missing()
	if err := cs.fold(1); err != nil || len(cs.parked()) != 1 || cs.parked()[0].class != "panic" {
		t.Errorf("parked %+v, %v", cs.parked(), err)
	}
}
