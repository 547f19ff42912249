package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// The text of a key is rwh_, the tenant and the key as in their IDs, an
// underscore, a secret of 256 bits, and a checksum:
//
//	rwh_01jh2xk3v8e4t9p5w7y0z2b4d601jh2xk9d0f2m8q4r6t1v3x5z7_kT3…9bAq2cD4eF
//
// The tenant is in it so that the key can be looked up inside that tenant. The
// checksum is there so that a mistyped key costs no look-up, and so that those
// who search code for secrets know one when they see one.
const (
	keyMark   = "rwh_"
	idLen     = 26
	secretLen = 43
	sumLen    = 6
	keyLen    = len(keyMark) + 2*idLen + 1 + secretLen + sumLen
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var errNotKey = errors.New("not an API key")

// newKey returns the text of a new key.
func newKey(tenant domain.TenantID, id uuid.UUID, random io.Reader) (string, error) {
	var b strings.Builder
	b.WriteString(keyMark)
	b.WriteString(tenant.String()[len("ten_"):])
	b.WriteString(domain.ID{Prefix: keyPrefix, UUID: id}.String()[len(keyPrefix)+1:])
	b.WriteByte('_')
	raw := make([]byte, 1)
	for n := 0; n < secretLen; {
		if _, err := io.ReadFull(random, raw); err != nil {
			return "", fmt.Errorf("access: draw a key: %w", err)
		}
		if raw[0] < 4*62 { // the rest would make some characters likelier than others
			b.WriteByte(base62[raw[0]%62])
			n++
		}
	}
	b.WriteString(checksum(b.String()))
	return b.String(), nil
}

// parseKey returns the tenant and the key that the text of a key names.
func parseKey(text string) (domain.TenantID, uuid.UUID, error) {
	if len(text) != keyLen || !strings.HasPrefix(text, keyMark) || checksum(text[:keyLen-sumLen]) != text[keyLen-sumLen:] {
		return domain.TenantID{}, uuid.Nil, errNotKey
	}
	ids := text[len(keyMark):]
	tenant, err1 := domain.ParseID("ten_" + ids[:idLen])
	id, err2 := domain.ParseID("key_" + ids[idLen:2*idLen])
	if err1 != nil || err2 != nil || ids[2*idLen] != '_' {
		return domain.TenantID{}, uuid.Nil, errNotKey
	}
	return domain.TenantID{UUID: tenant.UUID}, id.UUID, nil
}

// checksum returns the CRC-32 of the text in base 62.
func checksum(text string) string {
	var out [sumLen]byte
	sum := crc32.ChecksumIEEE([]byte(text))
	for i := range out {
		out[sumLen-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// digest returns what is stored of a key. The text names the tenant and the key,
// so a digest is worth nothing in any other row.
func (d *Directory) digest(text string) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, d.pepper)
	h.Write([]byte(text))
	h.Sum(mac[:0])
	return mac
}

func (d *Directory) readKey(text string) (proof, error) {
	tenant, id, err := parseKey(text)
	if err != nil {
		return proof{}, err
	}
	return proof{subject: subject{kind: keyKind, tenant: tenant, id: id}, mac: d.digest(text)}, nil
}

// Key is an API key as its tenant sees it. Its text is shown once, when it is
// made, and cannot be had again.
type Key struct {
	ID         domain.ID  `json:"id"`
	Name       string     `json:"name"`
	Role       Role       `json:"role"`
	CreatedBy  domain.ID  `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`   // nil if it does not
	RevokedAt  *time.Time `json:"revoked_at"`   // nil if it was not
	LastUsedAt *time.Time `json:"last_used_at"` // to the minute; nil if it never was
}

// KeyRequest asks for a new API key.
type KeyRequest struct {
	Name      string     `json:"name" maxLength:"200"`
	Role      Role       `json:"role,omitempty" enum:"owner,admin,member,read_only"` // [Admin] if empty, or the role of who asks if that is less
	ExpiresAt *time.Time `json:"expires_at,omitempty"`                               // nil for never
}

// CreateKey makes a key for the tenant of the origin and returns it, and its
// text. The key may do what its role may and the user who made it may, at the
// time of use; it is worth nothing once the user has left. No key may make keys.
func (d *Directory) CreateKey(ctx context.Context, o viewer.Caller, r KeyRequest) (Key, string, error) {
	if err := permit(o, "api_key:create"); err != nil {
		return Key{}, "", err
	}
	if err := errors.Join(
		domain.CheckShape(r),
		domain.Check(r.ExpiresAt == nil || r.ExpiresAt.After(d.now()), "/expires_at", "in_the_past", "is not in the future"),
	); err != nil {
		return Key{}, "", err
	}
	k := Key{
		ID:        domain.ID{Prefix: keyPrefix, UUID: d.newID()},
		Name:      r.Name,
		Role:      r.Role,
		CreatedBy: o.Actor.ID,
		CreatedAt: d.time(),
		ExpiresAt: r.ExpiresAt,
	}
	text, err := newKey(o.Tenant, k.ID.UUID, d.random)
	if err != nil {
		return Key{}, "", err
	}
	err = d.wall.InTenant(ctx, wall.Scope{Tenant: o.Tenant, Duty: wall.Access}, func(tx wall.Tx) error {
		if k.Role, err = grantedRole(ctx, tx, o, r.Role); err != nil {
			return err
		}
		hash := d.digest(text)
		_, err := tx.Exec(ctx, `insert into access.api_key (tenant_id, id, name, hash, role, created_by, created_at, expires_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			o.Tenant.UUID, k.ID.UUID, k.Name, hash[:], k.Role, k.CreatedBy.UUID, k.CreatedAt, k.ExpiresAt)
		return err
	})
	if err != nil {
		return Key{}, "", fault("make a key", err)
	}
	return k, text, nil
}

// grantedRole returns the role that a key gets, which is never more than that of
// the member who makes it.
func grantedRole(ctx context.Context, tx wall.Tx, o viewer.Caller, wanted Role) (Role, error) {
	var own Role
	err := tx.QueryRow(ctx, `select role from access.membership where tenant_id = $1 and user_id = $2`,
		o.Tenant.UUID, o.Actor.ID.UUID).Scan(&own)
	switch {
	case noRows(err):
		return "", errForbidden
	case err != nil:
		return "", err
	case wanted == "" && Admin.exceeds(own):
		return own, nil
	case wanted == "":
		return Admin, nil
	case wanted.exceeds(own):
		return "", &domain.Error{Reason: domain.Forbidden, Code: "role_exceeds_own", Pointer: "/role", Detail: "allows more than you may"}
	}
	return wanted, nil
}

// ListKeys returns up to limit keys of the tenant of the origin, oldest first,
// from the one after the given; the zero ID is before all of them.
func (d *Directory) ListKeys(ctx context.Context, o viewer.Caller, after domain.ID, limit int) ([]Key, error) {
	if err := permit(o, "api_key:read"); err != nil {
		return nil, err
	}
	var list []Key
	err := d.wall.Pipe(ctx, wall.Scope{Tenant: o.Tenant, Duty: wall.Access}, func(b *pgx.Batch) {
		b.Queue(`select id, name, role, created_by, created_at, expires_at, revoked_at, last_used_at
			from access.api_key where tenant_id = $1 and id > $2 order by id limit $3`, o.Tenant.UUID, after.UUID, limit).
			Query(func(rows pgx.Rows) (err error) {
				list, err = pgx.CollectRows(rows, scanKey)
				return err
			})
	})
	return list, fault("list keys", err)
}

func scanKey(row pgx.CollectableRow) (Key, error) {
	k := Key{ID: domain.ID{Prefix: keyPrefix}, CreatedBy: domain.ID{Prefix: userPrefix}}
	err := row.Scan(&k.ID.UUID, &k.Name, &k.Role, &k.CreatedBy.UUID, &k.CreatedAt, &k.ExpiresAt, &k.RevokedAt, &k.LastUsedAt)
	return k, err
}

// RevokeKey makes a key of the tenant of the origin worthless, within 5 seconds on
// all nodes. Doing it again changes nothing.
func (d *Directory) RevokeKey(ctx context.Context, o viewer.Caller, id domain.ID) error {
	if err := permit(o, "api_key:revoke"); err != nil {
		return err
	}
	var found bool
	err := d.wall.Pipe(ctx, wall.Scope{Tenant: o.Tenant, Duty: wall.Access}, func(b *pgx.Batch) {
		b.Queue(`update access.api_key set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and id = $2`,
			o.Tenant.UUID, id.UUID, d.time()).
			Exec(func(tag pgconn.CommandTag) error { found = tag.RowsAffected() == 1; return nil })
	})
	if err == nil && !found {
		err = domain.NotFound.Refusef("not_found", "there is no such key")
	}
	d.standings.Remove(subject{kind: keyKind, tenant: o.Tenant, id: id.UUID})
	return fault("revoke a key", err)
}

var errForbidden = domain.Forbidden.Refusef("forbidden", "you may not do this")

func permit(o viewer.Caller, p domain.Permission) error {
	if !o.Viewer.May(p) {
		return errForbidden
	}
	return nil
}

// fault says what was being done when something went wrong. Refusals stay as
// they are.
func fault(what string, err error) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*domain.Error](err); ok {
		return refusal
	}
	return fmt.Errorf("access: %s: %w", what, err)
}
