-- +goose Up

-- What is to be done later for a tenant: now, or when its time has come. A row is
-- stored in the transaction of what it follows from, and is gone when it was done.
create schema jobs authorization rowhouse_owner;

create table jobs.job (
    tenant_id  uuid not null,
    id         uuid not null,
    n          bigint not null,                -- in which order the jobs of a tenant were ordered
    process    text collate "C" not null,      -- who ordered it
    kind       text collate "C" not null,      -- who does it
    name       text collate "C" not null,      -- what it is, as operators see it
    subject    text collate "C" not null,      -- what it is about, in the words of the process
    key        text collate "C",               -- there is one job with it at most for a process and a subject
    args       bytea not null,                 -- JSON
    cause      bytea not null,                 -- JSON: the event that it follows from, and whose it is
    ordered_at timestamptz not null,
    due_at     timestamptz not null,
    attempts   int not null default 0,         -- that failed
    error      text collate "C",               -- why the last one failed
    parked_at  timestamptz,                    -- since when nobody tries any more
    primary key (tenant_id, id)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
create index job_due on jobs.job (tenant_id, due_at, n) where parked_at is null;
create index job_parked on jobs.job (tenant_id, id) where parked_at is not null;
create unique index job_key on jobs.job (tenant_id, process, subject, key) where key is not null;

-- When the next job of a tenant is due. Jobs of a tenant are done in turns: who
-- takes a turn has it until turn_until, and gives it back before that unless it
-- has died. The row is locked by whoever orders jobs or ends a turn.
create table jobs.head (
    tenant_id  uuid primary key,
    last_n     bigint not null default 0,
    next_at    timestamptz,
    turn       bigint not null default 0,      -- how many were taken
    turn_until timestamptz                     -- null if nobody has the turn
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
create index head_next_at on jobs.head (next_at) where next_at is not null;

-- What a process remembers between events.
create table jobs.state (
    tenant_id uuid not null,
    process   text collate "C" not null,
    subject   text collate "C" not null,
    state     bytea not null,                  -- JSON
    primary key (tenant_id, process, subject)
);

select sec.build_wall('jobs.job', 'rowhouse_reader', 'rowhouse_projector', 'rowhouse_worker');
select sec.build_wall('jobs.head', 'rowhouse_reader', 'rowhouse_projector', 'rowhouse_worker');
select sec.build_wall('jobs.state', 'rowhouse_reader', 'rowhouse_projector', 'rowhouse_worker');
grant usage on schema jobs to rowhouse_reader, rowhouse_projector, rowhouse_worker, rowhouse_dispatcher;
grant usage on schema sec to rowhouse_worker;
grant execute on function sec.tenant(text) to rowhouse_worker;
grant select on jobs.job, jobs.head, jobs.state to rowhouse_reader;
grant select, insert, update, delete on jobs.job, jobs.state to rowhouse_projector, rowhouse_worker;
grant select, insert, update on jobs.head to rowhouse_projector, rowhouse_worker;

-- Dispatchers see which tenants have something to do, and count what is parked.
create policy positions on jobs.head for select to rowhouse_dispatcher using (true);
create policy positions on jobs.job for select to rowhouse_dispatcher using (true);
grant select (tenant_id, next_at, turn, turn_until) on jobs.head to rowhouse_dispatcher;
grant select (name, parked_at) on jobs.job to rowhouse_dispatcher;

-- The tables of River v0.51.0 (github.com/riverqueue/river, MPL-2.0), as its own
-- migrations 1 to 8 leave them: see TestRiver. It hands out the turns. A row of
-- river_job says that a tenant has something to do, and nothing else about it; only
-- rowhouse_queue, which sees no row of any tenant, has rights here.
create schema river authorization rowhouse_owner;

create type river.river_job_state as enum
    ('available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled');

create table river.river_job (
    id            bigserial primary key,
    state         river.river_job_state not null default 'available',
    attempt       smallint not null default 0,
    max_attempts  smallint not null default 25,
    attempted_at  timestamptz,
    created_at    timestamptz not null default now(),
    finalized_at  timestamptz,
    scheduled_at  timestamptz not null default now(),
    priority      smallint not null default 1,
    args          jsonb not null,
    attempted_by  text[],
    errors        jsonb[],
    kind          text not null,
    metadata      jsonb not null default '{}',
    queue         text not null default 'default',
    tags          varchar(255)[] not null default '{}',
    unique_key    bytea,
    unique_states bit(8),
    constraint finalized_or_finalized_at_null check (
        (finalized_at is null and state not in ('cancelled', 'completed', 'discarded')) or
        (finalized_at is not null and state in ('cancelled', 'completed', 'discarded'))),
    constraint max_attempts_is_positive check (max_attempts > 0),
    constraint priority_in_range check (priority >= 1 and priority <= 4),
    constraint queue_length check (char_length(queue) > 0 and char_length(queue) < 128),
    constraint kind_length check (char_length(kind) > 0 and char_length(kind) < 128)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

-- +goose StatementBegin
create function river.river_job_state_in_bitmask(bitmask bit(8), state river.river_job_state)
    returns boolean language sql immutable as $$
    select case state
        when 'available' then get_bit(bitmask, 7)
        when 'cancelled' then get_bit(bitmask, 6)
        when 'completed' then get_bit(bitmask, 5)
        when 'discarded' then get_bit(bitmask, 4)
        when 'pending'   then get_bit(bitmask, 3)
        when 'retryable' then get_bit(bitmask, 2)
        when 'running'   then get_bit(bitmask, 1)
        when 'scheduled' then get_bit(bitmask, 0)
        else 0
    end = 1;
$$;
-- +goose StatementEnd

create index river_job_kind on river.river_job using btree (kind);
create index river_job_state_and_finalized_at_index on river.river_job using btree (state, finalized_at) where finalized_at is not null;
create index river_job_prioritized_fetching_index on river.river_job using btree (state, queue, priority, scheduled_at, id);
create index river_job_args_index on river.river_job using gin (args);
create index river_job_metadata_index on river.river_job using gin (metadata);
create unique index river_job_unique_idx on river.river_job (unique_key)
    where unique_key is not null and unique_states is not null and river.river_job_state_in_bitmask(unique_states, state);

create unlogged table river.river_leader (
    elected_at timestamptz not null,
    expires_at timestamptz not null,
    leader_id  text not null,
    name       text primary key default 'default',
    constraint name_length check (name = 'default'),
    constraint leader_id_length check (char_length(leader_id) > 0 and char_length(leader_id) < 128)
);

create table river.river_queue (
    name       text primary key not null,
    created_at timestamptz not null default now(),
    metadata   jsonb not null default '{}'::jsonb,
    paused_at  timestamptz,
    updated_at timestamptz not null default current_timestamp
);

create table river.river_notification (
    id         bigserial primary key,
    created_at timestamptz not null default now(),
    payload    text not null,
    topic      text not null,
    constraint topic_length check (length(topic) > 0 and length(topic) < 128)
);
create index river_notification_created_at_idx on river.river_notification (created_at);
create index river_notification_topic_id_idx on river.river_notification (topic, id);

create table river.river_migration (
    line       text not null,
    version    bigint not null,
    created_at timestamptz not null default now(),
    constraint line_length check (char_length(line) > 0 and char_length(line) < 128),
    constraint version_gte_1 check (version >= 1),
    constraint river_migration_pkey1 primary key (line, version)
);
insert into river.river_migration (line, version) select 'main', v from generate_series(1, 8) v;

-- +goose StatementBegin
do $$
declare
    t text;
begin
    foreach t in array array['river_job', 'river_leader', 'river_queue', 'river_notification', 'river_migration'] loop
        execute format('alter table river.%I owner to rowhouse_owner', t);
        execute format('alter table river.%I enable row level security', t);
        execute format('alter table river.%I force row level security', t);
        execute format('create policy turns on river.%I for all to rowhouse_queue using (true) with check (true)', t);
    end loop;
end $$;
-- +goose StatementEnd
alter type river.river_job_state owner to rowhouse_owner;
alter function river.river_job_state_in_bitmask(bit, river.river_job_state) owner to rowhouse_owner;
revoke all on function river.river_job_state_in_bitmask(bit, river.river_job_state) from public;
grant execute on function river.river_job_state_in_bitmask(bit, river.river_job_state) to rowhouse_queue;
revoke all on type river.river_job_state from public;
grant usage on type river.river_job_state to rowhouse_queue;
grant usage on schema river to rowhouse_queue;
grant select, insert, update, delete on river.river_job, river.river_leader, river.river_queue, river.river_notification to rowhouse_queue;
grant usage on sequence river.river_job_id_seq, river.river_notification_id_seq to rowhouse_queue;
