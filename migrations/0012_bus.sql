-- +goose Up

-- A record whose events a broker does not take: from which one on, and why. What
-- happens to it later waits behind that; what happens to other records does not.
-- The row says where the events are, and holds nothing of them. Dispatchers
-- count, and see no record.
create table es.bus_parked (
    tenant_id   uuid not null,
    target      text collate "C" not null,
    stream_kind text collate "C" not null,
    stream_id   uuid not null,
    version     int not null,
    pos         bigint not null,
    reason      text collate "C" not null,
    at          timestamptz not null,
    primary key (tenant_id, target, stream_kind, stream_id)
);

-- Events that an operator decided not to publish, for good.
create table es.bus_skipped (
    tenant_id   uuid not null,
    target      text collate "C" not null,
    stream_kind text collate "C" not null,
    stream_id   uuid not null,
    version     int not null,
    pos         bigint not null,
    reason      text collate "C" not null,
    skipped_by  text not null,
    at          timestamptz not null,
    primary key (tenant_id, target, stream_kind, stream_id, version)
);

select sec.build_wall('es.bus_parked', 'rowhouse_reader', 'rowhouse_projector');
select sec.build_wall('es.bus_skipped', 'rowhouse_reader', 'rowhouse_projector');
create policy positions on es.bus_parked for select to rowhouse_dispatcher using (true);
grant select on es.bus_parked, es.bus_skipped to rowhouse_reader;
grant select, insert, update, delete on es.bus_parked to rowhouse_projector;
grant select, insert on es.bus_skipped to rowhouse_projector;
grant select (target, at) on es.bus_parked to rowhouse_dispatcher;
