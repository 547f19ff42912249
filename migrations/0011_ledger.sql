-- +goose Up

-- The ledger of logs that are kept by another engine. That engine cannot check
-- several streams, give out positions or hold claims in one step, so all that is
-- decided here, just as for a log in this database; what was decided is then
-- carried over there, and is let go of here when it was seen there. See
-- docs/adr/0010-decided-here-kept-there.md.

-- Where the log of a tenant is kept. Each door opens for its own tenants only, so
-- that no node can append in the wrong place.
alter table es.tenant_head add column engine text collate "C" not null default 'postgres'
    constraint engine_known check (engine in ('postgres', 'kurrent'));

-- Where it is being moved, while it is sealed for that. A log that is sealed
-- without being moved is closed.
alter table es.tenant_head add column moving_to text collate "C"
    constraint moving_known check (moving_to in ('postgres', 'kurrent')),
    add constraint sealed_to_move check (moving_to is null or sealed);
grant select (engine) on es.tenant_head to rowhouse_dispatcher;
grant update (sealed, engine, moving_to) on es.tenant_head to rowhouse_log;

-- What is known here of an event that is kept elsewhere: everything but its data.
create table es.entry (
    tenant_id      uuid not null,
    pos            bigint not null,
    stream_kind    text collate "C" not null,
    stream_id      uuid not null,
    version        int not null,
    event_id       uuid not null,
    event_type     text collate "C" not null,
    schema_version smallint not null,
    recorded_at    timestamptz not null,
    primary key (tenant_id, pos),
    constraint entry_stream unique (tenant_id, stream_id, stream_kind, version)
) with (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02
);
create trigger final before update or delete or truncate on es.entry
    for each statement execute function es.refuse_change();

