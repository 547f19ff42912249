-- +goose Up

-- Numbers without gaps: how far each series of a tenant has come. See
-- docs/adr/0023-plans.md.
create table es.series (
    tenant_id uuid not null,
    name      text collate "C" not null,
    last      bigint not null,
    primary key (tenant_id, name)
) with (fillfactor = 40); -- room for updates within the page
select sec.build_wall('es.series', 'rowhouse_reader');
grant select on es.series to rowhouse_reader;
create policy log_wall on es.series as restrictive for all to rowhouse_log
    using (array_position((select current_setting('rowhouse.opened', true)::uuid[]), tenant_id) is not null);
create policy log_base on es.series for all to rowhouse_log using (true);
grant select, insert, update (last) on es.series to rowhouse_log;

-- A row that es.append and es.decide return.
create type es.answer as (command int, outcome text, first_pos bigint, last_pos bigint, at timestamptz,
    item int, version int, holder_kind text, holder_id uuid);
alter type es.answer owner to rowhouse_owner;

-- es.append_numbered is es.append, or es.decide for logs that are elsewhere, for
-- commands with events that get a number: the next one of a series of their tenant.
-- Arrays whose names begin with n_ say which: n_event counts in e_, in the order in
-- which numbers are given out, and n_at is the place of the digit 0 in e_data, from 0,
-- that the number is put in the place of. The answers have the numbers of the command
-- as well, in that order, if it is recorded.
--
-- The judge is the same, and does not know of numbers: they are given out first, to
-- all, while the heads of the logs are ours. If one of those that got a number is
-- refused, or is a repetition, everything is taken back, and done again without a
-- number for that one. What is judged does not depend on numbers, so it comes to the
-- same. Nobody else can have looked meanwhile, so no number is lost or given twice.
-- +goose StatementBegin
create function es.append_numbered(
    p_here boolean, seals text[], t_count int[],
    c_tenant int[], c_before int[], c_count int[], c_id uuid[], c_hash bytea[],
    w_command int[], w_kind text[], w_stream uuid[], w_at int[], w_count int[],
    k_command int[], k_how text[], k_scope text[], k_key bytea[], k_kind text[], k_stream uuid[],
    e_write int[], e_step int[], e_nth int[],
    e_id uuid[], e_type text[], e_schema smallint[], e_data bytea[], e_meta bytea[], c_note text[],
    n_event int[], n_series text[], n_at int[])
    returns table (command int, outcome text, first_pos bigint, last_pos bigint, at timestamptz,
        item int, version int, holder_kind text, holder_id uuid, numbers bigint[])
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    v_tenant  uuid[] := sec.open_all(seals);
    v_command int[];         -- of each number
    v_number  bigint[];
    v_data    bytea[];
    v_without int[] := '{}'; -- commands that get no number
    v_refused int[];
    v_answer  es.answer[];
begin
    perform set_config('rowhouse.opened', v_tenant::text, true);
    perform from es.tenant_head h where h.tenant_id = any (v_tenant) order by h.tenant_id for update;
    select array_agg(w_command[e_write[n.event]] order by n.i) into v_command from unnest(n_event) with ordinality n(event, i);
    loop
        select array_agg(x.number order by x.i) into v_number from (
            select n.i, case when n.command <> all (v_without) then coalesce(s.last, 0)
                + count(*) filter (where n.command <> all (v_without)) over (partition by t.id, n.series order by n.i) end as number
            from unnest(v_command, n_series) with ordinality n(command, series, i)
                cross join lateral (select v_tenant[c_tenant[n.command]]) t(id)
                left join es.series s on s.tenant_id = t.id and s.name = n.series) x;
        v_data := e_data;
        for i in 1 .. cardinality(n_event) loop
            if get_byte(e_data[n_event[i]], n_at[i]) <> 48 then
                raise exception 'there is no place for a number' using errcode = '22023';
            end if;
            if v_number[i] is not null then
                v_data[n_event[i]] := substring(e_data[n_event[i]] for n_at[i]) || convert_to(v_number[i]::text, 'UTF8')
                    || substring(e_data[n_event[i]] from n_at[i] + 2);
            end if;
        end loop;
        begin
            if p_here then
                select array_agg(a::es.answer) into v_answer from es.append(seals, t_count, c_tenant, c_before, c_count, c_id, c_hash,
                    w_command, w_kind, w_stream, w_at, w_count, k_command, k_how, k_scope, k_key, k_kind, k_stream,
                    e_write, e_step, e_nth, e_id, e_type, e_schema, v_data, e_meta, c_note) a;
            else
                select array_agg(a::es.answer) into v_answer from es.decide(seals, t_count, c_tenant, c_before, c_count, c_id, c_hash,
                    w_command, w_kind, w_stream, w_at, w_count, k_command, k_how, k_scope, k_key, k_kind, k_stream,
                    e_write, e_step, e_nth, e_id, e_type, e_schema, v_data, e_meta, c_note) a;
            end if;
            select coalesce(array_agg(a.command), '{}') into v_refused
                from unnest(v_answer) a where a.outcome <> 'recorded' and a.command = any (v_command);
            if not v_refused <@ v_without then
                raise exception 'a command has a number that it must not have' using errcode = 'RH002';
            end if;
            exit;
        exception when sqlstate 'RH002' then
            v_without := v_without || v_refused;
        end;
    end loop;
    insert into es.series as s (tenant_id, name, last)
        select v_tenant[c_tenant[n.command]], n.series, max(n.number)
        from unnest(v_command, n_series, v_number) n(command, series, number)
        where n.number is not null
        group by 1, 2
        on conflict (tenant_id, name) do update set last = excluded.last;
    return query
        select a.command, a.outcome, a.first_pos, a.last_pos, a.at, a.item, a.version, a.holder_kind, a.holder_id,
            (select array_agg(n.number order by n.i) from unnest(v_command, v_number) with ordinality n(command, number, i)
                where n.command = a.command and n.number is not null)
        from unnest(v_answer) a;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f regprocedure;
begin
    select p.oid into strict f from pg_proc p where p.pronamespace = 'es'::regnamespace and p.proname = 'append_numbered';
    execute format('alter function %s owner to rowhouse_log', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to rowhouse_writer', f);
end $$;
-- +goose StatementEnd
