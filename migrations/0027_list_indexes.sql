-- +goose Up

-- Each column that lists are sorted or filtered by has an index of the live records, in which
-- nulls are at the end, so that it serves both directions; deleted records have one by the time
-- that they were deleted. See projections/tables_test.go, which says what must be there.

drop index crm.contacts_updated_at, crm.contacts_last_name, crm.contacts_email, crm.contacts_company_id, crm.companies_updated_at, crm.companies_name, crm.companies_parent_id, crm.deals_updated_at, crm.deals_name, crm.deals_pipeline_id_stage_key, crm.deals_company_id, crm.deals_primary_contact_id, crm.tasks_updated_at, crm.tasks_due_at, crm.tasks_assignee_id, crm.tasks_overdue, crm.notes_updated_at, crm.notes_owner_id, crm.products_updated_at, crm.products_owner_id, crm.leads_updated_at, crm.leads_owner_id, crm.leads_conversion_contact_id, crm.leads_conversion_company_id, crm.leads_conversion_deal_id, crm.lists_updated_at, crm.lists_owner_id;


create index companies_created_at on crm.companies (tenant_id, created_at, id) where deleted_at is null;
create index companies_updated_at on crm.companies (tenant_id, updated_at, id) where deleted_at is null;
create index companies_deleted_at on crm.companies (tenant_id, deleted_at, id) where deleted_at is not null;
create index companies_owner_id on crm.companies (tenant_id, owner_id, id) where deleted_at is null;
create index companies_name on crm.companies (tenant_id, name, id) where deleted_at is null;
create index companies_industry on crm.companies (tenant_id, industry, id) where deleted_at is null;
create index companies_employee_count on crm.companies (tenant_id, employee_count, id) where deleted_at is null;
create index companies_annual_revenue on crm.companies (tenant_id, annual_revenue, id) where deleted_at is null;
create index companies_annual_revenue_currency on crm.companies (tenant_id, annual_revenue_currency, id) where deleted_at is null;
create index companies_phone on crm.companies (tenant_id, phone, id) where deleted_at is null;
create index companies_parent_id on crm.companies (tenant_id, parent_id, id) where deleted_at is null;
create index companies_kind on crm.companies (tenant_id, kind, id) where deleted_at is null;

create index contacts_created_at on crm.contacts (tenant_id, created_at, id) where deleted_at is null;
create index contacts_updated_at on crm.contacts (tenant_id, updated_at, id) where deleted_at is null;
create index contacts_deleted_at on crm.contacts (tenant_id, deleted_at, id) where deleted_at is not null;
create index contacts_email on crm.contacts (tenant_id, email, id) where deleted_at is null;
create index contacts_owner_id on crm.contacts (tenant_id, owner_id, id) where deleted_at is null;
create index contacts_first_name on crm.contacts (tenant_id, first_name, id) where deleted_at is null;
create index contacts_last_name on crm.contacts (tenant_id, last_name, id) where deleted_at is null;
create index contacts_company_id on crm.contacts (tenant_id, company_id, id) where deleted_at is null;
create index contacts_job_title on crm.contacts (tenant_id, job_title, id) where deleted_at is null;
create index contacts_language on crm.contacts (tenant_id, language, id) where deleted_at is null;
create index contacts_birth_date on crm.contacts (tenant_id, birth_date, id) where deleted_at is null;
create index contacts_lifecycle on crm.contacts (tenant_id, lifecycle, id) where deleted_at is null;
create index contacts_do_not_call on crm.contacts (tenant_id, do_not_call, id) where deleted_at is null;

create index deals_created_at on crm.deals (tenant_id, created_at, id) where deleted_at is null;
create index deals_updated_at on crm.deals (tenant_id, updated_at, id) where deleted_at is null;
create index deals_deleted_at on crm.deals (tenant_id, deleted_at, id) where deleted_at is not null;
create index deals_probability on crm.deals (tenant_id, probability, id) where deleted_at is null;
create index deals_owner_id on crm.deals (tenant_id, owner_id, id) where deleted_at is null;
create index deals_name on crm.deals (tenant_id, name, id) where deleted_at is null;
create index deals_company_id on crm.deals (tenant_id, company_id, id) where deleted_at is null;
create index deals_primary_contact_id on crm.deals (tenant_id, primary_contact_id, id) where deleted_at is null;
create index deals_amount on crm.deals (tenant_id, amount, id) where deleted_at is null;
create index deals_amount_currency on crm.deals (tenant_id, amount_currency, id) where deleted_at is null;
create index deals_close_date on crm.deals (tenant_id, close_date, id) where deleted_at is null;
create index deals_source on crm.deals (tenant_id, source, id) where deleted_at is null;
create index deals_pipeline_id on crm.deals (tenant_id, pipeline_id, id) where deleted_at is null;
create index deals_stage_key on crm.deals (tenant_id, stage_key, id) where deleted_at is null;
create index deals_stage_since on crm.deals (tenant_id, stage_since, id) where deleted_at is null;
create index deals_status on crm.deals (tenant_id, status, id) where deleted_at is null;
create index deals_closed_at on crm.deals (tenant_id, closed_at, id) where deleted_at is null;

