package wall_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// attacks are what somebody might send who has found a way to send SQL. $alice
// and $bob are their IDs. What PostgreSQL tells everybody is not among them: the
// size of a table, and how many rows a plan expects or throws away.
var attacks = []string{
	// To ask.
	`select * from crm.note`,
	`select * from crm.note where tenant_id = '$bob'`,
	`select * from crm.note where tenant_id <> '$alice'`,
	`select count(*), min(body), max(tenant_id::text) from crm.note`,
	`select * from crm.note where tenant_id = '$alice' union all select * from crm.note where tenant_id = '$bob'`,
	`select (select body from crm.note where tenant_id = '$bob' limit 1)`,
	`select note from crm.note`,
	`select to_jsonb(n) from crm.note n`,
	`select * from crm.note where ctid in ('(0,1)', '(0,2)', '(0,3)', '(0,4)', '(0,5)', '(0,6)')`,
	`select * from crm.note tablesample bernoulli (100)`,
	`select * from only crm.note`,
	`table crm.note`,
	`with recursive r as (select * from crm.note union select n.* from crm.note n join r on n.id = r.id) select * from r`,
	`select b.* from crm.note a, lateral (select * from crm.note where tenant_id = '$bob' and id = a.id) b`,
	`select query_to_xml('select * from crm.note', true, false, '')`,
	`select table_to_xml('crm.note', true, false, '')`,
	`select schema_to_xml('crm', true, false, '')`,
	`copy crm.note to stdout`,
	`copy (select * from crm.note where tenant_id = '$bob') to stdout`,
	`select * from es.event`,
	`select * from es.tenant_head`,
	`select * from access.membership`,

	// To learn from an error.
	`select * from crm.note where body = 'note 2'`,
	`select * from crm.note where body = 'note 2' and tenant_id <> '$alice'`,
	`set local enable_seqscan = off; select * from crm.note where body = 'note 2' and tenant_id <> '$alice'`,
	`set local enable_seqscan = off; set local enable_indexscan = off; select * from crm.note where body = 'note 2' and tenant_id in ('$bob', '$bob')`,
	`set local enable_seqscan = off; set local enable_bitmapscan = off; select * from crm.note where body = 'note 2' and tenant_id > '$alice'`,
	`select * from crm.note where tenant_id in ('$bob', '01900000-0000-7000-8000-00000000000c')`,
	`select * from crm.note where ctid = '(0,5)' and body = 'note 2'`,
	`select 1 where exists (select from crm.note where tenant_id > '$alice')`,
	`update crm.note set body = '' where tenant_id > '$alice'`,
	`delete from crm.note where body = 'note 2' and tenant_id <> '$alice'`,
	`select 1 / (select count(*) from crm.note where tenant_id = '$bob')`,
	`select 1 / (case when exists (select from crm.note where tenant_id = '$bob') then 0 else 1 end)`,
	`select * from crm.note where 1 / (case when tenant_id = '$bob' then 0 else 1 end) = 1`,
	`select * from crm.note where body::int > 0`,
	`select * from crm.note order by (case when tenant_id = '$bob' then body else '0' end)::int`,
	`do $$ begin perform 1 / count(*) from crm.note where tenant_id = '$bob'; end $$`,
	`do $$ declare r record; begin for r in select * from crm.note loop raise '%', r; end loop; end $$`,

	// To have another context.
	`select set_config('rowhouse.seal', replace(current_setting('rowhouse.seal', true), '$alice', '$bob'), true) is null; select * from crm.note`,
	`select set_config('rowhouse.seal', '$bob|' || pg_backend_pid() || '|9999999999|' || split_part(current_setting('rowhouse.seal', true), '|', 4) || '|' || repeat('0', 64), true) is null; select * from crm.note`,
	`select set_config('rowhouse.seal', regexp_replace(current_setting('rowhouse.seal', true), '\|\d{10}\|', '|9999999999|'), true) is null; select * from crm.note`,
	`select set_config('rowhouse.seal', null, true); select * from crm.note`,
	`select set_config('rowhouse.seal', '$bob', true); select * from crm.note`,
	`select set_config('rowhouse.seal', '||||', true); select * from crm.note`,
	`select set_config('rowhouse.seal', '$bob||||', true); select * from crm.note`,
	`set local rowhouse.seal = '$bob'; select * from crm.note`,
	`set local rowhouse.opened = '{$bob}'; select * from crm.note`,
	`select set_config('rowhouse.seal', current_setting('rowhouse.seal', true), false) is null; commit; select * from crm.note`,
	`commit; select * from crm.note`,
	`rollback; select * from crm.note`,
	`savepoint s; select set_config('rowhouse.seal', '$bob', true); rollback to s; select * from crm.note`,
	`savepoint s; select set_config('rowhouse.seal', '$bob', true); release s; select * from crm.note`,
	`select sec.tenant('$bob')`,
	`select sec.tenant(null)`,
	`select sec.open('$bob')`,
	`select sec.open_all(array['$bob'])`,
	`select * from sec.key`,

	// To be somebody else.
	`set local role rowhouse_owner; select * from crm.note`,
	`set local role rowhouse_log; select * from es.event`,
	`set local role rowhouse_sec; select * from sec.key`,
	`set local role rowhouse_dispatcher; select * from es.tenant_head`,
	`set local role rowhouse; select * from crm.note`,
	`set local role none; select * from crm.note`,
	`select set_config('role', 'rowhouse_owner', true); select * from crm.note`,
	`set local session authorization rowhouse_owner; select * from crm.note`,
	`reset session authorization; select * from crm.note`,
	`alter role current_user bypassrls`,
	`alter role current_user superuser`,
	`create role friend superuser`,
	`grant rowhouse_owner to current_user`,

	// To take the wall down.
	`set local row_security = off; select * from crm.note`,
	`alter table crm.note disable row level security`,
	`alter table crm.note no force row level security`,
	`drop policy tenant_wall on crm.note`,
	`create policy open on crm.note using (true)`,
	`alter function sec.tenant(text) security invoker`,
	`create or replace function sec.tenant(seal text) returns uuid language sql return '$bob'::uuid`,
	`select sec.build_wall('crm.note', 'rowhouse_log')`,
	`alter table crm.note owner to current_user`,
	`grant select on crm.note to public`,
	`set local session_replication_role = replica; select * from crm.note`,

	// To make things.
	`create table crm.copy as select * from crm.note`,
	`create temporary table copy as select * from crm.note`,
	`create table public.copy as select * from crm.note`,
	`create schema mine`,
	`create view crm.v as select * from crm.note`,
	`create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice '%', $1; return true; end $$; select * from crm.note where pg_temp.leak(body)`,
	`create function crm.leak(text) returns boolean language sql return true`,
	`create extension dblink`,
	`create trigger t after insert on crm.note execute function es.refuse_change()`,
	`create rule r as on select to crm.note do instead select 1`,
	`create publication p for all tables`,
	`create statistics s on tenant_id, body from crm.note`,
	`lock table crm.note in access exclusive mode`,

	// To come in by another door.
	`select pg_read_file('PG_VERSION')`,
	`select pg_ls_dir('.')`,
	`select lo_import('/etc/passwd')`,
	`copy crm.note to '/tmp/note'`,
	`copy crm.note from program 'id'`,
	`copy (select 1) to program 'id'`,
	`load 'auto_explain'`,
	`select pg_reload_conf()`,
	`select * from pg_statistic`,
	`select tablename, most_common_vals::text, histogram_bounds::text from pg_stats where schemaname = 'crm'`,
	`select rolpassword from pg_authid`,
	`explain (costs off) select * from crm.note where tenant_id = '$bob'`,

	// To be planned under one context and run under another.
	`prepare p as select * from crm.note; execute p; select set_config('rowhouse.seal', '', true); execute p`,
	`set local plan_cache_mode = force_generic_plan; prepare p (uuid) as select * from crm.note where tenant_id = $1; execute p ('$bob')`,
	`declare c cursor for select * from crm.note; fetch 1 c; select set_config('rowhouse.seal', '$bob', true); fetch all c`,
	`declare c cursor with hold for select * from crm.note; commit; fetch all c`,
	`declare c scroll cursor for select * from crm.note; move absolute 100 c; fetch backward all c`,
	`set local enable_seqscan = off; set local enable_indexscan = off; set local enable_bitmapscan = off; select * from crm.note`,
	`set local force_parallel_mode = on; set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; select * from crm.note`,
	`set local search_path = crm, pg_temp, sec; select * from note`,

	// To write.
	`set transaction read write; delete from crm.note`,
	`insert into crm.note values ('$bob', 1, 'planted')`,
	`insert into crm.note values ('$bob', 99, 'planted')`,
	`insert into crm.note values ('$bob', 1, 'planted') on conflict do nothing`,
	`insert into crm.note values ('$bob', 1, 'planted') on conflict (tenant_id, id) do update set body = 'planted' returning *`,
	`insert into crm.note values ('$alice', 1, '') on conflict (tenant_id, id) do update set tenant_id = '$bob'`,
	`insert into crm.note select '$bob', id + 100, body from crm.note`,
	`update crm.note set body = 'planted' returning *`,
	`update crm.note set body = 'planted' where tenant_id = '$bob' returning *`,
	`update crm.note set tenant_id = '$bob' where id = 1`,
	`update crm.note a set body = b.body from crm.note b where b.tenant_id <> a.tenant_id returning a.*`,
	`with gone as (delete from crm.note returning *) select * from gone`,
	`delete from crm.note where tenant_id = '$bob' returning *`,
	`delete from crm.note using crm.note b where b.tenant_id = '$bob'`,
	`merge into crm.note n using (values ('$bob'::uuid, 1)) v (t, i) on n.tenant_id = v.t and n.id = v.i when matched then update set body = 'planted' when not matched then do nothing`,
	`merge into crm.note n using (values ('$bob'::uuid, 1)) v (t, i) on n.tenant_id = v.t and n.id = v.i when not matched then insert values (v.t, v.i, 'planted')`,
	`select * from crm.note where tenant_id = '$bob' for update`,
	`truncate crm.note`,
	`insert into es.event select * from es.event`,
	`update es.event set data = ''`,
}

