package wall

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A Finding is a hole in the wall, or a place where one could open.
type Finding struct {
	Rule   string // its name
	Object string // what is wrong, such as crm.contacts
	Detail string // why that matters
	Minor  bool   // it is good to know, and nothing is refused for it
}

// String returns the finding as a line.
func (f Finding) String() string {
	if f.Minor {
		return fmt.Sprintf("%s: %s (%s, minor)", f.Object, f.Detail, f.Rule)
	}
	return fmt.Sprintf("%s: %s (%s)", f.Object, f.Detail, f.Rule)
}

// Beginner is a connection, a pool or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Lint reads the catalogue of the database and returns what is wrong with the
// wall: nothing, unless somebody changed something by hand or a migration
// forgot something. Everybody may read the catalogue, so any user will do. It
// looks at what our roles can reach, and at our schemas.
func Lint(ctx context.Context, db Beginner) ([]Finding, error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // nothing was written
	// So that the catalogue writes names out in full.
	if _, err := tx.Exec(ctx, `select set_config('search_path', 'pg_catalog', true)`); err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	var findings []Finding
	for _, r := range rules {
		rows, err := tx.Query(ctx, scope+r.sql, r.args...)
		if err != nil {
			return nil, fmt.Errorf("lint: %s: %w", r.name, err)
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Finding, error) {
			f := Finding{Rule: r.name}
			return f, row.Scan(&f.Object, &f.Detail)
		})
		if err != nil {
			return nil, fmt.Errorf("lint: %s: %w", r.name, err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// rule is something that must hold. Its statement returns what it does not hold
// for: an object, and a detail.
type rule struct {
	name string
	sql  string
	args []any
}

// scope is what the rules are about: our roles, those of them that log in, the
// schemas they reach or own, the relations and functions in these, and the
// tables whose rows belong to tenants.
const scope = `with
ours as (
	select oid, rolname, rolcanlogin as login from pg_roles where rolname like 'rowhouse\_%'
), schemas as (
	select n.oid, n.nspname from pg_namespace n
	where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'rowhouse')
		and exists (select from ours o where has_schema_privilege(o.oid, n.oid, 'usage'))
), relations as (
	select c.oid::regclass::text as name, c.* from pg_class c join schemas s on s.oid = c.relnamespace
), functions as (
	select p.oid::regproc::text as name, p.* from pg_proc p join schemas s on s.oid = p.pronamespace
), walled as (
	select r.*, a.attnum as tenant from relations r
	join pg_attribute a on a.attrelid = r.oid and a.attname = 'tenant_id' and not a.attisdropped
	where r.relkind in ('r', 'p')
), grants as (
	select r.oid, r.name, r.relowner, r.relkind, g.grantee, g.privilege_type,
		coalesce((select rolname from pg_roles where oid = g.grantee), 'everybody') as who
	from relations r, lateral (
		select * from aclexplode(r.relacl)
		union all
		select e.* from pg_attribute a, aclexplode(a.attacl) e where a.attrelid = r.oid
	) g
	where g.grantee <> r.relowner
)
`
