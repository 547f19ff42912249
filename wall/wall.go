// Package wall is the only way to the database. Whoever wants to see or change
// something of a tenant says which one and for which duty, and gets a
// connection on which the database itself shows nothing of anybody else.
//
// It knows nothing of what is stored. The other half of it is SQL: see the
// migrations, and [Lint], which says whether they kept their word.
package wall

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/keys"
)

// A Duty is one kind of work. Each has a database role of its own, which can do
// that work and nothing else, and connections of its own, so that one cannot
// starve another.
type Duty string

// The duties.
const (
	Reader     Duty = "reader"     // sees the events and read models of one tenant
	Writer     Duty = "writer"     // appends to the log, through one function
	Projector  Duty = "projector"  // makes the read models of one tenant
	Dispatcher Duty = "dispatcher" // sees positions of all tenants, and no content
	Access     Duty = "access"     // knows users, keys and memberships
)

// Duties lists all of them.
func Duties() []Duty { return []Duty{Reader, Writer, Projector, Dispatcher, Access} }

// Role returns the name of the database role for a duty.
func (d Duty) Role() string { return "rowhouse_" + string(d) }

// Password returns the password of the role. A server that trusts its socket
// never asks for it.
func (d Duty) Password(root keys.Root) string {
	return hex.EncodeToString(root.Derive("wall/role/"+string(d), 24))
}

// limits says how many connections a duty has, and for how long the database
// bears with one of its statements.
var limits = map[Duty]struct {
	conns     int32
	statement time.Duration
}{
	Reader:     {16, 5 * time.Second},
	Writer:     {4, 10 * time.Second},
	Projector:  {6, 30 * time.Second},
	Dispatcher: {2, 10 * time.Second},
	Access:     {4, 5 * time.Second},
}

// Config says where the database is.
type Config struct {
	URL  string // of the database; user and password in it are not used here
	Root keys.Root
	Now  func() time.Time

	// Conns, if set, is the most connections that each duty may have.
	Conns int32
}

// Wall gives out connections. It may be used concurrently.
type Wall struct {
	pools  map[Duty]*pgxpool.Pool
	sealer sealer
}

// Open opens the wall and checks that it stands: that the database knows our
// seals, and that no role can look over it.
func Open(ctx context.Context, cfg Config) (_ *Wall, err error) {
	w := &Wall{
		pools:  make(map[Duty]*pgxpool.Pool, len(limits)),
		sealer: sealer{kid: KeyID(cfg.Root), key: Key(cfg.Root), now: cfg.Now},
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	for _, d := range Duties() {
		if w.pools[d], err = open(ctx, cfg, d); err != nil {
			return nil, fmt.Errorf("wall: connect as %s: %w", d.Role(), err)
		}
	}
	for _, d := range Duties() {
		if err := w.inspect(ctx, d); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func open(ctx context.Context, cfg Config, d Duty) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errors.New("the database URL cannot be read") // not err: it may quote a password
	}
	c.ConnConfig.User, c.ConnConfig.Password = d.Role(), d.Password(cfg.Root)
	c.MaxConns, c.MinConns = limits[d].conns, 1
	if cfg.Conns > 0 {
		c.MaxConns = min(c.MaxConns, cfg.Conns)
	}
	set := c.ConnConfig.RuntimeParams
	set["application_name"] = d.Role()
	set["statement_timeout"] = ms(limits[d].statement)
	set["lock_timeout"] = ms(2 * time.Second)
	set["idle_in_transaction_session_timeout"] = ms(10 * time.Second)
	switch d {
	case Reader:
		set["default_transaction_read_only"] = "on"
	case Projector:
		// What a crash takes from a read model is read from the log again,
		// because its checkpoint is lost with it.
		set["synchronous_commit"] = "off"
	}
	return pgxpool.NewWithConfig(ctx, c)
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// inspect refuses a role that row-level security does not bind, and a database
// that was set up with another root key.
func (w *Wall) inspect(ctx context.Context, d Duty) error {
	var super, bypass bool
	err := w.pools[d].QueryRow(ctx, `select rolsuper, rolbypassrls from pg_roles where rolname = current_user`).Scan(&super, &bypass)
	switch {
	case err != nil:
		return fmt.Errorf("wall: connect as %s: %w", d.Role(), err)
	case super || bypass:
		return fmt.Errorf("wall: role %s is superuser or has BYPASSRLS, so row-level security does not bind it; run: alter role %[1]s nosuperuser nobypassrls", d.Role())
	case d != Reader:
		return nil
	}
	err = w.Pipe(ctx, Scope{Duty: Reader}, func(b *pgx.Batch) { b.Queue(`select sec.tenant()`) })
	if IsDenied(err) {
		return fmt.Errorf("wall: the database was set up with another root key (ours is %s): %w", w.sealer.kid, err)
	}
	return err
}

// Close closes all connections, after those in use were given back.
func (w *Wall) Close() {
	for _, p := range w.pools {
		if p != nil {
			p.Close()
		}
	}
}

// Ping reports whether the database answers.
func (w *Wall) Ping(ctx context.Context) error { return w.pools[Reader].Ping(ctx) }

// Tx is what can be done on the inside.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Scope says whose data is wanted, and for what.
type Scope struct {
	Tenant domain.TenantID
	Duty   Duty
}

const setSeal = `select set_config('rowhouse.seal', $1, true)`

// InTenant runs f in a transaction that sees and changes the rows of one tenant
// only. It commits if f returns nil.
func (w *Wall) InTenant(ctx context.Context, s Scope, f func(Tx) error) error {
	return w.inTx(ctx, s.Duty, func(b *pgx.Batch, pid uint32) { b.Queue(setSeal, w.sealer.seal(s.Tenant, pid)) }, f)
}

// Outside runs f in a transaction that has no tenant: it sees no row that
// belongs to one, unless the role's duty is to see positions.
func (w *Wall) Outside(ctx context.Context, d Duty, f func(Tx) error) error {
	return w.inTx(ctx, d, func(*pgx.Batch, uint32) {}, f)
}

func (w *Wall) inTx(ctx context.Context, d Duty, enter func(*pgx.Batch, uint32), f func(Tx) error) error {
	return w.pools[d].AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		b := &pgx.Batch{}
		b.Queue(`begin`)
		enter(b, c.Conn().PgConn().PID())
		err := c.SendBatch(ctx, b).Close()
		if err == nil {
			err = f(c)
		}
		if err != nil {
			// Whatever ended ctx must not leave the transaction open. A
			// connection that cannot roll back is thrown away by the pool.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, back := c.Exec(ctx, `rollback`)
			return errors.Join(err, ignoreClosed(back))
		}
		return commit(ctx, c)
	})
}

