package projections

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
)

// A server does not serve from tables that are not there, or lack a column.
func TestVerify(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	if err := f.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	other := setup(t, func(c *Config) { c.All = []Projection{newWidgets(nil), Tasks} })
	if err := other.Verify(t.Context()); err != nil {
		t.Error(err) // the fixture makes the table of widgets
	}
	lacking := records[Task]("tasks", task.Aggregate, of(text("colour", func(*Task) string { return "" }), "title"))
	missing := records[Task]("chores", task.Aggregate)
	third := setup(t, func(c *Config) { c.All = []Projection{lacking, missing, Deals} })
	err := third.Verify(t.Context())
	if err == nil || !strings.Contains(err.Error(), "crm.tasks") || !strings.Contains(err.Error(), "crm.chores") || strings.Contains(err.Error(), "crm.deals") {
		t.Error(err)
	}
}

// retired are columns that this build does not use any more. They go with the next
// release, because nodes of the one before this write them while it is being started.
var retired = []string{"search_text", "lost_reason"}

// The tables are as they are described. With -golden, a table that no migration
// makes yet gets one, to be looked at and committed; a table that is there is
// changed by a migration that somebody writes.
func TestTables(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, p := range All {
		rows, err := f.log.super.Query(t.Context(), `select column_name || ' ' || case data_type when 'ARRAY' then substr(udt_name, 2) || '[]' else udt_name end
			|| case is_nullable when 'NO' then ' not null' else '' end from information_schema.columns
			where table_schema = 'crm' and table_name = $1 and not column_name = any($2) order by 1`, p.Name(), append([]string{"tenant_id", "ver"}, retired...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		want := p.(interface{ describe() []string }).describe()
		switch {
		case len(got) == 0 && *golden:
			writeMigration(t, p.Name(), p.(interface{ ddl() string }).ddl())
		case len(got) == 0:
			t.Errorf("no migration makes the table crm.%s: make golden writes one", p.Name())
		default:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("crm.%s (-described +migrated): write a migration that adds what is described, such as\n\talter table crm.%s add column …\n%s", p.Name(), p.Name(), diff)
			}
			checkIndexes(t, f, p)
		}
	}
}

// The tables of facts are as they are declared.
func TestFactTables(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, facts := range AllFacts {
		columns, indexes := facts.(interface {
			declared() (columns, indexes []string)
		}).declared()
		for statement, want := range map[string][]string{
			`select column_name || ' ' || case data_type when 'ARRAY' then substr(udt_name, 2) || '[]' else udt_name end || case is_nullable when 'NO' then ' not null' else '' end
				from information_schema.columns where table_schema = 'crm' and table_name = $1 and not column_name in ('tenant_id', 'ver') order by 1`: columns,
			`select replace(replace(indexdef, ' USING btree', ''), 'CREATE UNIQUE INDEX', 'CREATE INDEX') || ';' from pg_indexes where schemaname = 'crm' and tablename = $1 order by 1`: indexes,
		} {
			rows, err := f.log.super.Query(t.Context(), statement, facts.Name())
			if err != nil {
				t.Fatal(err)
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = strings.NewReplacer(`((- "position"))`, "(-position)", `"`, "").Replace(strings.ToLower(got[i])) // as people write it
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("crm.%s (-declared +migrated): write a migration\n%s", facts.Name(), diff)
			}
		}
	}
}

// declared returns the columns of the table, and its indexes with that of the primary key.
func (t *FactTable[T]) declared() (columns, indexes []string) {
	names := strings.NewReplacer("bigint", "int8", "boolean", "bool")
	for _, c := range t.columns {
		typ, null := names.Replace(c.typ), " not null"
		if typ == "int" {
			typ = "int4"
		}
		if c.nullable {
			null = ""
		}
		columns = append(columns, c.name+" "+typ+null)
	}
	key := fmt.Sprintf("create index %s_pkey on crm.%s (tenant_id, ver, %s);", t.name, t.name, strings.Join(t.key, ", "))
	return columns, append(slices.Clone(t.indexes), key)
}

// checkIndexes compares the indexes of a table with those that its lists need.
func checkIndexes(t *testing.T, f *fixture, p Projection) {
	t.Helper()
	rows, err := f.log.super.Query(t.Context(), `select lower(indexdef) || ';' from pg_indexes where schemaname = 'crm' and tablename = $1 and indexname not like '%_pkey' order by 1`, p.Name())
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for i := range got { // as people write it
		got[i] = strings.NewReplacer(" using btree", "", "where (deleted_at is null)", "where deleted_at is null", "where (deleted_at is not null)", "where deleted_at is not null", "where (updated_at > deleted_at)", "where updated_at > deleted_at").Replace(got[i])
	}
	want := p.(interface{ indexes() []string }).indexes()
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the indexes of crm.%s (-needed +migrated): write a migration that makes those that are needed, and drops the others\n%s", p.Name(), diff)
	}
}

