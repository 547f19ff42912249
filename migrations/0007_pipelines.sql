-- +goose Up

-- The pipelines of a tenant, of which there are few: see projections/pipelines.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.pipelines (
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
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
select sec.build_wall('crm.pipelines', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.pipelines to rowhouse_reader;
grant select, insert, update, delete on crm.pipelines to rowhouse_projector;
