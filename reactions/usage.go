package reactions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/wall"
)

// Usage counts what a tenant does, by day (UTC) and dimension: "events",
// "commands", and for each kind of record "events." and its name. The counts are
// a function of the log: whoever counts it again gets the same.
var Usage = Reaction{Name: "usage", Linger: time.Second, React: countUsage}

// meter is how far the log of a tenant has been counted. The events of a command
// stand together, so a command begins where the one before it ends.
type meter struct {
	position eventstore.Position
	command  uuid.UUID
}

// usage is an amount by day and dimension.
type usage map[usageKey]int64

type usageKey struct {
	day       time.Time
	dimension string
}

// count counts those events that come after the meter, and moves it.
func (m *meter) count(events []eventstore.Recorded) (usage, error) {
	u := make(usage)
	for _, e := range events {
		if e.Position <= m.position {
			continue
		}
		if e.Position != m.position+1 {
			return nil, fmt.Errorf("%w: usage was counted up to %d", eventstore.ErrGap, m.position)
		}
		command, err := content.Command(e)
		if err != nil {
			return nil, err
		}
		day := e.Time.UTC().Truncate(24 * time.Hour)
		u[usageKey{day, "events"}]++
		u[usageKey{day, "events." + e.Stream.Kind}]++
		if command != m.command {
			u[usageKey{day, "commands"}]++
		}
		m.position, m.command = e.Position, command
	}
	return u, nil
}

// countUsage moves the meter in the same transaction as the counts, so each
// event counts once, however often it is delivered.
func countUsage(ctx context.Context, in Services, b eventstore.Batch) error {
	return in.Wall.InTenant(ctx, wall.Scope{Tenant: b.Tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		var m meter
		err := tx.QueryRow(ctx, `select pos, command_id from crm.usage_meter where tenant_id = $1 for update`, b.Tenant.UUID).Scan(&m.position, &m.command)
		begun := err == nil
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		u, err := m.count(b.Events)
		if err != nil || len(u) == 0 {
			return err
		}
		sql := `insert into crm.usage_meter (tenant_id, pos, command_id) values ($1, $2, $3)` // fails if somebody else begins now
		if begun {
			sql = `update crm.usage_meter set pos = $2, command_id = $3 where tenant_id = $1`
		}
		batch := new(pgx.Batch)
		batch.Queue(sql, b.Tenant.UUID, m.position, m.command)
		u.queue(batch, b.Tenant)
		return tx.SendBatch(ctx, batch).Close()
	})
}

// queue queues the statement that adds the amounts to those that are there.
func (u usage) queue(b *pgx.Batch, tenant domain.TenantID) {
	var days []time.Time
	var dimensions []string
	var amounts []int64
	for _, k := range slices.SortedFunc(maps.Keys(u), compareKeys) {
		days, dimensions, amounts = append(days, k.day), append(dimensions, k.dimension), append(amounts, u[k])
	}
	b.Queue(`insert into crm.usage (tenant_id, day, dimension, quantity)
		select $1, u.* from unnest($2::date[], $3::text[], $4::bigint[]) u
		on conflict (tenant_id, day, dimension) do update set quantity = usage.quantity + excluded.quantity`,
		tenant.UUID, days, dimensions, amounts)
}

func compareKeys(a, b usageKey) int {
	if c := a.day.Compare(b.day); c != 0 {
		return c
	}
	return cmp.Compare(a.dimension, b.dimension)
}

// UsageLine is what a tenant used of a dimension on a day.
type UsageLine struct {
	Day       time.Time
	Dimension string
	Quantity  int64
}

// UsageOf returns what a tenant used from a day to another, and up to which
// position of the log that is counted.
func UsageOf(ctx context.Context, w *wall.Wall, tenant domain.TenantID, from, to time.Time) (lines []UsageLine, at eventstore.Position, err error) {
	err = w.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select coalesce((select pos from crm.usage_meter where tenant_id = $1), 0)`, tenant.UUID).
			QueryRow(func(row pgx.Row) error { return row.Scan(&at) })
		b.Queue(`select day, dimension, quantity from crm.usage where tenant_id = $1 and day between $2 and $3
			order by day, dimension`, tenant.UUID, from, to).
			Query(func(rows pgx.Rows) (err error) {
				lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[UsageLine])
				return err
			})
	})
	return lines, at, err
}
