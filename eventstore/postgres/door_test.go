package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// newEvent makes a command that begins a stream.
func newEvent(tenant domain.TenantID) eventstore.Command {
	return eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{
		Stream: eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.New()},
		Events: []eventstore.Event{{ID: uuid.New(), Type: "deal.opened", Schema: 1, Data: []byte(`{}`), Meta: []byte(`{}`)}},
	}}}
}

// logged returns how many events a tenant has.
func logged(t *testing.T, s *postgres.Store, tenant domain.TenantID) eventstore.Position {
	t.Helper()
	head, err := s.Head(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// TestEventsAreFinal tries to change what is recorded as those who can do most.
func TestEventsAreFinal(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	tenant := tenants(t, db.Wall)()
	if r := s.Append(t.Context(), tenant, newEvent(tenant))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, sql := range []string{
		`update es.event set data = 'other'`, `update es.event set pos = pos + 1 where false`, `delete from es.event`,
		`truncate es.event`, `truncate es.event, es.command, es.claim, es.tenant_head cascade`,
		`insert into es.event select * from es.event on conflict (tenant_id, pos) do update set data = 'other'`,
	} {
		for who, conn := range map[string]*pgx.Conn{"superuser": db.Superuser(t), "owner": db.Owner(t)} {
			if _, err := conn.Exec(t.Context(), sql); !wall.IsDenied(err) {
				t.Errorf("%s as %s: %v", sql, who, err)
			}
		}
	}
}

// TestOneDoor tries to get at the log as each of the roles that people connect
// with, in any other way than through the functions that are meant for it.
func TestOneDoor(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	tenant := tenants(t, db.Wall)()
	if r := s.Append(t.Context(), tenant, newEvent(tenant))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	may := map[wall.Duty][]string{
		wall.Reader:     {"select on es.event", "select on es.tenant_head", "select on es.command", "select on es.claim", "select on es.series"},
		wall.Projector:  {"select on es.event", "select on es.tenant_head"},
		wall.Dispatcher: {"select on es.tenant_head", "select on es.command", "delete on es.command"},
	}
	conn := db.Superuser(t)
	for _, duty := range wall.Duties() {
		for _, table := range []string{"es.event", "es.tenant_head", "es.command", "es.claim", "es.series"} {
			for _, verb := range []string{"select", "insert", "update", "delete", "truncate", "references", "trigger"} {
				check := `select has_table_privilege($1, $2, $3)`
				if slices.Contains([]string{"select", "insert", "update", "references"}, verb) {
					check = `select has_any_column_privilege($1, $2, $3)`
				}
				var got bool
				if err := conn.QueryRow(t.Context(), check, duty.Role(), table, verb).Scan(&got); err != nil {
					t.Fatal(err)
				}
				if want := slices.Contains(may[duty], verb+" on "+table); got != want {
					t.Errorf("%s has %s on %s: %t, want %t", duty, verb, table, got, want)
				}
			}
		}
	}
	if _, err := execAs(t, db, wall.Dispatcher, tenant, `select sealed from es.tenant_head`); !wall.IsDenied(err) {
		t.Errorf("the dispatcher sees more than positions: %v", err)
	}
	for _, sql := range []string{
		`select sec.open('')`, `select * from sec.key`, `select es.create_tenant(gen_random_uuid())`,
		`set role rowhouse_log`, `set session authorization rowhouse_owner`,
	} {
		if _, err := execAs(t, db, wall.Writer, tenant, sql); !wall.IsDenied(err) {
			t.Errorf("writer: %s: %v", sql, err)
		}
	}
}

// execAs runs a statement for a duty, and takes it back.
func execAs(t *testing.T, db *dbtest.DB, duty wall.Duty, tenant domain.TenantID, sql string) (rows int64, err error) {
	t.Helper()
	back := context.Canceled // any error
	result := db.Wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: duty}, func(tx wall.Tx) error {
		tag, e := tx.Exec(t.Context(), sql)
		rows, err = tag.RowsAffected(), e
		return back
	})
	if result == nil {
		t.Error("was not taken back")
	}
	return rows, err
}

const appendNothing = `select outcome from es.append($1, $2, $3, '{0}', '{1}', array[gen_random_uuid()], '{}',
	'{1}', '{deal}', array[gen_random_uuid()], '{0}', '{1}', '{}', '{}', '{}', '{}', '{}', '{}',
	$4, $5, $6, array[gen_random_uuid()], '{deal.opened}', '{1}', '{"{}"}', '{"{}"}')`

