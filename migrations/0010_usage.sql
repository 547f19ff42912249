-- +goose Up

-- What a tenant does, by day and dimension, and up to which event it is counted.
-- Both change in one transaction.
create table crm.usage (
    tenant_id uuid not null,
    day date not null,
    dimension text not null,
    quantity bigint not null,
    primary key (tenant_id, day, dimension)
);
create table crm.usage_meter (
    tenant_id uuid primary key,
    pos bigint not null,
    command_id uuid not null
);
select sec.build_wall('crm.usage', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('crm.usage_meter', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.usage, crm.usage_meter to rowhouse_reader;
grant select, insert, update on crm.usage, crm.usage_meter to rowhouse_projector;
