package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// Principal is who asks: a user or an API key, in the one tenant that it is
// bound to.
type Principal struct {
	*viewer.Viewer // what it sees and may do; of a key, nothing that its maker may not

	Organization domain.ID // that the tenant belongs to
	Role         Role      // of a key, the one it was given
}

// The kinds of [domain.Actor] that can authenticate.
const (
	userKind = "user"
	keyKind  = "api_key"
)

const (
	// freshness is for how long a node believes what it knows of a member or a
	// key. This is how long a revocation may take to reach all nodes.
	freshness = 5 * time.Second

	// usedEvery is how exact the time of the last use of a key is.
	usedEvery = time.Minute

	// loadTime is how long a look-up may take, also if whoever asked has gone.
	loadTime = 5 * time.Second

	// maxBearer is the length of the longest credentials that are looked at.
	maxBearer = 4096

	// maxCached is how many credentials, and how many members and keys, a node
	// remembers.
	maxCached = 16384
)

// subject names a member or a key of a tenant.
type subject struct {
	kind   string
	tenant domain.TenantID
	id     uuid.UUID
}

// flight names the look-up of the subject, for those who can share it.
func (s subject) flight() string { return s.kind + string(s.tenant.UUID[:]) + string(s.id[:]) }

// proof is what credentials say by themselves, whatever the database thinks.
type proof struct {
	subject
	organization domain.ID         // of a token
	until        time.Time         // of a token
	mac          [sha256.Size]byte // of a key
}

// standing is what the database says of a subject. Only used changes.
type standing struct {
	principal Principal
	hash      []byte       // of a key
	until     *time.Time   // for keys that expire
	used      atomic.Int64 // when a key was last used, in Unix seconds
	asOf      time.Time
}

// Authenticate returns who the bearer of an access token or API key is.
// Credentials that are not good get the same [domain.Unauthenticated], whatever
// is wrong with them; any other error is a fault.
//
// Signatures are verified once per node. The role of a user, and the state of a
// key, are looked up if they were not in the last 5 seconds, so what is revoked
// or changed takes effect within that time on every node.
func (d *Directory) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if len(bearer) > maxBearer {
		return Principal{}, errUnauthenticated
	}
	now := d.now()
	p, known := d.proofs.Get(bearer)
	if !known {
		var err error
		if p, err = d.read(bearer); err != nil {
			return Principal{}, errUnauthenticated
		}
	}
	if p.kind == userKind && !now.Before(p.until) {
		return Principal{}, errUnauthenticated
	}
	s, err := d.standing(ctx, p.subject, now)
	if err != nil {
		return Principal{}, err
	}
	if !s.accepts(p, now) {
		return Principal{}, errUnauthenticated
	}
	if !known {
		// Only what is good is remembered, so junk cannot drive it out.
		d.proofs.Add(strings.Clone(bearer), p)
	}
	if err := d.markUsed(ctx, s, now); err != nil {
		return Principal{}, err
	}
	return s.principal, nil
}

// read returns what the credentials say. It asks no database.
func (d *Directory) read(bearer string) (proof, error) {
	if strings.HasPrefix(bearer, keyMark) {
		return d.readKey(bearer)
	}
	return d.tokens.verify(bearer)
}

// accepts reports whether the proof is good for the standing.
func (s *standing) accepts(p proof, now time.Time) bool {
	if p.kind == userKind {
		return p.organization == s.principal.Organization
	}
	return subtle.ConstantTimeCompare(p.mac[:], s.hash) == 1 && (s.until == nil || now.Before(*s.until))
}

