package postgres_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// TestHoldersPlan makes sure that each claim is a look into the primary key,
// however many are asked for, and whether anybody has counted the claims or not.
func TestHoldersPlan(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	su, tenant := db.Superuser(t), uuid.New()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := su.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`alter table es.claim set (autovacuum_enabled = false)`)
	exec(`insert into es.claim select $1, 'contact.email', sha256(convert_to(i::text, 'UTF8')), 'contact', gen_random_uuid() from generate_series(1, 50000) i`, tenant)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			exec(`analyze es.claim`)
		}
		for _, n := range []int{1, 20_000} {
			scopes, hashes := make([]string, n), make([][]byte, n)
			for i := range n {
				scopes[i], hashes[i] = "contact.email", []byte(strconv.Itoa(i))
			}
			rows, err := su.Query(t.Context(), `explain (analyze, timing off) `+postgres.HoldersOf, tenant, scopes, hashes)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(lines, "\n")
			if !strings.Contains(plan, "Index Scan using claim_pkey") || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Removed by Filter") ||
				!strings.Contains(plan, "Index Cond: ((tenant_id = ") || !strings.Contains(plan, "loops="+strconv.Itoa(n)+")") {
				t.Errorf("%d claims, counted: %t\n%s", n, analyzed, plan)
			}
			if testing.Verbose() {
				t.Log(plan)
			}
		}
	}
}
