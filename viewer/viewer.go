// Package viewer says what somebody may see and do in a tenant: which commands they
// may give to which records, which records they see, and which members of these
// they may see, change, filter and sort by.
//
// A [Viewer] is made of roles, and is an argument of everything that reads or
// changes records, so that nobody can forget to ask. Which records that are is said
// by filters in the grammar of lists. They are put into the query of a list, and
// decided here for single records, whatever way these come: see [query.Holds].
//
// What no role allows is not allowed. The package knows no kind of record, no role
// by its name, and no database.
package viewer

import (
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Kind is a kind of record, as far as it matters to viewers.
type Kind interface {
	Kind() string            // its name, such as "deal"
	Columns() *query.Columns // what filters may name
	Members() []string       // of the JSON of a record

	// Class returns the class of what is in a member.
	Class(member string) domain.Class

	// Always returns the members that everybody sees who sees the record.
	Always() []string

	// Values returns what a record has in the columns, given its ID and a pointer to
	// its state.
	Values(id uuid.UUID, state any) query.Values
}

// Kinds has every kind of record by its name.
type Kinds map[string]Kind

// Viewer is somebody who looks at the records of one tenant, or changes them. It may
// be used concurrently. A nil Viewer sees nothing and may do nothing.
type Viewer struct {
	tenant domain.TenantID
	actor  domain.Actor
	kinds  Kinds
	layers []layer // each of which must allow what is done

	server      bool // sees everything, and may do what is in permissions
	permissions []domain.Permission
	classes     OwnClasses

	rules sync.Map // *Rules by kind
}

// layer is roles of which one must allow what is done.
type layer struct {
	roles []Role
	me    string // the ID of the member whose roles these are, which rules call $me
}

// New returns a viewer who has some roles: what one of them allows is allowed.
func New(kinds Kinds, tenant domain.TenantID, actor domain.Actor, roles ...Role) *Viewer {
	return &Viewer{tenant: tenant, actor: actor, kinds: kinds, layers: []layer{{roles, meOf(actor.ID)}}}
}

// Limited returns a viewer who may do what v may, and one of the roles of a member
// allows as well, such as those of the member who made a key.
func (v *Viewer) Limited(by domain.ID, roles ...Role) *Viewer {
	layers := append(slices.Clip(v.layers), layer{roles, meOf(by)})
	return &Viewer{tenant: v.tenant, actor: v.actor, kinds: v.kinds, layers: layers, server: v.server, permissions: v.permissions, classes: v.classes}
}

// Server returns the viewer that the server itself is in a tenant: it sees
// everything, and may do what takes one of some permissions.
func Server(tenant domain.TenantID, actor domain.Actor, permissions ...domain.Permission) *Viewer {
	return &Viewer{tenant: tenant, actor: actor, server: true, permissions: permissions}
}

// Tenant returns the one tenant whose records are seen.
func (v *Viewer) Tenant() domain.TenantID {
	if v == nil {
		return domain.TenantID{}
	}
	return v.tenant
}

// Actor returns who it is.
func (v *Viewer) Actor() domain.Actor {
	if v == nil {
		return domain.Actor{}
	}
	return v.actor
}

// May reports whether something may be done at all, if not to every record.
func (v *Viewer) May(p domain.Permission) bool {
	switch {
	case v == nil:
		return false
	case v.server:
		return slices.Contains(v.permissions, p)
	}
	return !slices.ContainsFunc(v.layers, func(l layer) bool {
		return !slices.ContainsFunc(l.roles, func(r Role) bool { return r.Allows(p) })
	})
}

// Of returns what the viewer may see and do of one kind of record. An error is a
// fault: a role that does not pass [Role.Check].
func (v *Viewer) Of(kind Kind) (*Rules, error) {
	if v == nil {
		return nothing(kind), nil
	}
	if v.server {
		return everything(kind), nil
	}
	if r, ok := v.rules.Load(kind.Kind()); ok {
		return r.(*Rules), nil //nolint:forcetypeassert // it holds nothing else
	}
	r, err := v.compile(kind)
	if err != nil {
		return nil, fmt.Errorf("what may be done with %s: %w", kind.Kind(), err)
	}
	// Whoever asked at the same time gets the same: lists compare what they were read
	// with to what they are read for.
	first, _ := v.rules.LoadOrStore(kind.Kind(), r)
	return first.(*Rules), nil //nolint:forcetypeassert // likewise
}

// OfName is [Viewer.Of] for the name of a kind. Nobody sees anything of one that is
// not there.
func (v *Viewer) OfName(kind string) (*Rules, error) {
	if v != nil && v.server {
		return everything(nil), nil
	}
	if v == nil || v.kinds[kind] == nil {
		return &Rules{}, nil
	}
	return v.Of(v.kinds[kind])
}

// Caller is who gives a command: what is recorded of that, and what they may do.
type Caller struct {
	domain.Origin

	Viewer *Viewer
}

// As returns who gives a command as a viewer. Time and what else the origin says is
// left to be filled in.
func (v *Viewer) As(o domain.Origin) Caller {
	o.Tenant, o.Actor = v.Tenant(), v.Actor()
	return Caller{o, v}
}
