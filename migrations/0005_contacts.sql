-- +goose Up

-- The contacts of a tenant: see projections/contacts.go.
-- What clients see is doc; the other columns are what lists filter and sort by.
-- New rows are made under another ver while the old ones serve.
create table crm.contacts (
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
    first_name text,
    last_name text,
    email text,
    emails text[] not null,
    phones text[] not null,
    company_id uuid,
    job_title text,
    language text,
    birth_date date,
    lifecycle text,
    do_not_call boolean not null,
    owner_id uuid,
    tags text[] not null,
    external_ids text[] not null,
    primary key (tenant_id, ver, id)
) with (fillfactor = 85);
-- Without ver: but for the time of a rebuild there is one only, and a planner that
-- has no statistics yet must not take these for as good as the primary key.
create index contacts_updated_at on crm.contacts (tenant_id, updated_at, id);
create index contacts_last_name on crm.contacts (tenant_id, last_name, id);
create index contacts_email on crm.contacts (tenant_id, email) where email is not null;
create index contacts_company_id on crm.contacts (tenant_id, company_id) where company_id is not null;
select sec.build_wall('crm.contacts', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.contacts to rowhouse_reader;
grant select, insert, update, delete on crm.contacts to rowhouse_projector;
