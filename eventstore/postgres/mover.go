package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Mover is a connection with the right to move logs between engines, and to
// close them. It is for the operator's tools, and for one goroutine at a time.
// See migrations/0011_ledger.sql.
type Mover struct{ conn *pgx.Conn }

// NewMover returns a mover on a connection of an administrator, which it makes
// that of the tables' owner. The caller closes the connection.
func NewMover(ctx context.Context, conn *pgx.Conn) (*Mover, error) {
	if _, err := conn.Exec(ctx, `set role rowhouse_owner`); err != nil {
		return nil, fmt.Errorf("logs are moved by the owner of the tables, who the user of the database URL may not be: %w", err)
	}
	return &Mover{conn}, nil
}

// Place is where the log of a tenant is, and how it is.
type Place struct {
	Engine   string              // that keeps it
	Head     eventstore.Position // of its last event
	Sealed   bool                // it takes no events now
	MovingTo string              // the engine that it is sealed for, because it is being moved there; or ""
}

// Place returns where the log of a tenant is, or [eventstore.ErrUnknownTenant].
func (m *Mover) Place(ctx context.Context, tenant domain.TenantID) (at Place, err error) {
	var engine *string
	err = m.ask(ctx, []any{&engine, &at.Head, &at.Sealed, &at.MovingTo},
		`select engine, coalesce(last_pos, 0), coalesce(sealed, false), coalesce(moving_to, '') from es.place($1)`, tenant.UUID)
	if err != nil {
		return Place{}, err
	}
	if engine == nil {
		return Place{}, eventstore.ErrUnknownTenant
	}
	at.Engine = *engine
	return at, nil
}

// Take reports whether the log of a tenant is ours to move: nobody else moves it
// then, until [Mover.Give] or until the connection is gone.
func (m *Mover) Take(ctx context.Context, tenant domain.TenantID) (ok bool, err error) {
	err = m.ask(ctx, []any{&ok}, `select pg_try_advisory_lock(hashtextextended('es.move ' || $1::uuid, 0))`, tenant.UUID)
	return ok, err
}

// Give is the opposite of Take.
func (m *Mover) Give(ctx context.Context, tenant domain.TenantID) error {
	return m.do(ctx, `select pg_advisory_unlock(hashtextextended('es.move ' || $1::uuid, 0))`, tenant.UUID)
}

// Begin stops appends to a log for the last part of its move to an engine, and
// returns the position of its last event. A log that was closed for another
// reason does not move: Begin fails.
func (m *Mover) Begin(ctx context.Context, tenant domain.TenantID, engine string) (last eventstore.Position, err error) {
	err = m.ask(ctx, []any{&last}, `select es.begin_move($1, $2)`, tenant.UUID, engine)
	return last, err
}

// Switch says that a log whose move has begun is now kept by the other engine. It
// fails unless PostgreSQL knows all of its events in the form that this takes.
func (m *Mover) Switch(ctx context.Context, tenant domain.TenantID, engine string) error {
	return m.do(ctx, `select es.switch_engine($1, $2)`, tenant.UUID, engine)
}

// End lets appends in again, wherever the log is. If it was not moving, nothing
// happens.
func (m *Mover) End(ctx context.Context, tenant domain.TenantID) error {
	return m.do(ctx, `select es.end_move($1)`, tenant.UUID)
}

// Close closes a log for good.
func (m *Mover) Close(ctx context.Context, tenant domain.TenantID) error {
	return m.do(ctx, `select es.seal($1, true)`, tenant.UUID)
}

// Enter makes entries of up to limit events that are in PostgreSQL, after a
// position. Those that were made before stay as they are.
func (m *Mover) Enter(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) error {
	return m.do(ctx, `select es.enter_copies($1, $2, $3)`, tenant.UUID, after, limit)
}

// BringBack makes events of entries, with the data and metadata of the events
// given. Those that were made before stay as they are.
func (m *Mover) BringBack(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) error {
	pos, data, meta := make([]int64, len(events)), make(column[blob], len(events)), make(column[blob], len(events))
	for i := range events {
		pos[i], data[i], meta[i] = int64(events[i].Position), notNull(events[i].Data), notNull(events[i].Meta)
	}
	return m.do(ctx, `select es.bring_back($1, $2, $3, $4)`, tenant.UUID, pos, data, meta)
}

// PurgePending forgets the data of what was decided and was not seen in the engine
// that it was for, and returns of how many events. The log must be closed, or have
// moved here.
func (m *Mover) PurgePending(ctx context.Context, tenant domain.TenantID) (events int64, err error) {
	err = m.ask(ctx, []any{&events}, `select es.purge_pending($1)`, tenant.UUID)
	return events, err
}

// do calls a function that returns nothing of interest.
func (m *Mover) do(ctx context.Context, sql string, args ...any) error {
	return m.ask(ctx, nil, sql, args...)
}

// ask calls a function to its end, for a while also if ctx is cancelled: that
// would cost us the connection, and who holds a sealed log has something to say
// yet.
func (m *Mover) ask(ctx context.Context, into []any, sql string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	const longest = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	if into != nil {
		return m.conn.QueryRow(ctx, sql, args...).Scan(into...)
	}
	_, err := m.conn.Exec(ctx, sql, args...)
	return err
}
