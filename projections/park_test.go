package projections

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// A record whose events cannot be projected waits, with all that comes after
// them. Everything else goes on, and after a repair it catches up.
func TestParking(t *testing.T) {
	t.Parallel()
	huge := ""
	for len(huge) < 10_000 { // nothing that can be compressed
		huge += uuid.NewString()
	}
	for name, test := range map[string]struct {
		poison any
		class  string
		before int // versions that are seen before the one that fails
	}{
		"no JSON":             {"widget.renamed", "decode", 1},
		"panic":               {widgetExploded{}, "panic", 1},
		"refused as value":    {widgetRenamed{Name: "a\x00b"}, "sqlstate 22021", 0},
		"refused as too long": {widgetRenamed{Name: huge}, "sqlstate 54000", 0},
		"refused as terms":    {widgetRenamed{Name: "poisonous"}, "sqlstate 23514", 0},
	} {
		for _, n := range []int{1, 100} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := setup(t)
				if _, err := f.db.Owner(t).Exec(t.Context(), `create index on crm.widgets (name);
					alter table crm.words add check (terms::text not like '%poisonous%')`); err != nil {
					t.Fatal(err)
				}
				tenant := f.newTenant()
				good, bad := newWidget(tenant), newWidget(tenant)
				f.log.record(good, widgetCreated{Name: "good"})
				f.log.record(bad, widgetCreated{Name: "bad"})
				f.log.record(bad, test.poison)
				f.log.record(good, widgetRenamed{Name: "better"})
				f.log.record(bad, widgetTagged{Tags: []string{"after"}})
				f.log.record(good, widgetRenamed{Name: "best"})
				f.project(t, tenant, n)

				if got := f.get(t, good); got == nil || got.Name != "best" {
					t.Errorf("the good one is %+v", got)
				}
				parked, err := f.Parked(t.Context(), tenant)
				if err != nil || len(parked) != 1 {
					t.Fatalf("parked = %+v, %v", parked, err)
				}
				if p := parked[0]; p.Stream != bad.ID || p.Class != test.class || p.Projection != "widgets" || p.Version > 2 {
					t.Errorf("parked = %+v", p)
				}
				got := f.get(t, bad)
				if seen := parked[0].Version > 1; seen != (got != nil) || seen && (got.Version != 1 || got.Name != "bad") {
					t.Errorf("the bad one is %+v", got)
				}
				if other, err := f.Parked(t.Context(), f.newTenant()); err != nil || len(other) != 0 {
					t.Errorf("another tenant sees %+v, %v", other, err)
				}
				f.unpark(t, bad, test.class)
			})
		}
	}
}

