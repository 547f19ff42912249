package access

import (
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
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

// A grant says which actions each role may take on one kind of object: on all
// records, and with all members that any role sees. A role that is left out may do
// nothing with it.
type grant map[Role][]string

// grants is the whole of it: what nobody is granted here does not exist, also for
// owners and for what comes later. A server whose commands take a permission that
// is missing does not start.
var grants = map[string]grant{
	"company":     records(),
	"contact":     records(),
	"deal":        records("close"),
	"list":        records(),
	"lead":        records("convert"),
	"note":        records(),
	"task":        records(),
	"pipeline":    settings(),
	"object_type": settings(),
	"product":     settings(),

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

// shown is what every role may do with the members of records, by their class.
func shown() map[domain.Class]viewer.Access {
	return map[domain.Class]viewer.Access{
		domain.Public: viewer.Full, domain.Internal: viewer.Full, domain.Personal: viewer.Full, domain.Sensitive: viewer.Full,
	}
}

// Rights returns what the role allows.
func (r Role) Rights() viewer.Role {
	rights := viewer.Role{}
	for object, by := range grants {
		if len(by[r]) == 0 {
			continue
		}
		g := viewer.Grant{Actions: map[string]string{}, Classes: shown()}
		for _, action := range by[r] {
			g.Actions[action] = ""
		}
		rights[object] = g
	}
	return rights
}

// rights returns what each role allows.
func rights() map[Role]viewer.Role {
	all := map[Role]viewer.Role{}
	for _, r := range Roles() {
		all[r] = r.Rights()
	}
	return all
}

// exceeds reports whether r may do more than other. A role that is none exceeds
// everything.
func (r Role) exceeds(other Role) bool {
	i := slices.Index(ladder, r)
	return i < 0 || i > slices.Index(ladder, other)
}
