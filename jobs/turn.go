package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Turn names a turn of a tenant: they are counted from 0. It is asked for by whoever
// sees that the tenant has something to do, perhaps by several, and taken once.
type Turn struct {
	Tenant domain.TenantID
	Number int64
}

// Workers does jobs, a turn at a time. It may be used concurrently.
type Workers struct {
	wall *wall.Wall
	by   Handlers
	now  func() time.Time

	done, failed, parked atomic.Int64
}

// NewWorkers returns workers that do jobs with these handlers. All times are those
// of the clock.
func NewWorkers(w *wall.Wall, by Handlers, now func() time.Time) *Workers {
	return &Workers{wall: w, by: by, now: now}
}

// errLost says that a turn took so long that somebody else has taken the next one.
// What was done in it may be done again.
var errLost = errors.New("a turn to do jobs took too long, and another was taken")

// Take takes a turn of a tenant, unless it was taken before, and does jobs until it
// is over. It reports whether more jobs are due then.
func (w *Workers) Take(ctx context.Context, t Turn) (more bool, err error) {
	due, err := w.take(ctx, t)
	if err != nil || due == nil {
		return false, err
	}
	o := w.work(ctx, due)
	// What was done is noted also if the node is about to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	next, err := w.finish(ctx, t, o)
	if err != nil {
		return false, fmt.Errorf("note what became of jobs: %w", err)
	}
	return !next.IsZero() && !next.After(w.now()), o.away
}

// job is a job and how often it failed.
type job struct {
	Job
	failed int
}

// take takes a turn and returns some jobs that are due: nil if it was not there to
// be taken.
func (w *Workers) take(ctx context.Context, t Turn) (due []job, err error) {
	now := w.now()
	err = w.wall.InTenant(ctx, wall.Scope{Tenant: t.Tenant, Duty: wall.Worker}, func(tx wall.Tx) error {
		tag, err := tx.Exec(ctx, `update jobs.head set turn = turn + 1, turn_until = $3
			where tenant_id = $1 and turn = $2 and next_at <= $4 and (turn_until is null or turn_until <= $4 or turn_until > $5)`,
			t.Tenant.UUID, t.Number, now.Add(turnLease), now, now.Add(setBack))
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		rows, err := tx.Query(ctx, `select `+jobColumns+` from jobs.job
			where tenant_id = $1 and parked_at is null and due_at <= $2 order by due_at, n limit $3`, t.Tenant.UUID, now, turnJobs)
		if err != nil {
			return err
		}
		due = []job{}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job, error) { return scanJob(row, t.Tenant) })
		due = append(due, list...)
		return err
	})
	return due, err
}

const jobColumns = `id, process, kind, name, subject, coalesce(key, ''), args, cause, due_at, attempts`

func scanJob(row pgx.CollectableRow, tenant domain.TenantID, more ...any) (j job, err error) {
	var args, cause []byte
	err = row.Scan(append([]any{&j.ID, &j.Process, &j.Kind, &j.Name, &j.Subject, &j.Key, &args, &cause, &j.DueAt, &j.failed}, more...)...)
	if err == nil {
		err = json.Unmarshal(cause, &j.Cause)
	}
	j.Tenant, j.Args, j.DueAt = tenant, args, j.DueAt.UTC()
	return j, err
}

// outcome is what became of the jobs of a turn.
type outcome struct {
	done   []uuid.UUID
	failed []failure
	late   []uuid.UUID // not done, and nothing is wrong with them
	steps  []job       // to be done together, in the transaction that ends the turn
	orders []Order     // that follow
	away   error       // why the turn has ended early
}

type failure struct {
	job
	err error
}

// fail takes note that a job has failed.
func (o *outcome) fail(j job, err error) { o.failed = append(o.failed, failure{j, err}) }

// work does jobs until the turn is over.
func (w *Workers) work(ctx context.Context, due []job) (o outcome) {
	end := w.now().Add(turnTime)
	for i, j := range due {
		if i > 0 && !w.now().Before(end) || ctx.Err() != nil {
			return o
		}
		if _, ok := w.by.Step[j.Kind]; ok {
			o.steps = append(o.steps, j)
			continue
		}
		orders, err := w.do(ctx, j.Job)
		switch {
		case err == nil:
			o.done, o.orders = append(o.done, j.ID), append(o.orders, orders...)
		case isAway(ctx, err):
			o.away, o.late = err, append(o.late, j.ID)
			return o
		default:
			o.fail(j, err)
		}
	}
	return o
}

// isAway reports whether an error says nothing about the job.
func isAway(ctx context.Context, err error) bool {
	return ctx.Err() != nil || wall.IsPassing(err) || errors.Is(err, eventstore.ErrUnavailable) || errors.Is(err, domain.Unavailable)
}

// do does a job. A panic is an error, and no more.
func (w *Workers) do(ctx context.Context, j Job) (orders []Order, err error) {
	defer func() {
		if p := recover(); p != nil {
			orders, err = nil, fmt.Errorf("panic: %T", p) // not p: it may hold what is in the job
		}
	}()
	work, ok := w.by.Work[j.Kind]
	if !ok {
		return nil, fmt.Errorf("this build does not know jobs of the kind %q", j.Kind)
	}
	within, cancel := context.WithTimeout(ctx, WorkTime)
	defer cancel()
	orders, err = work(within, j)
	if err != nil && ctx.Err() == nil && within.Err() != nil && !errors.Is(err, eventstore.ErrUnavailable) {
		err = fmt.Errorf("took longer than %s", WorkTime)
	}
	return orders, err
}

