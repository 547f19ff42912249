-- +goose Up

-- What has happened to the records of a tenant, and to what refers to them: see
-- projections/timeline.go. A row says in whose timeline an event is, and nothing of what is
-- in it. New rows are made under another ver while the old ones serve.
create table crm.timeline (
    tenant_id uuid not null,
    ver int not null,
    of_kind text collate "C" not null, -- the record that it happened to
    of_id uuid not null,
    position bigint not null,
    version int not null,
    about_kind text collate "C" not null, -- the record in whose timeline it is
    about_id uuid not null,
    via text collate "C" not null, -- the members by which that was referred to; empty if it is the same
    type text collate "C" not null,
    actor uuid not null,
    others uuid[], -- where it is the same: the other records in whose timelines it is
    primary key (tenant_id, ver, about_id, position, about_kind)
);
-- The position downwards, so that nothing but this index has the order that it is read in.
create index timeline_types on crm.timeline (tenant_id, ver, about_id, type, actor, (-position));
select sec.build_wall('crm.timeline', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.timeline to rowhouse_reader;
grant select, insert, update, delete on crm.timeline to rowhouse_projector;
