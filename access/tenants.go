package access

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Tenant is one client's space, as its organization sees it from outside.
type Tenant struct {
	ID             domain.TenantID `json:"id"`
	OrganizationID domain.ID       `json:"organization_id"`
	Name           string          `json:"name"`
	CreatedAt      time.Time       `json:"created_at"`
}

// TenantRequest asks for a new tenant.
type TenantRequest struct {
	ID   domain.TenantID `json:"id,omitzero"` // chosen by the client, so that it can ask again; zero for any
	Name string          `json:"name" maxLength:"200"`
}

// CreateTenant makes a tenant of an organization that the user of the origin
// owns, and makes that user its owner. It can be used at once. Asking again with
// the same ID and name has no further effect, and the same answer.
func (d *Directory) CreateTenant(ctx context.Context, o domain.Origin, organization domain.ID, r TenantRequest) (Tenant, error) {
	if err := domain.CheckShape(r); err != nil {
		return Tenant{}, err
	}
	if r.ID == (domain.TenantID{}) {
		r.ID.UUID = d.newID()
	}
	t := Tenant{ID: r.ID, OrganizationID: organization, Name: r.Name, CreatedAt: d.time()}
	err := d.wall.InTenant(ctx, wall.Scope{Tenant: t.ID, Duty: wall.Access}, func(tx wall.Tx) error {
		role, err := organizationRole(ctx, tx, o, organization)
		if err != nil {
			return err
		}
		if role != Owner {
			return errForbidden
		}
		made, err := tx.Exec(ctx, `insert into access.tenant (id, organization_id, name, created_at) values ($1, $2, $3, $4)
			on conflict (id) do nothing`, t.ID.UUID, organization.UUID, t.Name, t.CreatedAt)
		if err != nil {
			return err
		}
		if made.RowsAffected() == 0 {
			// The tenant that we are inside of may be somebody else's: nothing
			// of it is looked at but the line in the directory.
			return t.again(ctx, tx)
		}
		b := &pgx.Batch{}
		d.furnish(b, t.ID, o.Actor.ID.UUID, t.CreatedAt)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return Tenant{}, fault("make a tenant", err)
	}
	return t, nil
}

// again completes the answer to a request that was granted before.
func (t *Tenant) again(ctx context.Context, tx wall.Tx) error {
	err := tx.QueryRow(ctx, `select created_at from access.tenant where id = $1 and organization_id = $2 and name = $3`,
		t.ID.UUID, t.OrganizationID.UUID, t.Name).Scan(&t.CreatedAt)
	if noRows(err) {
		return &domain.Error{Reason: domain.Conflict, Code: "id_in_use", Pointer: "/id", Detail: "is in use"}
	}
	return err
}

// ListTenants returns up to limit tenants of an organization that the user of the
// origin belongs to, oldest first, from the one after the given; the zero ID is
// before all of them.
func (d *Directory) ListTenants(ctx context.Context, o domain.Origin, organization domain.ID, after domain.TenantID, limit int) ([]Tenant, error) {
	var list []Tenant
	err := d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		if _, err := organizationRole(ctx, tx, o, organization); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select id, name, created_at from access.tenant
			where organization_id = $1 and id > $2 order by id limit $3`, organization.UUID, after.UUID, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Tenant, error) {
			t := Tenant{OrganizationID: organization}
			err := row.Scan(&t.ID.UUID, &t.Name, &t.CreatedAt)
			return t, err
		})
		return err
	})
	return list, fault("list tenants", err)
}

// organizationRole returns the role of a user in an organization. Keys have none,
// and of an organization that one does not belong to one does not even learn
// that it exists.
func organizationRole(ctx context.Context, tx wall.Tx, o domain.Origin, organization domain.ID) (Role, error) {
	var role Role
	err := tx.QueryRow(ctx, `select role from access.organization_member where organization_id = $1 and user_id = $2`,
		organization.UUID, o.Actor.ID.UUID).Scan(&role)
	if noRows(err) {
		return "", domain.NotFound.Refusef("not_found", "there is no such organization")
	}
	return role, err
}
