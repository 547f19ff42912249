package projections

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Shaded widgets are the widgets of the next release: with a shade, which is in the event
// that makes them and in the one that renames them, and has a column.
type (
	shadedCreated struct {
		Name  string       `json:"name"`
		Price domain.Money `json:"price,omitzero"`
		Shade string       `json:"shade,omitzero"`
	}
	shadedRenamed struct {
		Name  string `json:"name"`
		Shade string `json:"shade,omitzero"`
	}
	shadedRow struct {
		Row
		Name  string       `json:"name"`
		Price domain.Money `json:"price,omitzero"`
		Tags  []string     `json:"tags"`
		Shade string       `json:"shade,omitzero"`
		Loud  string       `json:"loud"` // follows from what there was before
	}
)

func (shadedCreated) EventType() string { return "widget.created" }
func (shadedRenamed) EventType() string { return "widget.renamed" }
func (shadedCreated) Apply(*widget)     {}
func (shadedRenamed) Apply(*widget)     {}

var shadedAggregate = domain.NewAggregate[widget]("widget", "wid",
	shadedCreated{}, shadedRenamed{}, widgetTagged{}, widgetNoticed{}, widgetExploded{}, widgetDeleted{}, widgetRestored{}, widgetPurged{})

var shaded = table("widgets", shadedAggregate,
	text("name", func(w *shadedRow) string { return w.Name }),
	money("price", func(w *shadedRow) domain.Money { return w.Price }),
	texts("tags", query.Text, func(w *shadedRow) []string { return w.Tags }),
	text("shade", func(w *shadedRow) string { return w.Shade }),
	required(text("loud", func(w *shadedRow) string { return w.Loud })),
	searched("name", func(w *shadedRow) []string { return []string{w.Name} }),
	on(func(w *shadedRow, e Event[shadedCreated]) {
		w.Name, w.Price, w.Shade, w.Tags, w.Loud = e.Data.Name, e.Data.Price, e.Data.Shade, []string{}, e.Data.Name+"!"
	}),
	on(func(w *shadedRow, e Event[shadedRenamed]) {
		w.Name, w.Loud = e.Data.Name, e.Data.Name+"!"
		if e.Data.Shade != "" {
			w.Shade = e.Data.Shade
		}
	}),
	on(func(w *shadedRow, e Event[widgetTagged]) { w.Tags = append(w.Tags, e.Data.Tags...) }),
	on(func(w *shadedRow, e Event[widgetDeleted]) { w.delete(e.Recorded) }),
	on(func(w *shadedRow, _ Event[widgetRestored]) { w.restore() }),
	on(func(w *shadedRow, _ Event[widgetPurged]) { w.purge() }),
)

// upgrade brings the schema to that of the next release, and returns a node of it.
func (f *fixture) upgrade(t testing.TB, change ...func(*Config)) *Models {
	t.Helper()
	if _, err := f.db.Owner(t).Exec(t.Context(), `alter table crm.widgets add column if not exists shade text, add column if not exists loud text not null default ''`); err != nil {
		t.Fatal(err)
	}
	return f.another(t, append([]func(*Config){func(c *Config) { c.All = []Projection{shaded} }}, change...)...)
}

// hurry lets models rest for no time.
func hurry(m *Models) *Models {
	m.upkeep.restTimes = 0
	return m
}

