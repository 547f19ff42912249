package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
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

// Widgets are a kind of record that exists in these tests only.
type widget struct{}

type (
	widgetCreated struct {
		Name  string       `json:"name"`
		Price domain.Money `json:"price,omitzero"`
	}
	widgetRenamed struct {
		Name string `json:"name"`
	}
	widgetTagged struct {
		Tags []string `json:"tags"`
	}
	widgetNoticed  struct{} // shows nowhere
	widgetExploded struct{} // panics the handler
	widgetDeleted  struct{}
	widgetRestored struct{}
	widgetPurged   struct{}
)

func (widgetCreated) EventType() string  { return "widget.created" }
func (widgetRenamed) EventType() string  { return "widget.renamed" }
func (widgetTagged) EventType() string   { return "widget.tagged" }
func (widgetNoticed) EventType() string  { return "widget.noticed" }
func (widgetExploded) EventType() string { return "widget.exploded" }
func (widgetDeleted) EventType() string  { return "widget.deleted" }
func (widgetRestored) EventType() string { return "widget.restored" }
func (widgetPurged) EventType() string   { return "widget.purged" }
func (widgetCreated) Apply(*widget)      {}
func (widgetRenamed) Apply(*widget)      {}
func (widgetTagged) Apply(*widget)       {}
func (widgetNoticed) Apply(*widget)      {}
func (widgetExploded) Apply(*widget)     {}
func (widgetDeleted) Apply(*widget)      {}
func (widgetRestored) Apply(*widget)     {}
func (widgetPurged) Apply(*widget)       {}

var widgetAggregate = domain.NewAggregate[widget]("widget", "wid",
	widgetCreated{}, widgetRenamed{}, widgetTagged{}, widgetNoticed{}, widgetExploded{}, widgetDeleted{}, widgetRestored{}, widgetPurged{})

type widgetRow struct {
	Row
	Name  string       `json:"name"`
	Price domain.Money `json:"price,omitzero"`
	Tags  []string     `json:"tags"`
}

func newWidgets(explode func(*widgetRow, Event[widgetExploded])) *Table[widgetRow] {
	return table("widgets", widgetAggregate,
		text("name", func(w *widgetRow) string { return w.Name }),
		money("price", func(w *widgetRow) domain.Money { return w.Price }),
		texts("tags", func(w *widgetRow) []string { return w.Tags }),
		search(func(w *widgetRow) []string { return []string{w.Name} }),
		on(func(w *widgetRow, e Event[widgetCreated]) {
			w.Name, w.Price, w.Tags = e.Data.Name, e.Data.Price, []string{}
		}),
		on(func(w *widgetRow, e Event[widgetRenamed]) { w.Name = e.Data.Name }),
		on(func(w *widgetRow, e Event[widgetTagged]) { w.Tags = append(w.Tags, e.Data.Tags...) }),
		on(explode),
		on(func(w *widgetRow, e Event[widgetDeleted]) { w.delete(e.Recorded) }),
		on(func(w *widgetRow, _ Event[widgetRestored]) { w.restore() }),
		on(func(w *widgetRow, _ Event[widgetPurged]) { w.purge() }),
	)
}

var widgets = newWidgets(func(*widgetRow, Event[widgetExploded]) { panic("boom") })

const widgetsSQL = `create table crm.widgets (
	tenant_id uuid not null, ver int not null, id uuid not null,
	doc text not null, version int not null, position bigint not null,
	created_at timestamptz not null, updated_at timestamptz not null, deleted_at timestamptz,
	search_text text not null,
	name text, price bigint, price_currency text, tags text[] not null,
	primary key (tenant_id, ver, id));
	set role none;
	select sec.build_wall('crm.widgets', 'rowhouse_reader', 'rowhouse_projector');
	grant select on crm.widgets to rowhouse_reader;
	grant select, insert, update, delete on crm.widgets to rowhouse_projector;`

// memoryLog is a log in memory.
type memoryLog struct {
	eventstore.Store // the other methods are not used

	mu   sync.Mutex
	logs map[domain.TenantID][]eventstore.Recorded
}

