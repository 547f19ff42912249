-- +goose Up

-- The lists of a tenant: see projections/lists.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.lists (
    tenant_id uuid not null,
    ver int not null,
    id uuid not null,
    doc text not null,
    position bigint not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    owner_id uuid,
    tags text[] not null,
    external_ids text[] not null,
    name text not null,
    object text not null,
    kind text not null,
    member_count bigint,
    frozen_position bigint,
    search_text text not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index lists_updated_at on crm.lists (tenant_id, updated_at, id);
create index lists_owner_id on crm.lists (tenant_id, owner_id) where owner_id is not null;
select sec.build_wall('crm.lists', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.lists to rowhouse_reader;
grant select, insert, update, delete on crm.lists to rowhouse_projector;
