package jobs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// The tables of River are those that this version of it makes by itself. When this
// fails after an update of River, a new migration must do what its new ones do.
func TestRiver(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	pool, err := pgxpool.New(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `create schema theirs`); err != nil {
		t.Fatal(err)
	}
	theirs, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	ours, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: jobs.Schema})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := ours.Validate(t.Context(), nil); err != nil || !res.OK {
		t.Error(res, err)
	}
	describe := func(schema string) (lines []string) {
		rows, err := pool.Query(t.Context(), `
			select 'column ' || c.relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '')
			from pg_class c join pg_attribute a on attrelid = c.oid left join pg_attrdef on adrelid = c.oid and adnum = attnum
			where relnamespace = $1::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
			union all select 'table ' || relname || ' ' || relpersistence::text from pg_class where relnamespace = $1::regnamespace and relkind = 'r'
			union all select 'index ' || indexdef from pg_indexes where schemaname::regnamespace = $1::regnamespace
			union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = $1::regnamespace
			union all select 'label ' || enumlabel from pg_enum join pg_type t on t.oid = enumtypid where typnamespace = $1::regnamespace
			union all select 'function ' || proname || ' ' || btrim(prosrc, E' \n') from pg_proc where pronamespace = $1::regnamespace
			union all select 'trigger ' || tgname from pg_trigger join pg_class c on c.oid = tgrelid where relnamespace = $1::regnamespace and not tgisinternal
			order by 1`, schema)
		if err != nil {
			t.Fatal(err)
		}
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range lines {
			lines[i] = strings.Join(strings.Fields(strings.ToLower(strings.ReplaceAll(l, schema+".", ""))), " ")
		}
		return lines
	}
	want := describe("theirs")
	if len(want) < 50 {
		t.Errorf("%d lines only", len(want))
	}
	if diff := cmp.Diff(want, describe(jobs.Schema)); diff != "" {
		t.Errorf("tables of River (-theirs +ours):\n%s", diff)
	}
}
