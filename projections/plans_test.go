package projections

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// Every list that can be asked for in some order is read along an index, from its
// beginning and from any place, in both directions, although the database knows nothing
// of what is in the tables.
func TestOrdersHaveIndexes(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	tenant := f.newTenant()
	tried := 0
	for _, p := range All {
		for name := range p.Columns().All() {
			for _, sort := range []string{name, "-" + name} {
				q, err := query.Parse(url.Values{"sort": {sort}}, p.Columns())
				if err != nil || name == "deleted_at" { // live records have none
					continue
				}
				tried++
				q = q.Within(tenant, nil)
				for _, place := range []string{"", "a value", "null"} {
					if page, ok := placed(t, f, q, place); ok {
						lookAtPlan(t, f, p, page, p.Name()+" by "+sort+" after "+place)
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d orders were tried", tried)
	}
}

// placed returns the page that comes after a row with zero values, or with a null in the
// first key.
func placed(t *testing.T, f *fixture, q query.Query, place string) (query.Page, bool) {
	t.Helper()
	page, err := q.Page(f.Cursors(), q.Tenant())
	if err != nil {
		t.Fatal(err)
	}
	if place == "" {
		return page, true
	}
	values := page.Place()
	for i, v := range values {
		if place == "null" && i == 0 && len(values) > 1 {
			continue
		}
		target := reflect.ValueOf(v).Elem()
		target.Set(reflect.New(target.Type().Elem()))
	}
	if q.Cursor, err = page.Cursor(values); err != nil {
		return page, false // it is never null
	}
	if page, err = q.Page(f.Cursors(), q.Tenant()); err != nil {
		t.Fatal(err)
	}
	return page, true
}

func lookAtPlan(t *testing.T, f *fixture, p Projection, page query.Page, what string) {
	t.Helper()
	var plan []string
	err := f.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: page.Tenant(), Duty: wall.Reader}, func(tx wall.Tx) error {
		args := query.Args{page.Tenant().UUID}
		rows, err := tx.Query(t.Context(), "explain "+page.Select(&args, "id", p.statements().serving, 51), args...)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for i, line := range plan {
		// Two ranges of 51 rows are put in order; the rows of a range are, by the index.
		atTop := i <= 2 && strings.Contains(line, "Sort") && strings.Contains(strings.Join(plan, "\n"), "Append")
		if strings.Contains(line, "Seq Scan") || strings.Contains(line, "Bitmap") || strings.Contains(line, "Sort") && !atTop && !strings.Contains(line, "Sort Key") {
			t.Errorf("%s is not read along an index:\n%s", what, strings.Join(plan, "\n"))
			return
		}
	}
}
