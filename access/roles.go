package access

import (
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Role says what somebody may do in a tenant. A role that is none of these
// allows nothing.
type Role string

// The roles of a tenant, each of which may do less than the one before.
const (
	Owner    Role = "owner"     // everything
	Admin    Role = "admin"     // everything but to dispose of the tenant
	Member   Role = "member"    // to work with the records
	ReadOnly Role = "read_only" // to look at everything
)

// rights are patterns of permissions: object:action, where * is any.
type rights struct{ may, never []string }

// roles is the whole of it. What members may do with a new kind of record is a
// decision that somebody takes here; until then they may not even see it.
var roles = map[Role]rights{
	Owner:    {may: []string{"*:*"}},
	Admin:    {may: []string{"*:*"}, never: []string{"tenant:*"}},
	Member:   {may: []string{"contact:*", "company:*", "deal:*", "task:*", "pipeline:read", "event:read", "usage:read"}},
	ReadOnly: {may: []string{"*:read"}},
}

// notForKeys is what no API key may do, whatever its role: a key that leaks must
// not be able to leave another one behind.
var notForKeys = rights{may: []string{"*:*"}, never: []string{"api_key:*", "member:*", "tenant:*"}}

// ladder has the roles in the order of what they allow.
var ladder = []Role{ReadOnly, Member, Admin, Owner}

// Roles lists the roles, those that may do most first.
func Roles() []Role { return []Role{Owner, Admin, Member, ReadOnly} }

// May reports whether the role has a permission.
func (r Role) May(p domain.Permission) bool { return roles[r].allow(p) }

// exceeds reports whether r may do more than other. A role that is none exceeds
// everything.
func (r Role) exceeds(other Role) bool {
	i := slices.Index(ladder, r)
	return i < 0 || i > slices.Index(ladder, other)
}

func (rs rights) allow(p domain.Permission) bool {
	object, action, _ := strings.Cut(string(p), ":")
	if object == "" || action == "" {
		return false
	}
	covers := func(pattern string) bool {
		o, a, _ := strings.Cut(pattern, ":")
		return (o == "*" || o == object) && (a == "*" || a == action)
	}
	return slices.ContainsFunc(rs.may, covers) && !slices.ContainsFunc(rs.never, covers)
}
