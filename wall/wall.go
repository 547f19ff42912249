// Package wall is the only way to the database. Whoever wants to see or change
// something of a tenant says which one and for which duty, and gets a
// connection on which the database itself shows nothing of anybody else.
//
// It knows nothing of what is stored. The other half of it is SQL: see the
// migrations, and [Lint], which says whether they kept their word.
package wall

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/domain"
)

// Wall gives out connections. It may be used concurrently.
type Wall struct {
	pools  map[Duty]*pgxpool.Pool
	sealer sealer
	clock  *clock
	pooled atomic.Bool // a connection pooler was seen
	health *health
}

// Close closes all connections, after those in use were given back.
func (w *Wall) Close() {
	for _, p := range w.pools {
		if p != nil {
			p.Close()
		}
	}
}

// Ready reports whether requests can be served, by what they do: with a seal, ask
// who is asking, and look whether the database takes changes, and did so in the last
// moments. [TroubleOf] says what is wrong if it did not.
func (w *Wall) Ready(ctx context.Context) error {
	for _, d := range []Duty{Access, Reader} {
		err := w.Pipe(ctx, Scope{Duty: d}, askTenant)
		if errors.Is(err, errClockSet) {
			err = w.Pipe(ctx, Scope{Duty: d}, askTenant)
		}
		if err != nil {
			return err
		}
	}
	var standby bool
	err := w.pools[Writer].QueryRow(ctx, `select pg_is_in_recovery()`).Scan(&standby)
	if err == nil && standby {
		return errStandby
	}
	return cmp.Or(err, w.health.trouble(w.health.now()))
}

// askTenant queues the least that needs a seal.
func askTenant(b *pgx.Batch) { b.Queue(`select sec.tenant()`) }

var errStandby = errors.New("the database is a standby, which takes no changes")

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
	return w.inTx(ctx, s.Duty, func(b *pgx.Batch, pid uint32, until time.Time) { b.Queue(setSeal, w.sealer.seal(s.Tenant, pid, until)) }, f)
}

// Outside runs f in a transaction that has no tenant: it sees no row that
// belongs to one, unless the role's duty is to see positions.
func (w *Wall) Outside(ctx context.Context, d Duty, f func(Tx) error) error {
	return w.inTx(ctx, d, func(*pgx.Batch, uint32, time.Time) {}, f)
}

func (w *Wall) inTx(ctx context.Context, d Duty, enter func(*pgx.Batch, uint32, time.Time), f func(Tx) error) error {
	return w.with(ctx, d, func(c *pgxpool.Conn) error {
		until, err := w.expiry(ctx, c.Conn())
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue(`begin`)
		enter(b, pidOf(c.Conn()), until)
		err = c.SendBatch(ctx, b).Close()
		if err == nil {
			err = f(c)
		}
		if err != nil {
			// Whatever ended ctx must not leave the transaction open. A
			// connection that cannot roll back is thrown away by the pool.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, back := c.Exec(ctx, `rollback`)
			return errors.Join(w.because(ctx, c.Conn(), until, err), ignoreClosed(back))
		}
		return commit(ctx, c)
	})
}

// with runs f on a connection of a duty, and takes note of how that ended.
func (w *Wall) with(ctx context.Context, d Duty, f func(*pgxpool.Conn) error) (err error) {
	defer func() { w.health.saw(ctx, d, err) }()
	c, err := w.pools[d].Acquire(ctx)
	if err != nil {
		return plain(err)
	}
	defer c.Release()
	return f(c)
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
// to be dead, or the clock of the database was set, the statements are sent once
// more, so f must be repeatable.
func (w *Wall) Pipe(ctx context.Context, s Scope, f func(*pgx.Batch)) error {
	dead, err := w.pipe(ctx, s, f)
	if s.Duty != Reader || ctx.Err() != nil || !dead && !errors.Is(err, errClockSet) {
		return err
	}
	if dead {
		w.pools[s.Duty].Reset() // what killed one has likely killed all
	}
	_, err = w.pipe(ctx, s, f)
	return err
}

// pipe also reports whether the connection, and not a statement, is at fault.
func (w *Wall) pipe(ctx context.Context, s Scope, f func(*pgx.Batch)) (dead bool, err error) {
	err = w.with(ctx, s.Duty, func(c *pgxpool.Conn) error {
		until, err := w.expiry(ctx, c.Conn())
		if err == nil {
			b := &pgx.Batch{}
			b.Queue(setSeal, w.sealer.seal(s.Tenant, pidOf(c.Conn()), until))
			f(b)
			err = c.SendBatch(ctx, b).Close()
		}
		dead = c.Conn().IsClosed()
		return w.because(ctx, c.Conn(), until, err)
	})
	return dead, err
}

// Sealed runs f on a connection of a duty, with a seal for each of the tenants,
// for functions of the database that verify seals themselves. Every statement
// is a transaction of its own.
func (w *Wall) Sealed(ctx context.Context, d Duty, tenants []domain.TenantID, f func(c Tx, seals []string) error) error {
	return w.with(ctx, d, func(c *pgxpool.Conn) error {
		until, err := w.expiry(ctx, c.Conn())
		if err != nil {
			return err
		}
		seals := make([]string, len(tenants))
		for i, t := range tenants {
			seals[i] = w.sealer.seal(t, pidOf(c.Conn()), until)
		}
		return w.because(ctx, c.Conn(), until, f(c, seals))
	})
}

// Turns returns the connections of [Queue], for the library that hands out turns,
// which takes nothing else. They lead to its own tables only. They must not be used
// for anything else, nor closed.
func (w *Wall) Turns() *pgxpool.Pool { return w.pools[Queue] }

// IsDenied reports whether the database refused because of the wall.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501" // insufficient_privilege, also for policies
}
