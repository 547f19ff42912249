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

// queueMove queues the statement that moves a checkpoint on, or ends the
// transaction if it is not where we think it is. It holds the checkpoint until
// the transaction ends, so it comes first.
func queueMove(b *pgx.Batch, group string, tenant domain.TenantID, from eventstore.Checkpoint, to eventstore.Position) {
	b.Queue(`select es.move_checkpoint($1, $2, $3, $4, $5)`, group, tenant.UUID, from.Position, from.Generation, to)
}

// moved returns ErrMoved if that is why a transaction ended.
func moved(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "RH001" {
		return eventstore.ErrMoved
	}
	return err
}

// queueNextGeneration queues the statement that makes everybody look again at
// what the rows of a checkpoint are.
func queueNextGeneration(b *pgx.Batch, group string, tenant domain.TenantID) {
	b.Queue(`update es.checkpoint set generation = generation + 1 where grp = $1 and tenant_id = $2`, group, tenant.UUID)
}

// lock holds the checkpoint of a group until the transaction ends, and returns
// it. It makes one that is not there yet.
func lock(ctx context.Context, tx wall.Tx, group string, tenant domain.TenantID) (at eventstore.Checkpoint, err error) {
	b := new(pgx.Batch)
	b.Queue(`insert into es.checkpoint (grp, tenant_id, pos) values ($1, $2, 0) on conflict do nothing`, group, tenant.UUID)
	b.Queue(`select pos, generation from es.checkpoint where grp = $1 and tenant_id = $2 for update`, group, tenant.UUID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&at.Position, &at.Generation) })
	err = tx.SendBatch(ctx, b).Close()
	return at, err
}
