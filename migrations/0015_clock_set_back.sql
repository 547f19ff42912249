-- +goose Up

-- Whether a lease is over, or cannot be: if it ends later than any that is taken
-- now, the clock of the database was set back since. Nobody may wait for that.
create function es.is_over(p_at timestamptz, p_ttl interval) returns boolean language sql volatile parallel safe
    return p_at < clock_timestamp() or p_at > clock_timestamp() + greatest(p_ttl, interval '5 minutes');
alter function es.is_over(timestamptz, interval) owner to rowhouse_owner;
revoke all on function es.is_over(timestamptz, interval) from public;
grant execute on function es.is_over(timestamptz, interval) to rowhouse_dispatcher;

-- es.take_leases as in step 13, but that leases of others which end far in the
-- future are taken for over. Those who are alive have theirs again with the next
-- renewal, and until then their checkpoints keep anything from being done twice.
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
    delete from es.follower where grp = p_grp and owner <> p_owner and es.is_over(expires_at, p_ttl);
    delete from es.lease where grp = p_grp and es.is_over(expires_at, p_ttl);
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

-- es.overdue as in step 11, but that what was decided in the future, by a clock
-- that was set back since, is overdue.
-- +goose StatementBegin
create or replace function es.overdue(p_after uuid, p_age interval, p_limit int) returns table (tenant uuid, overdue boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
begin
    tenant := p_after;
    for i in 1..p_limit loop
        select p.tenant_id, p.at not between clock_timestamp() - p_age and clock_timestamp() + interval '5 minutes' into tenant, overdue
            from es.pending p where p.tenant_id > tenant order by p.tenant_id, p.pos limit 1;
        exit when not found;
        return next;
    end loop;
end $$;
-- +goose StatementEnd
