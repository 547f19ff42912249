package wall_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// TestSchema is the lint of what the migrations make.
func TestSchema(t *testing.T) {
	t.Parallel()
	findings, err := wall.Lint(t.Context(), dbtest.Open(t).Superuser(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestLintAsAnybody is for `rowhouse doctor`, which may not be run by a
// superuser.
func TestLintAsAnybody(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	conn := db.Superuser(t)
	exec(t, conn, `create table crm.bad (tenant_id uuid)`)
	var all [2]int
	for i, role := range []string{"rowhouse", "rowhouse_dispatcher"} {
		exec(t, conn, `set role `+role)
		findings, err := wall.Lint(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = len(findings)
	}
	if all[0] == 0 || all[0] != all[1] {
		t.Errorf("found %v", all)
	}
}

// TestLintFinds plants every defect that there is a rule for, and sees it found.
func TestLintFinds(t *testing.T) {
	t.Parallel()
	conn := dbtest.Open(t).Superuser(t)
	const good = `create table crm.good (tenant_id uuid, id int, other int, primary key (tenant_id, id));
		select sec.build_wall('crm.good', 'rowhouse_reader'); grant select on crm.good to rowhouse_reader; `
	const parts = `create table crm.whole (tenant_id uuid, id int, primary key (tenant_id, id)) partition by hash (tenant_id);
		create table crm.part partition of crm.whole for values with (modulus 1, remainder 0);
		select sec.build_wall('crm.whole', 'rowhouse_reader'); `
	const definer = `create function crm.f() returns int language sql security definer set search_path = pg_catalog, pg_temp return 1;
		revoke all on function crm.f() from public; alter function crm.f() owner to rowhouse_owner; `
	for name, c := range map[string]struct {
		plant string
		finds []string // rule and object, with nothing else; none for what is right
	}{
		"a good table":               {good, nil},
		"good partitions":            {parts + `select sec.build_wall('crm.part', 'rowhouse_reader')`, nil},
		"a good view":                {good + `create view crm.v with (security_invoker = true) as select * from crm.good`, nil},
		"a good function":            {definer, nil},
		"a good reference":           {good + `alter table crm.good add foreign key (tenant_id, other) references crm.good`, nil},
		"a reference to the tenant":  {good + `alter table crm.good add foreign key (tenant_id) references access.tenant`, nil},
		"more of a good thing":       {good + `create policy more on crm.good for select to rowhouse_reader using (true)`, nil},
		"a table of other people":    {`create schema theirs; create table theirs.t (tenant_id uuid, id int unique); create view theirs.v as select * from theirs.t`, nil},
		"no wall":                    {`create table crm.bad (tenant_id uuid); alter table crm.bad owner to rowhouse_owner`, []string{"row-security crm.bad"}},
		"a wall with the door open":  {good + `alter table crm.good disable row level security`, []string{"row-security crm.good"}},
		"a wall but for the owner":   {good + `alter table crm.good no force row level security`, []string{"row-security crm.good"}},
		"a table in public":          {`create table public.bad (tenant_id uuid); alter table public.bad owner to rowhouse_owner`, []string{"row-security public.bad"}},
		"no restrictive policy":      {good + `drop policy tenant_wall on crm.good`, []string{"policy crm.good"}},
		"a permissive wall":          {good + `drop policy tenant_wall on crm.good; create policy tenant_wall on crm.good to rowhouse_reader using ((tenant_id, true) = (select sec.tenant(), true))`, []string{"policy crm.good"}},
		"a wall for reading only":    {good + `drop policy tenant_wall on crm.good; create policy tenant_wall on crm.good as restrictive for select to rowhouse_reader using ((tenant_id, true) = (select sec.tenant(), true))`, []string{"policy crm.good"}},
		"a wall that asks each row":  {good + `alter policy tenant_wall on crm.good using (tenant_id = sec.tenant()) with check (tenant_id = sec.tenant())`, []string{"policy crm.good"}},
		"a wall that asks late":      {good + `alter policy tenant_wall on crm.good using (tenant_id = (select sec.tenant())) with check (tenant_id = (select sec.tenant()))`, []string{"policy crm.good"}},
		"a wall that asks too much":  {good + `alter policy tenant_wall on crm.good using ((tenant_id, true) = (select sec.tenant(), true) or other = 7)`, []string{"policy crm.good"}},
		"a wall that checks nothing": {good + `alter policy tenant_wall on crm.good with check (true)`, []string{"policy crm.good"}},
		"a wall that anybody opens":  {good + `alter policy tenant_wall on crm.good using (tenant_id = (select current_setting('app.tenant')::uuid))`, []string{"policy crm.good"}},
		"the wall of another role":   {good + `grant select on crm.good to rowhouse_projector`, []string{"policy crm.good"}},
		"a right to one column":      {good + `grant select (id) on crm.good to rowhouse_projector`, []string{"policy crm.good"}},
		"a stranger":                 {good + `create role stranger; grant select on crm.good to stranger`, []string{"policy crm.good"}},
		"the function's wall":        {good + `drop policy tenant_wall on crm.good; create policy tenant_wall on crm.good as restrictive to rowhouse_reader using (array_position((select current_setting('rowhouse.opened', true)::uuid[]), tenant_id) is not null)`, []string{"policy crm.good"}},
		"a wider overlook":           {`grant select on es.parked to rowhouse_dispatcher`, []string{"overlook es.parked.class", "overlook es.parked.pos", "overlook es.parked.stream_id", "overlook es.parked.tenant_id", "overlook es.parked.ver", "overlook es.parked.version"}},
		"a writing overlook":         {`grant update (pos) on es.checkpoint to rowhouse_dispatcher`, []string{"overlook es.checkpoint"}},
		"a deleting overlook":        {`grant delete on es.checkpoint to rowhouse_dispatcher`, []string{"overlook es.checkpoint"}},
		"a unique column":            {good + `alter table crm.good add unique (other)`, []string{"unique crm.good"}},
		"a unique column beside":     {good + `create unique index on crm.good (other) include (tenant_id)`, []string{"unique crm.good"}},
		"a unique expression":        {good + `create unique index on crm.good ((tenant_id::text), other)`, []string{"unique crm.good"}},
		"an exclusion":               {good + `alter table crm.good add exclude (other with =)`, []string{"unique crm.good"}},
		"an index over all":          {good + `create index on crm.good (other, tenant_id)`, []string{"index crm.good"}},
		"an index on an expression":  {good + `create index on crm.good ((other + 1))`, []string{"index crm.good"}},
		"a reference to anybody":     {good + `create table crm.to (id int primary key); alter table crm.to owner to rowhouse_owner; alter table crm.good add foreign key (other) references crm.to`, []string{"reference crm.good"}},
		"a reference to another":     {good + `alter table crm.good add t2 uuid, add foreign key (t2, other) references crm.good`, []string{"reference crm.good"}},
		"a crossed reference":        {good + `alter table crm.good add t2 uuid, add unique (id, t2, tenant_id), add foreign key (other, tenant_id, t2) references crm.good (id, t2, tenant_id)`, []string{"reference crm.good"}},
		"an open partition":          {parts + `alter table crm.part owner to rowhouse_owner`, []string{"row-security crm.part"}},
		"a right to a partition":     {parts + `select sec.build_wall('crm.part', 'rowhouse_reader'); grant select on crm.part to rowhouse_reader`, []string{"partition crm.part"}},
		"a counter":                  {good + `alter table crm.good add n int generated always as identity`, []string{"sequence crm.good.n"}},
		"a serial":                   {good + `alter table crm.good add n serial`, []string{"sequence crm.good.n"}},
		"a view of the owner":        {good + `create view crm.v as select * from crm.good`, []string{"view crm.v"}},
		"a materialized view":        {good + `create materialized view crm.v as select * from crm.good`, []string{"unwalled-kind crm.v"}},
		"a rule":                     {good + `create rule r as on delete to crm.good do instead nothing`, []string{"rewrite-rule crm.good"}},
		"a table of ours":            {`create table crm.bad (id int)`, []string{"table-owner crm.bad"}},
		"a function led astray":      {definer + `alter function crm.f() reset search_path`, []string{"definer crm.f"}},
		"a function led by temp":     {definer + `alter function crm.f() set search_path = crm`, []string{"definer crm.f"}},
		"a function of a superuser":  {definer + `alter function crm.f() owner to current_user`, []string{"definer crm.f"}},
		"a function of a login":      {definer + `alter function crm.f() owner to rowhouse_access`, []string{"definer crm.f"}},
		"a function for everybody":   {definer + `grant execute on function crm.f() to public`, []string{"public-function crm.f"}},
		"a superuser":                {`alter role rowhouse_reader superuser`, []string{"role rowhouse_reader"}},
		"a role above the wall": {`alter role rowhouse_log bypassrls`, []string{
			"role rowhouse_log", "definer es.append", "definer es.append_numbered", "definer es.append_one", "definer es.begin_move", "definer es.bring_back", "definer es.create_tenant", "definer es.decide",
			"definer es.end_move", "definer es.enter", "definer es.enter_copies", "definer es.place", "definer es.purge_pending", "definer es.seal", "definer es.switch_engine", "definer es.witness",
		}},
		"a role that makes roles": {`alter role rowhouse_writer createrole`, []string{"role rowhouse_writer"}},
		"a role that makes bases": {`alter role rowhouse_writer createdb`, []string{"role rowhouse_writer"}},
		"a role of two duties":    {`grant rowhouse_owner to rowhouse_reader`, []string{"role rowhouse_reader"}},
		"an owner that logs in": {`alter role rowhouse_log login`, []string{
			"definer es.append", "definer es.append_numbered", "definer es.append_one", "definer es.begin_move", "definer es.bring_back", "definer es.create_tenant", "definer es.decide",
			"definer es.end_move", "definer es.enter", "definer es.enter_copies", "definer es.place", "definer es.purge_pending", "definer es.seal", "definer es.switch_engine", "definer es.witness", "login rowhouse_log", "create es",
		}},
		"a duty that does not":      {`alter role rowhouse_reader nologin`, []string{"login rowhouse_reader"}},
		"a duty that is not there":  {`alter role rowhouse_writer rename to writer`, []string{"login rowhouse_writer"}},
		"the right to truncate":     {good + `grant truncate on crm.good to rowhouse_reader`, []string{"privilege crm.good"}},
		"the right to refer":        {good + `grant references on crm.good to rowhouse_reader`, []string{"privilege crm.good"}},
		"the right to refer to one": {good + `grant references (id) on crm.good to rowhouse_reader`, []string{"privilege crm.good"}},
		"the right to add triggers": {good + `grant trigger on crm.good to rowhouse_reader`, []string{"privilege crm.good"}},
		"a table for everybody":     {`create table crm.bad (id int); alter table crm.bad owner to rowhouse_owner; grant select on crm.bad to public`, []string{"public-table crm.bad"}},
		"events that change":        {`grant update (data) on es.event to rowhouse_log`, []string{"final-log es.event"}},
		"events that go":            {`grant delete on es.event to rowhouse_reader`, []string{"final-log es.event"}},
		"a log without its trigger": {`drop trigger final on es.event`, []string{"final-log es.event"}},
		"a trigger that sleeps":     {`alter table es.event disable trigger final`, []string{"final-log es.event"}},
		"a trigger that is gone":    {`alter table es.event rename to events`, nil}, // which nothing would survive
		"a key to read":             {`grant select on sec.key to rowhouse_log`, []string{"seal-key sec.key"}},
		"a schema for everybody":    {`grant create on schema public to public`, []string{"create public"}},
		"a schema for a login":      {`grant create on schema crm to rowhouse_projector`, []string{"create crm"}},
		"temporary tables":          {`do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$`, []string{"create database"}},
		"schemas":                   {`do $$ begin execute format('grant create on database %I to rowhouse_access', current_database()); end $$`, []string{"create database"}},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), c.plant); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkFindings(t, name, tx, c.finds)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// checkFindings looks for exactly the findings that are wanted. Several of one
// rule on one object count as one.
func checkFindings(t *testing.T, name string, tx pgx.Tx, want []string) {
	t.Helper()
	findings, err := wall.Lint(t.Context(), tx)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	found := map[string]bool{}
	for _, f := range findings {
		object, _, _ := strings.Cut(f.Object, " test_") // the name of the database
		found[f.Rule+" "+object] = true
	}
	for _, w := range want {
		if !found[w] {
			t.Errorf("%s: does not find %s", name, w)
		}
		delete(found, w)
	}
	for f := range found {
		t.Errorf("%s: finds %s", name, f)
	}
}
