package viewer

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Rules is what a viewer may see and do of one kind of record. It is immutable. The
// zero value allows nothing.
type Rules struct {
	kind    Kind
	columns *query.Columns
	all     bool                    // everything, which is up to [Viewer.May] then
	rows    map[string]query.Filter // the records that an action may be taken on, nil for all; only actions that may be
	members map[string]Access       // what is less than Full
	classes map[domain.Class]Access // of all classes

	// What may be done with a field of the tenant's own; nil if that is everything.
	own func(key string) Access
}

// Read is the action of those who see a record.
const Read = "read"

func everything(kind Kind) *Rules {
	r := &Rules{kind: kind, all: true}
	if kind != nil {
		r.columns = kind.Columns()
	}
	return r
}

func nothing(kind Kind) *Rules {
	return &Rules{columns: kind.Columns().Only(func(string) bool { return false })}
}

// compile works out what the roles come to.
func (v *Viewer) compile(kind Kind) (*Rules, error) {
	r := &Rules{kind: kind, rows: map[string]query.Filter{}, members: map[string]Access{}, classes: map[domain.Class]Access{}}
	for _, action := range v.actions(kind.Kind()) {
		f, allowed, err := v.rowsOf(kind, action)
		if err != nil {
			return nil, err
		}
		if allowed {
			r.rows[action] = f
		}
	}
	for _, m := range kind.Members() {
		a := v.access(kind, m)
		if m == own.Member {
			a = v.ownAll(kind)
			r.own = func(key string) Access { return v.ownAccess(kind, own.Name(key), v.classes[kind.Kind()][key]) }
		}
		if a < Full {
			r.members[m] = a
		}
	}
	for _, c := range domain.AllClasses() {
		r.classes[c] = v.most(func(r Role) Access { return r[kind.Kind()].Classes[c] })
	}
	r.columns = kind.Columns()
	if len(r.members) > 0 {
		r.columns = r.columns.Only(r.Shows)
	}
	return r, nil
}

// actions returns the actions that any role has.
func (v *Viewer) actions(object string) []string {
	set := map[string]bool{}
	for _, layer := range v.layers {
		for _, role := range layer.roles {
			for a := range role[object].Actions {
				set[a] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// rowsOf returns the records that an action may be taken on: in each layer, those of
// one role or another.
func (v *Viewer) rowsOf(kind Kind, action string) (f query.Filter, allowed bool, err error) {
	var all query.And
	for _, layer := range v.layers {
		var some query.Or
		allowed = false
		every := false
		for _, role := range layer.roles {
			text, ok := role[kind.Kind()].Actions[action]
			if !ok {
				continue
			}
			if allowed = true; text == "" {
				every = true
				break
			}
			one, err := rule(kind, text, layer.me)
			if err != nil {
				return nil, false, err
			}
			some = append(some, one)
		}
		switch {
		case !allowed:
			return nil, false, nil
		case !every:
			all = append(all, some)
		}
	}
	if len(all) == 0 {
		return nil, allowed, nil
	}
	return all, true, nil
}

// meOf returns the ID of the member who looks. A key looks for nobody: no record is
// its own.
func meOf(id domain.ID) string {
	if id.Prefix != memberPrefix {
		return someone
	}
	return id.String()
}

const memberPrefix = "usr"

// access returns what may be done with a member.
func (v *Viewer) access(kind Kind, member string) Access {
	least := v.most(func(r Role) Access {
		g := r[kind.Kind()]
		if a, ok := g.Members[member]; ok {
			return a
		}
		return g.Classes[kind.Class(member)]
	})
	if slices.Contains(kind.Always(), member) {
		return max(least, ReadOnly)
	}
	return least
}

// most returns what may be done: in each layer, what the role that allows most of it
// allows.
func (v *Viewer) most(of func(Role) Access) Access {
	least := Full
	for _, layer := range v.layers {
		most := Hidden
		for _, role := range layer.roles {
			most = max(most, of(role))
		}
		least = min(least, most)
	}
	return least
}

// May reports whether an action may be taken on some record.
func (r *Rules) May(action string) bool {
	_, ok := r.rows[action]
	return r.all || ok
}

// Columns returns what the viewer may name in queries.
func (r *Rules) Columns() *query.Columns { return r.columns }

// Rows returns the records that the viewer sees, nil if those are all, and false if
// there is none.
func (r *Rules) Rows() (f query.Filter, some bool) {
	if r.all {
		return nil, true
	}
	f, some = r.rows[Read]
	return f, some
}

// SeesAll reports whether the viewer sees all of every record of the kind.
func (r *Rules) SeesAll() bool {
	f, some := r.Rows()
	return some && f == nil && !r.Restricted()
}

// Restricted reports whether there are members that are not shown.
func (r *Rules) Restricted() bool {
	if !r.all && r.kind == nil {
		return true // there are none that are
	}
	for m, a := range r.members {
		if a < ReadOnly || m == own.Member {
			return true // or some of them are
		}
	}
	return false
}

// Shows reports whether the viewer sees a member of records.
func (r *Rules) Shows(member string) bool { return r.of(member) >= ReadOnly }

// Changes reports whether the viewer may change a member of records.
func (r *Rules) Changes(member string) bool { return r.of(member) == Full }

func (r *Rules) of(member string) Access {
	if r.all {
		return Full
	}
	if a, ok := r.members[member]; ok {
		return a
	}
	if key, ok := strings.CutPrefix(member, own.Name("")); ok && r.own != nil {
		return r.own(key)
	}
	if r.kind == nil || !slices.Contains(r.kind.Members(), member) {
		return Hidden
	}
	return Full
}

// Sees reports whether the viewer sees a record, given its ID and a pointer to its
// state.
func (r *Rules) Sees(id uuid.UUID, state any) bool { return r.Allows(Read, id, state) }

// Allows reports whether an action may be taken on a record, given its ID and a
// pointer to its state.
func (r *Rules) Allows(action string, id uuid.UUID, state any) bool {
	if r.all {
		return true
	}
	f, ok := r.rows[action]
	return ok && (f == nil || query.Holds(f, r.kind.Values(id, state)))
}

// ChangesAll reports whether the viewer may change all members of records.
func (r *Rules) ChangesAll() bool { return r.all || r.kind != nil && len(r.members) == 0 }

// Change refuses to change some members, if the viewer may not change one of them.
// What is no member of records, or says which record it is, is not looked at.
func (r *Rules) Change(members ...string) error {
	nothing := !r.all && r.kind == nil
	for _, m := range members {
		_, less := r.members[m]
		key, isOwn := strings.CutPrefix(m, own.Name(""))
		if nothing || (less || isOwn) && !r.Changes(m) && !slices.Contains(r.kind.Always(), m) {
			at := "/" + domain.EscapePointer(m)
			if isOwn {
				at = "/" + own.Member + "/" + domain.EscapePointer(key)
			}
			return &domain.Error{
				Reason: domain.Forbidden, Code: "field_forbidden", Pointer: at,
				Detail: "is a field that you may not change",
			}
		}
	}
	return nil
}
