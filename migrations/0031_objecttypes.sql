-- +goose Up

-- The object types of a tenant: the definitions of fields of its own: see projections/objecttypes.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.object_types (
    tenant_id uuid not null,
    ver int not null,
    id uuid not null,
    doc text not null,
    position bigint not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    key text not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only.
create index object_types_created_at on crm.object_types (tenant_id, created_at, id) where deleted_at is null;
create index object_types_updated_at on crm.object_types (tenant_id, updated_at, id) where deleted_at is null;
create index object_types_deleted_at on crm.object_types (tenant_id, deleted_at, id) where deleted_at is not null;
create index object_types_key on crm.object_types (tenant_id, key, id) where deleted_at is null;
select sec.build_wall('crm.object_types', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.object_types to rowhouse_reader;
grant select, insert, update, delete on crm.object_types to rowhouse_projector;
