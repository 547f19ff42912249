-- What Rowhouse is measured against, on the same server. These are limits, not
-- products: the least that a database has to do for the same answer.

create schema ref;
create role ref_app login;

-- A bare multi-tenant create: a counter row per tenant, an event, a row to look
-- at, row-level security over a plain setting.
create table ref.head (tenant_id uuid primary key, last_pos bigint not null default 0) with (fillfactor = 40);
create table ref.event (
    tenant_id uuid not null, pos bigint not null, stream_id uuid not null, version int not null,
    event_type text not null, event_id uuid not null, recorded_at timestamptz not null default now(), data bytea not null,
    primary key (tenant_id, pos), unique (tenant_id, stream_id, version));
create table ref.contact (
    tenant_id uuid not null, id uuid not null, name text not null, updated_at timestamptz not null default now(), doc text not null,
    primary key (tenant_id, id));
create index on ref.contact (tenant_id, updated_at, id);

alter table ref.head enable row level security;
alter table ref.event enable row level security;
alter table ref.contact enable row level security;
create policy wall on ref.head using (tenant_id = (select nullif(current_setting('ref.tenant', true), '')::uuid));
create policy wall on ref.event using (tenant_id = (select nullif(current_setting('ref.tenant', true), '')::uuid));
create policy wall on ref.contact using (tenant_id = (select nullif(current_setting('ref.tenant', true), '')::uuid));
grant usage on schema ref to ref_app;
grant select, insert, update on ref.head, ref.event, ref.contact to ref_app;

-- The same page without a wall.
create table ref.open (like ref.contact including all);
grant select, insert on ref.open to ref_app;

-- A bare insert: one row, two indexes.
create table ref.bare (id bigint generated always as identity primary key, stream_id uuid not null, data bytea not null);
create index on ref.bare (stream_id);
grant select, insert on ref.bare to ref_app;

-- The algorithm that message-db publishes: one lock per category, a version
-- per stream, a global position from a sequence.
create table ref.message (
    global_position bigint generated always as identity primary key, position bigint not null, time timestamp not null default (now() at time zone 'utc'),
    stream_name text not null, type text not null, data jsonb, metadata jsonb, id uuid not null unique);
create unique index on ref.message (stream_name, position);
create index on ref.message (split_part(stream_name, '-', 1), global_position);
create function ref.write_message(_id uuid, _stream text, _type text, _data jsonb, _metadata jsonb, _expected bigint) returns bigint
    language plpgsql as $$
declare
    _version bigint;
    _next bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended(split_part(_stream, '-', 1), 0));
    select max(position) into _version from ref.message where stream_name = _stream;
    _version := coalesce(_version, -1);
    if _expected is not null and _expected <> _version then
        raise exception 'Wrong expected version: % (Stream: %, Stream Version: %)', _expected, _stream, _version;
    end if;
    _next := _version + 1;
    insert into ref.message (id, stream_name, position, type, data, metadata) values (_id, _stream, _next, _type, _data, _metadata);
    return _next;
end $$;
grant execute on function ref.write_message to ref_app;
grant select, insert on ref.message to ref_app;
