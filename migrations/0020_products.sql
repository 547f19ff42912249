-- +goose Up

-- The products of a tenant: see projections/products.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.products (
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
    sku text not null,
    name text not null,
    unit text,
    tax_code text,
    status text not null,
    search_text text not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index products_updated_at on crm.products (tenant_id, updated_at, id);
create index products_owner_id on crm.products (tenant_id, owner_id) where owner_id is not null;
select sec.build_wall('crm.products', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.products to rowhouse_reader;
grant select, insert, update, delete on crm.products to rowhouse_projector;