// unpark tries to unpark a record, which fails, and again after a repair, after
// which it has caught up and goes on.
func (f *fixture) unpark(t *testing.T, s eventstore.StreamID, class string) {
	t.Helper()
	err := f.Unpark(t.Context(), widgets, s.Tenant, s.ID)
	if refusal, ok := errors.AsType[*domain.Error](err); !ok || refusal.Code != "still_parked" {
		t.Fatalf("unpark before a repair: %v", err)
	}
	mended := newWidgets(func(*widgetRow, Event[widgetExploded]) {})
	mended.on["widget.renamed"] = func(w *widgetRow, e eventstore.Recorded) error {
		if e.Version == 2 {
			return nil
		}
		return widgets.on["widget.renamed"](w, e)
	}
	after := f.another(t, func(c *Config) { c.All = []Projection{mended} })
	if err := after.Unpark(t.Context(), mended, s.Tenant, s.ID); err != nil {
		t.Fatalf("unpark what was %s: %v", class, err)
	}
	f.log.record(s, widgetTagged{Tags: []string{"last"}})
	f.log.record(s, widgetTagged{Tags: []string{"very last"}})
	for _, m := range []*Models{f.Models, after} { // one still believes that it is parked
		if err := catchUp(t.Context(), m, s.Tenant, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.get(t, s); got == nil || got.Version != 5 || len(got.Tags) != 3 {
		t.Errorf("after unpark it is %+v", got)
	}
	if parked, err := f.Parked(t.Context(), s.Tenant); err != nil || len(parked) != 0 {
		t.Errorf("still parked: %+v, %v", parked, err)
	}
}

// What only a newer build can read stops the tenant, so that the newer build
// goes on from there.
func TestNewerBuildHalts(t *testing.T) {
	t.Parallel()
	for name, newer := range map[string]eventstore.Event{
		"schema": {Type: "widget.renamed", Schema: 2, Data: []byte("{}")},
		"event":  {Type: "widget.teleported", Schema: 1, Data: []byte("{}")},
		"member": {Type: "widget.renamed", Schema: 1, Data: []byte(`{"name":"two","because":"of it"}`)},
		"part":   {Type: "widget.renamed", Schema: 1, Data: []byte(`{"name":"two","because":{"of":{"it":1}}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			tenant := f.newTenant()
			s := newWidget(tenant)
			f.log.record(newWidget(tenant), widgetCreated{Name: "other"})
			f.log.record(s, widgetCreated{Name: "one"}, newer)
			err := catchUp(t.Context(), f.Models, tenant, 10)
			if !errors.Is(err, domain.ErrNewerSchema) && !errors.Is(err, domain.ErrUnknownEvent) {
				t.Errorf("err = %v", err)
			}
			if at, err := f.Position(t.Context(), tenant); at != 0 || err != nil {
				t.Errorf("at %d, %v", at, err)
			}
		})
	}
}

// A kind of record that only a newer build has may have a table there: nothing of it
// is passed over.
func TestKindOfNewerBuildHalts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	f.log.record(eventstore.StreamID{Tenant: tenant, Kind: "gadget", ID: uuid.New()}, eventstore.Event{Type: "gadget.created", Schema: 1, Data: []byte("{}")})
	if err := catchUp(t.Context(), f.Models, tenant, 10); !errors.Is(err, domain.ErrUnknownEvent) {
		t.Errorf("err = %v", err)
	}
	newer := f.another(t, func(c *Config) { c.Kinds = []string{"gadget"} })
	if err := catchUp(t.Context(), newer, tenant, 10); err != nil {
		t.Error(err)
	}
}

// A row into which a newer build has written more than this one knows is not written
// again without it. What this build shows of it follows from the events.
func TestRowOfNewerBuildHalts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	s := newWidget(tenant)
	f.log.record(s, widgetCreated{Name: "one"})
	f.project(t, tenant, 10)
	err := f.db.Wall.Pipe(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`update crm.widgets set doc = replace(doc, '"version":1', '"version":1,"sold":{"often":7}') where tenant_id = $1`, tenant.UUID)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.forgetRows()
	f.log.record(s, widgetRenamed{Name: "two"})
	if err := catchUp(t.Context(), f.Models, tenant, 10); !errors.Is(err, domain.ErrNewerSchema) {
		t.Errorf("err = %v", err)
	}
	events := f.log.all(tenant)
	if doc, err := f.View(t.Context(), sees(tenant), widgets, s.ID, 1, events[1:]); err != nil || doc.Version != 2 {
		t.Errorf("seen right after the event: %+v, %v", doc, err)
	}
	if doc, _, err := f.Get(t.Context(), sees(tenant), widgets, s.ID); err != nil || !strings.Contains(string(doc.JSON), `"sold":{"often":7}`) {
		t.Errorf("the row is %s, %v", doc.JSON, err)
	}
}

// A row that is not where the log says it must be is never changed: that would
// hide what went wrong.
func TestWrongRowIsParked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	s := newWidget(tenant)
	f.log.record(s, widgetCreated{Name: "one"}, widgetRenamed{Name: "two"})
	f.project(t, tenant, 10)
	err := f.db.Wall.Pipe(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`update crm.widgets set doc = replace(doc, '"version":2', '"version":1') where tenant_id = $1`, tenant.UUID)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.forgetRows()
	f.log.record(s, widgetRenamed{Name: "three"})
	f.project(t, tenant, 10)
	if parked, err := f.Parked(t.Context(), tenant); err != nil || len(parked) != 1 || parked[0].Class != "order" {
		t.Errorf("parked = %+v, %v", parked, err)
	}
	if err := f.Unpark(t.Context(), widgets, tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.get(t, s); got.Name != "three" || got.Version != 3 {
		t.Errorf("after unpark it is %+v", got)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	f.log.record(newWidget(tenant), "widget.created")
	f.project(t, tenant, 10)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(f.Models)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label = " " + l.GetValue()
			}
			values[family.GetName()+label] = m.GetGauge().GetValue()
		}
	}
	if len(values) != 16 || values["rowhouse_projection_parked_streams widgets"] != 1 || values["rowhouse_follower_lag_events read_models"] != 0 {
		t.Errorf("metrics = %v", values)
	}
}
