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

// A grant says which actions each role may take on one kind of object. A role that
// is left out may do nothing with it.
type grant map[Role][]string

// grants is the whole of it: what nobody is granted here does not exist, also for
// owners and for what comes later. A server whose commands take a permission that
// is missing does not start.
var grants = map[string]grant{
	"company":  records(),
	"contact":  records(),
	"deal":     records("close"),
	"lead":     records(),
	"note":     records(),
	"task":     records(),
	"pipeline": settings(),
	"product":  settings(),

	"event":   everyone("read"),
	"usage":   everyone("read"),
	"api_key": {Owner: keyActions, Admin: keyActions, ReadOnly: {"read"}},
	"tenant":  {Owner: {"delete"}},
}

var keyActions = []string{"read", "create", "revoke"}

// recordActions is what there is to do with records of every kind.
var recordActions = []string{"read", "create", "update", "assign", "delete", "purge"}

// records is for kinds of records that members work with. The actions are those
// that a kind has beside those of every kind.
func records(own ...string) grant {
	all := append(own, recordActions...)
	return grant{Owner: all, Admin: all, Member: all, ReadOnly: {"read"}}
}

// settings is for kinds that members use and do not change.
func settings(own ...string) grant {
	all := append(own, recordActions...)
	return grant{Owner: all, Admin: all, Member: {"read"}, ReadOnly: {"read"}}
}

func everyone(actions ...string) grant {
	return grant{Owner: actions, Admin: actions, Member: actions, ReadOnly: actions}
}

// notForKeys is what no API key may touch, whatever its role: a key that leaks
// must not be able to leave another one behind.
var notForKeys = []string{"api_key", "tenant"}

// ladder has the roles in the order of what they allow.
var ladder = []Role{ReadOnly, Member, Admin, Owner}

// Roles lists the roles, those that may do most first.
func Roles() []Role { return []Role{Owner, Admin, Member, ReadOnly} }

// May reports whether the role has a permission.
func (r Role) May(p domain.Permission) bool {
	object, action, _ := strings.Cut(string(p), ":")
	return slices.Contains(grants[object][r], action)
}

// forKeys reports whether an API key can have a permission.
func forKeys(p domain.Permission) bool {
	object, _, _ := strings.Cut(string(p), ":")
	return !slices.Contains(notForKeys, object)
}

// exceeds reports whether r may do more than other. A role that is none exceeds
// everything.
func (r Role) exceeds(other Role) bool {
	i := slices.Index(ladder, r)
	return i < 0 || i > slices.Index(ladder, other)
}