-- What was decided and was not yet seen in the log. It is soon empty again.
create table es.pending (
    tenant_id uuid not null,
    pos       bigint not null,
    data      bytea not null,
    meta      bytea not null,
    at        timestamptz not null default clock_timestamp(),
    primary key (tenant_id, pos)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

select sec.build_wall('es.entry', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('es.pending', 'rowhouse_reader', 'rowhouse_projector');
grant select on es.entry, es.pending to rowhouse_reader, rowhouse_projector;

-- Dispatchers see which tenants have something to be carried over.
create policy positions on es.pending for select to rowhouse_dispatcher using (true);
grant select (tenant_id, pos, at) on es.pending to rowhouse_dispatcher;

-- How far whoever watches an engine has come, in the engine's own terms.
create table es.watched (
    name text primary key,
    at   text not null
);
alter table es.watched owner to rowhouse_owner;
grant select on es.watched to rowhouse_dispatcher;

-- What tells this installation from others, in an event store that they might have
-- been mixed up with: the one that is marked as ours has a stream with this ID in
-- its name.
create table es.installation (
    one       boolean primary key default true check (one),
    id        uuid not null default gen_random_uuid(),
    marked_at timestamptz
);
alter table es.installation owner to rowhouse_owner;
insert into es.installation default values;
grant select, update (marked_at) on es.installation to rowhouse_dispatcher;

-- +goose StatementBegin
do $$
declare
    t text;
begin
    foreach t in array array['entry', 'pending'] loop
        execute format('create policy log_wall on es.%I as restrictive for all to rowhouse_log
            using (array_position((select current_setting(''rowhouse.opened'', true)::uuid[]), tenant_id) is not null)', t);
        execute format('create policy log_base on es.%I for all to rowhouse_log using (true)', t);
    end loop;
end $$;
-- +goose StatementEnd
grant select, insert on es.entry to rowhouse_log;
grant select, insert, delete on es.pending to rowhouse_log;
grant select, insert, update on es.watched to rowhouse_log;

-- es.append and es.append_one are for tenants whose log is here. es.enter is
-- es.append for those whose log is elsewhere: the same text, so that both judge
-- alike, but that it knows the events from es.entry and records them there,
-- without their data.
-- +goose StatementBegin
do $$
declare
    f   record;
    def text;
begin
    for f in
        select p.oid::regprocedure as id from pg_proc p
        where p.pronamespace = 'es'::regnamespace and p.proname in ('append', 'append_one')
    loop
        def := pg_get_functiondef(f.id);
        if strpos(def, 'and not h.sealed') = 0 then
            raise exception 'the function % is not as this step expects it', f.id;
        end if;
        execute replace(def, 'and not h.sealed', 'and not h.sealed and h.engine = ''postgres''');
    end loop;

    select pg_get_functiondef(p.oid) into strict def from pg_proc p
        where p.pronamespace = 'es'::regnamespace and p.proname = 'append';
    for f in
        select * from (values
            ('FUNCTION es.append(', 'FUNCTION es.enter('),
            ('h.engine = ''postgres''', 'h.engine <> ''postgres'''),
            ('es.event', 'es.entry'),
            ('recorded_at, data, meta)', 'recorded_at)'),
            ('v_at[c.tenant], e.data, e.meta', 'v_at[c.tenant]')) r(find, put)
    loop
        if strpos(def, f.find) = 0 then
            raise exception 'es.append is not as this step expects it';
        end if;
        def := replace(def, f.find, f.put);
    end loop;
    execute def;
end $$;
-- +goose StatementEnd

-- es.decide is es.append for tenants whose log is elsewhere. The arguments and the
-- answers are the same. What it records is final, and it keeps the data until
-- es.witness is told that they are in the log.
-- +goose StatementBegin
create function es.decide(
    seals text[], t_count int[],
    c_tenant int[], c_before int[], c_count int[], c_id uuid[], c_hash bytea[],
    w_command int[], w_kind text[], w_stream uuid[], w_at int[], w_count int[],
    k_command int[], k_how text[], k_scope text[], k_key bytea[], k_kind text[], k_stream uuid[],
    e_write int[], e_step int[], e_nth int[],
    e_id uuid[], e_type text[], e_schema smallint[], e_data bytea[], e_meta bytea[])
    returns table (command int, outcome text, first_pos bigint, last_pos bigint, at timestamptz,
        item int, version int, holder_kind text, holder_id uuid)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
    set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
    return query
        with answer as materialized (
            select * from es.enter(seals, t_count, c_tenant, c_before, c_count, c_id, c_hash,
                w_command, w_kind, w_stream, w_at, w_count, k_command, k_how, k_scope, k_key, k_kind, k_stream,
                e_write, e_step, e_nth, e_id, e_type, e_schema, '{}', '{}')),
        kept as (
            insert into es.pending (tenant_id, pos, data, meta)
            select t.id, a.first_pos + e.nth - 1, e.data, e.meta
            from unnest(e_write, e_nth, e_data, e_meta) e(write, nth, data, meta)
            join answer a on a.command = w_command[e.write] and a.outcome = 'recorded',
                lateral (select split_part(seals[c_tenant[a.command]], '|', 1)::uuid) t(id))
        select * from answer;
end $$;
-- +goose StatementEnd

-- es.overdue looks at some tenants that have something pending, in the order of
-- their IDs after one, and says of each whether what has been pending for longest
-- has been so for longer than an age. It takes a look at the first row of each
-- tenant only, however many there are.
-- +goose StatementBegin
create function es.overdue(p_after uuid, p_age interval, p_limit int) returns table (tenant uuid, overdue boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
begin
    tenant := p_after;
    for i in 1..p_limit loop
        select p.tenant_id, p.at < clock_timestamp() - p_age into tenant, overdue
            from es.pending p where p.tenant_id > tenant order by p.tenant_id, p.pos limit 1;
        exit when not found;
        return next;
    end loop;
end $$;
-- +goose StatementEnd

-- es.witness is told what whoever watches an engine has seen there since it was
-- at one place, until another. It lets go of the data of events that are in the
-- log as they were decided, to the byte, and returns the others: their numbers in
-- w_. In the same transaction the place moves on; if somebody else has moved it
-- already, nothing is done. w_hash is the SHA-256 of the SHA-256 of data and that
-- of meta. What is not known, or not told, is no reason to let go of anything.
-- +goose StatementBegin
create function es.witness(
    seals text[], p_name text, p_from text, p_to text,
    w_tenant int[], w_pos bigint[], w_kind text[], w_stream uuid[], w_version int[], w_event uuid[], w_hash bytea[])
    returns setof int
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    v_tenant uuid[] := '{}';
begin
    if array[cardinality(w_pos), cardinality(w_kind), cardinality(w_stream), cardinality(w_version), cardinality(w_event), cardinality(w_hash)]
        is distinct from array_fill(cardinality(w_tenant), array[6]) then
        raise exception 'the arrays do not belong together' using errcode = '22023';
    end if;
    update es.watched w set at = p_to where w.name = p_name and w.at = p_from;
    if not found and p_from = '' then
        insert into es.watched (name, at) values (p_name, p_to) on conflict do nothing;
    end if;
    if not found then
        raise exception 'somebody else has watched meanwhile' using errcode = 'RH001';
    end if;
    if cardinality(seals) = 0 then
        return;
    end if;
    v_tenant := sec.open_all(seals);
    perform set_config('rowhouse.opened', v_tenant::text, true);
    return query
        with seen as materialized (
            select w.i::int, v_tenant[w.tenant] as tenant, w.pos, w.hash, n.event_id is not null as known
            from unnest(w_tenant, w_pos, w_kind, w_stream, w_version, w_event, w_hash)
                with ordinality w(tenant, pos, kind, stream, version, event, hash, i)
            left join es.entry n on n.tenant_id = v_tenant[w.tenant] and n.pos = w.pos and n.stream_kind = w.kind
                and n.stream_id = w.stream and n.version = w.version and n.event_id = w.event),
        judged as materialized (
            select s.i, s.tenant, s.pos,
                s.known and (p.tenant_id is null or coalesce(s.hash = sha256(sha256(p.data) || sha256(p.meta)), false)) as good
            from seen s left join es.pending p on p.tenant_id = s.tenant and p.pos = s.pos),
        gone as (
            delete from es.pending p using judged j where j.good and p.tenant_id = j.tenant and p.pos = j.pos)
        select j.i from judged j
        where not j.good and exists (select from es.tenant_head h where h.tenant_id = j.tenant) -- others may use the same engine
        order by j.i;
end $$;
-- +goose StatementEnd

-- es.create_tenant makes an empty log in an engine, if there is none.
-- +goose StatementBegin
create function es.create_tenant(p_tenant uuid, p_engine text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    insert into es.tenant_head (tenant_id, engine) values (p_tenant, p_engine) on conflict do nothing;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- What follows moves a log from one engine to another. It is for the operator's
-- tools, which work as rowhouse_owner: see docs/operating.md.

-- es.seal closes a tenant's log, or opens it again, whether it is moving or not.
-- +goose StatementBegin
create function es.seal(p_tenant uuid, p_sealed boolean) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_last bigint;
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    update es.tenant_head set sealed = p_sealed, moving_to = null where tenant_id = p_tenant returning last_pos into v_last;
    perform set_config('rowhouse.opened', '{}', true);
    return v_last;
end $$;
-- +goose StatementEnd

-- es.place says where the log of a tenant is, and how it is.
-- +goose StatementBegin
create function es.place(p_tenant uuid, out engine text, out last_pos bigint, out sealed boolean, out moving_to text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    select h.engine, h.last_pos, h.sealed, coalesce(h.moving_to, '') into engine, last_pos, sealed, moving_to
        from es.tenant_head h where h.tenant_id = p_tenant;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- es.begin_move stops appends to a log for the last part of a move, and returns
-- the position of its last event. A log that is closed does not move.
-- +goose StatementBegin
create function es.begin_move(p_tenant uuid, p_engine text) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_last bigint;
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    update es.tenant_head set sealed = true, moving_to = p_engine
        where tenant_id = p_tenant and (not sealed or moving_to is not null) returning last_pos into v_last;
    if not found then
        raise exception 'the log is closed' using errcode = '55000';
    end if;
    perform set_config('rowhouse.opened', '{}', true);
    return v_last;
end $$;
-- +goose StatementEnd

-- es.end_move lets appends in again, wherever the log is now. A log that was
-- closed meanwhile stays closed.
-- +goose StatementBegin
create function es.end_move(p_tenant uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    update es.tenant_head set sealed = false, moving_to = null where tenant_id = p_tenant and moving_to is not null;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- es.enter_copies makes entries of events that are in this database, after a
-- position, and returns how many they are. Their data are to be carried over by
-- the caller.
-- +goose StatementBegin
create function es.enter_copies(p_tenant uuid, p_after bigint, p_limit int) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_count bigint;
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    insert into es.entry (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at)
        select e.tenant_id, e.pos, e.stream_kind, e.stream_id, e.version, e.event_id, e.event_type, e.schema_version, e.recorded_at
        from es.event e where e.tenant_id = p_tenant and e.pos > p_after order by e.pos limit p_limit
        on conflict (tenant_id, pos) do nothing;
    select count(*) into v_count from (
        select from es.event e where e.tenant_id = p_tenant and e.pos > p_after order by e.pos limit p_limit) e;
    perform set_config('rowhouse.opened', '{}', true);
    return v_count;
end $$;
-- +goose StatementEnd

-- es.bring_back makes events of entries, with their data. Nothing is made of a
-- position that is there already.
-- +goose StatementBegin
create function es.bring_back(p_tenant uuid, p_pos bigint[], p_data bytea[], p_meta bytea[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    insert into es.event (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta)
        select n.tenant_id, n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, b.data, b.meta
        from unnest(p_pos, p_data, p_meta) b(pos, data, meta)
        join es.entry n on n.tenant_id = p_tenant and n.pos = b.pos
        on conflict (tenant_id, pos) do nothing;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- es.switch_engine says that a log that is moving is now kept by the other engine,
-- if both have all of it.
-- +goose StatementBegin
create function es.switch_engine(p_tenant uuid, p_engine text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_head es.tenant_head;
    v_here bigint;
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    select * into v_head from es.tenant_head where tenant_id = p_tenant for update;
    if v_head.moving_to is distinct from p_engine then
        raise exception 'the log is not moving there' using errcode = '55000';
    end if;
    if p_engine = 'postgres' then
        select count(*) into v_here from es.event where tenant_id = p_tenant;
    else
        select count(*) into v_here from es.entry where tenant_id = p_tenant;
    end if;
    if v_here <> v_head.last_pos then
        raise exception 'the log was not copied to its end' using errcode = '55000';
    end if;
    update es.tenant_head set engine = p_engine where tenant_id = p_tenant;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- es.purge_pending forgets the data of what was decided and was not yet seen in
-- the engine that it was for, if the log is closed, or has moved here.
-- +goose StatementBegin
create function es.purge_pending(p_tenant uuid) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_count bigint;
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    if not exists (select from es.tenant_head where tenant_id = p_tenant and moving_to is null and (sealed or engine = 'postgres')) then
        raise exception 'the log is still in use' using errcode = '55000';
    end if;
    delete from es.pending where tenant_id = p_tenant;
    get diagnostics v_count = row_count;
    perform set_config('rowhouse.opened', '{}', true);
    return v_count;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f record;
begin
    for f in
        select p.oid::regprocedure as id, d.duty from (values
            ('enter', null), ('decide', 'rowhouse_writer'), ('overdue', 'rowhouse_dispatcher'), ('witness', 'rowhouse_dispatcher'), ('create_tenant', 'rowhouse_access'),
            ('seal', 'rowhouse_owner'), ('place', 'rowhouse_owner'), ('begin_move', 'rowhouse_owner'), ('end_move', 'rowhouse_owner'), ('enter_copies', 'rowhouse_owner'),
            ('bring_back', 'rowhouse_owner'), ('switch_engine', 'rowhouse_owner'), ('purge_pending', 'rowhouse_owner')
        ) d(name, duty) join pg_proc p on p.pronamespace = 'es'::regnamespace and p.proname = d.name
    loop
        execute format('alter function %s owner to rowhouse_log', f.id);
        execute format('revoke all on function %s from public', f.id);
        if f.duty is not null then
            execute format('grant execute on function %s to %I', f.id, f.duty);
        end if;
    end loop;
end $$;
-- +goose StatementEnd
