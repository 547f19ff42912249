package projections

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// A page of a timeline reads as much as it shows, however long the timeline is, how deep
// the page, and whatever it is filtered by: with statistics and without.
func TestTimelineReadsLittle(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All, c.Facts = All, AllFacts })
	tenant := f.newTenant()
	about := uuid.UUID{0: 1}
	fill := func(about string, n int) {
		t.Helper()
		_, err := f.log.super.Exec(t.Context(), `insert into crm.timeline
			select $1, 0, 'contact', gen_random_uuid(), i, 1, 'company', `+about+`, 'company_id',
				case when i % 10000 = 0 then 'contact.deleted' when i % 2 = 0 then 'contact.updated' else 'contact.created' end,
				case when i % 5000 = 0 then $2::uuid else ('00000000-0000-0000-0000-0000000000' || to_char(10 + i % 30, 'FM00'))::uuid end, null
			from generate_series(1, $3) i`, tenant.UUID, uuid.UUID{15: 99}, n)
		if err != nil {
			t.Fatal(err)
		}
	}
	fill("'"+about.String()+"'", 50_000)
	fill("gen_random_uuid()", 50_000)
	everything, err := f.scope(sees(tenant), TimelineQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if everything.types != nil || len(everything.kinds) != len(All) {
		t.Errorf("everything is %d types of %d kinds", len(everything.types), len(everything.kinds))
	}
	rare := uuid.UUID{15: 99}
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			if _, err := f.log.super.Exec(t.Context(), "vacuum analyze crm.timeline"); err != nil {
				t.Fatal(err)
			}
		}
		for name, q := range map[string]TimelineQuery{
			"all": {}, "deep": {Before: 5000}, "rare type": {Types: []string{"contact.deleted"}}, "rare type, deep": {Types: []string{"contact.deleted"}, Before: 25_000},
			"common type": {Types: []string{"contact.created"}}, "none": {Types: []string{"deal.won"}}, "kind": {Kinds: []string{"contact"}}, "other kind": {Kinds: []string{"deal"}},
			"rare actor": {Actor: &rare}, "rare actor and type": {Actor: &rare, Types: []string{"contact.created"}},
		} {
			q.Limit = 50
			if n := f.looks(t, tenant, about, q); n > 6000 {
				t.Errorf("%s (analyzed %t) looks at %d pages", name, analyzed, n)
			}
		}
	}
}

// looks returns how many pages the database looks at for a page of a timeline.
func (f *fixture) looks(t *testing.T, tenant domain.TenantID, about uuid.UUID, q TimelineQuery) (pages int) {
	t.Helper()
	s, err := f.scope(sees(tenant), q)
	if err != nil {
		t.Fatal(err)
	}
	statement, args := s.statement(tenant, "company", about, q)
	var plan []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
		Time float64 `json:"Execution Time"`
	}
	err = f.db.Wall.Pipe(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue("explain (analyze, buffers, format json) "+statement, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&plan) })
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v: %d pages, %.2f ms", q, plan[0].Plan.Hit+plan[0].Plan.Read, plan[0].Time)
	return plan[0].Plan.Hit + plan[0].Plan.Read
}
