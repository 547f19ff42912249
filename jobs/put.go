package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Lock makes everybody else wait who orders or removes jobs of the tenant, until
// the transaction ends. It is held by whoever changes the state of a process.
func Lock(ctx context.Context, tx wall.Tx, tenant domain.TenantID) error {
	_, err := tx.Exec(ctx, `insert into jobs.head (tenant_id) values ($1)
		on conflict (tenant_id) do update set last_n = head.last_n`, tenant.UUID)
	return err
}

// Put stores orders in a transaction of the tenant. Of several with the same key,
// the last one counts. A job that is ordered again under the same ID takes the
// place of the first, if that was not done yet.
func Put(ctx context.Context, tx wall.Tx, tenant domain.TenantID, now time.Time, orders []Order) error {
	if len(orders) == 0 {
		return nil
	}
	orders = latest(orders)
	var n int64
	err := tx.QueryRow(ctx, `insert into jobs.head (tenant_id, last_n) values ($1, $2)
		on conflict (tenant_id) do update set last_n = head.last_n + $2 returning last_n`, tenant.UUID, len(orders)).Scan(&n)
	if err != nil {
		return err
	}
	rows, err := columnsOf(orders, now, n-int64(len(orders)))
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	rows.replaced.queue(b, tenant)
	rows.fresh.queue(b, tenant, "")
	rows.earliest.queue(b, tenant, ` on conflict (tenant_id, process, subject, key) where key is not null
		do update set due_at = least(job.due_at, excluded.due_at), attempts = 0, error = null, parked_at = null`)
	if !rows.next.IsZero() {
		b.Queue(`update jobs.head set next_at = least(next_at, $2) where tenant_id = $1`, tenant.UUID, rows.next)
	}
	return tx.SendBatch(ctx, b).Close()
}

// keyOf names the job that an order is about, if it has a key.
type keyOf struct{ process, subject, key string }

func (o Order) keyOf() keyOf { return keyOf{o.Process, o.Subject, o.Key} }

