-- +goose Up

-- es.take_leases as in step 4, but that whoever calls it is never taken for gone,
-- even if the time that it asks for is over before its turn has come.
-- +goose StatementBegin
create or replace function es.take_leases(p_grp text, p_owner text, p_ttl interval, p_shards int) returns setof smallint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    share int;
    expiry timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('es.take_leases ' || p_grp, 0));
    expiry := clock_timestamp() + p_ttl;
    insert into es.follower values (p_grp, p_owner, expiry)
        on conflict (grp, owner) do update set expires_at = excluded.expires_at;
    delete from es.follower where grp = p_grp and owner <> p_owner and expires_at < clock_timestamp();
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
