package jobs

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Waiting is a job that was not done yet, as operators see it.
type Waiting struct {
	Job

	OrderedAt time.Time
	Failed    int       // attempts
	Error     string    // of the last one
	ParkedAt  time.Time // since when nobody tries any more; zero if somebody does
}

// Desk is where operators look after jobs, of one tenant at a time.
type Desk struct {
	Wall *wall.Wall
	Now  func() time.Time
}

// List returns jobs of a tenant that wait, in the order in which they are due: the
// first limit of those that are parked, or of the others.
func (d Desk) List(ctx context.Context, tenant domain.TenantID, parked bool, limit int) ([]Waiting, error) {
	return d.find(ctx, tenant, `(parked_at is not null) = $2 order by due_at, n limit $3`, parked, limit)
}

// Get returns a job, or a refusal if there is none: perhaps it was done.
func (d Desk) Get(ctx context.Context, tenant domain.TenantID, id uuid.UUID) (Waiting, error) {
	list, err := d.find(ctx, tenant, `id = $2`, id)
	if err == nil && len(list) == 0 {
		err = errNoJob
	}
	if err != nil {
		return Waiting{}, err
	}
	return list[0], nil
}

var errNoJob = domain.NotFound.Refusef("", "the tenant has no such job; perhaps it was done")

func (d Desk) find(ctx context.Context, tenant domain.TenantID, where string, args ...any) (list []Waiting, err error) {
	err = d.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select `+jobColumns+`, ordered_at, coalesce(error, ''), coalesce(parked_at, '0001-01-01') from jobs.job where tenant_id = $1 and `+where,
			append([]any{tenant.UUID}, args...)...).Query(func(rows pgx.Rows) (err error) {
			list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Waiting, err error) {
				j, err := scanJob(row, tenant, &w.OrderedAt, &w.Error, &w.ParkedAt)
				w.Job, w.Failed = j.Job, j.failed
				return w, err
			})
			return err
		})
	})
	return list, err
}

// Count returns how many jobs of a tenant wait, how many of them are due, and how
// many are parked besides.
func (d Desk) Count(ctx context.Context, tenant domain.TenantID) (waiting, due, parked int, err error) {
	err = d.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select count(*) filter (where parked_at is null), count(*) filter (where parked_at is null and due_at <= $2),
			count(*) filter (where parked_at is not null) from jobs.job where tenant_id = $1`, tenant.UUID, d.Now()).
			QueryRow(func(row pgx.Row) error { return row.Scan(&waiting, &due, &parked) })
	})
	return waiting, due, parked, err
}

// Retry has a job done now, and forgets that it failed. It returns a refusal if
// there is none.
func (d Desk) Retry(ctx context.Context, tenant domain.TenantID, id uuid.UUID) error {
	now := d.Now()
	return d.change(ctx, tenant, func(b *pgx.Batch) *pgx.QueuedQuery {
		b.Queue(`update jobs.head set next_at = least(next_at, $2) where tenant_id = $1`, tenant.UUID, now)
		return b.Queue(`update jobs.job set attempts = 0, due_at = least(due_at, $3), parked_at = null where tenant_id = $1 and id = $2`, tenant.UUID, id, now)
	})
}

// Drop removes a job for good. It returns a refusal if there is none.
func (d Desk) Drop(ctx context.Context, tenant domain.TenantID, id uuid.UUID) error {
	return d.change(ctx, tenant, func(b *pgx.Batch) *pgx.QueuedQuery {
		return b.Queue(`delete from jobs.job where tenant_id = $1 and id = $2`, tenant.UUID, id)
	})
}

// change runs statements of which the last must concern a job.
func (d Desk) change(ctx context.Context, tenant domain.TenantID, f func(*pgx.Batch) *pgx.QueuedQuery) error {
	return d.Wall.InTenant(ctx, wall.Scope{Tenant: tenant, Duty: wall.Worker}, func(tx wall.Tx) error {
		if err := Lock(ctx, tx, tenant); err != nil {
			return err
		}
		b := &pgx.Batch{}
		found := false
		f(b).Exec(func(tag pgconn.CommandTag) error {
			found = tag.RowsAffected() > 0
			return nil
		})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if !found {
			return errNoJob
		}
		return nil
	})
}
