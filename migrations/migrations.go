// Package migrations holds the schema of the database, as numbered steps that
// are applied in order and never edited once released, and the roles that the
// steps give rights to. It knows nothing of what the tables mean.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/wall"
)

// FS holds the steps.
//
//go:embed *.sql
var FS embed.FS

// MinVersion is the oldest version of PostgreSQL that has what the steps need,
// as server_version_num has it.
const MinVersion = 150000

// Fingerprint names the schema that [Up] leads to: as long as it is the same, so
// are the steps and the roles.
func Fingerprint() (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, owners(), wall.Duties()) //nolint:errcheck // a hash takes everything
	files, err := fs.Glob(FS, "*.sql")
	for _, file := range files {
		step, err := fs.ReadFile(FS, file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", file, len(step), step) //nolint:errcheck // likewise
	}
	return hex.EncodeToString(hash.Sum(nil)), err
}

// Last returns the number of the last step, which says how new a build is.
func Last() (last int64, err error) {
	files, err := fs.Glob(FS, "*.sql")
	for _, file := range files {
		n, bad := goose.NumericComponent(file)
		last, err = max(last, n), errors.Join(err, bad)
	}
	return last, err
}

// Up brings the database at the URL to the current schema. The user in the URL
// must be able to create roles, or the roles must be there and the user a member
// of those that own things; if neither, the error says what to run. Any number
// of nodes may do this at the same time.
func Up(ctx context.Context, url string, root keys.Root) error {
	if err := up(ctx, url, root); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func up(ctx context.Context, url string, root keys.Root) (err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database URL cannot be read; it looks like postgres://user:password@host:5432/database") // not err: it may quote a password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = wall.ConnectTimeout
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(wall.Settle))
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return wall.Unreachable(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := checkVersion(ctx, conn); err != nil {
		return err
	}
	// The lock is held until the connection is closed, and whoever waits for it
	// waits in the database.
	if _, err := conn.ExecContext(ctx, `select pg_advisory_lock($1)`, stepLock); err != nil {
		return err
	}
	if err := ensureRoles(ctx, conn, root); err != nil {
		return err
	}
	if err := applySteps(ctx, db); err != nil {
		return err
	}
	if err := closeToPublic(ctx, conn); err != nil {
		return err
	}
	return plantKey(ctx, conn, root)
}

// stepLock keeps two nodes from migrating at once.
const stepLock = 0x726f7768 // "rowh"

func checkVersion(ctx context.Context, db *sql.Conn) error {
	var num int
	var text string
	err := db.QueryRowContext(ctx, `select current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&num, &text)
	if err == nil && num < MinVersion {
		return fmt.Errorf("the database is PostgreSQL %s, and Rowhouse needs %d or newer", text, MinVersion/10000)
	}
	return err
}

func applySteps(ctx context.Context, db *sql.DB) error {
	// Which steps were applied is our own business, so it is kept in a schema of
	// ours, where it cannot be in the way of another program's.
	if _, err := db.ExecContext(ctx, `create schema if not exists rowhouse`); err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, FS,
		goose.WithTableName("rowhouse.step"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// closeToPublic takes from everybody what PostgreSQL gives to everybody: to make
// temporary tables, and things in the schema public. It is no step, because it
// is of the database and not of what is in it, so a copy or a restored backup
// does not have it.
func closeToPublic(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `do $$ begin
		execute format('revoke create, temporary on database %I from public', current_database());
		if to_regnamespace('public') is not null then
			revoke create on schema public from public;
		end if;
	end $$`)
	return err
}

// plantKey tells the database the key that seals are made with. A database that
// has one already, and another one, belongs to somebody else.
func plantKey(ctx context.Context, db *sql.Conn, root keys.Root) error {
	inner, outer := pads(wall.Key(root))
	_, err := db.ExecContext(ctx, `insert into sec.key (kid, inner_pad, outer_pad)
		select $1, $2, $3 where not exists (select from sec.key) on conflict do nothing`, wall.KeyID(root), inner, outer)
	if err != nil {
		return err
	}
	var ours bool
	err = db.QueryRowContext(ctx, `select exists (select from sec.key where kid = $1)`, wall.KeyID(root)).Scan(&ours)
	if err == nil && !ours {
		return errors.New("the database was set up with another root key: use that one")
	}
	return err
}

// pads prepares a key for HMAC-SHA-256, whose block is 64 bytes (RFC 2104).
func pads(key []byte) (inner, outer []byte) {
	inner, outer = make([]byte, 64), make([]byte, 64)
	copy(inner, key)
	copy(outer, key)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}