// TestSeals calls es.append itself, with seals that are not what they should be.
func TestSeals(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	newTenant := tenants(t, db.Wall)
	a, b := newTenant(), newTenant()
	call := func(tx wall.Tx, seals ...string) (outcome string, err error) {
		err = tx.QueryRow(t.Context(), appendNothing, seals, []int{1}, []int{1}, []int{1}, []int{1}, []int{1}).Scan(&outcome)
		return outcome, err
	}
	err := db.Wall.Sealed(t.Context(), wall.Writer, []domain.TenantID{a, b}, func(tx wall.Tx, seals []string) error {
		if got, err := call(tx, seals[0]); got != "recorded" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		mac := seals[0][len(seals[0])-64:]
		for name, bad := range map[string][]string{
			"none":                 {},
			"empty":                {""},
			"another tenant's MAC": {seals[0][:len(seals[0])-64] + seals[1][len(seals[1])-64:]},
			"another tenant":       {strings.Replace(seals[0], a.UUID.String(), b.UUID.String(), 1)},
			"one more tenant":      {strings.Replace(seals[0], a.UUID.String(), a.UUID.String()+","+b.UUID.String(), 1)},
			"one good, one bad":    {seals[0], strings.Replace(seals[1], "|", "|1", 1)},
			"longer life":          {strings.Replace(seals[0], "|", "|", 2) + "0"},
			"no key":               {strings.Join(append(strings.Split(seals[0], "|")[:3], "none", mac), "|")},
			"not hexadecimal":      {seals[0][:len(seals[0])-1] + "g"},
			"nonsense":             {"a|b|c|d|e"},
		} {
			if got, err := call(tx, bad...); err == nil {
				t.Errorf("%s: %q", name, got)
			}
		}
		// A seal is good on its own connection only.
		return db.Wall.Sealed(t.Context(), wall.Writer, []domain.TenantID{a}, func(other wall.Tx, _ []string) error {
			if got, err := call(other, seals[0]); !wall.IsDenied(err) {
				t.Errorf("a borrowed seal: %q, %v", got, err)
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	if x, y := logged(t, s, a), logged(t, s, b); x != 1 || y != 0 {
		t.Errorf("%d and %d events, want 1 and 0", x, y)
	}
}

// TestMiscounted calls es.append with numbers that do not fit together.
func TestMiscounted(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	tenant := tenants(t, db.Wall)()
	for name, n := range map[string]struct{ count, tenant, write, step, nth []int }{
		"more events for the tenant": {[]int{2}, []int{1}, []int{1}, []int{1}, []int{1}},
		"fewer":                      {[]int{0}, []int{1}, []int{1}, []int{1}, []int{1}},
		"no such tenant":             {[]int{1}, []int{2}, []int{1}, []int{1}, []int{1}},
		"no such stream":             {[]int{1}, []int{1}, []int{2}, []int{1}, []int{1}},
		"a version left out":         {[]int{1}, []int{1}, []int{1}, []int{2}, []int{1}},
		"a version before the first": {[]int{1}, []int{1}, []int{1}, []int{0}, []int{1}},
		"a position left out":        {[]int{1}, []int{1}, []int{1}, []int{1}, []int{2}},
		"a position before":          {[]int{1}, []int{1}, []int{1}, []int{1}, []int{0}},
		"no events at all":           {[]int{1}, []int{1}, nil, nil, nil},
	} {
		err := db.Wall.Sealed(t.Context(), wall.Writer, []domain.TenantID{tenant}, func(tx wall.Tx, seals []string) error {
			_, err := tx.Exec(t.Context(), appendNothing, seals, n.count, n.tenant, orNone(n.write), orNone(n.step), orNone(n.nth))
			return err
		})
		if err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	if n := logged(t, s, tenant); n != 0 {
		t.Errorf("%d events, want none", n)
	}
}

func orNone(n []int) []int { return append([]int{}, n...) }

// TestSealedTenant closes the log of a tenant and opens it again.
func TestSealedTenant(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	newTenant := tenants(t, db.Wall)
	a, b := newTenant(), newTenant()
	seal := func(sealed bool) {
		t.Helper()
		if _, err := db.Superuser(t).Exec(t.Context(), `update es.tenant_head set sealed = $2 where tenant_id = $1`, a.UUID, sealed); err != nil {
			t.Fatal(err)
		}
	}
	for _, sealed := range []bool{true, false} {
		seal(sealed)
		simple, hashed := newEvent(a), newEvent(a)
		hashed.Hash = []byte("hash")
		hashed.Checks = []eventstore.Check{{Stream: newEvent(a).Writes[0].Stream}}
		for _, c := range []eventstore.Command{simple, hashed} {
			if r := s.Append(t.Context(), a, c)[0]; (r.Err == nil) == sealed || sealed && r.Err != eventstore.ErrSealed { //nolint:errorlint // it is that one
				t.Errorf("sealed: %t, got %+v", sealed, r)
			}
		}
		if r := s.Append(t.Context(), b, newEvent(b))[0]; r.Err != nil {
			t.Error(r.Err)
		}
	}
	if x, y := logged(t, s, a), logged(t, s, b); x != 2 || y != 2 {
		t.Errorf("%d and %d events, want 2 and 2", x, y)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	tenant := tenants(t, db.Wall)()
	commands := make(map[int]eventstore.Command) // by age in days
	for _, days := range []int{0, 6, 8, 30} {
		c := newEvent(tenant)
		c.Hash = []byte("hash")
		if r := s.Append(t.Context(), tenant, c)[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		_, err := db.Superuser(t).Exec(t.Context(), `update es.command set at = at - make_interval(days => $2) where command_id = $1`, c.ID, days)
		if err != nil {
			t.Fatal(err)
		}
		commands[days] = c
	}
	for _, step := range []struct {
		age  time.Duration
		left []int
	}{{14 * 24 * time.Hour, []int{0, 6, 8}}, {0, []int{0, 6}}} {
		if n, err := s.Forget(t.Context(), step.age); n != 1 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		for days, c := range commands {
			_, known, err := s.Recall(t.Context(), tenant, c.ID, c.Hash)
			if err != nil || known != slices.Contains(step.left, days) {
				t.Errorf("%d days old: known is %t, %v", days, known, err)
			}
		}
	}
	if n, err := execAs(t, db, wall.Dispatcher, tenant, `delete from es.command`); n != 0 || err != nil {
		t.Errorf("%d young commands can be forgotten, %v", n, err)
	}
	// Its events are still noticed.
	if r := s.Append(t.Context(), tenant, commands[30])[0]; r.Err != nil || !r.Receipt.Repeated {
		t.Errorf("got %+v", r)
	}
}

// TestLogRole is bound by the wall too: it sees the tenants that were opened.
func TestLogRole(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	newTenant := tenants(t, db.Wall)
	a, b := newTenant(), newTenant()
	for _, tenant := range []domain.TenantID{a, b} {
		c := newEvent(tenant)
		c.Hash = []byte("hash")
		c.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: c.Writes[0].Stream}}
		getsNumber(&c)
		if r := s.Append(t.Context(), tenant, c)[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	conn := db.Superuser(t)
	if _, err := conn.Exec(t.Context(), `set role rowhouse_log`); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"es.event", "es.tenant_head", "es.command", "es.claim", "es.series"} {
		for opened, want := range map[string]int{"{}": 0, "{" + a.UUID.String() + "}": 1, "{" + a.UUID.String() + "," + b.UUID.String() + "}": 2} {
			var n int
			if _, err := conn.Exec(t.Context(), `select set_config('rowhouse.opened', $1, false)`, opened); err != nil {
				t.Fatal(err)
			}
			if err := conn.QueryRow(t.Context(), `select count(*) from `+table).Scan(&n); err != nil || n != want {
				t.Errorf("sees %d rows of %s when %s is opened, want %d, %v", n, table, opened, want, err)
			}
		}
	}
	if _, err := conn.Exec(t.Context(), `select set_config('rowhouse.opened', $1, false)`, "{"+a.UUID.String()+"}"); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Exec(t.Context(), `insert into es.claim values ($1, 'name', 'b', 'deal', $1)`, b.UUID)
	if !wall.IsDenied(err) {
		t.Errorf("writes into a tenant that was not opened: %v", err)
	}
}

// getsNumber lets the event of a command get a number.
func getsNumber(c *eventstore.Command) {
	c.Writes[0].Events[0].Data = []byte(`{"number":0}`)
	c.Numbers = []eventstore.Number{{Series: "invoice", At: len(`{"number":`)}}
}

// What refuses a command can be forgotten while it is judged, as commands are after some
// days. If it is recorded then, it has a number like all others.
func TestNumberOfWhatWasRefusedAtFirst(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	s := postgres.New(postgres.Config{Wall: db.Wall})
	tenant := tenants(t, db.Wall)()
	_, err := db.Superuser(t).Exec(t.Context(), `
		create sequence es.judgements;
		alter function es.append rename to append_itself;
		do $$
		declare f pg_proc;
		begin
			select * into strict f from pg_proc where pronamespace = 'es'::regnamespace and proname = 'append_itself';
			execute format('create function es.append(%s) returns %s language plpgsql security definer as $f$
				#variable_conflict use_column
				begin
					if nextval(''es.judgements'') = 1 then
						command := 1; outcome := ''reused''; return next;
					else
						return query select * from es.append_itself(%s);
					end if;
				end $f$', pg_get_function_arguments(f.oid), pg_get_function_result(f.oid),
				(select string_agg(n, ', ' order by i) from unnest(f.proargnames) with ordinality a(n, i) where i <= f.pronargs));
			execute format('grant execute on function es.append(%s) to rowhouse_log', pg_get_function_identity_arguments(f.oid));
		end $$`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(2) {
		c := newEvent(tenant)
		getsNumber(&c)
		if r := s.Append(t.Context(), tenant, c)[0]; r.Err != nil || !slices.Equal(r.Numbers, []int64{i + 1}) {
			t.Errorf("got %+v", r)
		}
	}
	events, err := s.Read(t.Context(), tenant, 0, 10)
	if err != nil || len(events) != 2 || string(events[0].Data) != `{"number":1}` || string(events[1].Data) != `{"number":2}` {
		t.Errorf("recorded %v, %v", events, err)
	}
}
