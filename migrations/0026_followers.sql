-- +goose Up

-- What followers of the logs ask while nothing happens: one statement a node and
-- second, however many tenants and groups there are. See
-- docs/adr/0028-one-look-for-all-followers.md.

-- es.changes counts changes of logs, and of checkpoints that do not just go on. A
-- number may be given out for a change that does not come about.
--
-- Whoever changes something holds the lock on the table from before it counts until
-- its transaction has ended, and can be seen to. So who reads the number first, then
-- sees that nobody holds such a lock, and then looks for what has changed, has seen
-- all that led to this number.
create sequence es.changes;
alter sequence es.changes owner to rowhouse_owner;
grant usage on sequence es.changes to rowhouse_log, rowhouse_projector;
grant select on sequence es.changes to rowhouse_dispatcher;

-- +goose StatementBegin
create function es.count_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform nextval('es.changes');
    return null;
end $$;
-- +goose StatementEnd
alter function es.count_change() owner to rowhouse_owner;
revoke all on function es.count_change() from public;
create trigger counted after insert or update of last_pos on es.tenant_head
    for each statement execute function es.count_change();

-- The transaction that has changed a head last is in the row anyway.
grant select (xmin) on es.tenant_head to rowhouse_dispatcher;

-- The transaction that last moved a checkpoint by other means than reading on, such
-- as a rebuild.
alter table es.checkpoint add column moved xid8;
create index checkpoint_moved on es.checkpoint (tenant_id, moved) where moved is not null;

-- +goose StatementBegin
create function es.note_move() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform nextval('es.changes');
    new.moved := pg_current_xact_id();
    return new;
end $$;
-- +goose StatementEnd
alter function es.note_move() owner to rowhouse_owner;
revoke all on function es.note_move() from public;
create trigger moved before update on es.checkpoint for each row
    when (new.pos < old.pos or new.generation is distinct from old.generation)
    execute function es.note_move();

-- es.take_leases as in step 15, but that a lease is good as long as its owner is one of
-- the followers. So it is enough to renew those.
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
    delete from es.lease l where grp = p_grp
        and not exists (select from es.follower f where f.grp = p_grp and f.owner = l.owner);
    select ceil(p_shards::numeric / count(*)) into share from es.follower where grp = p_grp;
    delete from es.lease where grp = p_grp and owner = p_owner and shard not in
        (select shard from es.lease where grp = p_grp and owner = p_owner order by shard limit share);
    insert into es.lease
        select p_grp, s, p_owner, expiry from generate_series(0, p_shards - 1) s
        where s not in (select shard from es.lease where grp = p_grp)
        order by s limit share - (select count(*) from es.lease where grp = p_grp and owner = p_owner);
    return query select shard from es.lease where grp = p_grp and owner = p_owner;
end $$;
-- +goose StatementEnd
comment on column es.lease.expires_at is 'until when it was good when it was taken; see es.follower';

-- es.keep_leases is es.take_leases for all groups of a node. Where nobody has come or
-- gone it only moves the time on until which the leases are good. The others are
-- dealt with first, all nodes in the same order, so nobody waits in a circle.
-- +goose StatementBegin
create function es.keep_leases(p_groups text[], p_owner text, p_ttl interval, p_shards int)
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
            select f.grp, bool_or(f.owner = p_owner) as known, bool_or(es.is_over(f.expires_at, p_ttl)) as over,
                ceil(p_shards::numeric / count(*)) as share
            from es.follower f group by f.grp) f using (grp)
        left join (
            select l.grp, count(*) as taken, count(*) filter (where l.owner = p_owner) as ours
            from es.lease l group by l.grp) l using (grp)
        where f.known is not true or f.over or l.ours > f.share or coalesce(l.ours, 0) < f.share and coalesce(l.taken, 0) < p_shards
        order by g.grp
    loop
        perform es.take_leases(unsettled, p_owner, p_ttl, p_shards);
    end loop;
    update es.follower f set expires_at = clock_timestamp() + p_ttl where f.owner = p_owner and f.grp = any (p_groups);
    return query select l.grp, array_agg(l.shard) from es.lease l where l.owner = p_owner and l.grp = any (p_groups) group by l.grp;
end $$;
-- +goose StatementEnd
alter function es.keep_leases(text[], text, interval, int) owner to rowhouse_owner;
revoke all on function es.keep_leases(text[], text, interval, int) from public;
grant execute on function es.keep_leases(text[], text, interval, int) to rowhouse_dispatcher;
