package wall

// Whoever is bound by the wall is bound by one of these, as pg_get_expr writes
// them. They compare with a subquery, which is evaluated once for a statement.
const (
	// bySeal binds the roles that log in. See sec.build_wall.
	bySeal = `((tenant_id, true) = ( SELECT sec.tenant() AS tenant, true))`

	// byFunction binds rowhouse_log, which nobody can be but through its
	// functions. They verify seals and say for whom.
	byFunction = `(array_position(( SELECT (current_setting('rowhouse.opened'::text, true))::uuid[] AS current_setting), tenant_id) IS NOT NULL)`
)

// An overlook lets a role see over the wall, at these columns and no others.
type overlook struct{ table, role, columns string }

// overlooks are all of them.
var overlooks = []overlook{
	{"es.tenant_head", "rowhouse_dispatcher", "tenant_id,last_pos,engine"},
	{"es.pending", "rowhouse_dispatcher", "tenant_id,pos,at"},
	{"es.command", "rowhouse_dispatcher", "tenant_id,command_id,at"},
	{"es.checkpoint", "rowhouse_dispatcher", "grp,tenant_id,pos,generation,moved"},
	{"es.parked", "rowhouse_dispatcher", "projection,at"},
	{"crm.serving", "rowhouse_dispatcher", "tenant_id,projection,ver,build,swept"},
	{"es.bus_parked", "rowhouse_dispatcher", "target,at"},
	{"jobs.head", "rowhouse_dispatcher", "tenant_id,next_at,turn,turn_until"},
	{"jobs.job", "rowhouse_dispatcher", "name,parked_at"},
	{"access.membership", "rowhouse_directory", "tenant_id,user_id"},
	{"crm.words", "rowhouse_search", "tenant_id,projection,of_ver,of_id,terms"}, // which nobody can be but through crm.find_words
}

func (o overlook) onTable() string   { return o.table }
func (o overlook) byRole() string    { return o.role }
func (o overlook) ofColumns() string { return o.columns }

func each(f func(overlook) string) []string {
	list := make([]string, len(overlooks))
	for i, o := range overlooks {
		list[i] = f(o)
	}
	return list
}

// crossIndexes are the indexes that find rows of all tenants.
var crossIndexes = []string{
	"es.command_at",          // whoever is let to ask can tell when anybody's last command was
	"jobs.head_next_at",      // whoever is let to ask can tell when anybody's next job is due
	"crm.words_terms",        // whoever is bound by a policy cannot use it: its operator is not leakproof
	"access.membership_user", // rowhouse_access finds a user's tenants anyway
}