// indexes returns the statements that make the indexes of the table: one for each column
// that is sorted or filtered by and holds one value, for live records, one for
// deleted records, and one for those that have changed after they were deleted.
func (t *Table[R]) indexes() (list []string) {
	for _, c := range t.columns {
		if q := c.query; q.SQL == "" || q.SQL == "id" || q.Type.IsArray() {
			continue
		}
		if c.sql == "deleted_at" {
			list = append(list, fmt.Sprintf("create index %s_deleted_at on crm.%s (tenant_id, deleted_at, id) where deleted_at is not null;", t.name, t.name),
				fmt.Sprintf("create index %s_changed_in_bin on crm.%s (tenant_id, updated_at, id) where updated_at > deleted_at;", t.name, t.name))
			continue
		}
		list = append(list, fmt.Sprintf("create index %s_%s on crm.%s (tenant_id, %s, id) where deleted_at is null;", t.name, c.sql, t.name, c.sql))
	}
	return list
}

// writeMigration writes the next migration.
func writeMigration(t *testing.T, table, sql string) {
	t.Helper()
	dir := filepath.Join("..", "migrations")
	there, err := filepath.Glob(filepath.Join(dir, "0*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, fmt.Sprintf("%04d_%s.sql", len(there)+1, table))
	if _, err := os.Stat(name); err == nil {
		t.Fatalf("%s is there already", name)
	}
	if err := os.WriteFile(name, []byte(sql), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s: look at it", name)
}

// ddl returns the migration that makes the table: what the rows of all kinds have in a
// paragraph, and a line for each column that is the kind's own.
func (t *Table[R]) ddl() string {
	members := slices.Concat(domain.Members(reflect.TypeFor[Row]()), domain.Members(reflect.TypeFor[record.Common]()))
	shared := []string{"tenant_id uuid not null", "ver int not null"}
	var lines, own []string
	for _, c := range t.columns {
		typ := strings.TrimSuffix(c.array, "[]")
		if c.cast != "" {
			typ = strings.TrimPrefix(c.cast, "::")
		}
		column := c.sql + " " + typ
		if !c.query.Nullable {
			column += " not null"
		}
		if c.sql == "doc" || slices.ContainsFunc(members, func(m domain.Member) bool { return m.Name == c.sql }) {
			shared = append(shared, column)
		} else {
			own = append(own, column)
		}
	}
	for some := range slices.Chunk(shared, 6) {
		lines = append(lines, strings.Join(some, ", "))
	}
	cols := strings.Join(append(lines, own...), ",\n    ")
	return strings.NewReplacer("{name}", t.name, "{columns}", cols, "{indexes}", strings.Join(t.indexes(), "\n")+"\n").Replace(`-- +goose Up

-- The {name} of a tenant: see projections/{name}.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.{name} (
    {columns},
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only.
{indexes}select sec.build_wall('crm.{name}', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.{name} to rowhouse_reader;
grant select, insert, update, delete on crm.{name} to rowhouse_projector;
`)
}