// TestAttacks makes every attack in every context on two databases: one in
// which Bob has something, and one in which he has nothing. Nobody may be able
// to tell one from the other.
func TestAttacks(t *testing.T) {
	t.Parallel()
	with, without := open(t), open(t)
	exec(t, without.Superuser(t), `delete from crm.note where tenant_id = '`+bob.UUID.String()+`'`)
	for _, db := range []*dbtest.DB{with, without} {
		exec(t, db.Superuser(t), `analyze crm.note`)
	}
	for name, context := range contexts {
		for _, duty := range []wall.Duty{wall.Reader, wall.Projector} {
			t.Run(name+" as "+string(duty), func(t *testing.T) {
				t.Parallel()
				a, b := intrude(t, with, duty), intrude(t, without, duty)
				for _, attack := range attacks {
					saw, might := a.attack(t, context, attack), b.attack(t, context, attack)
					if saw != might {
						t.Errorf("%s\ntells\n%s\nwhere Bob has something, and otherwise\n%s", attack, saw, might)
					}
				}
				if saw := a.attack(t, context, `table crm.note`); strings.Contains(saw, "note 1") != (name == "Alice") {
					t.Errorf("who asks for what is theirs sees %s", saw)
				}
			})
		}
	}
	t.Cleanup(func() { // when all of the above have ended
		conn, err := pgx.Connect(context.Background(), with.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background()) //nolint:errcheck // it was only read from
		var notes string
		err = conn.QueryRow(context.Background(), `select string_agg(id || body, ' ' order by id) from crm.note where tenant_id = $1`, bob.UUID).Scan(&notes)
		if err != nil || notes != "1note 1 2note 2 3note 3" {
			t.Errorf("Bob has %q now, %v", notes, err)
		}
	})
}

