package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Behind implements [eventstore.Tracker]. While nothing happens it is one statement
// that reads one row: how many changes were counted. See docs/adr/0028.
func (t Tracker) Behind(ctx context.Context, held eventstore.Held, since eventstore.Mark) (lags []eventstore.Lag, at eventstore.Mark, err error) {
	err = t.wall.Sealed(ctx, wall.Dispatcher, nil, func(tx wall.Tx, _ []string) error {
		// The number comes first. What is counted later is looked for the next time.
		err := tx.QueryRow(ctx, `select (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint, last_value + is_called::int from es.changes`).
			Scan(&at.Server, &at.Changes)
		if err != nil {
			return err
		}
		if at.Server != since.Server {
			since = eventstore.Mark{} // what we know may be of a server that knew more, or of another one
		}
		if at.Changes == since.Changes && !since.Open {
			at = since
			return nil
		}
		lags, err = compare(ctx, tx, held, since, &at)
		return err
	})
	return lags, at, err
}

// compare compares checkpoints with the ends of logs: of all tenants, or of those of
// which since does not know the latest. It completes the mark.
func compare(ctx context.Context, tx wall.Tx, held eventstore.Held, since eventstore.Mark, at *eventstore.Mark) (lags []eventstore.Lag, err error) {
	// Each statement sees what was there when it began. So what the last one does not
	// see is of a transaction that the first one has found open, or of one that began
	// to change something later.
	b := &pgx.Batch{}
	b.Queue(`select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, exists (
			select from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock'
				and database = (select oid from pg_database where datname = current_database())
				and relation in ('es.tenant_head'::regclass, 'es.checkpoint'::regclass))`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&at.Horizon, &at.Open) })
	groups, shards := pairs(held)
	read := func(rows pgx.Rows) error {
		lags, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l eventstore.Lag, err error) {
			err = row.Scan(&l.Group, &l.Tenant.UUID, &l.Checkpoint.Position, &l.Checkpoint.Generation, &l.Head)
			return l, err
		})
		return err
	}
	if since == (eventstore.Mark{}) {
		b.Queue(allBehind, groups, shards).Query(read)
	} else {
		b.Queue(changedBehind, groups, shards, strconv.FormatUint(since.Horizon, 10)).Query(read)
	}
	return lags, tx.SendBatch(ctx, b).Close()
}

// allBehind and changedBehind return the same of different tenants. A head is new if
// the row was written by a transaction that the last look may not have seen: age
// counts how many transactions ago that was, up to two thousand million. Few tenants
// have changed, usually, so their checkpoints are looked up one by one.
const (
	allBehind = `select d.grp, h.tenant_id, coalesce(c.pos, 0), coalesce(c.generation, 0), h.last_pos
		from es.tenant_head h
		join unnest($1::text[], $2::smallint[]) d(grp, shard) on d.shard = es.shard(h.tenant_id)
		left join es.checkpoint c on c.grp = d.grp and c.tenant_id = h.tenant_id
		where h.last_pos <> coalesce(c.pos, 0)`

	changedBehind = `with changed as materialized (
			select h.tenant_id, h.last_pos from es.tenant_head h where age(h.xmin) <= age($3::text::xid8::xid)
			union
			select h.tenant_id, h.last_pos from es.checkpoint c join es.tenant_head h using (tenant_id) where c.moved >= $3::text::xid8)
		select d.grp, h.tenant_id, coalesce(c.pos, 0), coalesce(c.generation, 0), h.last_pos
		from changed h
		join unnest($1::text[], $2::smallint[]) d(grp, shard) on d.shard = es.shard(h.tenant_id)
		left join lateral (select * from es.checkpoint c where c.grp = d.grp and c.tenant_id = h.tenant_id offset 0) c on true
		where h.last_pos <> coalesce(c.pos, 0)`
)

// pairs returns groups and shards, one for one.
func pairs(held eventstore.Held) (groups []string, shards []eventstore.Shard) {
	for g, list := range held {
		for _, s := range list {
			groups, shards = append(groups, g), append(shards, s)
		}
	}
	return groups, shards
}
