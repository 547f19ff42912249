-- +goose Up

-- The companies of a tenant: see projections/companies.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.companies (
    tenant_id uuid not null,
    ver int not null,
    id uuid not null,
    doc text not null,
    version int not null,
    position bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    search_text text not null,
    name text not null,
    domains text[] not null,
    industry text,
    employee_count bigint,
    annual_revenue bigint,
    annual_revenue_currency text,
    phone text,
    parent_id uuid,
    kind text,
    owner_id uuid,
    tags text[] not null,
    external_ids text[] not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index companies_updated_at on crm.companies (tenant_id, updated_at, id);
create index companies_name on crm.companies (tenant_id, name, id);
create index companies_parent_id on crm.companies (tenant_id, parent_id) where parent_id is not null;
select sec.build_wall('crm.companies', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.companies to rowhouse_reader;
grant select, insert, update, delete on crm.companies to rowhouse_projector;
