package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// founder makes the token that the first use of an installation takes. The token
// follows from the root key and a nonce in the database, so all nodes know the
// same one, also after a restart, and the database alone does not tell it.
type founder struct {
	key  []byte
	turn chan struct{} // one at a time, so that those who lose do no work
}

func (f founder) token(nonce []byte) string {
	mac := hmac.New(sha256.New, f.key)
	mac.Write(nonce)
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// EnsureSetup returns the token that [Directory.Setup] takes, and true, until it
// was used; after that an empty one, and false. The token stays the same until
// then.
func (d *Directory) EnsureSetup(ctx context.Context) (token string, pending bool, err error) {
	nonce := make([]byte, 20)
	if _, err := io.ReadFull(d.random, nonce); err != nil {
		return "", false, fmt.Errorf("access: draw a setup token: %w", err)
	}
	err = d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		if _, err := tx.Exec(ctx, `insert into access.setup (nonce) values ($1) on conflict do nothing`, nonce); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select nonce, completed_at is null from access.setup`).Scan(&nonce, &pending)
	})
	if err != nil || !pending {
		return "", false, fault("prepare the first use", err)
	}
	return d.founder.token(nonce), true, nil
}

// Named is something that only has a name yet.
type Named struct {
	Name string `json:"name" maxLength:"200"`
}

// NewUser is somebody who will be able to log in.
type NewUser struct {
	Email    domain.Email `json:"email"`
	Password string       `json:"password" minLength:"12" maxLength:"128" text:"raw"`
	Name     string       `json:"name" maxLength:"200"`
}

// SetupRequest asks for the first organization, its first tenant, and a user who
// owns both.
type SetupRequest struct {
	Token        string  `json:"token"` // from [Directory.EnsureSetup]
	Organization Named   `json:"organization"`
	Tenant       Named   `json:"tenant"`
	Owner        NewUser `json:"owner"`
}

// Setup puts an installation to its first use, once: all of it or, if anything
// is wrong, none. A wrong token is [domain.Unauthenticated]; the right one, used
// again, gets a [domain.Conflict] with the code already_set_up.
func (d *Directory) Setup(ctx context.Context, r SetupRequest) (Session, error) {
	if err := d.checkSetup(ctx, r.Token); err != nil {
		return Session{}, err
	}
	if err := errors.Join(
		domain.CheckShape(r),
		domain.At("/owner/password", d.secrets.check(r.Owner.Password, r.Owner.Email)),
	); err != nil {
		return Session{}, err
	}
	select {
	case d.founder.turn <- struct{}{}:
		defer func() { <-d.founder.turn }()
	case <-ctx.Done():
		return Session{}, ctx.Err()
	}
	if err := d.checkSetup(ctx, r.Token); err != nil {
		return Session{}, err
	}
	password, err := d.secrets.hash(ctx, r.Owner.Password)
	if err != nil {
		return Session{}, err
	}
	organization, user, tenant := d.newID(), d.newID(), domain.TenantID{UUID: d.newID()}
	err = d.wall.InTenant(ctx, wall.Scope{Tenant: tenant, Duty: wall.Access}, func(tx wall.Tx) error {
		now := d.time()
		// Whoever is second, on whatever node, waits here and then finds it done.
		done, err := tx.Exec(ctx, `update access.setup set completed_at = $1 where completed_at is null`, now)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return errAlreadySetUp
		}
		b := &pgx.Batch{}
		b.Queue(`insert into access.organization (id, name, created_at) values ($1, $2, $3)`, organization, r.Organization.Name, now)
		b.Queue(`insert into access.users (id, email, name, password, created_at) values ($1, $2, $3, $4, $5)`,
			user, r.Owner.Email.Normalized(), r.Owner.Name, password, now)
		b.Queue(`insert into access.organization_member (organization_id, user_id, role) values ($1, $2, $3)`, organization, user, Owner)
		b.Queue(`insert into access.tenant (id, organization_id, name, created_at) values ($1, $2, $3, $4)`,
			tenant.UUID, organization, r.Tenant.Name, now)
		d.furnish(b, tenant, user, now)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return Session{}, fault("set up", err)
	}
	return d.session(user, tenant, organization)
}

var errAlreadySetUp = domain.Conflict.Refusef("already_set_up", "this installation is in use already")

// checkSetup refuses a token that is wrong, or that was used.
func (d *Directory) checkSetup(ctx context.Context, token string) error {
	var nonce []byte
	var completed bool
	err := d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		err := tx.QueryRow(ctx, `select nonce, completed_at is not null from access.setup`).Scan(&nonce, &completed)
		if noRows(err) {
			return errUnauthenticated
		}
		return err
	})
	switch {
	case err != nil:
		return fault("check the setup token", err)
	case subtle.ConstantTimeCompare([]byte(d.founder.token(nonce)), []byte(token)) != 1:
		return errUnauthenticated
	case completed:
		return errAlreadySetUp
	}
	return nil
}

// furnish makes a new tenant ready for use: its owner, and the head of its log.
func (d *Directory) furnish(b *pgx.Batch, tenant domain.TenantID, owner uuid.UUID, now time.Time) {
	b.Queue(`insert into access.membership (tenant_id, user_id, role, created_at) values ($1, $2, $3, $4)`, tenant.UUID, owner, Owner, now)
	b.Queue(`select es.create_tenant($1, $2)`, tenant.UUID, d.engine)
}