func current(t *testing.T, m *Models, p Projection, tenant domain.TenantID) bool {
	t.Helper()
	is, err := m.Current(t.Context(), p, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// counting counts the events that are read.
type counting struct {
	eventstore.Store
	events atomic.Int64
}

func (c *counting) Read(ctx context.Context, t domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	events, err := c.Store.Read(ctx, t, after, limit)
	c.events.Add(int64(len(events)))
	return events, err
}

// Rows that an older build has made, or nobody knows which, are made again by a newer
// one, with one reading of the log. After that the older one does not write to them, and
// does not make them again as it would have them. What is empty, or made by this
// build from the beginning, costs nothing.
func TestRowsOfAnOlderBuild(t *testing.T) {
	t.Parallel()
	f := setup(t)
	early, tenant, empty := f.newTenant(), f.newTenant(), f.newTenant()
	streams := f.log.busyDay(tenant, 600)
	f.log.busyDay(early, 20)
	f.project(t, tenant, 100)
	f.project(t, early, 100)
	if _, err := f.log.super.Exec(t.Context(), `delete from crm.serving where tenant_id = $1`, early.UUID); err != nil { // as before it was written down
		t.Fatal(err)
	}
	hurry(f.Models)
	if list, err := f.outdated(t.Context()); err != nil || len(list) != 1 || list[0] != early {
		t.Fatalf("to the build that has made them: %v, %v", list, err)
	}
	reads := &counting{Store: f.log}
	next := hurry(f.upgrade(t, func(c *Config) { c.Store = reads }))
	late := f.newTenant()
	f.log.record(newWidget(late), shadedCreated{Name: "late", Shade: "red"})
	if err := catchUp(t.Context(), next, late, 10); err != nil {
		t.Fatal(err)
	}
	if list, err := next.outdated(t.Context()); err != nil || len(list) != 2 {
		t.Fatalf("to the next build: %v, %v", list, err)
	}
	for m, want := range map[*Models]bool{f.Models: true, next: false} {
		p := m.cfg.All[0]
		if got := current(t, m, p, tenant); got != want {
			t.Errorf("%T before: current is %t", p, got)
		}
	}
	if !current(t, next, shaded, late) || !current(t, next, shaded, empty) || current(t, next, shaded, early) {
		t.Error("what is current to the next build is not right")
	}
	reads.events.Store(0)
	if err := next.renewOutdated(t.Context()); err != nil {
		t.Fatal(err)
	}
	head, err := f.log.Head(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	earlyHead, err := f.log.Head(t.Context(), early)
	if err != nil || reads.events.Load() != int64(head+earlyHead) {
		t.Errorf("%d events were read of logs of %d and %d, %v", reads.events.Load(), head, earlyHead, err)
	}
	if !current(t, next, shaded, tenant) || current(t, f.Models, widgets, tenant) || f.rows(t, tenant) != len(streams) {
		t.Errorf("after: current to the next %t, to the old %t, %d rows", current(t, next, shaded, tenant), current(t, f.Models, widgets, tenant), f.rows(t, tenant))
	}
	if list, err := next.outdated(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	before, err := next.Checksum(t.Context(), shaded, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := f.outdated(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("the older one would make again %v, %v", list, err)
	}
	f.log.record(streams[1], widgetRenamed{Name: "renamed by the old"})
	if err := catchUp(t.Context(), f.Models, tenant, 10); !errors.Is(err, domain.ErrNewerSchema) {
		t.Errorf("the older one goes on: %v", err)
	}
	if sum, err := next.Checksum(t.Context(), shaded, tenant); err != nil || sum != before {
		t.Errorf("the older one has written: %v, %v", sum, err)
	}
	if err := catchUp(t.Context(), next, tenant, 10); err != nil {
		t.Fatal(err)
	}
	// Going back is for operators: then the older one goes on.
	if err := f.Rebuild(t.Context(), tenant, nil, widgets); err != nil {
		t.Fatal(err)
	}
	f.log.record(streams[1], widgetRenamed{Name: "and again"})
	if err := catchUp(t.Context(), f.Models, tenant, 10); err != nil || f.get(t, streams[1]).Name != "and again" {
		t.Errorf("after going back: %v", err)
	}
}

// The order of builds does not depend on which comes first.
func TestOrderOfBuilds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	newerFirst := NewBuilds(f.db.Wall, Build{Name: "next", All: []Model{shaded}})
	last := NewBuilds(f.db.Wall, Build{Name: "last", All: []Model{newWidgetsRevised()}, Step: 5})
	olderSecond := NewBuilds(f.db.Wall, Build{Name: "old", All: []Model{widgets}})
	var places []float64
	for _, b := range []*Builds{last, newerFirst, olderSecond, NewBuilds(f.db.Wall, Build{Name: "old again", All: []Model{widgets}})} {
		at, err := b.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, at)
	}
	if places[0] <= places[1] || places[1] <= places[2] || places[2] != places[3] {
		t.Errorf("places = %v", places)
	}
}

func newWidgetsRevised() *Table[widgetRow] {
	return table("widgets", widgetAggregate, text("name", func(w *widgetRow) string { return w.Name }), revision[widgetRow](1))
}

// A definition is the same every time, and another one if anything changes that rows
// follow from, at whatever depth.
func TestDefinition(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	inParts := table("widgets", widgetAggregate, text("name", func(w *widgetRow) string { return w.Name }))
	asWhole := table("widgets", widgetAggregate, value("name", query.Tag, func(w *widgetRow) string { return w.Name }))
	for _, p := range append(All, widgets, shaded, newWidgetsRevised(), inParts, asWhole) {
		d := p.definition()
		if again := p.definition(); again.fingerprint() != d.fingerprint() {
			t.Errorf("%s: another one at the second look", p.Name())
		}
		if other, twice := seen[d.fingerprint()]; twice {
			t.Errorf("%s and %s have the same", p.Name(), other)
		}
		seen[d.fingerprint()] = p.Name()
		for _, line := range d.rows {
			if len(line) > 300 {
				t.Errorf("%s: %s", p.Name(), line)
			}
		}
	}
	if !hasMore(numbers("w", shaded.definition().rows), numbers("w", shaded.definition().rows[1:])) {
		t.Error("a column more is not more")
	}
}

// dying is a log and a tracker that end the context of who uses them, at some call.
type dying struct {
	eventstore.Store
	eventstore.Tracker
	left atomic.Int64
	kill context.CancelFunc
}

func (d *dying) use() {
	if d.left.Add(-1) == 0 {
		d.kill()
	}
}

func (d *dying) Read(ctx context.Context, t domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	d.use()
	return d.Store.Read(ctx, t, after, limit)
}

func (d *dying) Checkpoint(ctx context.Context, group string, t domain.TenantID) (eventstore.Checkpoint, error) {
	d.use()
	return d.Tracker.Checkpoint(ctx, group, t)
}

// Wherever it ends, the next one goes on, and nobody sees anything but whole rows.
func TestRenewalIsKilled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	streams := f.log.busyDay(tenant, 700)
	f.project(t, tenant, 1000)
	first := f.upgrade(t)
	want := Checksum{}
	for step := int64(1); want == (Checksum{}); step++ {
		ctx, kill := context.WithCancel(t.Context())
		world := &dying{Store: f.log, Tracker: postgres.NewTracker(f.db.Wall), kill: kill}
		world.left.Store(step)
		node := hurry(f.another(t, func(c *Config) { c.All, c.Store, c.Tracker = []Projection{shaded}, world, world }))
		err := node.renewOutdated(ctx)
		kill()
		if sum, err := first.Checksum(t.Context(), shaded, tenant); err != nil || sum.Rows != len(streams) {
			t.Fatalf("ended at step %d: %+v, %v", step, sum, err)
		}
		if err == nil && current(t, first, shaded, tenant) && world.left.Load() > 0 {
			if want, err = first.Checksum(t.Context(), shaded, tenant); err != nil || step < 5 {
				t.Fatalf("whole at step %d, %v", step, err)
			}
		}
		if step > 100 {
			t.Fatal("it does not come to an end")
		}
	}
	if f.rows(t, tenant) != len(streams) {
		t.Errorf("%d rows", f.rows(t, tenant))
	}
	if err := first.Reset(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if err := catchUp(t.Context(), first, tenant, 1000); err != nil {
		t.Fatal(err)
	}
	if sum, err := first.Checksum(t.Context(), shaded, tenant); err != nil || sum != want {
		t.Errorf("projected from the beginning: %+v, made again: %+v, %v", sum, want, err)
	}
}

// What a rebuild leaves that ends before it has swept is swept later.
func TestSweptLater(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hurry(f.Models)
	tenant := f.newTenant()
	streams := f.log.busyDay(tenant, 30)
	f.project(t, tenant, 1000)
	if _, err := f.log.super.Exec(t.Context(), `insert into crm.serving (tenant_id, projection, ver, latest, build) select tenant_id, 'widgets', 1, 1, build from crm.serving where tenant_id = $1`, tenant.UUID); err != nil {
		t.Fatal(err)
	}
	if o, err := f.Outdated(t.Context(), tenant); err != nil || fmt.Sprint(o.Unused) != "[widgets]" {
		t.Fatalf("%+v, %v", o, err)
	}
	if err := f.renewOutdated(t.Context()); err != nil || f.rows(t, tenant) != 0 || len(streams) == 0 {
		t.Errorf("%d rows are left, %v", f.rows(t, tenant), err)
	}
	if list, err := f.outdated(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// Two builds work side by side, under load that both give: all is shown, soon, and in
// the end as if the newer one had always been alone.
func TestTwoBuildsSideBySide(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenants := []domain.TenantID{f.newTenant(), f.newTenant(), f.newTenant()}
	for _, tenant := range tenants {
		f.log.busyDay(tenant, 300)
	}
	node := func(of func(testing.TB, ...func(*Config)) *Models) *Models {
		m := hurry(of(t))
		place, err := m.cfg.Builds.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tracker := postgres.NewTracker(f.db.Wall).At(place).TakingOver(func(group string) bool { return group == Group })
		return hurry(of(t, func(c *Config) {
			c.Tracker, c.Builds, c.Follower.Poll = tracker, m.cfg.Builds, 50*time.Millisecond
		}))
	}
	old := node(f.another)
	run(t, old)
	for _, tenant := range tenants {
		f.seen(t, old, tenant)
	}
	next := node(f.upgrade)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var writes atomic.Int64
	var both atomic.Bool
	for i, tenant := range tenants {
		load.Go(func() {
			mine := newWidget(tenant)
			f.log.record(mine, widgetCreated{Name: "by the old"})
			for n := 0; ctx.Err() == nil; n++ {
				var head eventstore.Position
				m := old
				if n%2 == i%2 && both.Load() {
					m = next
					head = f.log.record(mine, shadedRenamed{Name: fmt.Sprint("next ", n), Shade: "red"})
					if n%8 == 0 {
						head = f.log.record(newWidget(tenant), shadedCreated{Name: "of the next", Shade: "blue"})
					}
				} else {
					head = f.log.record(mine, widgetTagged{Tags: []string{strconv.Itoa(n)}})
				}
				m.Notify(tenant, head)
				for _, reader := range []*Models{old, next} {
					if err := reader.Wait(ctx, tenant, head); err != nil && ctx.Err() == nil {
						t.Errorf("read after write: %v", err)
						return
					}
				}
				writes.Add(1)
			}
		})
	}
	waitFor(t, func() bool { return writes.Load() > 10 }) // of one build alone
	stop := run(t, next)
	both.Store(true)
	waitFor(t, func() bool { list, err := next.outdated(t.Context()); return err == nil && len(list) == 0 })
	at := writes.Load()
	waitFor(t, func() bool { return writes.Load() > at+30 })
	cancel()
	load.Wait()
	for _, tenant := range tenants {
		f.seen(t, next, tenant)
		sum, err := next.Checksum(t.Context(), shaded, tenant)
		parked, err2 := next.Parked(t.Context(), tenant)
		if err != nil || err2 != nil || len(parked) > 0 || !current(t, next, shaded, tenant) {
			t.Errorf("parked %v, %v, %v", parked, err, err2)
		}
		defer func() {
			if err := next.Reset(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			if err := catchUp(t.Context(), next, tenant, 1000); err != nil {
				t.Fatal(err)
			}
			if alone, err := next.Checksum(t.Context(), shaded, tenant); err != nil || alone != sum {
				t.Errorf("alone %+v, side by side %+v, %v", alone, sum, err)
			}
		}()
	}
	stop()
}

// seen waits until models show the whole log of a tenant.
func (f *fixture) seen(t *testing.T, m *Models, tenant domain.TenantID) {
	t.Helper()
	head, err := f.log.Head(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	m.Notify(tenant, head)
	waitFor(t, func() bool { return m.Wait(t.Context(), tenant, head) == nil })
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 10_000 {
		if so() {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	t.Fatal("it does not come to that")
}

// What q looks for is found while rows of another build serve, by the older build as by
// the newer one, with other conditions as well. Only if that build has made other terms,
// or none, it is not looked for.
func TestFindingInRowsOfAnotherBuild(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	for _, name := range []string{"Ada", "Bob", "Adam"} {
		s := newWidget(tenant)
		f.log.record(s, widgetCreated{Name: name})
		f.log.record(s, widgetTagged{Tags: []string{"red"}})
	}
	f.project(t, tenant, 100)
	next := hurry(f.upgrade(t))
	looked, err := query.ReadSearch("ada")
	if err != nil {
		t.Fatal(err)
	}
	find := func(m *Models, text string) (listed, found int, err error) {
		t.Helper()
		p := m.cfg.All[0]
		q, err := query.ParseJSON([]byte(text), p.Columns())
		if err != nil {
			t.Fatal(err)
		}
		page, err := m.List(t.Context(), sees(tenant), p, q)
		if err != nil {
			return 0, 0, err
		}
		kinds, _, err := m.Search(t.Context(), sees(tenant), looked, 10, p)
		for _, k := range kinds {
			found += len(k.Hits)
		}
		return len(page.Documents), found, err
	}
	check := func(m *Models, when string) {
		t.Helper()
		for _, text := range []string{`{"q":"ada"}`, `{"q":"ada","filter":"tags has red"}`, `{"q":"ada","filter":"name contains da","count":"exact"}`} {
			if listed, found, err := find(m, text); err != nil || listed != 2 || found != 2 {
				t.Errorf("%s, by %s: %d listed, %d found, %v", when, text, listed, found, err)
			}
		}
	}
	if current(t, next, shaded, tenant) {
		t.Fatal("the rows are current, so nothing is tried")
	}
	check(next, "the newer build, before it has made the rows again")
	if _, err := f.log.super.Exec(t.Context(), `update crm.build set knows = '{}' where id = (select min(id) from crm.build)`); err != nil { // as if other terms were made
		t.Fatal(err)
	}
	other := f.another(t, func(c *Config) { c.All = []Projection{shaded} })
	if _, _, err := find(other, `{"q":"ada"}`); !errors.Is(err, errNoWords) {
		t.Errorf("among other terms: %v", err)
	}
	if listed, _, err := find(other, `{"filter":"tags has red"}`); !errors.Is(err, errNoWords) || listed != 3 {
		t.Errorf("among other terms: %d listed, and searched: %v", listed, err)
	}
	if err := next.renewOutdated(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(next, "the newer build, after it has made the rows again")
	check(f.Models, "the older build, after that")
}
