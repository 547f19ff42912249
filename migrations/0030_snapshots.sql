-- +goose Up

-- What the events of records had led to after one of them: it saves reading the events
-- before, of which some records have thousands. Anybody may throw rows away at any time.
create table crm.snapshot (
    tenant_id   uuid not null,
    stream_id   uuid not null,
    stream_kind text collate "C" not null,
    form        text collate "C" not null,  -- what is in it: the state that commands need, or the row of a table
    definition  text collate "C" not null,  -- of what made it: for others it is of no use
    version     int not null,               -- of the record after the event
    event_id    uuid not null,
    pos         bigint not null,
    at          timestamptz not null,
    state       bytea not null,             -- JSON
    primary key (tenant_id, stream_id, stream_kind, form, definition, version)
);
select sec.build_wall('crm.snapshot', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.snapshot to rowhouse_reader;
grant select, insert, delete on crm.snapshot to rowhouse_projector;
