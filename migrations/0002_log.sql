-- +goose Up

-- The log. Its only door is es.append: nobody, not even the owner, changes or
-- deletes an event, and nobody but that function adds one.

-- The end of each tenant's log. Whoever appends holds this row until the
-- transaction ends. So positions have no gaps, they become visible in their
-- order, and a transaction that fails takes its positions back with it.
create table es.tenant_head (
    tenant_id uuid primary key,
    last_pos  bigint not null default 0,
    last_at   timestamptz not null default '-infinity',
    sealed    boolean not null default false -- takes no events, because it is being moved or closed
) with (fillfactor = 40); -- room for updates within the page

-- stream_id comes before stream_kind in the index because it decides sooner.
create table es.event (
    tenant_id      uuid not null,
    pos            bigint not null,
    stream_kind    text collate "C" not null,
    stream_id      uuid not null,
    version        int not null,
    event_id       uuid not null,
    event_type     text collate "C" not null,
    schema_version smallint not null,
    recorded_at    timestamptz not null,
    data           bytea not null, -- not json: what is stored is final, to the byte
    meta           bytea not null,
    primary key (tenant_id, pos),
    constraint event_stream unique (tenant_id, stream_id, stream_kind, version)
) with (
    -- Nothing is ever dead here, so what must be kept up is the visibility map
    -- and the statistics.
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02
);

-- Commands that came with a hash, so that they can be told from others that use
-- the same ID.
create table es.command (
    tenant_id  uuid not null,
    command_id uuid not null,
    hash       bytea not null,
    first_pos  bigint not null,
    last_pos   bigint not null,
    at         timestamptz not null,
    primary key (tenant_id, command_id)
);
create index command_at on es.command using brin (at) with (autosummarize = on);

-- What only one stream of a tenant may hold.
create table es.claim (
    tenant_id   uuid not null,
    scope       text collate "C" not null,
    key_hash    bytea not null, -- SHA-256
    stream_kind text collate "C" not null,
    stream_id   uuid not null,
    primary key (tenant_id, key_hash, scope)
);

