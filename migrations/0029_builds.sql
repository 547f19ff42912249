-- +goose Up

-- Builds that have worked on the database, in their order: see projections/builds.go.
-- What a build knows is numbers that follow from the names and types of what it
-- records and shows. Tables has what tells its definition of each table from others.
create table crm.build (
    id int generated always as identity primary key,
    fingerprint text not null unique,
    name text not null, -- for people
    step bigint not null, -- the last step of the schema that it brings
    place double precision not null unique,
    tables jsonb not null,
    knows bigint[] not null,
    first_at timestamptz not null default now()
);
alter table crm.build owner to rowhouse_owner;
grant usage on schema crm to rowhouse_dispatcher;
grant select, insert on crm.build to rowhouse_dispatcher;

-- Which build has made the rows that serve: 0 if nobody has written that down. The row
-- without a name is for all read models of the tenant that have none of their own. Rows of
-- versions before swept are gone. Dispatchers see which tenants have something to do.
alter table crm.serving add column build int not null default 0, add column swept int not null default 0;
create policy positions on crm.serving for select to rowhouse_dispatcher using (true);
grant select (tenant_id, projection, ver, build, swept) on crm.serving to rowhouse_dispatcher;

-- The place of the build of who follows; of one that does not say so, before all.
alter table es.follower add column place double precision not null default '-infinity';

-- es.take_leases as in step 26, but that only those of the newest build that is there hold
-- anything: what it records, others may not be able to read. If p_at_once is set, an
-- owner takes its share from those who have too much, and these notice when they call
-- this: until then both do the same work, of which one can store it. Otherwise they
-- give it up first, and for a moment nobody has it.
-- +goose StatementBegin
create function es.take_leases(p_grp text, p_owner text, p_ttl interval, p_shards int, p_place double precision, p_at_once boolean) returns setof smallint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    newest double precision;
    share int;
    expiry timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('es.take_leases ' || p_grp, 0));
    expiry := clock_timestamp() + p_ttl;
    insert into es.follower (grp, owner, expires_at, place) values (p_grp, p_owner, expiry, p_place)
        on conflict (grp, owner) do update set expires_at = excluded.expires_at, place = excluded.place;
    delete from es.follower where grp = p_grp and owner <> p_owner and es.is_over(expires_at, p_ttl);
    delete from es.lease l where grp = p_grp
        and not exists (select from es.follower f where f.grp = p_grp and f.owner = l.owner);
    select max(place) into newest from es.follower where grp = p_grp;
    select ceil(p_shards::numeric / count(*)) into share from es.follower where grp = p_grp and place = newest;
    if p_place < newest then
        share := 0;
    end if;
    if not p_at_once then
        delete from es.lease where grp = p_grp and owner = p_owner and shard not in
            (select shard from es.lease where grp = p_grp and owner = p_owner order by shard limit share);
    end if;
    insert into es.lease
        select p_grp, s, p_owner, expiry from generate_series(0, p_shards - 1) s
        where s not in (select shard from es.lease where grp = p_grp)
        order by s limit greatest(0, share - (select count(*) from es.lease where grp = p_grp and owner = p_owner));
    if p_at_once then
        update es.lease set owner = p_owner, expires_at = expiry where grp = p_grp and shard in
            (select shard from
                (select l.shard, f.place < newest as older, row_number() over (partition by l.owner order by l.shard) as nth
                    from es.lease l join es.follower f on f.grp = l.grp and f.owner = l.owner
                    where l.grp = p_grp and l.owner <> p_owner) held
                where older or nth > share order by older desc, shard
                limit greatest(0, share - (select count(*) from es.lease where grp = p_grp and owner = p_owner)));
    end if;
    return query select shard from es.lease where grp = p_grp and owner = p_owner;
end $$;
-- +goose StatementEnd
alter function es.take_leases(text, text, interval, int, double precision, boolean) owner to rowhouse_owner;
revoke all on function es.take_leases(text, text, interval, int, double precision, boolean) from public;
grant execute on function es.take_leases(text, text, interval, int, double precision, boolean) to rowhouse_dispatcher;

-- es.keep_leases as in step 26, with the place of the node. Groups that are in p_first are
-- given up by who has too much before others take them.
-- +goose StatementBegin
create function es.keep_leases(p_groups text[], p_owner text, p_ttl interval, p_shards int, p_place double precision, p_first text[])
    returns table (grp text, shards smallint[])
    language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    unsettled text;
begin
    perform pg_advisory_xact_lock(hashtextextended('es.keep_leases', 0));
    for unsettled in
        select g.grp
        from unnest(p_groups) g(grp)
        left join (
            select f.grp, bool_or(f.owner = p_owner and f.place = p_place) as known, bool_or(es.is_over(f.expires_at, p_ttl)) as over,
                case when p_place < max(f.place) then 0 else ceil(p_shards::numeric / nullif(count(*) filter (where f.place >= p_place), 0)) end as share
            from es.follower f group by f.grp) f using (grp)
        left join (
            select l.grp, count(*) as taken, count(*) filter (where l.owner = p_owner) as ours
            from es.lease l group by l.grp) l using (grp)
        where f.known is not true or f.over or l.ours > f.share and g.grp = any (p_first)
            or coalesce(l.ours, 0) < f.share and (coalesce(l.taken, 0) < p_shards or g.grp <> all (p_first))
        order by g.grp
    loop
        perform es.take_leases(unsettled, p_owner, p_ttl, p_shards, p_place, unsettled <> all (p_first));
    end loop;
    update es.follower f set expires_at = clock_timestamp() + p_ttl where f.owner = p_owner and f.grp = any (p_groups);
    return query select l.grp, array_agg(l.shard) from es.lease l where l.owner = p_owner and l.grp = any (p_groups) group by l.grp;
end $$;
-- +goose StatementEnd
alter function es.keep_leases(text[], text, interval, int, double precision, text[]) owner to rowhouse_owner;
revoke all on function es.keep_leases(text[], text, interval, int, double precision, text[]) from public;
grant execute on function es.keep_leases(text[], text, interval, int, double precision, text[]) to rowhouse_dispatcher;

-- What builds call that do not know their place.
-- +goose StatementBegin
create or replace function es.take_leases(p_grp text, p_owner text, p_ttl interval, p_shards int) returns setof smallint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select es.take_leases(p_grp, p_owner, p_ttl, p_shards, '-infinity', false);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function es.keep_leases(p_groups text[], p_owner text, p_ttl interval, p_shards int) returns table (grp text, shards smallint[])
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select k.grp, k.shards from es.keep_leases(p_groups, p_owner, p_ttl, p_shards, '-infinity', p_groups) k;
end $$;
-- +goose StatementEnd
