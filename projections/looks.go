package projections

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// lookup is a way to read the rows of a tenant. What is read in one call is as it is at the
// position that is returned.
type lookup interface {
	look(ctx context.Context, queue func(*pgx.Batch)) (eventstore.Position, error)
}

// looks reads in a transaction for each call, which is one round trip. What several calls
// return may be of several positions.
type looks struct {
	m      *Models
	tenant domain.TenantID
}

func (l looks) look(ctx context.Context, queue func(*pgx.Batch)) (eventstore.Position, error) {
	return l.m.read(ctx, l.tenant, queue)
}

// oneLook reads in one transaction, all of which is of one position. A call that fails
// leaves it as it was before.
type oneLook struct {
	tx     wall.Tx
	tenant domain.TenantID
}

func (l oneLook) look(ctx context.Context, queue func(*pgx.Batch)) (at eventstore.Position, err error) {
	b := new(pgx.Batch)
	b.Queue(`savepoint look`)
	queuePosition(b, l.tenant, &at)
	queue(b)
	err = l.tx.SendBatch(ctx, b).Close()
	if _, answered := errors.AsType[*pgconn.PgError](err); answered {
		if _, back := l.tx.Exec(ctx, `rollback to savepoint look`); back != nil {
			return 0, errors.Join(err, back)
		}
	}
	return at, err
}

// queuePosition queues the statement that gets the position that the read models of a tenant
// are at.
func queuePosition(b *pgx.Batch, tenant domain.TenantID, at *eventstore.Position) {
	b.Queue(`select pos from es.checkpoint where grp = $1 and tenant_id = $2`, Group, tenant.UUID).
		Query(each(func(rows pgx.Rows) error { return rows.Scan(at) }))
}
