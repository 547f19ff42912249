package projections

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/eventstore"
)

// dump returns the facts of a tenant that serve, a line for each, sorted.
func dump(t testing.TB, f *fixture, facts Facts, tenant domain.TenantID) []string {
	t.Helper()
	rows, err := f.log.super.Query(t.Context(), `select (to_jsonb(f) - 'tenant_id' - 'ver')::text from crm.`+facts.Name()+` f
		where tenant_id = $1 and ver = `+servingOf(facts.Name()), tenant.UUID)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// lifeOfAll records what can happen to one record of each kind, and to others around them,
// some of which are purged while others refer to them.
func (l *log) lifeOfAll(t *testing.T, tenant domain.TenantID) {
	t.Helper()
	l.yearOfWork(tenant, 300)
	for _, p := range All {
		s := eventstore.StreamID{Tenant: tenant, Kind: p.Kind(), ID: uuid.UUID{0: 7, 15: 1}}
		l.record(s, lifeOf(t, p.Kind())...)
	}
	con := eventstore.StreamID{Tenant: tenant, Kind: "contact", ID: uuid.UUID{0: 9, 15: 1}}
	l.record(con, contact.Created{Fields: contact.Fields{FirstName: "Ada"}})
	d := eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.UUID{0: 9, 15: 2}}
	link := deal.Link{ContactID: domain.ID{Prefix: "con", UUID: con.ID}}
	l.record(d, deal.Opened{Fields: deal.Fields{Name: "Roof"}, StageKey: "lead", At: noon}, deal.ContactAdded{Link: link},
		deal.StageChanged{From: "lead", To: "offer", At: noon}, deal.ContactRemoved{ContactID: link.ContactID}, deal.StageChanged{From: "offer", To: "lead", At: noon}, deal.ContactAdded{Link: link})
	l.record(con, contact.Updated{Changes: changes1("language", `"de"`)})
	l.record(con, contact.Purged{})
	l.record(d, deal.ContactRemoved{ContactID: link.ContactID}, deal.StageChanged{From: "lead", To: "won", At: noon})
	for _, s := range []eventstore.StreamID{{Tenant: tenant, Kind: "company", ID: uuid.UUID{0: 7, 15: 1}}, {Tenant: tenant, Kind: "deal", ID: uuid.UUID{0: 7, 15: 1}}} {
		l.record(s, newEventOf(s.Kind+".purged"))
	}
}

func newEventOf(eventType string) eventstore.Event {
	return eventstore.Event{Type: eventType, Schema: 1, Data: []byte(`{}`)}
}