// contexts return the seal that somebody comes with.
var contexts = map[string]func(now time.Time, pid uint32) string{
	"Alice":   func(now time.Time, pid uint32) string { return wall.Seal(dbtest.Root(), now, alice, pid) },
	"nobody":  func(time.Time, uint32) string { return "" },
	"garbage": func(time.Time, uint32) string { return "x'|;\"\\\x01" + strings.Repeat("|é", 100) },
	"an expired seal": func(now time.Time, pid uint32) string {
		return wall.Seal(dbtest.Root(), now.Add(-2*time.Minute), alice, pid)
	},
	"the seal of another connection": func(now time.Time, pid uint32) string {
		return wall.Seal(dbtest.Root(), now, alice, pid+1)
	},
	"the seal of another installation": func(now time.Time, pid uint32) string {
		return wall.Seal(keys.NewRoot([keys.RootSize]byte{1}), now, alice, pid)
	},
	"a seal with another name": func(now time.Time, pid uint32) string {
		return strings.Replace(wall.Seal(dbtest.Root(), now, alice, pid), alice.UUID.String(), bob.UUID.String(), 1)
	},
	"a seal with another key's name": func(now time.Time, pid uint32) string {
		part := strings.Split(wall.Seal(keys.NewRoot([keys.RootSize]byte{1}), now, alice, pid), "|")
		part[3] = wall.KeyID(dbtest.Root())
		return strings.Join(part, "|")
	},
	"a seal cut short": func(now time.Time, pid uint32) string {
		s := wall.Seal(dbtest.Root(), now, alice, pid)
		return s[:len(s)-2]
	},
	"a seal that is too long": func(now time.Time, pid uint32) string {
		return wall.Seal(dbtest.Root(), now, alice, pid) + "|00"
	},
}

