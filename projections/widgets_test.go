package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
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
		texts("tags", query.Text, func(w *widgetRow) []string { return w.Tags }),
		searched("name", func(w *widgetRow) []string { return []string{w.Name} }),
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
	name text, price bigint, price_currency text, tags text[] not null,
	primary key (tenant_id, ver, id));
	set role none;
	select sec.build_wall('crm.widgets', 'rowhouse_reader', 'rowhouse_projector');
	grant select on crm.widgets to rowhouse_reader;
	grant select, insert, update, delete on crm.widgets to rowhouse_projector;`

// fixture is a log and the read models that follow it.
type fixture struct {
	*Models
	db  *dbtest.DB
	log *log
}

func setup(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	db := dbtest.Open(t)
	if _, err := db.Owner(t).Exec(t.Context(), widgetsSQL); err != nil {
		t.Fatal(err)
	}
	l := &log{t: t, Store: postgres.New(postgres.Config{Wall: db.Wall}), super: db.Superuser(t), versions: make(map[eventstore.StreamID]eventstore.Version)}
	f := &fixture{db: db, log: l}
	f.Models = f.another(t, change...)
	return f
}

// another returns the read models as another node has them.
func (f *fixture) another(t testing.TB, change ...func(*Config)) *Models {
	t.Helper()
	cfg := Config{
		Wall: f.db.Wall, Store: f.log, Tracker: postgres.NewTracker(f.db.Wall),
		All: []Projection{widgets}, Owner: uuid.NewString(), Build: "test",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
	for _, c := range change {
		c(&cfg)
	}
	return New(cfg)
}

func (f *fixture) newTenant() domain.TenantID {
	f.log.t.Helper()
	tenant := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
	err := f.db.Wall.Outside(f.log.t.Context(), wall.Access, func(tx wall.Tx) error {
		return postgres.CreateTenant(f.log.t.Context(), tx, tenant, postgres.Here)
	})
	if err != nil {
		f.log.t.Fatal(err)
	}
	return tenant
}

func newWidget(tenant domain.TenantID) eventstore.StreamID {
	return eventstore.StreamID{Tenant: tenant, Kind: "widget", ID: uuid.Must(uuid.NewV7())}
}

var ann = domain.Actor{Kind: "user", ID: domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 1}}}

// log is the real log, which knows the versions of its streams.
type log struct {
	*postgres.Store
	t     testing.TB
	super *pgx.Conn

	mu       sync.Mutex
	versions map[eventstore.StreamID]eventstore.Version
}

// newEvent makes an event to be recorded. A string stands for an event of that
// type whose data is no JSON.
func newEvent(of any) eventstore.Event {
	meta, _ := json.Marshal(eventstore.Metadata{Actor: ann, Command: uuid.Must(uuid.NewV7())}) //nolint:errchkjson // it can
	e := eventstore.Event{ID: uuid.Must(uuid.NewV7()), Schema: 1, Meta: meta}
	switch of := of.(type) {
	case eventstore.Event:
		of.ID, of.Meta = e.ID, e.Meta
		return of
	case string:
		e.Type, e.Data = of, []byte("{")
	case interface{ EventType() string }:
		e.Type = of.EventType()
		e.Data, _ = json.Marshal(of) //nolint:errchkjson // it can
	}
	return e
}

// record appends events to a stream and returns the last position.
func (l *log) record(s eventstore.StreamID, of ...any) eventstore.Position {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := eventstore.Write{Stream: s, At: l.versions[s]}
	for _, e := range of {
		w.Events = append(w.Events, newEvent(e))
	}
	r := l.Append(context.Background(), s.Tenant, eventstore.Command{ID: uuid.Must(uuid.NewV7()), Writes: []eventstore.Write{w}})[0]
	if r.Err != nil {
		l.t.Errorf("append: %v", r.Err)
	}
	l.versions[s] += eventstore.Version(len(of))
	return r.Receipt.Last
}

// all returns the log of a tenant.
func (l *log) all(tenant domain.TenantID) []eventstore.Recorded {
	l.t.Helper()
	events, err := l.Read(l.t.Context(), tenant, 0, 1<<20)
	if err != nil {
		l.t.Fatal(err)
	}
	return events
}

// streamEvent is an event to be added to a log in bulk.
type streamEvent struct {
	stream eventstore.StreamID
	of     any
}

// fill adds many events to the log of a tenant, without asking anybody.
func (l *log) fill(tenant domain.TenantID, events []streamEvent) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids, streams []uuid.UUID
	var versions []int32
	var types, kinds []string
	var data, metas [][]byte
	for _, e := range events {
		l.versions[e.stream]++
		rec := newEvent(e.of)
		streams, versions, kinds = append(streams, e.stream.ID), append(versions, int32(l.versions[e.stream])), append(kinds, e.stream.Kind)
		ids, types, data, metas = append(ids, rec.ID), append(types, rec.Type), append(data, rec.Data), append(metas, rec.Meta)
	}
	_, err := l.super.Exec(context.Background(), `with head as (
			update es.tenant_head set last_pos = last_pos + cardinality($2::uuid[]), last_at = clock_timestamp() where tenant_id = $1
			returning last_pos - cardinality($2::uuid[]) as pos, last_at)
		insert into es.event (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta)
		select $1, pos + i, kind, stream, version, id, type, 1, last_at, data, meta from head,
			unnest($2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::bytea[], $8::bytea[])
			with ordinality e (id, stream, kind, version, type, data, meta, i)`,
		tenant.UUID, ids, streams, kinds, versions, types, data, metas)
	if err != nil {
		l.t.Error(err)
	}
}

// busyDay records what happens to some widgets of a tenant, a little different
// for each.
func (l *log) busyDay(tenant domain.TenantID, n int) (all []eventstore.StreamID) {
	l.t.Helper()
	var events []streamEvent
	add := func(s eventstore.StreamID, of ...any) {
		for _, e := range of {
			events = append(events, streamEvent{s, e})
		}
	}
	for i := range n {
		s := newWidget(tenant)
		add(s, widgetCreated{Name: fmt.Sprintf("widget <%d> & co", i), Price: domain.Money{Amount: fmt.Sprint(i, ".50"), Currency: "EUR"}})
		if i%2 == 0 {
			add(s, widgetRenamed{Name: fmt.Sprintf("renamed %d", i)}, widgetTagged{Tags: []string{`a "b" \c`, "{x,y}"}})
		}
		if len(all) > 3 {
			add(all[i-3], widgetTagged{Tags: []string{"later"}}, widgetNoticed{})
		}
		if i%7 == 0 {
			add(s, widgetDeleted{})
		}
		if i%14 == 0 {
			add(s, widgetRestored{})
		}
		all = append(all, s)
	}
	l.fill(tenant, events)
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
		if err := m.handleOne(ctx, eventstore.Batch{Tenant: tenant, From: at, Events: events}); err != nil && err != eventstore.ErrMoved { //nolint:errorlint // as such
			return err
		}
	}
}

// sees returns a viewer who sees everything of a tenant.
func sees(tenant domain.TenantID) *viewer.Viewer {
	return viewer.Server(tenant, domain.Actor{Kind: "system"})
}

// get returns the row of a widget, or nil.
func (f *fixture) get(t testing.TB, s eventstore.StreamID) *widgetRow {
	t.Helper()
	doc, _, err := f.Get(t.Context(), sees(s.Tenant), widgets, s.ID)
	if errors.Is(err, domain.NotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
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

// handleOne handles one batch.
func (m *Models) handleOne(ctx context.Context, b eventstore.Batch) error {
	return m.handle(ctx, []eventstore.Batch{b})[0]
}

// forgetRows empties the cache of rows.
func (m *Models) forgetRows() {
	m.cache.lru.RemoveIf(func(cacheKey) bool { return true })
}
