-- +goose Up

-- How long deals were in their stages: see projections/stagetimes.go. The last row of a deal
-- is open: left_at is null while it is there.
create table crm.deal_stages (
    tenant_id uuid not null,
    ver int not null,
    of_kind text collate "C" not null,
    of_id uuid not null, -- the deal
    position bigint not null, -- of the event that brought it there
    pipeline_id uuid not null,
    stage text collate "C" not null,
    entered_at timestamptz not null,
    from_pipeline_id uuid,
    from_stage text collate "C",
    left_at timestamptz,
    to_pipeline_id uuid,
    to_stage text collate "C",
    amount bigint, -- what the deal was worth when it left, in 1/10000, or is worth
    currency text collate "C", -- empty if it was worth nothing that is known
    primary key (tenant_id, ver, of_id, position)
) with (fillfactor = 85);
create index deal_stages_entered on crm.deal_stages (tenant_id, ver, pipeline_id, entered_at);
select sec.build_wall('crm.deal_stages', 'rowhouse_reader', 'rowhouse_projector');
grant select on crm.deal_stages to rowhouse_reader;
grant select, insert, update, delete on crm.deal_stages to rowhouse_projector;
