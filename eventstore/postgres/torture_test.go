package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/storetest"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

const tortureTime = 4 * time.Second

// TestTorture kills, delays and rolls back what appends to the log on two nodes,
// while readers follow it.
func TestTorture(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	other, err := wall.Open(t.Context(), db.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	both := nodes{all: []eventstore.Store{postgres.New(postgres.Config{Wall: db.Wall}), postgres.New(postgres.Config{Wall: other})}}
	newTenant := tenants(t, db.Wall)
	victims := []domain.TenantID{newTenant(), newTenant(), newTenant()}
	d := disturber{pool: superusers(t, db), tenants: victims}
	if err := storetest.Torture(t.Context(), both, victims, d.disturb); err != nil {
		t.Error(err)
	}
}

// nodes is a store that leads to any of several nodes.
type nodes struct {
	eventstore.Store // the other methods are not used

	all []eventstore.Store
}

func (n nodes) any() eventstore.Store { return n.all[rand.IntN(len(n.all))] }

func (n nodes) Append(ctx context.Context, tenant domain.TenantID, c ...eventstore.Command) []eventstore.Result {
	return n.any().Append(ctx, tenant, c...)
}

func (n nodes) Read(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	return n.any().Read(ctx, tenant, after, limit)
}

// TestTortureFindsGaps shows that the torture would find gaps if there were any:
// the same, with a store that takes positions from a sequence.
func TestTortureFindsGaps(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := &sequenced{pool: superusers(t, db)}
	if _, err := s.pool.Exec(t.Context(), sequencedSQL); err != nil {
		t.Fatal(err)
	}
	newTenant := tenants(t, db.Wall)
	var err error
	for patience := time.Now().Add(time.Minute); err == nil && time.Now().Before(patience); { // a busy machine may not do two things at a time
		if _, err := s.pool.Exec(t.Context(), `alter sequence broken.pos restart`); err != nil {
			t.Fatal(err)
		}
		err = storetest.Torture(t.Context(), s, []domain.TenantID{newTenant()}, func(ctx context.Context) error {
			time.Sleep(tortureTime / 4)
			return nil
		})
	}
	if !errors.Is(err, eventstore.ErrGap) {
		t.Errorf("the torture says %v of a store that has gaps", err)
	}
}

func superusers(t *testing.T, db *dbtest.DB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// disturber disturbs the log for a while.
type disturber struct {
	pool    *pgxpool.Pool
	tenants []domain.TenantID
}

func (d disturber) disturb(ctx context.Context) error {
	var mu sync.Mutex
	var errs error
	var wg sync.WaitGroup
	end := time.Now().Add(tortureTime)
	for _, harm := range []func(context.Context) error{d.kill, d.rollBack, d.delay} {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := harm(ctx); err != nil {
					mu.Lock()
					errs = errors.Join(errs, err)
					mu.Unlock()
					return
				}
				time.Sleep(rand.N(10 * time.Millisecond))
			}
		})
	}
	wg.Wait()
	return errs
}

// kill ends a connection that may be appending.
func (d disturber) kill(ctx context.Context) error {
	_, err := d.pool.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
		where usename = 'rowhouse_writer' and datname = current_database() order by random() limit 1`)
	time.Sleep(rand.N(50 * time.Millisecond))
	return err
}

var errRollBack = errors.New("on purpose")

// rollBack appends an event, and takes it back.
func (d disturber) rollBack(ctx context.Context) error {
	err := d.append(ctx, func() error { return errRollBack })
	if errors.Is(err, errRollBack) {
		return nil
	}
	return err
}

// delay appends an event, and does not commit it for a while.
func (d disturber) delay(ctx context.Context) error {
	return d.append(ctx, func() error { time.Sleep(rand.N(20 * time.Millisecond)); return nil })
}

// append appends an event like somebody who is slow.
func (d disturber) append(ctx context.Context, last func() error) error {
	tenant := d.tenants[rand.IntN(len(d.tenants))]
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update es.tenant_head set last_pos = last_pos + 1, last_at = greatest(last_at, clock_timestamp()) where tenant_id = $1`, tenant.UUID)
		if err != nil {
			return err
		}
		time.Sleep(rand.N(10 * time.Millisecond))
		_, err = tx.Exec(ctx, `insert into es.event select tenant_id, last_pos, 'note', $2, 1, $2, 'note.taken', 1, last_at, '{}', '{}'
			from es.tenant_head where tenant_id = $1`, tenant.UUID, uuid.New())
		if err != nil {
			return err
		}
		return last()
	})
}

// sequenced is a store as one should not make it: events get their positions
// before anybody is kept out.
type sequenced struct {
	eventstore.Store

	pool *pgxpool.Pool
}

const sequencedSQL = `
	create schema broken;
	create sequence broken.pos;
	create table broken.event (tenant_id uuid, pos bigint, stream_id uuid, version int, event_id uuid);
	create function broken.append(tenant uuid, stream uuid, at int, ids uuid[]) returns bigint language plpgsql as $$
	declare
		p bigint[] := array(select nextval('broken.pos') from unnest(ids));
	begin
		perform pg_sleep(random() * 0.005); -- anything may take a while
		perform from es.tenant_head where tenant_id = tenant for update;
		insert into broken.event select tenant, p[i], stream, at + i, ids[i] from generate_subscripts(ids, 1) i;
		return p[1];
	end $$`

func (s *sequenced) Append(ctx context.Context, tenant domain.TenantID, c ...eventstore.Command) []eventstore.Result {
	w := c[0].Writes[0]
	var ids []uuid.UUID
	for _, e := range w.Events {
		ids = append(ids, e.ID)
	}
	var r eventstore.Result
	r.Err = s.pool.QueryRow(ctx, `select broken.append($1, $2, $3, $4)`, tenant.UUID, w.Stream.ID, w.At, ids).Scan(&r.Receipt.First)
	return []eventstore.Result{r}
}

func (s *sequenced) Read(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	rows, err := s.pool.Query(ctx, `select pos, stream_id, version, event_id from broken.event where tenant_id = $1 and pos > $2 order by pos limit $3`,
		tenant.UUID, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r eventstore.Recorded, err error) {
		r.Stream.Tenant = tenant
		err = row.Scan(&r.Position, &r.Stream.ID, &r.Version, &r.ID)
		return r, err
	})
}
