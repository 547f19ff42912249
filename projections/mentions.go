package projections

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// mention says that a row refers to a record.
type mention struct {
	id     domain.ID
	member string // of the row, which says so
}

// referring is implemented by values of rows that name other records, such as
// [record.RelatedTo].
type referring interface{ References() []domain.Ref }

// mentioner finds the records that one member of rows refers to.
type mentioner struct {
	member string
	index  []int
	ids    idFinder
}

// idFinder yields the IDs in a value.
type idFinder func(v reflect.Value, found func(domain.ID))

// mentioners returns what finds the records that rows of a type refer to. What every row
// begins with refers to none: it says which record it is, and who has changed it.
func mentioners(of reflect.Type) (all []mentioner) {
	for _, m := range domain.Members(of) {
		if slices.Contains(rowMembers(), m.Name) || of.FieldByIndex(m.Index).Tag.Get("prefix") == memberPrefix {
			continue
		}
		if f := idsIn(of.FieldByIndex(m.Index).Type); f != nil {
			all = append(all, mentioner{m.Name, m.Index, f})
		}
	}
	return all
}

// memberPrefix is that of the IDs of members of the tenant, who are no records.
const memberPrefix = "usr"

// idsIn returns what finds the IDs in a value of a type, nil if there are never any.
func idsIn(t reflect.Type, within ...reflect.Type) idFinder {
	switch {
	case slices.Contains(within, t):
		return nil
	case t == reflect.TypeFor[domain.ID]():
		return func(v reflect.Value, found func(domain.ID)) {
			if id, _ := reflect.TypeAssert[domain.ID](v); !id.IsZero() {
				found(id)
			}
		}
	case t == reflect.TypeFor[own.Values]():
		return nil // see ownMentions
	case t.Implements(reflect.TypeFor[referring]()):
		return func(v reflect.Value, found func(domain.ID)) {
			r, _ := reflect.TypeAssert[referring](v)
			for _, ref := range r.References() {
				if !ref.ID.IsZero() {
					found(ref.ID)
				}
			}
		}
	}
	within = append(slices.Clone(within), t)
	switch t.Kind() {
	case reflect.Pointer:
		if in := idsIn(t.Elem(), within...); in != nil {
			return func(v reflect.Value, found func(domain.ID)) {
				if !v.IsNil() {
					in(v.Elem(), found)
				}
			}
		}
	case reflect.Slice, reflect.Array:
		if in := idsIn(t.Elem(), within...); in != nil {
			return func(v reflect.Value, found func(domain.ID)) {
				for i := range v.Len() {
					in(v.Index(i), found)
				}
			}
		}
	case reflect.Struct:
		return idsInStruct(t, within)
	default:
	}
	return nil
}

func idsInStruct(t reflect.Type, within []reflect.Type) idFinder {
	type part struct {
		index []int
		ids   idFinder
	}
	var parts []part
	for _, m := range domain.Members(t) {
		if f := t.FieldByIndex(m.Index); f.Tag.Get("prefix") != memberPrefix {
			if in := idsIn(f.Type, within...); in != nil {
				parts = append(parts, part{m.Index, in})
			}
		}
	}
	if parts == nil {
		return nil
	}
	return func(v reflect.Value, found func(domain.ID)) {
		for _, p := range parts {
			p.ids(v.FieldByIndex(p.index), found)
		}
	}
}

// mentions implements [Projection].
func (t *Table[R]) mentions(row any) (all []mention) {
	r, _ := row.(*R)
	if r == nil || len(t.refers) == 0 && t.own == nil {
		return nil
	}
	v := reflect.ValueOf(r).Elem()
	for _, m := range t.refers {
		m.ids(v.FieldByIndex(m.index), func(id domain.ID) { all = append(all, mention{id, m.member}) })
	}
	if t.own != nil {
		values, _ := reflect.TypeAssert[own.Values](v.FieldByIndex(t.own))
		all = append(all, ownMentions(values)...)
	}
	return all
}

// ownMentions returns the records that values of fields of the tenant's own are IDs of.
// What type a field has is not said by the record: a text that is an ID is taken for one.
func ownMentions(values own.Values) (all []mention) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text, quoted := strings.CutPrefix(string(values[key]), `"`)
		if !quoted || len(text) > maxID {
			continue
		}
		if id, err := domain.ParseID(strings.TrimSuffix(text, `"`)); err == nil && id.Prefix != memberPrefix {
			all = append(all, mention{id, own.Name(key)})
		}
	}
	return all
}

const maxID = 60 // bytes of the text of an ID, and more

// ownIndex returns where rows of a type have the values of fields of the tenant's own, nil
// if they have none.
func ownIndex(of reflect.Type) []int {
	for _, m := range domain.Members(of) {
		if of.FieldByIndex(m.Index).Type == reflect.TypeFor[own.Values]() {
			return m.Index
		}
	}
	return nil
}

// mentioning returns the members of rows that refer to records.
func (t *Table[R]) mentioning() (members []string) {
	for _, m := range t.refers {
		members = append(members, m.member)
	}
	return members
}
