package wall_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

var (
	alice = domain.TenantID{UUID: uuid.MustParse("01900000-0000-7000-8000-00000000000a")}
	bob   = domain.TenantID{UUID: uuid.MustParse("01900000-0000-7000-8000-00000000000b")}
)

// open returns a database with a table behind the wall, in which Alice and Bob
// have three rows each.
func open(t *testing.T) *dbtest.DB {
	t.Helper()
	db := dbtest.Open(t)
	exec(t, db.Owner(t), `create table crm.note (tenant_id uuid not null, id int not null, body text not null, primary key (tenant_id, id));
		create index on crm.note (tenant_id, body);
		select sec.build_wall('crm.note', 'rowhouse_reader', 'rowhouse_projector');
		grant select on crm.note to rowhouse_reader;
		grant select, insert, update, delete on crm.note to rowhouse_projector`)
	for _, who := range []domain.TenantID{alice, bob} {
		err := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: who, Duty: wall.Projector}, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into crm.note select $1, n, 'note ' || n from generate_series(1, 3) n`, who.UUID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

const seen = `select coalesce(string_agg(distinct tenant_id::text, ','), ''), count(*) from crm.note`

func TestInTenantSeesOneTenant(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, duty := range []wall.Duty{wall.Reader, wall.Projector} {
		for _, who := range []domain.TenantID{alice, bob, alice} {
			var whose string
			var n int
			err := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: who, Duty: duty}, func(tx wall.Tx) error {
				return tx.QueryRow(t.Context(), seen).Scan(&whose, &n)
			})
			if err != nil || whose != who.UUID.String() || n != 3 {
				t.Errorf("%s saw %d rows of %q, %v", duty, n, whose, err)
			}
		}
	}
}

func TestInTenantWritesOneTenant(t *testing.T) {
	t.Parallel()
	db := open(t)
	for name, sql := range map[string]string{
		"insert": `insert into crm.note values ($1, 9, 'planted')`,
		"move":   `update crm.note set tenant_id = $1`,
	} {
		err := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Projector}, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), sql, bob.UUID)
			return err
		})
		if !wall.IsDenied(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, sql := range map[string]string{
		"update": `update crm.note set body = 'planted' where tenant_id = $1`,
		"delete": `delete from crm.note where tenant_id = $1`,
	} {
		err := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Projector}, func(tx wall.Tx) error {
			tag, err := tx.Exec(t.Context(), sql, bob.UUID)
			if tag.RowsAffected() != 0 {
				t.Errorf("%s: changed %d rows of Bob", name, tag.RowsAffected())
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestInTenantEndsTheTransaction(t *testing.T) {
	t.Parallel()
	db := open(t)
	insert := func(ctx context.Context, id int, f func(wall.Tx) error) error {
		return db.Wall.InTenant(ctx, wall.Scope{Tenant: alice, Duty: wall.Projector}, func(tx wall.Tx) error {
			if _, err := tx.Exec(ctx, `insert into crm.note values ($1, $2, '')`, alice.UUID, id); err != nil {
				t.Error(err)
			}
			return f(tx)
		})
	}
	exists := func(id int) (found bool) {
		err := db.Wall.Pipe(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Reader}, func(b *pgx.Batch) {
			b.Queue(`select exists (select from crm.note where id = $1)`, id).QueryRow(func(row pgx.Row) error { return row.Scan(&found) })
		})
		if err != nil {
			t.Error(err)
		}
		return found
	}

	if err := insert(t.Context(), 10, func(wall.Tx) error { return nil }); err != nil || !exists(10) {
		t.Errorf("did not commit: %v", err)
	}
	refusal := errors.New("refused")
	if err := insert(t.Context(), 11, func(wall.Tx) error { return refusal }); !errors.Is(err, refusal) || exists(11) {
		t.Errorf("did not roll back: %v", err)
	}
	swallowed := insert(t.Context(), 12, func(tx wall.Tx) error {
		tx.Exec(t.Context(), `select 1/0`) //nolint:errcheck // that is the mistake
		return nil
	})
	if swallowed == nil || exists(12) {
		t.Errorf("a failed transaction was said to be committed: %v", swallowed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := insert(ctx, 13, func(wall.Tx) error { cancel(); return ctx.Err() })
	if !errors.Is(gone, context.Canceled) || exists(13) {
		t.Errorf("did not roll back when the context ended: %v", gone)
	}
	func() {
		defer func() { recover() }()                                         //nolint:errcheck // it is our own
		insert(t.Context(), 14, func(wall.Tx) error { panic("on purpose") }) //nolint:errcheck // it panics
	}()
	if exists(14) {
		t.Error("did not roll back after a panic")
	}
}

func TestPipeIsOneTransaction(t *testing.T) {
	t.Parallel()
	db := open(t)
	scope := wall.Scope{Tenant: alice, Duty: wall.Projector}
	err := db.Wall.Pipe(t.Context(), scope, func(b *pgx.Batch) {
		b.Queue(`insert into crm.note values ($1, 20, '')`, alice.UUID)
		b.Queue(`insert into crm.note values ($1, 1, '')`, alice.UUID)
	})
	if err == nil {
		t.Error("a duplicate key was taken")
	}
	var n int
	var ids []int64
	err = db.Wall.Pipe(t.Context(), scope, func(b *pgx.Batch) {
		b.Queue(`select count(*) from crm.note`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		b.Queue(`select txid_current() from generate_series(1, 2)`).Query(func(rows pgx.Rows) (err error) {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
		b.Queue(`select txid_current()`).QueryRow(func(row pgx.Row) error {
			ids = append(ids, 0)
			return row.Scan(&ids[len(ids)-1])
		})
	})
	if err != nil || n != 3 || len(ids) != 3 || ids[0] != ids[2] {
		t.Errorf("saw %d notes in transactions %v, %v", n, ids, err)
	}
}

// TestPipeAgain kills the connection of a reader, who must not notice, and of a
// projector, who must: what they did may have been done.
func TestPipeAgain(t *testing.T) {
	t.Parallel()
	db := open(t)
	for duty, noticed := range map[wall.Duty]bool{wall.Reader: false, wall.Projector: true} {
		var n int
		var err error
		for range 20 { // a connection that was idle for a second is looked at before it is used
			exec(t, db.Superuser(t), `select pg_terminate_backend(pid, 5000) from pg_stat_activity
				where datname = current_database() and usename = '`+duty.Role()+`'`)
			err = db.Wall.Pipe(t.Context(), wall.Scope{Tenant: alice, Duty: duty}, func(b *pgx.Batch) {
				b.Queue(`select count(*) from crm.note`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			})
			if (err != nil) == noticed {
				break
			}
		}
		if (err != nil) != noticed || err == nil && n != 3 {
			t.Errorf("%s: saw %d rows, %v", duty, n, err)
		}
	}
}

// TestPipeOnce asks for a row that is not there, which is no reason to ask
// again.
func TestPipeOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	asked, n := 0, 0
	err := db.Wall.Pipe(t.Context(), wall.Scope{Tenant: alice, Duty: wall.Reader}, func(b *pgx.Batch) {
		asked++
		b.Queue(`select id from crm.note where id = 7`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	})
	if !errors.Is(err, pgx.ErrNoRows) || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestNoSealStays(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := db.Config()
	cfg.Conns = 1 // so that it is the same connection each time
	w, err := wall.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	scope := wall.Scope{Tenant: alice, Duty: wall.Reader}
	oops := errors.New("oops")
	ways := map[string]func() error{
		"Pipe":                func() error { return w.Pipe(t.Context(), scope, func(b *pgx.Batch) { b.Queue(seen) }) },
		"Pipe that fails":     func() error { return w.Pipe(t.Context(), scope, func(b *pgx.Batch) { b.Queue(`select 1/0`) }) },
		"InTenant":            func() error { return w.InTenant(t.Context(), scope, func(wall.Tx) error { return nil }) },
		"InTenant that fails": func() error { return w.InTenant(t.Context(), scope, func(wall.Tx) error { return oops }) },
	}
	for name, way := range ways {
		if err := way(); (err != nil) != strings.Contains(name, "fails") {
			t.Errorf("%s: %v", name, err)
		}
		var seal string
		err := w.Outside(t.Context(), wall.Reader, func(tx wall.Tx) error {
			if err := tx.QueryRow(t.Context(), `select coalesce(current_setting('rowhouse.seal', true), '')`).Scan(&seal); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), seen)
			return err
		})
		if seal != "" || !wall.IsDenied(err) {
			t.Errorf("after %s the seal is %q, and a query says %v", name, seal, err)
		}
	}
}

func TestSealed(t *testing.T) {
	t.Parallel()
	db := open(t)
	exec(t, db.Superuser(t), `grant usage on schema sec to rowhouse_writer; grant execute on function sec.tenant(text) to rowhouse_writer`)
	err := db.Wall.Sealed(t.Context(), wall.Writer, []domain.TenantID{alice, bob}, func(c wall.Tx, seals []string) error {
		for i, want := range []domain.TenantID{alice, bob} {
			var got uuid.UUID
			if err := c.QueryRow(t.Context(), `select sec.tenant($1)`, seals[i]).Scan(&got); err != nil || got != want.UUID {
				t.Errorf("the seal of %s opens %s, %v", want, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSealExpires has the database open seals of different ages: the clock of the
// one who made them does not matter, but that of the database does.
func TestSealExpires(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := intrude(t, db, wall.Reader)
	for ago, ok := range map[time.Duration]bool{0: true, time.Minute: true, 2 * time.Minute: false, 24 * time.Hour: false} {
		saw := i.attack(t, func(now time.Time, pid uint32) string { return wall.Seal(dbtest.Root(), now.Add(-ago), alice, pid) }, seen)
		if strings.Contains(saw, alice.UUID.String()) != ok {
			t.Errorf("with a seal made %s ago it says %s", ago, saw)
		}
	}
}
