package projections

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// A list in the order of a field of the tenant's own is read along an index of the values,
// from its beginning and from any place, and looks up the records one by one.
func TestOwnOrdersHaveIndexes(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	tenant := f.newTenant()
	for of, index := range map[own.Type]string{own.Text: "txt", own.Number: "num", own.Decimal: "num", own.Date: "at", own.DateTime: "at", own.Email: "mail", own.Phone: "txt", own.Select: "txt"} {
		columns := Contacts.Columns().Owning(OwnColumns(own.Field{Key: "x", Type: of, Options: []own.Option{{Key: "a"}}}))
		for _, sort := range []string{"custom.x", "-custom.x"} {
			for _, place := range []string{"", "a value", "null"} {
				q, err := query.Parse(url.Values{"sort": {sort}}, columns)
				if err != nil {
					t.Fatal(err)
				}
				page, ok := placed(t, f, q.Within(tenant, nil), place)
				if !ok {
					t.Fatal("there is no place")
				}
				plan := ownPlan(t, f, page)
				what := string(of) + " by " + sort + " after " + place
				for _, bad := range []string{"Seq Scan", "Bitmap", "Hash", "Merge Join"} {
					if strings.Contains(plan, bad) {
						t.Errorf("%s: %s\n%s", what, bad, plan)
					}
				}
				if n := strings.Count(plan, "Sort  "); n > 1 || place == "null" && n > 0 {
					t.Errorf("%s: rows are put in order\n%s", what, plan)
				}
				if place != "null" && !strings.Contains(plan, "own_values_"+index) {
					t.Errorf("%s does not follow own_values_%s:\n%s", what, index, plan)
				}
			}
		}
	}
}

func ownPlan(t *testing.T, f *fixture, page query.Page) string {
	t.Helper()
	var plan []string
	err := f.db.Wall.InTenant(t.Context(), wall.Scope{Tenant: page.Tenant(), Duty: wall.Reader}, func(tx wall.Tx) error {
		args := query.Args{page.Tenant().UUID}
		rows, err := tx.Query(t.Context(), "explain "+page.Select(&args, "id", Contacts.statements().serving, 51), args...)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}

// Lists can be asked for fields of every type.
func TestOwnTypes(t *testing.T) {
	t.Parallel()
	for _, of := range own.Types() {
		if len(OwnColumns(own.Field{Key: "x", Type: of})) == 0 {
			t.Errorf("there is no way to ask for a field of the type %s: add one to ownTypes", of)
		}
	}
}
