package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/wall"
)

// nologin are the roles that own things and that nobody can be: the tables, the
// seal key, and the functions that see more than their callers.
func nologin() []string {
	return []string{"rowhouse_owner", "rowhouse_sec", "rowhouse_log", "rowhouse_directory"}
}

// rolesLock keeps two nodes from creating the roles at once.
const rolesLock = 0x726f7768 // "rowh"

// createRoles creates the roles that are missing. Roles belong to the whole
// server, so one that is there is left as it is.
func createRoles(ctx context.Context, db *sql.DB, root keys.Root) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock($1)`, rolesLock); err != nil {
		return err
	}
	for _, name := range nologin() {
		if err := createRole(ctx, tx, name, "nologin"); err != nil {
			return err
		}
	}
	for _, d := range wall.Duties() {
		// The password is hexadecimal, so it needs no quoting.
		if err := createRole(ctx, tx, d.Role(), "login password '"+d.Password(root)+"'"); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func createRole(ctx context.Context, tx *sql.Tx, name, options string) error {
	var exists bool
	if err := tx.QueryRowContext(ctx, `select exists (select from pg_roles where rolname = $1)`, name).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := tx.ExecContext(ctx, `create role `+name+` nosuperuser nocreatedb nocreaterole noinherit nobypassrls noreplication `+options)
	if err != nil {
		return fmt.Errorf("create role %s: %w", name, err)
	}
	return nil
}
