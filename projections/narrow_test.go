package projections

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// A list has all records that meet its conditions and no others, whatever indexes are
// asked for them, on one page or on several.
func TestListsAreWhole(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant, other := f.newTenant(), f.newTenant()
	for i := range 30 {
		of := tenant
		if i%10 == 9 {
			of = other
		}
		s := newWidget(of)
		e := widgetCreated{Name: fmt.Sprint("w", i%4)}
		if i%3 > 0 {
			e.Price = domain.Money{Amount: strconv.Itoa(i % 7), Currency: "EUR"}
		}
		f.log.record(s, e)
		if i%5 > 1 {
			f.log.record(s, widgetTagged{Tags: []string{fmt.Sprint("t", i%5)}})
		}
		if i%4 == 2 {
			f.log.record(s, widgetDeleted{})
		}
	}
	f.project(t, tenant, 100)
	f.project(t, other, 100)
	all, _ := f.list(t, tenant, "deleted=include&limit=500")
	var rows []*widgetRow
	for _, doc := range all.Documents {
		e, err := decode[widgetRow](doc)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, e.row)
	}
	if len(rows) != 27 {
		t.Fatalf("%d records", len(rows))
	}
	some := rows[3].ID.String()
	for _, filter := range []string{
		"", "name = w1", "name = w1 or price.amount > 4", "name = w1 or tags has t3", "name in (w1, w2) and price.amount is not null", "price.amount is null", "tags is null", "tags is not null",
		"tags is null and name = w1", "tags is null or name = w1", "not tags is null", "id is null", "id is not null", "id = " + some, "id = " + some + " or name = w3", "not (id = " + some + " or name = w3)",
		"(name = w1 and tags has t3) or (name >= w2 and price.currency = EUR)", "name = nobody or price.amount > 100", "name = w2 and not name = w0", "tags none (t3)",
	} {
		for _, deleted := range []string{"exclude", "include", "only"} {
			params := url.Values{"deleted": {deleted}, "filter": {filter}, "count": {"exact"}}
			asked, err := query.Parse(params, widgets.Columns())
			if err != nil {
				t.Fatalf("%s: %v", filter, err)
			}
			var want []string
			for _, r := range rows {
				if gone := r.DeletedAt != nil; (gone && deleted == "exclude" || !gone && deleted == "only") || asked.Filter != nil && !query.Holds(asked.Filter, widgets.valuesOf(r)) {
					continue
				}
				want = append(want, r.ID.String())
			}
			for _, sort := range []string{"", "name", "-price.amount", "-updated_at,name"} {
				params.Set("sort", sort)
				params.Set("limit", "4")
				params.Del("cursor")
				var got []string
				for {
					page, _ := f.list(t, tenant, params.Encode())
					if *page.Count != len(want) || page.Estimated || page.Capped {
						t.Errorf("%s: %d are counted, want %d", params.Encode(), *page.Count, len(want))
					}
					for _, doc := range page.Documents {
						e, err := decode[widgetRow](doc)
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, e.row.ID.String())
					}
					if page.Next == "" {
						break
					}
					params.Set("cursor", page.Next)
				}
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s, by %q (-want +got):\n%s", filter, deleted, sort, diff)
				}
			}
		}
	}
}

// While rows are made again there are two of each. No list has fewer records for that.
func TestListsDuringRebuild(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	f.log.record(newWidget(tenant), widgetCreated{Name: "one"})
	f.project(t, tenant, 10)
	const many = fewRecords*3/5 + 1
	for _, sql := range []string{
		`create index on crm.widgets (tenant_id, name, id) where deleted_at is null`,
		`insert into crm.widgets select tenant_id, ver, gen_random_uuid(), doc, version, position, created_at, updated_at, deleted_at, name, price, price_currency, tags
			from crm.widgets, generate_series(2, ` + strconv.Itoa(many) + `)`,
		`insert into crm.widgets select tenant_id, ver + 1, id, doc, version, position, created_at, updated_at, deleted_at, name, price, price_currency, tags from crm.widgets`,
	} {
		if _, err := f.log.super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, params := range []string{"name=one", "filter=name = one or name = two", "filter=name is not null"} {
		page, _ := f.list(t, tenant, strings.ReplaceAll(params, " ", "%20")+"&count=exact&limit=500")
		if *page.Count != many || len(page.Documents) != 500 {
			t.Errorf("%s: %d of %d, %d on the first page", params, *page.Count, many, len(page.Documents))
		}
	}
}

// What meets a condition is counted by the index of its column, and what is deleted by
// the one of deleted records, although the database knows nothing of what is in the
// tables.
func TestConditionsHaveIndexes(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	tenant := f.newTenant()
	tried := 0
	for _, p := range All {
		for name := range p.Columns().All() {
			for _, deleted := range []query.Deleted{query.DeletedExclude, query.DeletedOnly} {
				q, err := query.Parse(url.Values{"filter": {name + " is not null"}, "deleted": {string(deleted)}}, p.Columns())
				if err != nil {
					t.Fatal(err)
				}
				leaf, _ := q.Filter.(query.Leaf)
				probes := q.Within(tenant, nil).Probes()
				if leaf.Column.Type.IsArray() || name == "id" || name == "deleted_at" {
					continue
				}
				tried++
				index := p.Name() + "_" + leaf.Column.SQL
				if deleted == query.DeletedOnly {
					index = p.Name() + "_deleted_at"
				}
				statement, args := p.statements().probe(probes[0], fewRecords+1)
				if plan := planOf(t, f, tenant, statement, args); !strings.Contains(plan, " "+index+" ") || strings.Contains(plan, "Sort") {
					t.Errorf("%s, deleted %s, does not follow %s:\n%s", name, deleted, index, plan)
				}
			}
		}
		q, err := query.Parse(url.Values{"sort": {"-updated_at"}, "deleted": {"include"}}, p.Columns())
		if err != nil {
			t.Fatal(err)
		}
		page, err := q.Within(tenant, nil).FewDeleted().Page(f.Cursors(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		args := query.Args{tenant.UUID}
		statement := page.Select(&args, "id", p.statements().serving, 51)
		plan := planOf(t, f, tenant, statement, args[1:])
		for _, index := range []string{p.Name() + "_deleted_at", p.Name() + "_updated_at"} {
			if !strings.Contains(plan, " "+index+" ") {
				t.Errorf("live and deleted %s do not follow %s:\n%s", p.Name(), index, plan)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d conditions were tried", tried)
	}
}

func planOf(t *testing.T, f *fixture, tenant domain.TenantID, statement string, args query.Args) string {
	t.Helper()
	var plan []string
	err := f.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(tx wall.Tx) error {
		rows, err := tx.Query(t.Context(), "explain "+statement, append(query.Args{tenant.UUID}, args...)...)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return strings.Join(plan, "\n")
}