// standing returns what is known of the subject. All who ask for the same one at
// the same time wait for one look-up.
func (d *Directory) standing(ctx context.Context, s subject, now time.Time) (*standing, error) {
	if known, ok := d.standings.Get(s); ok {
		if age := now.Sub(known.asOf); age >= 0 && age < freshness {
			return known, nil
		}
	}
	answer := d.loads.DoChan(s.flight(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
		defer cancel()
		return d.load(ctx, s)
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*standing), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load looks a subject up and remembers it. Who is not there is not remembered:
// otherwise whoever makes up keys could drive out those who are.
func (d *Directory) load(ctx context.Context, s subject) (*standing, error) {
	find := d.findMember
	if s.kind == keyKind {
		find = d.findKey
	}
	asOf := d.now()
	st, err := find(ctx, s)
	if noRows(err) {
		d.standings.Remove(s)
		return nil, errUnauthenticated
	}
	if err != nil {
		return nil, fmt.Errorf("access: look up %s: %w", s.kind, err)
	}
	st.asOf = asOf
	d.standings.Add(s, st)
	return st, nil
}

func (d *Directory) findMember(ctx context.Context, s subject) (*standing, error) {
	var role Role
	var organization uuid.UUID
	err := d.wall.Pipe(ctx, wall.Scope{Tenant: s.tenant, Duty: wall.Access}, func(b *pgx.Batch) {
		b.Queue(`select m.role, t.organization_id
			from access.membership m join access.tenant t on t.id = m.tenant_id
			where m.tenant_id = $1 and m.user_id = $2`, s.tenant.UUID, s.id).
			QueryRow(func(r pgx.Row) error { return r.Scan(&role, &organization) })
	})
	who := domain.Actor{Kind: userKind, ID: domain.ID{Prefix: userPrefix, UUID: s.id}}
	return &standing{principal: Principal{
		Viewer:       viewer.New(d.kinds, s.tenant, who, d.rights(role)),
		Organization: domain.ID{Prefix: organizationPrefix, UUID: organization},
		Role:         role,
	}}, err
}

// findKey finds a key that is not revoked, and whose maker is still a member of
// the tenant. The key may do what both of them may.
func (d *Directory) findKey(ctx context.Context, s subject) (*standing, error) {
	var role, maker Role
	var organization, by uuid.UUID
	var used *time.Time
	st := &standing{}
	err := d.wall.Pipe(ctx, wall.Scope{Tenant: s.tenant, Duty: wall.Access}, func(b *pgx.Batch) {
		b.Queue(`select k.role, m.role, k.created_by, t.organization_id, k.hash, k.expires_at, k.last_used_at
			from access.api_key k
			join access.membership m on m.tenant_id = k.tenant_id and m.user_id = k.created_by
			join access.tenant t on t.id = k.tenant_id
			where k.tenant_id = $1 and k.id = $2 and k.revoked_at is null`, s.tenant.UUID, s.id).
			QueryRow(func(r pgx.Row) error {
				return r.Scan(&role, &maker, &by, &organization, &st.hash, &st.until, &used)
			})
	})
	if used != nil {
		st.used.Store(used.Unix())
	}
	who := domain.Actor{Kind: keyKind, ID: domain.ID{Prefix: keyPrefix, UUID: s.id}}
	made := domain.ID{Prefix: userPrefix, UUID: by}
	st.principal = Principal{
		Viewer:       viewer.New(d.kinds, s.tenant, who, d.rights(role).Without(notForKeys...)).Limited(made, d.rights(maker)),
		Organization: domain.ID{Prefix: organizationPrefix, UUID: organization},
		Role:         role,
	}
	return st, err
}

// markUsed notes that a key was used, once a minute.
func (d *Directory) markUsed(ctx context.Context, s *standing, now time.Time) error {
	last := s.used.Load()
	if s.principal.Actor().Kind != keyKind || now.Unix()-last < int64(usedEvery.Seconds()) || !s.used.CompareAndSwap(last, now.Unix()) {
		return nil
	}
	p := s.principal
	err := d.wall.Pipe(ctx, wall.Scope{Tenant: p.Tenant(), Duty: wall.Access}, func(b *pgx.Batch) {
		b.Queue(`update access.api_key set last_used_at = $3 where tenant_id = $1 and id = $2`, p.Tenant().UUID, p.Actor().ID.UUID, now)
	})
	if err != nil {
		return fmt.Errorf("access: note the use of a key: %w", err)
	}
	return nil
}
