-- +goose Up

-- What a lead was converted to. Rows of before need no rebuild: none was converted
-- then.
alter table crm.leads
    add column conversion_contact_id uuid,
    add column conversion_company_id uuid,
    add column conversion_deal_id uuid;
create index leads_conversion_contact_id on crm.leads (tenant_id, conversion_contact_id) where conversion_contact_id is not null;
create index leads_conversion_company_id on crm.leads (tenant_id, conversion_company_id) where conversion_company_id is not null;
create index leads_conversion_deal_id on crm.leads (tenant_id, conversion_deal_id) where conversion_deal_id is not null;
