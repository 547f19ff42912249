-- +goose Up

-- How everything that follows from the log is kept: how far each group of
-- readers has come with each tenant, which node does the work, and which
-- version of each read model is the one that people see.

-- es.shard returns the part of the tenants that a tenant is in: see
-- eventstore.ShardOf. It has no search_path of its own, so that it can become a
-- part of the statement that calls it.
create function es.shard(tenant uuid) returns smallint
    language sql immutable parallel safe
    return (get_byte(uuid_send(tenant), 15) % 16)::smallint;
alter function es.shard(uuid) owner to rowhouse_owner;
revoke all on function es.shard(uuid) from public;
grant execute on function es.shard(uuid) to rowhouse_dispatcher;

-- The generation changes when what was derived from the log changes by other
-- means than reading on. Dispatchers see the positions of all tenants.
create table es.checkpoint (
    grp text not null,
    tenant_id uuid not null,
    pos bigint not null,
    generation int not null default 0,
    primary key (grp, tenant_id)
) with (fillfactor = 50);
select sec.build_wall('es.checkpoint', 'rowhouse_reader', 'rowhouse_projector');
create policy positions on es.checkpoint for select to rowhouse_dispatcher using (true);
grant select on es.checkpoint to rowhouse_reader, rowhouse_dispatcher;
grant select, insert, update on es.checkpoint to rowhouse_projector;

-- es.move_checkpoint moves a checkpoint on if it is where the caller thinks it
-- is. Otherwise it ends the transaction, and all that was derived from events
-- that somebody else has already dealt with goes with it. It holds the row until
-- the transaction ends, so it comes first in it.
-- +goose StatementBegin
create function es.move_checkpoint(p_grp text, p_tenant uuid, p_from bigint, p_generation int, p_to bigint) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update es.checkpoint set pos = p_to
        where grp = p_grp and tenant_id = p_tenant and pos = p_from and generation = p_generation;
    if not found and p_from = 0 and p_generation = 0 then
        insert into es.checkpoint (grp, tenant_id, pos) values (p_grp, p_tenant, p_to) on conflict do nothing;
    end if;
    if not found then
        raise exception 'checkpoint was moved meanwhile' using errcode = 'RH001';
    end if;
end $$;
-- +goose StatementEnd
alter function es.move_checkpoint(text, uuid, bigint, int, bigint) owner to rowhouse_owner;
revoke all on function es.move_checkpoint(text, uuid, bigint, int, bigint) from public;
grant execute on function es.move_checkpoint(text, uuid, bigint, int, bigint) to rowhouse_projector;

-- Who follows, and who deals with which shard. A lease saves two nodes from
-- doing the same work; es.move_checkpoint is what keeps them from it.
create table es.follower (
    grp text not null,
    owner text not null,
    expires_at timestamptz not null,
    primary key (grp, owner)
);
create table es.lease (
    grp text not null,
    shard smallint not null,
    owner text not null,
    expires_at timestamptz not null,
    primary key (grp, shard)
);
alter table es.follower owner to rowhouse_owner;
alter table es.lease owner to rowhouse_owner;
grant select, insert, update, delete on es.follower, es.lease to rowhouse_dispatcher;

-- es.take_leases gives an owner its fair share of the shards, and returns those
-- that it holds then. What it holds too many of, it gives up; what others hold
-- too many of, they give up when they call this. The time is that of the clock,
-- because a transaction may have waited for another.
-- +goose StatementBegin
create function es.take_leases(p_grp text, p_owner text, p_ttl interval, p_shards int) returns setof smallint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    share int;
    expiry timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('es.take_leases ' || p_grp, 0));
    expiry := clock_timestamp() + p_ttl;
    insert into es.follower values (p_grp, p_owner, expiry)
        on conflict (grp, owner) do update set expires_at = excluded.expires_at;
    delete from es.follower where grp = p_grp and expires_at < clock_timestamp();
    delete from es.lease where grp = p_grp and expires_at < clock_timestamp();
    select ceil(p_shards::numeric / count(*)) into share from es.follower where grp = p_grp;
    delete from es.lease where grp = p_grp and owner = p_owner and shard not in
        (select shard from es.lease where grp = p_grp and owner = p_owner order by shard limit share);
    update es.lease set expires_at = expiry where grp = p_grp and owner = p_owner;
    insert into es.lease
        select p_grp, s, p_owner, expiry from generate_series(0, p_shards - 1) s
        where s not in (select shard from es.lease where grp = p_grp)
        order by s limit share - (select count(*) from es.lease where grp = p_grp and owner = p_owner);
    return query select shard from es.lease where grp = p_grp and owner = p_owner;
end $$;
-- +goose StatementEnd
alter function es.take_leases(text, text, interval, int) owner to rowhouse_owner;
revoke all on function es.take_leases(text, text, interval, int) from public;
grant execute on function es.take_leases(text, text, interval, int) to rowhouse_dispatcher;

-- A stream whose events could not be projected: from which version and position
-- on, and for what kind of reason. Its later events wait; those of all other
-- streams do not. Dispatchers count, and see no stream.
create table es.parked (
    tenant_id uuid not null,
    projection text not null,
    ver int not null,
    stream_id uuid not null,
    version int not null,
    pos bigint not null,
    class text not null,
    at timestamptz not null,
    primary key (tenant_id, projection, ver, stream_id)
);
select sec.build_wall('es.parked', 'rowhouse_reader', 'rowhouse_projector');
create policy positions on es.parked for select to rowhouse_dispatcher using (true);
grant select on es.parked to rowhouse_reader;
grant select, insert, delete on es.parked to rowhouse_projector;
grant select (projection, at) on es.parked to rowhouse_dispatcher;

-- Which version of the rows of a read model people see. Without a row it is 0.
-- The latest one is being filled if there is a rebuild, whose checkpoint is that
-- of the group "rebuild"; rows of any other version are of no use to anybody.
create table crm.serving (
    tenant_id uuid not null,
    projection text not null,
    ver int not null,
    latest int not null,
    primary key (tenant_id, projection)
);
create table crm.rebuild (
    tenant_id uuid primary key,
    projections text[] not null,
    build text not null
);
select sec.build_wall('crm.serving', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('crm.rebuild', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.serving, crm.rebuild to rowhouse_reader;
grant select, insert, update, delete on crm.serving, crm.rebuild to rowhouse_projector;