func (l *memoryLog) Read(_ context.Context, t domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.logs[t][min(int(after), len(l.logs[t])):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (l *memoryLog) ReadStream(_ context.Context, s eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	l.mu.Lock()
	log := l.logs[s.Tenant]
	l.mu.Unlock()
	return func(yield func(eventstore.Recorded, error) bool) {
		for _, e := range log {
			if e.Stream == s && e.Version > after && !yield(e, nil) {
				return
			}
		}
	}
}

// tracker knows the heads of the log in memory.
type tracker struct {
	postgres.Tracker
	log *memoryLog
}

func (t tracker) Behind(ctx context.Context, group string, shards []eventstore.Shard) (lags []eventstore.Lag, err error) {
	t.log.mu.Lock()
	heads := make(map[domain.TenantID]eventstore.Position)
	for tenant, log := range t.log.logs {
		heads[tenant] = eventstore.Position(len(log))
	}
	t.log.mu.Unlock()
	for tenant, head := range heads {
		at, err := t.Checkpoint(ctx, group, tenant)
		if err != nil {
			return nil, err
		}
		if slices.Contains(shards, eventstore.ShardOf(tenant)) && at.Position < head {
			lags = append(lags, eventstore.Lag{Tenant: tenant, Checkpoint: at, Head: head})
		}
	}
	return lags, nil
}

// fixture is a log and the read models that follow it.
type fixture struct {
	*Models
	db  *dbtest.DB
	log *memoryLog
}

func setup(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	db := dbtest.Open(t)
	if _, err := db.Owner(t).Exec(t.Context(), widgetsSQL); err != nil {
		t.Fatal(err)
	}
	log := &memoryLog{logs: make(map[domain.TenantID][]eventstore.Recorded)}
	f := &fixture{db: db, log: log}
	f.Models = f.another(t, change...)
	return f
}

// another returns the read models as another node has them.
func (f *fixture) another(t testing.TB, change ...func(*Config)) *Models {
	t.Helper()
	cfg := Config{
		Wall: f.db.Wall, Store: f.log, Tracker: tracker{postgres.NewTracker(f.db.Wall), f.log},
		All: []Projection{widgets}, Owner: uuid.NewString(), Build: "test",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
	for _, c := range change {
		c(&cfg)
	}
	return New(cfg)
}

func newTenant() domain.TenantID { return domain.TenantID{UUID: uuid.Must(uuid.NewV7())} }

func newWidget(tenant domain.TenantID) eventstore.StreamID {
	return eventstore.StreamID{Tenant: tenant, Kind: "widget", ID: uuid.Must(uuid.NewV7())}
}

var ann = domain.Actor{Kind: "user", ID: domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 1}}}

// record adds events to a stream and returns them. A string stands for an event
// of that type whose data is no JSON.
func (l *memoryLog) record(s eventstore.StreamID, events ...any) []eventstore.Recorded {
	l.mu.Lock()
	defer l.mu.Unlock()
	meta, _ := json.Marshal(eventstore.Metadata{Actor: ann, Command: uuid.Must(uuid.NewV7())}) //nolint:errchkjson // it can
	version := eventstore.Version(0)
	for _, e := range l.logs[s.Tenant] {
		if e.Stream == s {
			version = e.Version
		}
	}
	var all []eventstore.Recorded
	for _, e := range events {
		version++
		rec := eventstore.Recorded{
			Stream: s, Version: version, Position: eventstore.Position(len(l.logs[s.Tenant]) + 1), Time: time.Now().UTC().Truncate(time.Microsecond),
			Event: eventstore.Event{ID: uuid.Must(uuid.NewV7()), Schema: 1, Meta: meta},
		}
		switch e := e.(type) {
		case string:
			rec.Type, rec.Data = e, []byte("{")
		case interface{ EventType() string }:
			rec.Type = e.EventType()
			rec.Data, _ = json.Marshal(e) //nolint:errchkjson // it can
		}
		l.logs[s.Tenant] = append(l.logs[s.Tenant], rec)
		all = append(all, rec)
	}
	return all
}

// project projects what is new in the log of a tenant, in batches of n.
func (f *fixture) project(t testing.TB, tenant domain.TenantID, n int) {
	t.Helper()
	if err := catchUp(t.Context(), f.Models, tenant, n); err != nil {
		t.Fatal(err)
	}
}

func catchUp(ctx context.Context, m *Models, tenant domain.TenantID, n int) error {
	for {
		at, err := m.cfg.Tracker.Checkpoint(ctx, Group, tenant)
		if err != nil {
			return err
		}
		events, err := m.cfg.Store.Read(ctx, tenant, at.Position, n)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := m.handle(ctx, eventstore.Batch{Tenant: tenant, From: at, Events: events}); err != nil && err != eventstore.ErrMoved { //nolint:errorlint // as such
			return err
		}
	}
}

// get returns the row of a widget, or nil.
func (f *fixture) get(t testing.TB, s eventstore.StreamID) *widgetRow {
	t.Helper()
	doc, _, err := f.Get(t.Context(), widgets, s.Tenant, s.ID)
	if ignoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	row := new(widgetRow)
	if err := json.Unmarshal(doc.JSON, row); err != nil {
		t.Fatal(err)
	}
	if doc.Version != row.Version || doc.Position != row.Position || doc.Deleted != (row.DeletedAt != nil) {
		t.Errorf("document is %+v but says %s", doc, doc.JSON)
	}
	return row
}

// busyDay records what happens to some widgets of a tenant, a little different
// for each.
func (l *memoryLog) busyDay(tenant domain.TenantID, n int) (all []eventstore.StreamID) {
	for i := range n {
		s := newWidget(tenant)
		l.record(s, widgetCreated{Name: fmt.Sprintf("widget <%d> & co", i), Price: domain.Money{Amount: fmt.Sprint(i, ".50"), Currency: "EUR"}})
		if i%2 == 0 {
			l.record(s, widgetRenamed{Name: fmt.Sprintf("renamed %d", i)}, widgetTagged{Tags: []string{`a "b" \c`, "{x,y}"}})
		}
		if len(all) > 3 {
			l.record(all[i-3], widgetTagged{Tags: []string{"later"}}, widgetNoticed{})
		}
		if i%7 == 0 {
			l.record(s, widgetDeleted{})
		}
		if i%14 == 0 {
			l.record(s, widgetRestored{})
		}
		all = append(all, s)
	}
	return all
}