// Facts are the same however they came to be: event by event or many at once, with rows
// that are remembered or not, or that somebody has looked at before they were projected,
// made again alone, with all tables, or after everything was dropped.
func TestFactsFollowFromTheLog(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All, c.Facts, c.Rebuild = All, AllFacts, 50 })
	tenant, other := f.newTenant(), f.newTenant()
	f.log.lifeOfAll(t, tenant)
	f.log.lifeOfAll(t, other)
	f.project(t, other, 1000)
	want := map[string][]string{}
	compare := func(how string) {
		t.Helper()
		for _, facts := range AllFacts {
			got := dump(t, f, facts, tenant)
			if want[facts.Name()] == nil {
				want[facts.Name()] = got
			}
			if diff := cmp.Diff(want[facts.Name()], got); diff != "" || len(got) < 10 {
				t.Errorf("%s, %s (%d facts):\n%s", facts.Name(), how, len(got), diff)
			}
		}
		if parked, err := f.Parked(t.Context(), tenant); err != nil || len(parked) > 0 {
			t.Errorf("%s: parked %+v, %v", how, parked, err)
		}
	}
	f.project(t, tenant, 1)
	compare("event by event")
	for _, n := range []int{2, 7, 10_000} {
		if err := f.Reset(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		f.forgetRows()
		f.project(t, tenant, n)
		compare(fmt.Sprintf("%d at a time", n))
	}
	for _, facts := range AllFacts {
		f.forgetRows()
		if err := f.Rebuild(t.Context(), tenant, nil, facts); err != nil {
			t.Fatal(err)
		}
		compare("rebuilt alone: " + facts.Name())
	}
	if err := f.Rebuild(t.Context(), tenant, nil, EveryModel()...); err != nil {
		t.Fatal(err)
	}
	compare("rebuilt with all")

	if err := f.Reset(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	f.forgetRows()
	f.projectSeen(t, tenant)
	compare("seen before")
	for _, facts := range AllFacts {
		var old int
		err := f.log.super.QueryRow(t.Context(), `select count(*) from crm.`+facts.Name()+` where tenant_id = $1 and ver <> `+servingOf(facts.Name()), tenant.UUID).Scan(&old)
		if err != nil || old != 0 {
			t.Errorf("%d rows of %s are of no use, %v", old, facts.Name(), err)
		}
	}
}

// projectSeen projects the log as it is when each command is answered with the record
// right after it, before it is projected, with some commands between two batches.
func (f *fixture) projectSeen(t *testing.T, tenant domain.TenantID) {
	t.Helper()
	events := f.log.all(tenant)
	for i := 0; i < len(events); {
		n := 1
		for i+n < len(events) && events[i+n].Stream == events[i].Stream && n < i%3+1 {
			n++
		}
		one := events[i : i+n]
		for _, p := range f.byKind[one[0].Stream.Kind] {
			_, err := f.View(t.Context(), sees(tenant), p, one[0].Stream.ID, one[0].Version-1, one)
			if err != nil && !strings.Contains(err.Error(), "no such record") {
				t.Fatal(err)
			}
		}
		if i += n; i%4 != 0 && i < len(events) {
			continue
		}
		at, err := f.cfg.Tracker.Checkpoint(t.Context(), Group, tenant)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.handleOne(t.Context(), eventstore.Batch{Tenant: tenant, From: at, Events: events[int(at.Position):i]}); err != nil {
			t.Fatal(err)
		}
	}
}

// A price is a fact that the row of a widget tells: what it costs, in each of its tags.
type price struct {
	of  uuid.UUID
	tag string
	eur string
}

func newPrices(tell func(*widgetRow) []price) *FactTable[price] {
	return facts("prices", []string{"of_id", "tag"},
		always("of_kind", "text", func(*price) string { return "widget" }),
		always("of_id", "uuid", func(p *price) plainUUID { return plainUUID(p.of) }),
		always("tag", "text", func(p *price) string { return p.tag }),
		textual(always("eur", "numeric", func(p *price) string { return p.eur })),
		factRevision[price](1),
		fromRow(widgets, tell),
	)
}

func pricesOf(w *widgetRow) (list []price) {
	for _, tag := range w.Tags {
		if tag == "panic" {
			panic("in the facts")
		}
		list = append(list, price{w.ID.UUID, tag, w.Price.Amount})
	}
	return list
}

const pricesSQL = `set role rowhouse_owner; create table crm.prices (tenant_id uuid not null, ver int not null, of_kind text not null, of_id uuid not null,
	tag text not null, eur numeric not null, primary key (tenant_id, ver, of_id, tag)); set role none;
	select sec.build_wall('crm.prices', 'rowhouse_reader', 'rowhouse_projector');
	grant select on crm.prices to rowhouse_reader; grant select, insert, update, delete on crm.prices to rowhouse_projector;`

// What a row tells takes the place of what it told before. What the facts or the database
// cannot take parks the facts of one record, and not its row, until that is mended; nothing
// that was purged stays.
func TestFactsOfRows(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.Facts = []Facts{newPrices(pricesOf)} })
	if _, err := f.log.super.Exec(t.Context(), pricesSQL); err != nil {
		t.Fatal(err)
	}
	tenant := f.newTenant()
	one, two, bad, worse := newWidget(tenant), newWidget(tenant), newWidget(tenant), newWidget(tenant)
	ten := domain.Money{Amount: "10", Currency: "EUR"}
	for i, s := range []eventstore.StreamID{one, two, bad, worse} {
		f.log.record(s, widgetCreated{Name: strconv.Itoa(i), Price: ten}, widgetTagged{Tags: []string{"a", "b"}})
	}
	want := func(how string, lines ...string) {
		t.Helper()
		rows, err := f.log.super.Query(t.Context(), `select d.name || ' ' || p.tag from crm.prices p join crm.widgets d on d.tenant_id = p.tenant_id and d.id = p.of_id and d.ver = 0
			where p.tenant_id = $1 and p.ver = `+servingOf("prices"), tenant.UUID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if slices.Sort(got); err != nil || !slices.Equal(got, lines) {
			t.Errorf("%s: %q, want %q, %v", how, got, lines, err)
		}
	}
	f.project(t, tenant, 3)
	want("at first", "0 a", "0 b", "1 a", "1 b", "2 a", "2 b", "3 a", "3 b")
	f.log.record(bad, widgetTagged{Tags: []string{"panic"}})
	f.log.record(worse, widgetTagged{Tags: []string{"a"}}) // twice, which the key refuses
	f.log.record(one, widgetTagged{Tags: []string{"c"}})
	f.log.record(two, widgetRenamed{Name: "one"}, widgetPurged{})
	f.project(t, tenant, 100)
	f.log.record(bad, widgetRenamed{Name: "two"})
	f.project(t, tenant, 100)
	want("after some are parked", "0 a", "0 b", "0 c", "3 a", "3 b", "two a", "two b")
	parked, err := f.Parked(t.Context(), tenant)
	if err != nil || len(parked) != 2 || parked[0].Projection != "prices" || parked[1].Projection != "prices" {
		t.Errorf("parked %+v, %v", parked, err)
	}
	if w := f.get(t, worse); len(w.Tags) != 3 {
		t.Errorf("the row of a record whose facts are parked is %+v", w)
	}
	mended := f.another(t, func(c *Config) {
		c.Facts = []Facts{newPrices(func(w *widgetRow) (list []price) {
			for _, tag := range slices.Compact(slices.Sorted(slices.Values(w.Tags))) {
				list = append(list, price{w.ID.UUID, tag, w.Price.Amount})
			}
			return list
		})}
	})
	if err := mended.Unpark(t.Context(), widgets, tenant, bad.ID); err != nil {
		t.Fatal(err)
	}
	want("after one is mended", "0 a", "0 b", "0 c", "3 a", "3 b", "two a", "two b", "two panic")
	if err := mended.Rebuild(t.Context(), tenant, nil, mended.cfg.Facts[0]); err != nil {
		t.Fatal(err)
	}
	want("after a rebuild", "0 a", "0 b", "0 c", "3 a", "3 b", "two a", "two b", "two panic")
	if parked, err := mended.Parked(t.Context(), tenant); err != nil || len(parked) != 0 {
		t.Errorf("parked %+v, %v", parked, err)
	}
}