// rules are all rules.
var rules = []rule{
	{name: "row-security", sql: `
		select name, case when relrowsecurity then 'row-level security does not bind its owner: alter table ... force row level security'
			else 'has a tenant_id and no row-level security: select sec.build_wall(...)' end
		from walled where not (relrowsecurity and relforcerowsecurity)`},

	{name: "policy", args: []any{bySeal, byFunction, each(overlook.onTable), each(overlook.byRole)}, sql: `
		select distinct g.name, g.who || ' has rights here and is bound by no restrictive policy that asks for the tenant'
		from grants g join walled w on w.oid = g.oid
		where not exists (select from unnest($3::text[], $4::text[]) o(tab, role) where o.tab = g.name and o.role = g.who)
			and not exists (select from pg_policy p
				cross join regexp_replace(pg_get_expr(p.polqual, p.polrelid), '\s+', ' ', 'g') asks
				where p.polrelid = g.oid and not p.polpermissive and p.polcmd = '*' and (g.grantee = any(p.polroles) or p.polroles = '{0}')
					and asks = case g.who when 'rowhouse_log' then $2 else $1 end
					and asks = regexp_replace(coalesce(pg_get_expr(p.polwithcheck, p.polrelid), asks), '\s+', ' ', 'g'))`},

	{name: "overlook", args: []any{each(overlook.onTable), each(overlook.byRole), each(overlook.ofColumns)}, sql: `
		select w.name || '.' || a.attname, o.role || ' sees this column of all tenants'
		from unnest($1::text[], $2::text[], $3::text[]) o(tab, role, columns)
		join walled w on w.name = o.tab
		join ours r on r.rolname = o.role
		join pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
		where not a.attname = any(string_to_array(o.columns, ',')) and has_column_privilege(r.oid, w.oid, a.attnum, 'select')
		union all
		select w.name, o.role || ' may write to rows of all tenants'
		from unnest($1::text[], $2::text[]) o(tab, role)
		join walled w on w.name = o.tab
		join ours r on r.rolname = o.role
		where has_any_column_privilege(r.oid, w.oid, 'insert, update')
			or has_table_privilege(r.oid, w.oid, 'delete') and w.name <> 'es.command'`}, // which are forgotten in time

	{name: "unique", sql: `
		select w.name, i.indexrelid::regclass || ' is unique over all tenants, so it tells one what another has: put tenant_id into it'
		from walled w join pg_index i on i.indrelid = w.oid
		where (i.indisunique or i.indisexclusion) and not w.tenant = any((i.indkey::int2[])[0:i.indnkeyatts - 1])`},

	{name: "index", args: []any{crossIndexes}, sql: `
		select distinct w.name, i.indexrelid::regclass || ' finds rows of all tenants, so how a statement fails can tell what they have: put tenant_id first'
		from walled w join pg_index i on i.indrelid = w.oid join grants g on g.oid = w.oid join ours o on o.oid = g.grantee and o.login
		where i.indkey[0] <> w.tenant and not i.indexrelid::regclass::text = any($1::text[])
			and not (i.indisunique or i.indisexclusion)`},

	{name: "reference", sql: `
		select w.name, k.conname || ' can refer to a row of another tenant: put tenant_id into it'
		from walled w join pg_constraint k on k.conrelid = w.oid and k.contype = 'f'
		left join walled f on f.oid = k.confrelid
		where coalesce(f.tenant <> k.confkey[array_position(k.conkey, w.tenant)], not w.tenant = any(k.conkey))
			or not w.tenant = any(k.conkey)`},

	{name: "partition", sql: `
		select distinct g.name, g.who || ' can go around the policies of the table that this is a part of: revoke its rights'
		from grants g join pg_inherits i on i.inhrelid = g.oid`},

	{name: "sequence", sql: `
		select w.name || '.' || a.attname, 'is counted over all tenants, so it tells one how busy the others are'
		from walled w join pg_attribute a on a.attrelid = w.oid and not a.attisdropped
		left join pg_attrdef d on d.adrelid = w.oid and d.adnum = a.attnum
		where a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval(%'`},

	{name: "view", sql: `
		select name, 'shows what its owner may see, and not what its reader may: alter view ... set (security_invoker = true)'
		from relations where relkind = 'v' and not coalesce(reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)`},

	{name: "unwalled-kind", sql: `
		select name, 'row-level security cannot bind a ' || case relkind when 'm' then 'materialized view' else 'foreign table' end
		from relations where relkind in ('m', 'f')`},

	{name: "rewrite-rule", sql: `
		select r.name, 'the rule ' || w.rulename || ' does things with the rights of the owner'
		from relations r join pg_rewrite w on w.ev_class = r.oid where r.relkind in ('r', 'p')`},

	{name: "table-owner", sql: `
		select r.name, 'belongs to ' || pg_get_userbyid(r.relowner) || ', who can log in or is not ours: alter table ... owner to rowhouse_owner'
		from relations r where r.relkind in ('r', 'p') and not exists (select from ours o where o.oid = r.relowner and not o.login)`},

	{name: "definer", sql: `
		select f.name, d.problem
		from functions f join pg_roles r on r.oid = f.proowner, lateral (values
			(not coalesce(f.proconfig && array['search_path=pg_catalog, pg_temp'], false),
				'runs with the rights of its owner and finds things where its caller likes: set search_path = pg_catalog, pg_temp'),
			(r.rolcanlogin or r.rolsuper or r.rolbypassrls,
				'runs with the rights of ' || r.rolname || ', which are too many: alter function ... owner to a role that cannot log in')
		) d(bad, problem)
		where f.prosecdef and d.bad`},

	{name: "public-function", sql: `
		select f.name, 'everybody may run it: revoke all on function ... from public'
		from functions f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) g where g.grantee = 0`},

	{name: "role", sql: `
		select o.rolname, d.problem
		from ours o join pg_roles r on r.oid = o.oid, lateral (values
			(r.rolsuper or r.rolbypassrls, 'row-level security does not bind it: alter role ... nosuperuser nobypassrls'),
			(r.rolcreaterole or r.rolcreatedb or r.rolreplication, 'has more rights than its duty needs: alter role ... nocreaterole nocreatedb noreplication'),
			(exists (select from pg_auth_members m where m.member = o.oid), 'has the rights of another role too: revoke that one')
		) d(bad, problem)
		where d.bad`},

	{name: "login", args: []any{duties()}, sql: `
		select o.rolname, case when o.login then 'owns things, so nobody must be able to be it: alter role ... nologin' else 'has a duty, but cannot log in' end
		from ours o where o.login <> (o.rolname = any($1::text[]))
		union all
		select d, 'is not there: run rowhouse migrate' from unnest($1::text[]) d where not exists (select from ours where rolname = d)`},

	{name: "privilege", sql: `
		select distinct name, who || ' has the right to ' || lower(privilege_type) || ', which row-level security does not bind'
		from grants where privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')`},

	{name: "public-table", sql: `
		select distinct name, 'everybody has the right to ' || lower(privilege_type) from grants where grantee = 0`},

	{name: "final-log", sql: `
		select distinct name, who || ' may change events'
		from grants where name in ('es.event', 'es.entry') and privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')
		union all
		select r.name, 'no trigger keeps events from being changed'
		from relations r where r.name in ('es.event', 'es.entry') and not exists (
			select from pg_trigger t where t.tgrelid = r.oid and t.tgname = 'final' and t.tgenabled in ('O', 'A')
				and t.tgtype & 58 = 58)`}, // before update, delete or truncate

	{name: "seal-key", sql: `
		select distinct g.name, g.who || ' can read or change the key that seals are made with'
		from grants g where g.name like 'sec.%'`},

	{name: "create", sql: `
		select s.nspname, coalesce(o.rolname, 'everybody') || ' can make things in this schema'
		from pg_namespace s, aclexplode(coalesce(s.nspacl, acldefault('n', s.nspowner))) g left join ours o on o.oid = g.grantee
		where s.oid in (select oid from schemas) and g.privilege_type = 'CREATE' and (g.grantee = 0 or o.login)
		union all
		select 'database ' || d.datname, coalesce(o.rolname, 'everybody') || ' can make ' || case g.privilege_type when 'CREATE' then 'schemas' else 'temporary tables' end
		from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g left join ours o on o.oid = g.grantee
		where d.datname = current_database() and g.privilege_type in ('CREATE', 'TEMPORARY') and (g.grantee = 0 or o.login)`},
}

func duties() []string {
	var roles []string
	for _, d := range Duties() {
		roles = append(roles, d.Role())
	}
	return roles
}
