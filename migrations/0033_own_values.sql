-- +goose Up

-- The values of fields of the tenants' own, by which lists are filtered and sorted: see
-- projections/query/own.go. Of each value there is what can be compared of it, in whatever
-- type: a text that is a date is text, and a moment. The definition of the field says which
-- column is looked at.
create table crm.own_values (
    tenant_id uuid not null,
    of_table text not null,
    of_ver int not null, -- of the row
    of_id uuid not null,
    field text not null,
    txt text,
    mail text,
    num bigint,
    at timestamptz,
    list text[],
    primary key (tenant_id, of_table, of_ver, of_id, field)
);
create index own_values_txt on crm.own_values (tenant_id, of_table, field, txt, of_id) where txt is not null;
create index own_values_mail on crm.own_values (tenant_id, of_table, field, mail, of_id) where mail is not null;
create index own_values_num on crm.own_values (tenant_id, of_table, field, num, of_id) where num is not null;
create index own_values_at on crm.own_values (tenant_id, of_table, field, at, of_id) where at is not null;
select sec.build_wall('crm.own_values', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.own_values to rowhouse_reader;
grant select, insert, update, delete on crm.own_values to rowhouse_projector;