// latest returns the orders, of those with the same key only one: the last one, but
// at the earliest of the times of several that want that.
func latest(orders []Order) []Order {
	at := make(map[keyOf]int)
	var kept []Order
	for _, o := range orders {
		i, again := at[o.keyOf()]
		switch {
		case o.Key == "":
			kept = append(kept, o)
		case !again:
			at[o.keyOf()] = len(kept)
			kept = append(kept, o)
		case o.Earliest && !kept[i].Off:
			kept[i].DueAt = earlier(kept[i].DueAt, o.DueAt)
		default:
			o.Earliest = false
			kept[i] = o
		}
	}
	return kept
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// changes is what orders do to the rows.
type changes struct {
	replaced        gone
	fresh, earliest columns
	next            time.Time // when the first of the jobs is due; zero if there is none
}

// columnsOf sorts out orders. Their numbers follow on n.
func columnsOf(orders []Order, now time.Time, n int64) (c changes, err error) {
	for _, o := range orders {
		n++
		o.DueAt = o.DueAt.UTC().Truncate(time.Microsecond)
		if o.DueAt.Before(now) {
			o.DueAt = now
		}
		if !o.Earliest {
			c.replaced.add(o)
		}
		if o.Off {
			continue
		}
		into := &c.fresh
		if o.Earliest {
			into = &c.earliest
		}
		if err := into.add(o, n, now); err != nil {
			return c, err
		}
		if c.next.IsZero() || o.DueAt.Before(c.next) {
			c.next = o.DueAt
		}
	}
	return c, nil
}

// gone is the jobs that orders take the place of.
type gone struct {
	ids                   []uuid.UUID
	process, subject, key []string
}

func (g *gone) add(o Order) {
	if o.ID != uuid.Nil {
		g.ids = append(g.ids, o.ID)
	}
	if o.Key != "" {
		g.process, g.subject, g.key = append(g.process, o.Process), append(g.subject, o.Subject), append(g.key, o.Key)
	}
}

func (g *gone) queue(b *pgx.Batch, tenant domain.TenantID) {
	if len(g.ids) > 0 {
		b.Queue(`delete from jobs.job where tenant_id = $1 and id = any($2)`, tenant.UUID, g.ids)
	}
	if len(g.key) > 0 {
		b.Queue(`delete from jobs.job j using unnest($2::text[], $3::text[], $4::text[]) g (process, subject, key)
			where j.tenant_id = $1 and j.process = g.process and j.subject = g.subject and j.key = g.key`, tenant.UUID, g.process, g.subject, g.key)
	}
}

// columns is the values of new rows.
type columns struct {
	ids                          []uuid.UUID
	n                            []int64
	process, kind, name, subject []string
	key                          []*string
	args, cause                  [][]byte
	orderedAt, dueAt             []time.Time
}

func (c *columns) add(o Order, n int64, now time.Time) error {
	cause, err := json.Marshal(o.Cause)
	if err != nil {
		return fmt.Errorf("encode the cause of a job: %w", err)
	}
	var key *string
	if o.Key != "" {
		key = &o.Key
	}
	args := []byte(o.Args)
	if args == nil {
		args = []byte("null")
	}
	c.ids, c.n = append(c.ids, o.ID), append(c.n, n)
	c.process, c.kind, c.name = append(c.process, o.Process), append(c.kind, o.Kind), append(c.name, o.Name)
	c.subject, c.key = append(c.subject, o.Subject), append(c.key, key)
	c.args, c.cause = append(c.args, args), append(c.cause, cause)
	c.orderedAt, c.dueAt = append(c.orderedAt, now), append(c.dueAt, o.DueAt)
	return nil
}

// queue queues the statement that inserts the rows, in parts that are not too large
// for one.
func (c *columns) queue(b *pgx.Batch, tenant domain.TenantID, conflict string) {
	const part = 1000
	for i := 0; i < len(c.ids); i += part {
		j := min(i+part, len(c.ids))
		b.Queue(`insert into jobs.job (tenant_id, id, n, process, kind, name, subject, key, args, cause, ordered_at, due_at)
			select $1, j.* from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
				$9::bytea[], $10::bytea[], $11::timestamptz[], $12::timestamptz[]) j`+conflict,
			tenant.UUID, c.ids[i:j], c.n[i:j], c.process[i:j], c.kind[i:j], c.name[i:j], c.subject[i:j], c.key[i:j],
			c.args[i:j], c.cause[i:j], c.orderedAt[i:j], c.dueAt[i:j])
	}
}

// States returns what a process remembers of some subjects, as JSON. What is not
// among it, is nothing yet.
func States(ctx context.Context, tx wall.Tx, tenant domain.TenantID, process string, subjects []string) (map[string]json.RawMessage, error) {
	rows, err := tx.Query(ctx, `select subject, state from jobs.state where tenant_id = $1 and process = $2 and subject = any($3)`,
		tenant.UUID, process, subjects)
	if err != nil {
		return nil, err
	}
	states := make(map[string]json.RawMessage)
	var subject string
	var state []byte
	_, err = pgx.ForEachRow(rows, []any{&subject, &state}, func() error {
		states[subject] = slices.Clone(state)
		return nil
	})
	return states, err
}

// SetStates stores what a process remembers of some subjects from now on: nothing,
// where it is nil.
func SetStates(ctx context.Context, tx wall.Tx, tenant domain.TenantID, process string, states map[string]json.RawMessage) error {
	var none, some []string
	var values [][]byte
	for subject, state := range states {
		if state == nil {
			none = append(none, subject)
		} else {
			some, values = append(some, subject), append(values, state)
		}
	}
	b := &pgx.Batch{}
	if len(none) > 0 {
		b.Queue(`delete from jobs.state where tenant_id = $1 and process = $2 and subject = any($3)`, tenant.UUID, process, none)
	}
	if len(some) > 0 {
		b.Queue(`insert into jobs.state (tenant_id, process, subject, state)
			select $1, $2, s.* from unnest($3::text[], $4::bytea[]) s
			on conflict (tenant_id, process, subject) do update set state = excluded.state`, tenant.UUID, process, some, values)
	}
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}
