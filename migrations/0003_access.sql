-- +goose Up

-- Who may ask. Organizations, users and the list of an organization's tenants
-- belong to the installation; whatever belongs to one tenant is behind the wall.
-- Nobody but rowhouse_access touches any of it, and nobody can delete.

create table access.organization (
    id         uuid primary key,
    name       text not null,
    created_at timestamptz not null
);

create table access.users (
    id         uuid primary key,
    email      text not null unique, -- normalised; the one name that is unique over all tenants
    name       text not null,
    password   text not null,        -- a PHC string
    created_at timestamptz not null
);

create table access.organization_member (
    organization_id uuid not null references access.organization,
    user_id         uuid not null references access.users,
    role            text not null,
    primary key (organization_id, user_id)
);

create table access.tenant (
    id              uuid primary key,
    organization_id uuid not null references access.organization,
    name            text not null,
    created_at      timestamptz not null
);
create index tenant_organization on access.tenant (organization_id, id);

-- The first use of the installation. The token is derived from the nonce and
-- the root key, so it is not here, not even as a hash.
create table access.setup (
    singleton    boolean primary key default true check (singleton),
    nonce        bytea not null,
    completed_at timestamptz
);

alter table access.organization owner to rowhouse_owner;
alter table access.users owner to rowhouse_owner;
alter table access.organization_member owner to rowhouse_owner;
alter table access.tenant owner to rowhouse_owner;
alter table access.setup owner to rowhouse_owner;

grant select, insert on access.organization, access.users, access.organization_member, access.tenant, access.setup to rowhouse_access;
grant update (password) on access.users to rowhouse_access;
grant update (completed_at) on access.setup to rowhouse_access;

-- Users are not referenced: what is behind the wall refers to nothing outside of
-- it but the tenant itself.
create table access.membership (
    tenant_id  uuid not null references access.tenant,
    user_id    uuid not null,
    role       text not null,
    created_at timestamptz not null,
    primary key (tenant_id, user_id)
);
create index membership_user on access.membership (user_id, tenant_id);

-- A key is worth nothing without the membership of the user who made it.
create table access.api_key (
    tenant_id    uuid not null references access.tenant,
    id           uuid not null,
    name         text not null,
    hash         bytea not null, -- HMAC-SHA-256 of the whole text of the key
    role         text not null,
    created_by   uuid not null,
    created_at   timestamptz not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    primary key (tenant_id, id)
);

select sec.build_wall('access.membership', 'rowhouse_access');
select sec.build_wall('access.api_key', 'rowhouse_access');

grant select, insert on access.membership, access.api_key to rowhouse_access;
grant update (revoked_at, last_used_at) on access.api_key to rowhouse_access;

-- access.home is the one look over the wall: a user who has just proved who they
-- are, and names no tenant, must be led to one, and until it is known which,
-- there is no tenant to ask inside of. It says the id of the oldest and nothing
-- else; the role there is then looked up inside that tenant. A role of its own
-- owns it, which can read two columns and is nobody's to log in as.
grant usage on schema access to rowhouse_directory;
grant select (tenant_id, user_id) on access.membership to rowhouse_directory;
create policy home on access.membership for select to rowhouse_directory using (true);

-- +goose StatementBegin
create function access.home(of_user uuid) returns uuid
    language sql stable security definer set search_path = pg_catalog, pg_temp
    begin atomic
        select m.tenant_id from access.membership m where m.user_id = of_user order by m.tenant_id limit 1;
    end;
-- +goose StatementEnd

alter function access.home(uuid) owner to rowhouse_directory;
revoke all on function access.home(uuid) from public;
grant execute on function access.home(uuid) to rowhouse_access;

grant usage on schema es to rowhouse_access; -- for es.create_tenant
