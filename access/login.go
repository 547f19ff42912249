package access

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Session is what somebody gets who has been let in.
type Session struct {
	UserID         domain.ID       `json:"user_id"`
	OrganizationID domain.ID       `json:"organization_id"`
	TenantID       domain.TenantID `json:"tenant_id"` // that the token is bound to
	AccessToken    string          `json:"access_token"`
	ExpiresAt      time.Time       `json:"expires_at"`
}

// Login lets a user into a tenant: the one named or, if that is zero, the oldest
// they are a member of. A wrong address and a wrong password get the same
// [domain.Unauthenticated], after the same work. From is where the request comes
// from, if that is known: after 5 wrong passwords for an e-mail address from
// there, whether somebody has it or not, only one more is looked at every 30
// seconds; the others are [domain.RateLimited], with retry_after in the data. From
// all places together, but those from which somebody has logged in to the same
// account, it is 50, and then one every 6 seconds.
// [domain.Unavailable] with the code busy means that too many are logging in.
func (d *Directory) Login(ctx context.Context, from netip.Addr, email, password string, tenant domain.TenantID) (Session, error) {
	address, err := domain.ParseEmail(email)
	if err != nil {
		return Session{}, errUnauthenticated
	}
	user, err := d.checkPassword(ctx, from, address, password)
	if err != nil {
		return Session{}, err
	}
	if tenant == (domain.TenantID{}) {
		if tenant, err = d.home(ctx, user); err != nil {
			return Session{}, err
		}
	}
	// Not what is remembered: somebody may have become a member just now.
	member, err := d.load(ctx, subject{kind: userKind, tenant: tenant, id: user})
	if err != nil {
		return Session{}, notMember(err)
	}
	return d.session(user, tenant, member.principal.Organization.UUID)
}

// checkPassword returns the user whose address and password these are.
func (d *Directory) checkPassword(ctx context.Context, from netip.Addr, email domain.Email, password string) (uuid.UUID, error) {
	guess, err := d.guesses.take(email.Normalized(), from)
	if err != nil {
		return uuid.Nil, err
	}
	var id uuid.UUID
	var stored string
	err = d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		// Users of earlier releases are known by the form of their time.
		err := tx.QueryRow(ctx, `select id, password from access.users where email in ($1, $2) order by email = $1 desc limit 1`,
			email.Normalized(), email.Legacy()).Scan(&id, &stored)
		if noRows(err) {
			return nil
		}
		return err
	})
	if err != nil {
		guess.giveBack()
		return uuid.Nil, fault("look up a user", err)
	}
	ok, err := d.secrets.verify(ctx, password, stored)
	switch {
	case err != nil:
		guess.giveBack()
		return uuid.Nil, err
	case !ok:
		return uuid.Nil, errUnauthenticated
	}
	guess.right()
	if d.secrets.outdated(stored) {
		err = d.rehash(ctx, id, password, stored)
	}
	return id, err
}

// rehash stores a password that has just been right at the cost of today.
func (d *Directory) rehash(ctx context.Context, user uuid.UUID, password, stored string) error {
	renewed, err := d.secrets.hash(ctx, password)
	if err != nil {
		return err
	}
	err = d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		_, err := tx.Exec(ctx, `update access.users set password = $3 where id = $1 and password = $2`, user, stored, renewed)
		return err
	})
	return fault("renew a password", err)
}

// home returns the tenant that a user is led to who names none: zero if there is
// none.
func (d *Directory) home(ctx context.Context, user uuid.UUID) (domain.TenantID, error) {
	var id uuid.NullUUID
	err := d.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		return tx.QueryRow(ctx, `select access.home($1)`, user).Scan(&id)
	})
	return domain.TenantID{UUID: id.UUID}, fault("find a tenant of a user", err)
}

// errNotMember does not say whether there is such a tenant.
var errNotMember = domain.Forbidden.Refusef("not_a_member", "you are not a member of this tenant")

func notMember(err error) error {
	if err == errUnauthenticated { //nolint:errorlint // exactly this one
		return errNotMember
	}
	return err
}

func (d *Directory) session(user uuid.UUID, tenant domain.TenantID, organization uuid.UUID) (Session, error) {
	token, expires, err := d.tokens.issue(d.now(), user, tenant, organization)
	return Session{
		UserID:         domain.ID{Prefix: userPrefix, UUID: user},
		OrganizationID: domain.ID{Prefix: organizationPrefix, UUID: organization},
		TenantID:       tenant,
		AccessToken:    token,
		ExpiresAt:      expires,
	}, fault("sign a token", err)
}
