-- +goose Up

-- The tasks of a tenant: see projections/tasks.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.tasks (
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
    title text not null,
    kind text not null,
    priority text not null,
    status text not null,
    due_at timestamptz,
    remind_at timestamptz,
    done_at timestamptz,
    assignee_id uuid,
    related_id text[] not null,
    owner_id uuid,
    tags text[] not null,
    external_ids text[] not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index tasks_updated_at on crm.tasks (tenant_id, updated_at, id);
create index tasks_due_at on crm.tasks (tenant_id, due_at, id);
create index tasks_assignee_id on crm.tasks (tenant_id, assignee_id) where assignee_id is not null;
select sec.build_wall('crm.tasks', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.tasks to rowhouse_reader;
grant select, insert, update, delete on crm.tasks to rowhouse_projector;
