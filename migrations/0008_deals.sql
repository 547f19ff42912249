-- +goose Up

-- The deals of a tenant: see projections/deals.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.deals (
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
    status text not null,
    pipeline_id uuid not null,
    stage_key text not null,
    stage_since timestamptz not null,
    amount bigint,
    amount_currency text,
    probability bigint not null,
    close_date date,
    closed_at timestamptz,
    lost_reason text,
    company_id uuid,
    primary_contact_id uuid,
    contact_ids uuid[] not null,
    source text,
    owner_id uuid,
    tags text[] not null,
    external_ids text[] not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index deals_updated_at on crm.deals (tenant_id, updated_at, id);
create index deals_name on crm.deals (tenant_id, name, id);
create index deals_pipeline_id_stage_key on crm.deals (tenant_id, pipeline_id, stage_key, id);
create index deals_company_id on crm.deals (tenant_id, company_id) where company_id is not null;
create index deals_primary_contact_id on crm.deals (tenant_id, primary_contact_id) where primary_contact_id is not null;
select sec.build_wall('crm.deals', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.deals to rowhouse_reader;
grant select, insert, update, delete on crm.deals to rowhouse_projector;