// commit commits, and says so if it could not: when a statement has failed, and
// f went on as if it had not, PostgreSQL answers a commit by rolling back.
func commit(ctx context.Context, c *pgxpool.Conn) error {
	tag, err := c.Exec(ctx, `commit`)
	if err == nil && tag.String() != "COMMIT" {
		return errors.New("wall: a statement had failed, so the transaction was rolled back")
	}
	return err
}

// ignoreClosed drops the complaint that a rollback could not be sent because
// the connection is gone: then so is the transaction.
func ignoreClosed(err error) error {
	if _, answered := errors.AsType[*pgconn.PgError](err); answered {
		return err
	}
	return nil
}

// Pipe sends the statements that f queues in a single round trip, as a single
// transaction: either all of them take effect or none. What they return goes to
// the functions given to [pgx.QueuedQuery]. If a reader's connection turns out
// to be dead, the statements are sent once more on another, so f must be
// repeatable.
func (w *Wall) Pipe(ctx context.Context, s Scope, f func(*pgx.Batch)) error {
	err := w.pipe(ctx, s, f)
	if err != nil && s.Duty == Reader && ctx.Err() == nil && isDead(err) {
		return w.pipe(ctx, s, f)
	}
	return err
}

func (w *Wall) pipe(ctx context.Context, s Scope, f func(*pgx.Batch)) error {
	return w.pools[s.Duty].AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		b := &pgx.Batch{}
		b.Queue(setSeal, w.sealer.seal(s.Tenant, c.Conn().PgConn().PID()))
		f(b)
		return c.SendBatch(ctx, b).Close()
	})
}

// Sealed runs f on a connection of a duty, with a seal for each of the tenants,
// for functions of the database that verify seals themselves. Every statement
// is a transaction of its own.
func (w *Wall) Sealed(ctx context.Context, d Duty, tenants []domain.TenantID, f func(c Tx, seals []string) error) error {
	return w.pools[d].AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		seals := make([]string, len(tenants))
		for i, t := range tenants {
			seals[i] = w.sealer.seal(t, c.Conn().PgConn().PID())
		}
		return f(c, seals)
	})
}

// IsDenied reports whether the database refused because of the wall.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501" // insufficient_privilege, also for policies
}

// isDead reports whether the connection, and not the statement, is at fault.
func isDead(err error) bool {
	if e, answered := errors.AsType[*pgconn.PgError](err); answered {
		return e.Code == "57P01" // admin_shutdown
	}
	return true
}
