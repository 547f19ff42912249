-- +goose Up

-- Records that have changed since they were put into the bin, such as deals whose stage was
-- archived: lists of the past look for what has changed since. There are few of them, so the
-- indexes are small, and nothing else is written to them. See projections/past.go.
create index companies_changed_in_bin on crm.companies (tenant_id, updated_at, id) where updated_at > deleted_at;
create index contacts_changed_in_bin on crm.contacts (tenant_id, updated_at, id) where updated_at > deleted_at;
create index deals_changed_in_bin on crm.deals (tenant_id, updated_at, id) where updated_at > deleted_at;
create index leads_changed_in_bin on crm.leads (tenant_id, updated_at, id) where updated_at > deleted_at;
create index lists_changed_in_bin on crm.lists (tenant_id, updated_at, id) where updated_at > deleted_at;
create index notes_changed_in_bin on crm.notes (tenant_id, updated_at, id) where updated_at > deleted_at;
create index object_types_changed_in_bin on crm.object_types (tenant_id, updated_at, id) where updated_at > deleted_at;
create index pipelines_changed_in_bin on crm.pipelines (tenant_id, updated_at, id) where updated_at > deleted_at;
create index products_changed_in_bin on crm.products (tenant_id, updated_at, id) where updated_at > deleted_at;
create index tasks_changed_in_bin on crm.tasks (tenant_id, updated_at, id) where updated_at > deleted_at;
