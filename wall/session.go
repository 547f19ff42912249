package wall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// settings are what our statements rely on, whatever the server, the database or
// the role have as their defaults. They are set when a connection is there, and
// not when it is made, because poolers refuse or ignore most of them then.
func settings() map[string]string {
	return map[string]string{
		"client_encoding":                     "UTF8",
		"DateStyle":                           "ISO, MDY",
		"IntervalStyle":                       "postgres",
		"TimeZone":                            "UTC",
		"bytea_output":                        "hex",
		"extra_float_digits":                  "1",
		"standard_conforming_strings":         "on",
		"array_nulls":                         "on",
		"transform_null_equals":               "off",
		"search_path":                         "pg_catalog", // everything of ours is named in full
		"row_security":                        "on",
		"default_transaction_isolation":       "read committed",
		"default_transaction_deferrable":      "off",
		"default_transaction_read_only":       "off",
		"synchronous_commit":                  "on", // unless it is something stronger, or deliberately local
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",
		"transaction_timeout":                 "0",
	}
}

// dutySettings are those of the connections for a duty.
func dutySettings(d Duty) map[string]string {
	set := settings()
	maps.Copy(set, map[string]string{
		"statement_timeout":                   ms(limits[d].statement),
		"lock_timeout":                        ms(2 * time.Second),
		"idle_in_transaction_session_timeout": ms(10 * time.Second),
	})
	switch d {
	case Reader:
		set["default_transaction_read_only"] = "on"
		// What is read together is of one moment: a list is that of its position.
		set["default_transaction_isolation"] = "repeatable read"
		maps.Copy(set, alongIndexes)
	case Projector, Worker, Queue:
		// What a crash takes from a read model is read from the log again,
		// because its checkpoint is lost with it; and a job that was done, but is
		// there again, is done once more, which must be the same as once.
		set["synchronous_commit"] = "off"
	}
	return set
}

// alongIndexes makes the plans of those who read lists the same whether there are
// statistics or not, and for tenants of all sizes: a list is read along the index that
// its order is that of, and what it refers to is looked up. A plan that PostgreSQL
// keeps for all parameters is made for an average tenant, which is none.
var alongIndexes = map[string]string{
	"plan_cache_mode":                 "force_custom_plan",
	"enable_seqscan":                  "off",
	"enable_bitmapscan":               "off",
	"enable_sort":                     "off",
	"enable_hashjoin":                 "off",
	"enable_mergejoin":                "off",
	"max_parallel_workers_per_gather": "0",
	"jit":                             "off", // which the price of what is off would switch on
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// session is what is found out about a connection.
type session struct {
	pid  uint32    // of the process that serves it
	user string    // who it acts as
	at   time.Time // the time of the database
}

// set sets what our statements rely on, and looks who serves the connection.
// Settings that this version of PostgreSQL does not know are left out.
func set(ctx context.Context, conn *pgx.Conn, values map[string]string) (s session, err error) {
	names := slices.Sorted(maps.Keys(values))
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = values[n]
	}
	var count int
	err = conn.QueryRow(ctx, `select count(set_config(name, value, false)), min(pg_backend_pid()), min(current_user::text), min(clock_timestamp())
		from unnest($1::text[], $2::text[]) s (name, value)
		where current_setting(name, true) is not null
			and (name <> 'synchronous_commit' or value = 'off' or current_setting(name) = 'off')`,
		pgx.QueryExecModeExec, names, texts).Scan(&count, &s.pid, &s.user, &s.at)
	if err != nil {
		return session{}, fmt.Errorf("set up the connection: %w", err)
	}
	return s, nil
}

// Settle sets on a connection of an administrator what our statements rely on.
func Settle(ctx context.Context, conn *pgx.Conn) error {
	_, err := set(ctx, conn, settings())
	return err
}

// greet makes a new connection one of a duty.
func (w *Wall) greet(d Duty) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		s, err := set(ctx, conn, dutySettings(d))
		if err == nil && s.pid != conn.PgConn().PID() {
			// A pooler answers. Whoever had this session before may have left
			// something: that it is reset is an option of the pooler.
			w.pooled.Store(true)
			if err = simply(ctx, conn, `discard all`); err == nil {
				s, err = set(ctx, conn, dutySettings(d))
			}
		}
		if err != nil {
			return err
		}
		if s.user != d.Role() {
			return fmt.Errorf("%w, and is %s: %s", errOtherUser, s.user, advice)
		}
		w.clock.set(s.at)
		conn.PgConn().CustomData()[servedBy] = s.pid
		return nil
	}
}

// servedBy is where a connection has the number of the process that serves it:
// what the server said at the beginning is that of a pooler, if there is one.
const servedBy = "rowhouse.pid"

func pidOf(conn *pgx.Conn) uint32 {
	pid, _ := conn.PgConn().CustomData()[servedBy].(uint32)
	return pid
}

// simply runs a statement that no transaction can hold.
func simply(ctx context.Context, conn *pgx.Conn, sql string) error {
	return conn.PgConn().Exec(ctx, sql).Close()
}

// look asks which process serves a connection now, and what time it is there.
func look(ctx context.Context, conn *pgx.Conn) (s session, err error) {
	err = conn.QueryRow(ctx, `select pg_backend_pid(), clock_timestamp()`, pgx.QueryExecModeExec).Scan(&s.pid, &s.at)
	return s, err
}

// isRefused reports whether the database has refused a seal.
func isRefused(err error) bool {
	e, ok := asPgError(err)
	return ok && e.Code == "42501" && e.Message == "tenant context invalid"
}

// expiry returns until when a seal is good that is made now, by the clock of the
// database.
func (w *Wall) expiry(ctx context.Context, conn *pgx.Conn) (time.Time, error) {
	if w.clock.stale() {
		s, err := look(ctx, conn)
		if err != nil {
			return time.Time{}, err
		}
		w.clock.set(s.at)
	}
	return w.clock.time().Add(sealLife), nil
}

// because says why the database has refused a seal, on a connection that is in no
// transaction. Any other error it returns as it is.
func (w *Wall) because(ctx context.Context, conn *pgx.Conn, until time.Time, err error) error {
	if err == nil || !isRefused(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s, failed := look(ctx, conn)
	switch {
	case failed != nil:
		return err
	case s.pid != pidOf(conn):
		return fmt.Errorf("%w: %s: %w", errLent, advice, err)
	case s.at.Before(until):
		return fmt.Errorf("the database does not accept our seals: it was set up with another root key than ours, which is %s: %w", w.sealer.kid, err)
	}
	before := w.clock.time()
	w.clock.set(s.at)
	return fmt.Errorf("%w forward by %s, and is %s ahead of ours now; what was asked had no effect: %w",
		errClockSet, s.at.Sub(before).Round(time.Second), w.clock.ahead().Round(time.Second), err)
}

// asPgError returns what the server, or a pooler, answered.
func asPgError(err error) (*pgconn.PgError, bool) {
	return errors.AsType[*pgconn.PgError](err)
}