// finish notes what became of the jobs of a turn, does what is to be done in the
// same transaction, and gives the turn back. It returns when the next job is due:
// the zero time if there is none.
func (w *Workers) finish(ctx context.Context, t Turn, o outcome) (next time.Time, err error) {
	var end outcome
	err = w.wall.InTenant(ctx, wall.Scope{Tenant: t.Tenant, Duty: wall.Worker}, func(tx wall.Tx) error {
		end = o
		tag, err := tx.Exec(ctx, `update jobs.head set turn_until = null where tenant_id = $1 and turn = $2`, t.Tenant.UUID, t.Number+1)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errLost
		}
		if err := w.step(ctx, tx, t.Tenant, &end); err != nil {
			return err
		}
		now := w.now()
		b := &pgx.Batch{}
		if len(end.done) > 0 {
			b.Queue(`delete from jobs.job where tenant_id = $1 and id = any($2)`, t.Tenant.UUID, end.done)
		}
		if len(end.late) > 0 { // behind the others: it may be only this one that cannot be done now
			b.Queue(`update jobs.job set due_at = $3 where tenant_id = $1 and id = any($2)`, t.Tenant.UUID, end.late, now.Add(pauseAway))
		}
		for _, f := range end.failed {
			at, parked := f.next(now)
			b.Queue(`update jobs.job set attempts = $3, error = $4, due_at = $5, parked_at = $6 where tenant_id = $1 and id = $2`,
				t.Tenant.UUID, f.ID, f.failed+1, f.text(), at, parked)
		}
		if b.Len() > 0 {
			if err := tx.SendBatch(ctx, b).Close(); err != nil {
				return err
			}
		}
		if err := Put(ctx, tx, t.Tenant, now, end.orders); err != nil {
			return err
		}
		var notBefore *time.Time
		if end.away != nil {
			notBefore = new(now.Add(pauseAway))
		}
		var at *time.Time
		err = tx.QueryRow(ctx, `update jobs.head set next_at = (select greatest(min(due_at), $2) from jobs.job where tenant_id = $1 and parked_at is null having count(*) > 0)
			where tenant_id = $1 returning next_at`, t.Tenant.UUID, notBefore).Scan(&at)
		if at != nil {
			next = *at
		}
		return err
	})
	if err == nil {
		w.count(end)
	}
	return next, err
}

// step does the jobs that are done together with the end of the turn.
func (w *Workers) step(ctx context.Context, tx wall.Tx, tenant domain.TenantID, o *outcome) error {
	if len(o.steps) == 0 {
		return nil
	}
	there, err := stillThere(ctx, tx, tenant, o.steps)
	if err != nil {
		return err
	}
	by := make(map[string][]job)
	for _, j := range o.steps {
		if there[j.ID] {
			by[j.Kind] = append(by[j.Kind], j)
		}
	}
	for kind, list := range by {
		all := make([]Job, len(list))
		for i, j := range list {
			all[i] = j.Job
		}
		orders, errs, err := w.by.Step[kind](ctx, tx, tenant, all)
		if err != nil {
			return err
		}
		o.orders = append(o.orders, orders...)
		for i, j := range list {
			if errs[i] != nil {
				o.fail(j, errs[i])
			} else {
				o.done = append(o.done, j.ID)
			}
		}
	}
	return nil
}

// stillThere returns which jobs were neither called off nor replaced since they were
// read. It is so until the transaction ends, because it holds the head.
func stillThere(ctx context.Context, tx wall.Tx, tenant domain.TenantID, all []job) (map[uuid.UUID]bool, error) {
	ids := make([]uuid.UUID, len(all))
	for i, j := range all {
		ids[i] = j.ID
	}
	rows, err := tx.Query(ctx, `select id from jobs.job where tenant_id = $1 and id = any($2)`, tenant.UUID, ids)
	if err != nil {
		return nil, err
	}
	there := make(map[uuid.UUID]bool)
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		there[id] = true
		return nil
	})
	return there, err
}

func (w *Workers) count(o outcome) {
	w.done.Add(int64(len(o.done)))
	w.failed.Add(int64(len(o.failed)))
	for _, f := range o.failed {
		if f.final() {
			w.parked.Add(1)
		}
	}
}

// final reports whether a job is not tried again.
func (f failure) final() bool {
	_, refused := errors.AsType[*domain.Error](f.err)
	return refused || f.failed+1 >= maxAttempts
}

// next returns when a job is tried again, or since when it is parked.
func (f failure) next(now time.Time) (at time.Time, parked *time.Time) {
	if f.final() {
		return f.DueAt, &now
	}
	return now.Add(pause(f.failed + 1)), nil
}

// text is why a job has failed, in as many characters as operators read.
func (f failure) text() string {
	text := strings.ToValidUTF8(strings.ReplaceAll(f.err.Error(), "\x00", ""), "")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}

// Round takes a turn of every tenant that has something to do now, one after another,
// and returns how many. It is for tests and for those who have no queue.
func (w *Workers) Round(ctx context.Context) (turns int, err error) {
	for after := (due{}); ; {
		now := w.now()
		page, err := dueTurns(ctx, w.wall, now, now, after)
		if err != nil || len(page) == 0 {
			return turns, err
		}
		for _, d := range page {
			if _, err := w.Take(ctx, d.turn); err != nil {
				return turns, err
			}
			turns++
		}
		after = page[len(page)-1]
	}
}

// Drain does jobs until none is due.
func (w *Workers) Drain(ctx context.Context) error {
	for {
		if turns, err := w.Round(ctx); err != nil || turns == 0 {
			return err
		}
	}
}