create index leads_created_at on crm.leads (tenant_id, created_at, id) where deleted_at is null;
create index leads_updated_at on crm.leads (tenant_id, updated_at, id) where deleted_at is null;
create index leads_deleted_at on crm.leads (tenant_id, deleted_at, id) where deleted_at is not null;
create index leads_conversion_contact_id on crm.leads (tenant_id, conversion_contact_id, id) where deleted_at is null;
create index leads_conversion_company_id on crm.leads (tenant_id, conversion_company_id, id) where deleted_at is null;
create index leads_conversion_deal_id on crm.leads (tenant_id, conversion_deal_id, id) where deleted_at is null;
create index leads_owner_id on crm.leads (tenant_id, owner_id, id) where deleted_at is null;
create index leads_name on crm.leads (tenant_id, name, id) where deleted_at is null;
create index leads_company_name on crm.leads (tenant_id, company_name, id) where deleted_at is null;
create index leads_email on crm.leads (tenant_id, email, id) where deleted_at is null;
create index leads_phone on crm.leads (tenant_id, phone, id) where deleted_at is null;
create index leads_source on crm.leads (tenant_id, source, id) where deleted_at is null;
create index leads_status on crm.leads (tenant_id, status, id) where deleted_at is null;
create index leads_score on crm.leads (tenant_id, score, id) where deleted_at is null;

create index lists_created_at on crm.lists (tenant_id, created_at, id) where deleted_at is null;
create index lists_updated_at on crm.lists (tenant_id, updated_at, id) where deleted_at is null;
create index lists_deleted_at on crm.lists (tenant_id, deleted_at, id) where deleted_at is not null;
create index lists_owner_id on crm.lists (tenant_id, owner_id, id) where deleted_at is null;
create index lists_name on crm.lists (tenant_id, name, id) where deleted_at is null;
create index lists_object on crm.lists (tenant_id, object, id) where deleted_at is null;
create index lists_kind on crm.lists (tenant_id, kind, id) where deleted_at is null;
create index lists_member_count on crm.lists (tenant_id, member_count, id) where deleted_at is null;
create index lists_frozen_position on crm.lists (tenant_id, frozen_position, id) where deleted_at is null;

create index notes_created_at on crm.notes (tenant_id, created_at, id) where deleted_at is null;
create index notes_updated_at on crm.notes (tenant_id, updated_at, id) where deleted_at is null;
create index notes_deleted_at on crm.notes (tenant_id, deleted_at, id) where deleted_at is not null;
create index notes_owner_id on crm.notes (tenant_id, owner_id, id) where deleted_at is null;
create index notes_pinned on crm.notes (tenant_id, pinned, id) where deleted_at is null;

create index pipelines_created_at on crm.pipelines (tenant_id, created_at, id) where deleted_at is null;
create index pipelines_updated_at on crm.pipelines (tenant_id, updated_at, id) where deleted_at is null;
create index pipelines_deleted_at on crm.pipelines (tenant_id, deleted_at, id) where deleted_at is not null;
create index pipelines_name on crm.pipelines (tenant_id, name, id) where deleted_at is null;
create index pipelines_status on crm.pipelines (tenant_id, status, id) where deleted_at is null;

create index products_created_at on crm.products (tenant_id, created_at, id) where deleted_at is null;
create index products_updated_at on crm.products (tenant_id, updated_at, id) where deleted_at is null;
create index products_deleted_at on crm.products (tenant_id, deleted_at, id) where deleted_at is not null;
create index products_owner_id on crm.products (tenant_id, owner_id, id) where deleted_at is null;
create index products_sku on crm.products (tenant_id, sku, id) where deleted_at is null;
create index products_name on crm.products (tenant_id, name, id) where deleted_at is null;
create index products_unit on crm.products (tenant_id, unit, id) where deleted_at is null;
create index products_tax_code on crm.products (tenant_id, tax_code, id) where deleted_at is null;
create index products_status on crm.products (tenant_id, status, id) where deleted_at is null;

create index tasks_created_at on crm.tasks (tenant_id, created_at, id) where deleted_at is null;
create index tasks_updated_at on crm.tasks (tenant_id, updated_at, id) where deleted_at is null;
create index tasks_deleted_at on crm.tasks (tenant_id, deleted_at, id) where deleted_at is not null;
create index tasks_owner_id on crm.tasks (tenant_id, owner_id, id) where deleted_at is null;
create index tasks_title on crm.tasks (tenant_id, title, id) where deleted_at is null;
create index tasks_kind on crm.tasks (tenant_id, kind, id) where deleted_at is null;
create index tasks_priority on crm.tasks (tenant_id, priority, id) where deleted_at is null;
create index tasks_due_at on crm.tasks (tenant_id, due_at, id) where deleted_at is null;
create index tasks_remind_at on crm.tasks (tenant_id, remind_at, id) where deleted_at is null;
create index tasks_assignee_id on crm.tasks (tenant_id, assignee_id, id) where deleted_at is null;
create index tasks_status on crm.tasks (tenant_id, status, id) where deleted_at is null;
create index tasks_done_at on crm.tasks (tenant_id, done_at, id) where deleted_at is null;
create index tasks_overdue on crm.tasks (tenant_id, overdue, id) where deleted_at is null;

