package viewer

import (
	"encoding/json"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// This file is about fields of the tenant's own. What may be done with one follows from the
// class that its definition says, as for a built-in member: it is a member called
// custom.policy_no.

// OwnClasses is the classes of fields of a tenant's own, by the kind of record and the key.
type OwnClasses map[string]map[string]domain.Class

// AsksOwnClasses reports whether it makes a difference to the viewer of which class a field
// of the tenant's own is. Then it has to be told: see [Viewer.Knowing].
func (v *Viewer) AsksOwnClasses() bool {
	if v == nil || v.server {
		return false
	}
	for _, kind := range v.kinds {
		if a := v.ownAccess(kind, own.Member, domain.Internal); slices.Contains(kind.Members(), own.Member) &&
			(a != v.ownAccess(kind, own.Member, domain.Personal) || a != v.ownAccess(kind, own.Member, domain.Sensitive)) {
			return true
		}
	}
	return false
}

// Knowing returns the same viewer, who knows of which class fields of the tenant's own are.
// What it does not know is sensitive to it.
func (v *Viewer) Knowing(classes OwnClasses) *Viewer {
	return &Viewer{tenant: v.tenant, actor: v.actor, kinds: v.kinds, layers: v.layers, server: v.server, permissions: v.permissions, classes: classes}
}

// ownAccess returns what may be done with a field of the tenant's own.
func (v *Viewer) ownAccess(kind Kind, name string, class domain.Class) Access {
	if class == "" {
		class = domain.Sensitive
	}
	return v.most(func(r Role) Access {
		g := r[kind.Kind()]
		if a, ok := g.Members[name]; ok {
			return a
		}
		if a, ok := g.Members[own.Member]; ok {
			return a
		}
		return g.Classes[class]
	})
}

// ownAll returns what may be done with all fields of the tenant's own together: they can be
// changed if each of them can, and are there if any is.
func (v *Viewer) ownAll(kind Kind) Access {
	least, most := Full, Hidden
	for _, class := range []domain.Class{domain.Internal, domain.Personal, domain.Sensitive} {
		a := v.ownAccess(kind, own.Member, class)
		least, most = min(least, a), max(most, a)
	}
	for _, layer := range v.layers {
		for _, role := range layer.roles {
			for name, a := range role[kind.Kind()].Members {
				if own.IsName(name) {
					least, most = min(least, a), max(most, a)
				}
			}
		}
	}
	if least < Full {
		return min(most, ReadOnly)
	}
	return Full
}

// showOwn returns the JSON of fields of the tenant's own as the viewer sees them: nil if
// none of them is seen. Masked is called with the name of each that is there, and not shown.
func (r *Rules) showOwn(values json.RawMessage, masked func(name string)) (json.RawMessage, error) {
	some := false
	out, err := members(values, func(key string, value json.RawMessage) (json.RawMessage, error) {
		switch a := r.of(own.Name(key)); {
		case a >= ReadOnly:
			some = true
			return value, nil
		case a == Masked && masked != nil:
			some = true
			masked(own.Name(key))
			return null, nil
		}
		return nil, nil
	})
	if !some {
		return nil, err
	}
	return out, err
}

// HasOwn reports whether records of the kind have fields of the tenant's own, of which the
// viewer may see some.
func (r *Rules) HasOwn() bool {
	return r.kind != nil && slices.Contains(r.kind.Members(), own.Member) && (r.all || r.of(own.Member) >= ReadOnly)
}
