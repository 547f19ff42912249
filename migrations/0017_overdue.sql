-- +goose Up

-- Whether a task was not done in time. Rows of before need no rebuild: none was
-- known to be overdue then.
alter table crm.tasks add column overdue boolean not null default false;
create index tasks_overdue on crm.tasks (tenant_id, due_at, id) where overdue;
