package query_test

import (
	"context"
	"encoding/binary"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// table is a table of things. Each run of a property has a version of its own.
type table struct {
	conn *pgx.Conn
	ver  int
	rows uint32
}

func newTable(t *testing.T) *table {
	t.Helper()
	conn := dbtest.Open(t).Superuser(t) // others may make no temporary tables
	if _, err := conn.Exec(t.Context(), `
		create temp table things (ver integer not null, id uuid not null, name text not null, nickname text, size integer,
			price bigint not null, active boolean, updated_at timestamptz not null, due_on date, stage text, owner_id uuid,
			tags text[] not null, team_ids uuid[], deleted_at timestamptz, primary key (ver, id))`); err != nil {
		t.Fatal(err)
	}
	return &table{conn: conn}
}

func (tab *table) insert(ctx context.Context, t *rapid.T, rows ...row) {
	b := &pgx.Batch{}
	for _, r := range rows {
		columns, args, marks := []string{"ver"}, []any{tab.ver}, []string{"$1"}
		for _, name := range slices.Sorted(maps.Keys(r)) {
			columns, args = append(columns, name), append(args, r[name])
			marks = append(marks, "$"+strconv.Itoa(len(args)))
		}
		b.Queue(`insert into things (`+strings.Join(columns, ", ")+`) values (`+strings.Join(marks, ", ")+`)`, args...)
	}
	if err := tab.conn.SendBatch(ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
}

// page returns the ids on the page of a query, and the cursor of the next.
func (tab *table) page(ctx context.Context, t *rapid.T, q query.Query) (ids []uuid.UUID, next string) {
	page, err := q.Page(signer, tenant)
	if err != nil {
		t.Fatal(err)
	}
	args := query.Args{tab.ver}
	rows, err := tab.conn.Query(ctx, page.Select(&args, "id", "things where ver = $1", q.Limit+1), args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	place := page.Place()
	for rows.Next() {
		if len(ids) == q.Limit {
			if next, err = page.Cursor(place); err != nil {
				t.Fatal(err)
			}
			break
		}
		var id uuid.UUID
		if err := rows.Scan(append([]any{&id}, place...)...); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids, next
}

func (tab *table) count(ctx context.Context, t *rapid.T, q query.Query) (n int) {
	args := query.Args{tab.ver}
	if err := tab.conn.QueryRow(ctx, `select count(*) from things where ver = $1 and `+q.Where(&args), args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFilterMeans checks that the database and [holds] agree on random filters
// and rows, and that filters survive being written as text.
func TestFilterMeans(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	rapid.Check(t, func(t *rapid.T) {
		rows := tab.drawRows(t, 1, 20)
		tab.ver++
		tab.insert(t.Context(), t, rows...)
		f, err := things.JSON(drawFilter(t, 4), "/filter")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := things.Text(f.String()); err != nil || !reflect.DeepEqual(f, again) {
			t.Fatalf("%s is read again as %v, %v", f, again, err)
		}
		args := query.Args{tab.ver}
		found, err := tab.conn.Query(t.Context(), `select id from things where ver = $1 and `+f.SQL(&args), args...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(found, pgx.RowTo[uuid.UUID])
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, r := range rows {
			if want := holds(f, r); want != slices.Contains(got, r["id"].(uuid.UUID)) {
				t.Errorf("%s holds is not %t for %v", f, want, r)
			}
		}
	})
}

// TestEachOnce turns the pages of random lists while rows are added to them: it
// sees each row that was there from the beginning once, in order, and none twice.
func TestEachOnce(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx := t.Context()
		rows := tab.drawRows(t, 0, 50)
		tab.ver++
		tab.insert(ctx, t, rows...)
		params := drawParams(t)
		q, err := query.Parse(params, things)
		if err != nil {
			t.Fatal(err)
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return !asked(q, r) })
		slices.SortFunc(rows, func(a, b row) int { return before(append(slices.Clip(q.Sort), idKey(q)), a, b) })
		if n := tab.count(ctx, t, q); n != len(rows) {
			t.Fatalf("%v: counts %d instead of %d", params, n, len(rows))
		}

		var seen []uuid.UUID
		for added := 0; ; {
			ids, next := tab.page(ctx, t, q)
			seen = append(seen, ids...)
			if next == "" {
				break
			}
			if len(ids) != q.Limit {
				t.Fatalf("%v: %d rows on a page that is not the last", params, len(ids))
			}
			params.Set("cursor", next)
			if q, err = query.Parse(params, things); err != nil {
				t.Fatal(err)
			}
			if added < 50 {
				more := tab.drawRows(t, 0, 3)
				added += len(more)
				tab.insert(ctx, t, more...)
			}
		}
		once := make(map[uuid.UUID]bool)
		for _, id := range seen {
			if once[id] {
				t.Fatalf("%v: sees %s twice", params, id)
			}
			once[id] = true
		}
		want := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			want[i] = r["id"].(uuid.UUID)
		}
		got := slices.DeleteFunc(seen, func(id uuid.UUID) bool { return !slices.Contains(want, id) })
		if !slices.Equal(got, want) {
			t.Fatalf("%v: of the rows there were sees\n%v instead of\n%v", params, got, want)
		}
	})
}

// drawRows makes up rows whose ids are at any place, not only after those that
// are there.
func (tab *table) drawRows(t *rapid.T, least, most int) []row {
	rows := make([]row, rapid.IntRange(least, most).Draw(t, "rows"))
	for i := range rows {
		tab.rows++
		id := uuid.UUID{0: rapid.Byte().Draw(t, "id")}
		binary.BigEndian.PutUint32(id[12:], tab.rows)
		rows[i] = drawRow(t, id)
	}
	return rows
}

func drawParams(t *rapid.T) url.Values {
	sortable := []string{"name", "nickname", "size", "price.amount", "active", "updated_at", "due_on", "stage", "owner_id", "id"}
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom(sortable), 1, 3, rapid.ID[string]).Draw(t, "keys")
	for i := range keys {
		keys[i] = rapid.SampledFrom([]string{"", "-"}).Draw(t, "direction") + keys[i]
	}
	params := url.Values{
		"sort":    {strings.Join(keys, ",")},
		"limit":   {strconv.Itoa(rapid.IntRange(1, 10).Draw(t, "limit"))},
		"deleted": {rapid.SampledFrom([]string{"exclude", "include", "only"}).Draw(t, "deleted")},
	}
	if rapid.Bool().Draw(t, "filtered") {
		f, err := things.JSON(drawFilter(t, 2), "")
		if err != nil {
			t.Fatal(err)
		}
		params.Set("filter", f.String())
	}
	return params
}

// asked reports whether a row belongs to the list.
func asked(q query.Query, r row) bool {
	deleted := r["deleted_at"] != nil
	if deleted && q.Deleted == query.DeletedExclude || !deleted && q.Deleted == query.DeletedOnly {
		return false
	}
	return q.Filter == nil || holds(q.Filter, r)
}

func idKey(q query.Query) query.Key {
	return query.Key{Column: &query.Column{SQL: "id"}, Descending: len(q.Sort) > 0 && q.Sort[len(q.Sort)-1].Descending}
}

// TestIndex checks that a page is read from an index, from the cursor on, also
// behind the wall, where the planner distrusts most operators.
func TestIndex(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	super := db.Superuser(t)
	if _, err := super.Exec(t.Context(), `
		create table crm.things (tenant_id uuid not null, ver integer not null, id uuid not null, name text not null, updated_at timestamptz not null,
			stage text, deleted_at timestamptz, primary key (tenant_id, ver, id));
		select sec.build_wall('crm.things', 'rowhouse_reader');
		grant select on crm.things to rowhouse_reader;
		create index on crm.things (tenant_id, ver, updated_at, id) where deleted_at is null;
		insert into crm.things select '`+tenant.UUID.String()+`', 1, gen_random_uuid(), i, timestamptz '2026-01-01' + i * interval '1 second'
			from generate_series(1, 20000) i;
		analyze crm.things`); err != nil {
		t.Fatal(err)
	}
	at := instant("2026-01-01T02:00:00Z")
	for _, c := range []struct {
		params string
		values []any
		want   []string
	}{
		{params: "", values: []any{id}, want: []string{"Index Cond: ", "(id > "}},
		{params: "sort=updated_at", values: []any{at, id}, want: []string{"Index Cond: ", "(ROW(updated_at, id) > ROW("}},
		{params: "sort=-updated_at", values: []any{at, id}, want: []string{"Scan Backward", "Index Cond: ", "(ROW(updated_at, id) < ROW("}},
		{params: "sort=-updated_at,name", values: []any{at, "x", id}, want: []string{"Incremental Sort", "Index Cond: ", "(updated_at < "}},
		{params: "sort=updated_at&filter=stage+in+(won,lost)", values: []any{at, id}, want: []string{"Index Cond: ", "(ROW(updated_at, id) > ROW("}},
	} {
		q := parse(t, c.params)
		q.Cursor = cursor(t, c.params, c.values...)
		page, err := q.Page(signer, tenant)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		if err := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(tx wall.Tx) error {
			args := query.Args{tenant.UUID, 1}
			rows, err := tx.Query(t.Context(), "explain "+page.Select(&args, "id", "crm.things where tenant_id = $1::uuid and ver = $2::integer", 51), args...)
			if err != nil {
				return err
			}
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(plan, "\n"), want) {
				t.Errorf("%q has no %q in its plan:\n%s", c.params, want, strings.Join(plan, "\n"))
			}
		}
	}
}

// TestFold checks that letters that differ in case only are the same to contains
// and starts_with, in all scripts.
func TestFold(t *testing.T) {
	t.Parallel()
	conn := dbtest.Open(t).Superuser(t)
	var from, to []string
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if x := unicode.SimpleFold(r); x != r {
			from, to = append(from, "a"+string(r)), append(to, "a"+string(x))
		}
	}
	for a, b := range map[string]string{"Straße": "STRASSE", "STRAẞE": "strasse", "ﬁne": "FINE", "ΣΊΣΥΦΟΣ": "σίσυφος", "İSTANBUL": "istanbul", "ISPARTA": "ısparta"} {
		from, to = append(from, a), append(to, b)
	}
	var different []string
	err := conn.QueryRow(t.Context(), `select coalesce(array_agg(a || ' ' || b), '{}') from unnest($1::text[], $2::text[]) as u (a, b) where crm.fold(a) <> crm.fold(b)`, from, to).Scan(&different)
	if err != nil || len(different) > 0 {
		t.Errorf("%d of %d are different: %q (%v)", len(different), len(from), different, err)
	}
}