// intruder has a connection of their own.
type intruder struct{ conn *pgx.Conn }

func intrude(t *testing.T, db *dbtest.DB, duty wall.Duty) intruder {
	t.Helper()
	cfg, err := pgx.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = duty.Role()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // the database goes away anyway
	return intruder{conn}
}

// attack runs statements in a transaction that begins with a seal, and returns
// all that can be seen of it.
func (i intruder) attack(t *testing.T, seal func(time.Time, uint32) string, sql string) string {
	t.Helper()
	names := strings.NewReplacer("$alice", alice.UUID.String(), "$bob", bob.UUID.String())
	pg := i.conn.PgConn()
	var saw strings.Builder
	if _, err := i.conn.Exec(t.Context(), `begin`); err != nil {
		t.Fatal(err)
	}
	if _, err := i.conn.Exec(t.Context(), `select set_config('rowhouse.seal', $1, true)`, seal(time.Now(), pg.PID())); err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(names.Replace(sql), "; ") {
		if strings.HasPrefix(strings.ToLower(statement), "copy") && strings.HasSuffix(statement, "stdout") {
			_, err := pg.CopyTo(t.Context(), &saw, statement)
			tell(&saw, err)
			continue
		}
		results, err := pg.Exec(t.Context(), statement).ReadAll()
		for _, r := range results {
			fmt.Fprintf(&saw, "%s\n", r.CommandTag)
			for _, row := range r.Rows {
				fmt.Fprintf(&saw, "%s\n", row)
			}
		}
		tell(&saw, err)
	}
	// What the next one must not inherit, whatever state this one left.
	for _, statement := range []string{`rollback`, `discard all`} {
		if _, err := pg.Exec(t.Context(), statement).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	i.conn.DeallocateAll(t.Context()) //nolint:errcheck // it was discarded
	return strings.ReplaceAll(saw.String(), i.conn.Config().Database, "DATABASE")
}

// tell writes an error down as the one who gets it sees it.
func tell(saw *strings.Builder, err error) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		fmt.Fprintf(saw, "%s %s %s %s %s\n", e.Code, e.Message, e.Detail, e.Where, e.ConstraintName)
	} else if err != nil {
		fmt.Fprintf(saw, "%v\n", err)
	}
}