select sec.build_wall('es.tenant_head', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('es.event', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('es.command', 'rowhouse_reader');
select sec.build_wall('es.claim', 'rowhouse_reader');

grant select on es.tenant_head, es.event to rowhouse_reader, rowhouse_projector;
grant select on es.command, es.claim to rowhouse_reader;

-- Dispatchers see how far the log of each tenant goes, and nothing else.
create policy positions on es.tenant_head for select to rowhouse_dispatcher using (true);
grant select (tenant_id, last_pos) on es.tenant_head to rowhouse_dispatcher;

-- They also see which commands are old enough to be forgotten, and forget them.
create policy forgettable on es.command for select to rowhouse_dispatcher using (at < now() - interval '7 days');
create policy forget on es.command for delete to rowhouse_dispatcher using (at < now() - interval '7 days');
grant select (tenant_id, command_id, at), delete on es.command to rowhouse_dispatcher;

-- What is recorded is final.
-- +goose StatementBegin
create function es.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'events are final' using errcode = '42501';
end $$;
-- +goose StatementEnd
alter function es.refuse_change() owner to rowhouse_owner;
revoke all on function es.refuse_change() from public;
create trigger final before update or delete or truncate on es.event
    for each statement execute function es.refuse_change();

-- rowhouse_log owns the functions below and is nobody's login. The wall binds it
-- too: it sees the tenants whose seals the function has verified. Not even a
-- mistake in the function can touch another one.
-- +goose StatementBegin
do $$
declare
    t text;
begin
    foreach t in array array['tenant_head', 'event', 'command', 'claim'] loop
        execute format('create policy log_wall on es.%I as restrictive for all to rowhouse_log
            using (array_position((select current_setting(''rowhouse.opened'', true)::uuid[]), tenant_id) is not null)', t);
        execute format('create policy log_base on es.%I for all to rowhouse_log using (true)', t);
    end loop;
end $$;
-- +goose StatementEnd
grant select, insert on es.event, es.command to rowhouse_log;
grant select, insert, update (last_pos, last_at) on es.tenant_head to rowhouse_log;
grant select, insert, delete on es.claim to rowhouse_log;

-- es.create_tenant makes an empty log, if there is none.
-- +goose StatementBegin
create function es.create_tenant(p_tenant uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('rowhouse.opened', array[p_tenant]::text, true);
    insert into es.tenant_head (tenant_id) values (p_tenant) on conflict do nothing;
    perform set_config('rowhouse.opened', '{}', true);
end $$;
-- +goose StatementEnd

-- sec.open_all returns the tenants that seals were made for, in the order of the
-- seals. A seal may be for several tenants: then commas are between them. See
-- sec.open.
-- +goose StatementBegin
create function sec.open_all(seals text[]) returns uuid[]
    language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
    tenants uuid[];
    opened  int;
begin
    select array_agg(t::uuid order by s.i, t.i), count(distinct s.i) into tenants, opened
        from unnest(seals) with ordinality s(seal, i) join sec.key k on k.kid = split_part(s.seal, '|', 4),
            lateral string_to_table(split_part(s.seal, '|', 1), ',') with ordinality t(t, i)
        where split_part(s.seal, '|', 2) = pg_backend_pid()::text
            and sha256(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(s.seal, -65), 'UTF8'))))
                = sha256(decode(right(s.seal, 64), 'hex'))
            and split_part(s.seal, '|', 3)::bigint >= extract(epoch from clock_timestamp());
    if tenants is null or opened is distinct from cardinality(seals) then
        raise exception 'tenant context invalid' using errcode = '42501';
    end if;
    return tenants;
end $$;
-- +goose StatementEnd
alter function sec.open_all(text[]) owner to rowhouse_sec;
revoke all on function sec.open_all(text[]) from public;
grant execute on function sec.open_all(text[]) to rowhouse_log;

-- es.append records commands of any number of tenants, each as a whole or not at
-- all, and answers each by itself. No two of them may touch the same stream or
-- claim or have the same id, so all are judged by how things are before the
-- call. Arrays whose names begin with the same letter belong together:
--
--   t_    tenants, in their order, as the seals have them; t_count is how many
--         events there are for each
--   c_    commands; c_tenant counts in t_, c_before is how many events there are
--         for the tenant before those of this command, and c_hash is empty if no
--         command has one
--   w_    streams, the versions they must be at, and how many events are added
--   k_    claims; how is 'hard', 'soft' or 'free'
--   e_    events; e_write is the stream in w_, e_step counts in the stream and
--         e_nth in the command, both from 1
--
-- The answers: 'recorded' (first_pos, last_pos, at), 'repeated' (the same, of
-- the first time), 'reused', 'conflict' (item in w_, version), 'claimed' (item
-- in k_, holder), 'unknown' and 'sealed'. Other columns mean nothing then.
--
-- Positions are given out first, as if nothing could go wrong. What does go wrong
-- is found by queries that usually find nothing; it is answered at once, and the
-- positions are put right before anything is recorded. If a caller cannot count,
-- nothing is recorded at all: no mistake of theirs can leave a gap. The settings
-- are for plans that are made once and do not depend on statistics: every access
-- here is a look into an index. Nobody waits for long for the head of one tenant,
-- because there are others in the same call.
-- +goose StatementBegin
create function es.append(
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
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    v_tenant  uuid[] := sec.open_all(seals);
    v_known   uuid[];
    v_last    bigint[];
    v_at      timestamptz[];
    v_events  bigint;        -- how many there are to record
    v_added   bigint;
    v_settled int[] := '{}'; -- commands that were answered, and of which nothing is recorded
    v_held    int[] := '{}'; -- claims that are not taken, because somebody has them
    r         record;
begin
    perform set_config('rowhouse.opened', v_tenant::text, true);

    -- A statement of its own: those that follow see all that was committed before
    -- the heads were ours. All take them in the same order, so nobody waits in a
    -- circle.
    with h as (
        update es.tenant_head h set last_pos = h.last_pos + t.count, last_at = greatest(clock_timestamp(), h.last_at)
        from (select t.id, t.count from unnest(v_tenant, t_count) t(id, count) order by t.id) t
        where h.tenant_id = t.id and not h.sealed
        returning h.tenant_id, t.count, h.last_pos - t.count as last_pos, h.last_at)
    select array_agg(h.tenant_id), array_agg(h.last_pos), array_agg(h.last_at), sum(h.count)
        into v_known, v_last, v_at, v_events from h;

    if v_known is distinct from v_tenant then -- bring the others into line
        select array_agg(h.last_pos order by t.i), array_agg(h.at order by t.i) into v_last, v_at
            from unnest(v_tenant) with ordinality t(id, i)
            left join unnest(v_known, v_last, v_at) h(id, last_pos, at) on h.id = t.id;
        for r in
            select c.i::int, exists (select from es.tenant_head h where h.tenant_id = v_tenant[c.tenant]) as known
            from unnest(c_tenant) with ordinality c(tenant, i)
            where v_last[c.tenant] is null
        loop
            v_settled := v_settled || r.i;
            command := r.i; outcome := case when r.known then 'sealed' else 'unknown' end;
            return next;
        end loop;
    end if;

    if c_hash <> '{}' then
        for r in
            select c.i::int, c.hash = d.hash as same, d.first_pos, d.last_pos, d.at
            from unnest(c_tenant, c_id, c_hash) with ordinality c(tenant, id, hash, i)
            join es.command d on d.tenant_id = v_tenant[c.tenant] and d.command_id = c.id
            where c.hash is not null
        loop
            v_settled := v_settled || r.i;
            command := r.i; outcome := case when r.same then 'repeated' else 'reused' end;
            first_pos := r.first_pos; last_pos := r.last_pos; at := r.at;
            return next;
        end loop;
    end if;

    for r in
        select w.command, w.i::int, coalesce(s.version, 0) as version
        from unnest(w_command, w_kind, w_stream, w_at) with ordinality w(command, kind, stream, at, i)
        left join lateral (
            select e.version from es.event e
            where e.tenant_id = v_tenant[c_tenant[w.command]] and e.stream_id = w.stream and e.stream_kind = w.kind
            order by e.version desc limit 1) s on true
        where coalesce(s.version, 0) <> w.at
    loop
        continue when r.command = any (v_settled);
        v_settled := v_settled || r.command;
        -- Perhaps the reason is that all its events are there already.
        select min(d.pos), max(d.pos), max(d.recorded_at) into first_pos, last_pos, at
            from unnest(e_write, e_step, e_id) e(write, step, id)
            join es.event d on d.tenant_id = v_tenant[c_tenant[r.command]] and d.stream_id = w_stream[e.write]
                and d.stream_kind = w_kind[e.write] and d.version = w_at[e.write]::bigint + e.step and d.event_id = e.id
            where w_command[e.write] = r.command
            having count(*) = c_count[r.command];
        command := r.command; outcome := case when first_pos is null then 'conflict' else 'repeated' end;
        item := r.i; version := r.version;
        return next;
    end loop;

    if k_command <> '{}' then
        for r in
            select k.command, k.i::int, k.how = 'hard' and (h.stream_kind, h.stream_id) <> (k.kind, k.stream) as refused,
                h.stream_kind, h.stream_id
            from unnest(k_command, k_how, k_scope, k_key, k_kind, k_stream) with ordinality k(command, how, scope, key, kind, stream, i)
            join es.claim h on h.tenant_id = v_tenant[c_tenant[k.command]] and h.scope = k.scope and h.key_hash = k.key
            where k.how <> 'free'
                and not exists (
                    select from unnest(k_command, k_how, k_scope, k_key, k_kind, k_stream) f(command, how, scope, key, kind, stream)
                    where (f.command, f.how, f.scope, f.key, f.kind, f.stream) = (k.command, 'free', k.scope, k.key, h.stream_kind, h.stream_id))
        loop
            v_held := v_held || r.i;
            continue when not r.refused or r.command = any (v_settled);
            v_settled := v_settled || r.command;
            command := r.command; outcome := 'claimed';
            item := r.i; holder_kind := r.stream_kind; holder_id := r.stream_id;
            return next;
        end loop;
    end if;

    if v_settled <> '{}' then -- put the positions right
        select array_agg(c.before order by c.i) into c_before from (
            select c.i, coalesce(sum(c.count) filter (where c.i <> all (v_settled))
                over (partition by c.tenant order by c.i rows between unbounded preceding and 1 preceding), 0)::int as before
            from unnest(c_tenant, c_count) with ordinality c(tenant, count, i)) c;
        update es.tenant_head h set last_pos = h.last_pos - n.count
            from (
                select c.tenant, sum(c.count) as count
                from unnest(c_tenant, c_count) with ordinality c(tenant, count, i)
                where c.i = any (v_settled)
                group by c.tenant) n
            where h.tenant_id = v_tenant[n.tenant] and v_last[n.tenant] is not null;
        select v_events - coalesce(sum(c.count), 0) into v_events from unnest(c_tenant, c_count) with ordinality c(tenant, count, i)
            where c.i = any (v_settled) and v_last[c.tenant] is not null;
    end if;

    insert into es.event (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta)
        select v_tenant[c.tenant], p.pos, w_kind[e.write], w_stream[e.write], w_at[e.write] + e.step,
            e.id, e.type, e.schema, v_at[c.tenant], e.data, e.meta
        from unnest(e_write, e_step, e_nth, e_id, e_type, e_schema, e_data, e_meta) e(write, step, nth, id, type, schema, data, meta),
            lateral (select w_command[e.write] as command) w,
            lateral (select c_tenant[w.command] as tenant) c,
            lateral (select v_last[c.tenant] + c_before[w.command] + e.nth as pos) p
        where w.command <> all (v_settled)
            and e.step between 1 and w_count[e.write] and e.nth between 1 and c_count[w.command]
            and p.pos <= v_last[c.tenant] + t_count[c.tenant];
    get diagnostics v_added = row_count;
    if v_added <> coalesce(v_events, 0) or v_settled = '{}' and v_added <> cardinality(e_id) then
        raise exception 'events are miscounted' using errcode = '22023';
    end if;

    if c_hash <> '{}' then
        insert into es.command (tenant_id, command_id, hash, first_pos, last_pos, at)
            select v_tenant[c.tenant], c.id, c.hash, v_last[c.tenant] + c.before + 1, v_last[c.tenant] + c.before + c.count, v_at[c.tenant]
            from unnest(c_tenant, c_before, c_count, c_id, c_hash) with ordinality c(tenant, before, count, id, hash, i)
            where c.hash is not null and c.i <> all (v_settled);
    end if;

    if k_command <> '{}' then
        delete from es.claim h
            using unnest(k_command, k_how, k_scope, k_key, k_kind, k_stream) k(command, how, scope, key, kind, stream)
            where k.how = 'free' and k.command <> all (v_settled) and h.tenant_id = v_tenant[c_tenant[k.command]]
                and h.scope = k.scope and h.key_hash = k.key and h.stream_kind = k.kind and h.stream_id = k.stream;
        insert into es.claim (tenant_id, scope, key_hash, stream_kind, stream_id)
            select v_tenant[c_tenant[k.command]], k.scope, k.key, k.kind, k.stream
            from unnest(k_command, k_how, k_scope, k_key, k_kind, k_stream) with ordinality k(command, how, scope, key, kind, stream, i)
            where k.how <> 'free' and k.command <> all (v_settled) and k.i <> all (v_held);
    end if;

    return query
        select c.i::int, 'recorded', v_last[c.tenant] + c.before + 1, v_last[c.tenant] + c.before + c.count, v_at[c.tenant],
            null::int, null::int, null::text, null::uuid
        from unnest(c_tenant, c_before, c_count) with ordinality c(tenant, before, count, i)
        where c.i <> all (v_settled);
end $$;
-- +goose StatementEnd

-- es.append_one is the short way for a command that only adds a few events to one
-- stream. It either records it, or leaves everything as it is and returns no
-- position: then es.append says why.
-- +goose StatementBegin
create function es.append_one(
    seal text, c_id uuid, c_hash bytea, w_kind text, w_stream uuid, w_at int,
    e_id uuid[], e_type text[], e_schema smallint[], e_data bytea[], e_meta bytea[],
    out last_pos bigint, out at timestamptz)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
    set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
    v_tenant uuid := sec.open(seal);
    v_count  int := cardinality(e_id);
begin
    perform set_config('rowhouse.opened', array[v_tenant]::text, true);
    update es.tenant_head h set last_pos = h.last_pos + v_count, last_at = greatest(clock_timestamp(), h.last_at)
        where h.tenant_id = v_tenant and not h.sealed
        returning h.last_pos, h.last_at into last_pos, at;
    if not found then
        return;
    end if;
    -- One by one, because that takes less to set up than a query for all.
    for i in 1 .. v_count loop
        insert into es.event (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta)
            select v_tenant, last_pos - v_count + i, w_kind, w_stream, w_at + i, e_id[i], e_type[i], e_schema[i], at, e_data[i], e_meta[i]
            where w_at = 1 - i + coalesce((
                    select e.version from es.event e
                    where e.tenant_id = v_tenant and e.stream_id = w_stream and e.stream_kind = w_kind
                    order by e.version desc limit 1), 0)
                and (c_hash is null or not exists (
                    select from es.command c where c.tenant_id = v_tenant and c.command_id = c_id));
        if not found then -- which can only be the first
            update es.tenant_head h set last_pos = h.last_pos - v_count where h.tenant_id = v_tenant;
            last_pos := null;
            return;
        end if;
    end loop;
    if c_hash is not null then
        insert into es.command (tenant_id, command_id, hash, first_pos, last_pos, at)
            values (v_tenant, c_id, c_hash, last_pos - v_count + 1, last_pos, at);
    end if;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f regprocedure;
begin
    foreach f in array array(select p.oid from pg_proc p
        where p.pronamespace = 'es'::regnamespace and p.proname in ('append', 'append_one', 'create_tenant'))
    loop
        execute format('alter function %s owner to rowhouse_log', f);
        execute format('revoke all on function %s from public', f);
        execute format('grant execute on function %s to %I', f,
            case when f::text like 'es.append%' then 'rowhouse_writer' else 'rowhouse_access' end);
    end loop;
end $$;
-- +goose StatementEnd
