-- +goose Up

-- The tenant wall. A transaction shows the tenant it is about with a seal: its
-- id, the connection, an expiry, the name of a key, and an HMAC over these four,
-- which SQL cannot make (see package wall). Every table with a tenant_id has a
-- restrictive policy that asks sec.tenant() who is asking; restrictive policies
-- cannot be widened by a careless permissive one.

-- Nobody may run a function who was not told so, and this must be said before
-- there is one.
alter default privileges revoke execute on functions from public;

create schema sec authorization rowhouse_sec;
create schema es authorization rowhouse_owner;
create schema crm authorization rowhouse_owner;
create schema access authorization rowhouse_owner;

grant usage on schema sec to rowhouse_owner, rowhouse_log, rowhouse_reader, rowhouse_projector, rowhouse_access;

-- The two halves of each key, ready for HMAC-SHA-256 (RFC 2104).
create table sec.key (
    kid   text primary key,
    inner_pad bytea not null,
    outer_pad bytea not null
);
alter table sec.key owner to rowhouse_sec;

-- sec.tenant returns the tenant that a seal was made for: that of this
-- transaction, if none is given. A missing, forged, expired or borrowed seal is
-- an error, never an empty result: an empty list must mean that there is
-- nothing, not that somebody forgot to say who asks. The MACs are compared
-- through a second hash, so that the time the comparison takes tells nothing.
--
-- It runs once for every statement on a walled table, so it is one function in
-- PL/pgSQL, which keeps its plans. It costs 10 µs.
-- +goose StatementBegin
create function sec.tenant(seal text default current_setting('rowhouse.seal', true)) returns uuid
    language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare
    p text[] := string_to_array(seal, '|'); -- tenant, connection, expiry, key, MAC
    k sec.key;
begin
    select * into k from sec.key where kid = p[4];
    if sha256(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(seal, -65), 'UTF8')))) = sha256(decode(p[5], 'hex'))
        and p[2] = pg_backend_pid()::text
        and p[3]::bigint > extract(epoch from clock_timestamp()) then
        return p[1]::uuid;
    end if;
    -- Also when any of these is null.
    raise exception using errcode = '42501',
        message = case when seal <> '' then 'tenant context invalid' else 'tenant context missing' end;
end $$;
-- +goose StatementEnd

-- sec.open is for functions that are given seals.
create function sec.open(seal text) returns uuid language sql stable parallel restricted
    return sec.tenant(seal);

alter function sec.tenant(text) owner to rowhouse_sec;
alter function sec.open(text) owner to rowhouse_sec;
revoke all on function sec.tenant(text), sec.open(text) from public;
grant execute on function sec.tenant(text) to rowhouse_owner, rowhouse_log, rowhouse_reader, rowhouse_projector, rowhouse_access;
grant execute on function sec.open(text) to rowhouse_log;

-- sec.build_wall puts a table behind the wall for the roles that may touch it at
-- all. It is for migrations only.
--
-- The subquery is there to run once for a statement. The "true" in it makes the
-- policy two conditions, of which one looks at no column. That one PostgreSQL
-- tries before any other, so whoever has no valid seal gets an error from the
-- first row on. Without it an error would come only after the conditions of the
-- statement were met, and so tell whether somebody has a row that meets them.
-- +goose StatementBegin
create function sec.build_wall(tab regclass, variadic roles text[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    who text := (select string_agg(quote_ident(r), ', ') from unnest(roles) r);
    ask text := '((tenant_id, true) = (select sec.tenant(), true))';
begin
    execute format('alter table %s owner to rowhouse_owner', tab);
    execute format('alter table %s enable row level security', tab);
    execute format('alter table %s force row level security', tab);
    execute format('create policy tenant_wall on %s as restrictive for all to %s using %s with check %3$s', tab, who, ask);
    execute format('create policy base on %s for all to %s using (true) with check (true)', tab, who);
end $$;
-- +goose StatementEnd
revoke all on function sec.build_wall(regclass, text[]) from public;
grant execute on function sec.build_wall(regclass, text[]) to rowhouse_owner;

-- To be given a function, a role must be able to create one. Nobody can log in as
-- these two.
grant create on schema es to rowhouse_log;
grant create on schema access to rowhouse_directory;

grant usage on schema es to rowhouse_log, rowhouse_writer, rowhouse_reader, rowhouse_projector, rowhouse_dispatcher;
grant usage on schema crm to rowhouse_reader, rowhouse_projector;
grant usage on schema access to rowhouse_access;
