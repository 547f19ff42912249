package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/wall"
)

// owners are the roles that own things and that nobody can log in as: the
// tables, the seal key, and the functions that see more than their callers.
func owners() []string {
	return []string{"rowhouse_owner", "rowhouse_sec", "rowhouse_log", "rowhouse_directory", "rowhouse_search"}
}

// ensureRoles creates the roles that are missing, and makes us a member of the
// owners, without which we cannot give them anything. Roles belong to the whole
// server, so one that is there is left as it is.
func ensureRoles(ctx context.Context, conn *sql.Conn, root keys.Root) error {
	todo, err := missing(ctx, conn, root)
	for _, statement := range todo {
		if _, err := conn.ExecContext(ctx, statement); err != nil && !exists(err) {
			return explainRoles(err, todo)
		}
	}
	return err
}

// missing returns the statements that an administrator, or we, have yet to run.
func missing(ctx context.Context, conn *sql.Conn, root keys.Root) ([]string, error) {
	var have string
	var us, database string
	var super, creates, owns bool
	err := conn.QueryRowContext(ctx, `select (select coalesce(string_agg(rolname, ','), '') from pg_roles where rolname like 'rowhouse%'),
			current_user, current_database(), has_database_privilege(current_database(), 'create'),
			(select rolsuper from pg_roles where rolname = current_user),
			(select pg_has_role(current_user, datdba, 'usage') from pg_database where datname = current_database())`).
		Scan(&have, &us, &database, &creates, &super, &owns)
	if err != nil {
		return nil, err
	}
	var todo []string
	create := func(name, options string) {
		if !slices.Contains(strings.Split(have, ","), name) {
			todo = append(todo, "create role "+name+" nosuperuser nocreatedb nocreaterole noinherit nobypassrls noreplication "+options)
		}
	}
	for _, name := range owners() {
		create(name, "nologin")
	}
	for _, d := range wall.Duties() {
		create(d.Role(), "login password '"+d.Verifier(root)+"'") // which has no quotes in it
	}
	if !creates {
		todo = append(todo, "grant create on database "+quote(database)+" to "+quote(us))
	}
	if !owns {
		todo = append(todo, revokeFromPublic(database)) // if we run it, nothing happens
	}
	if super {
		return todo, nil
	}
	for _, name := range owners() {
		ours, err := isMember(ctx, conn, name)
		if err != nil {
			return nil, err
		}
		if !ours {
			todo = append(todo, "grant "+name+" to "+quote(us))
		}
	}
	return todo, nil
}

// revokeFromPublic returns the statement that takes from everybody what
// PostgreSQL gives to everybody.
func revokeFromPublic(database string) string {
	return "revoke create, temporary on database " + quote(database) + " from public"
}

// isMember reports whether we have the rights of a role, and can be it.
func isMember(ctx context.Context, conn *sql.Conn, role string) (ok bool, err error) {
	err = conn.QueryRowContext(ctx, `select coalesce(bool_and(pg_has_role(current_user, oid, privilege)), false)
		from pg_roles, unnest(case when current_setting('server_version_num')::int >= 160000
			then array['usage', 'set'] else array['usage', 'member'] end) privilege
		where rolname = $1`, role).Scan(&ok)
	return ok, err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// exists reports that a role is there: another database of the same server may
// be set up at the same time, and our lock is of this one.
func exists(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "42710" || e.Code == "23505") // duplicate_object, unique_violation
}

// explainRoles says what an administrator has to run, if it is for want of
// rights that we could not.
func explainRoles(err error, todo []string) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" { // insufficient_privilege
		return fmt.Errorf("set up the roles: %w", err)
	}
	return fmt.Errorf("the user in the database URL may not set up the roles: %w. Let an administrator of the database run this, and try again:\n\n\t%s;",
		err, strings.Join(todo, ";\n\t"))
}
