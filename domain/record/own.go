package record

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// This file is about fields of the tenant's own. Each of them is a member by itself
// wherever changes are named: custom.policy_no.

// ownKey returns the key of a field of the tenant's own, if a name is that of one.
func ownKey(name string) (key string, ok bool) { return strings.CutPrefix(name, own.Name("")) }

// ownNames returns the names of values.
func ownNames(vs own.Values) []string {
	list := names(vs)
	for i, key := range list {
		list[i] = own.Name(key)
	}
	return list
}

// GivenNames returns the names of the fields that have something, among them those of the
// tenant's own.
func (c Common) GivenNames() []string { return ownNames(c.Custom) }

// patchNames returns the names of what a merge patch changes. If it is not about single
// fields of the tenant's own, it is about all of them.
func patchNames(patch map[string]json.RawMessage) (list []string) {
	for _, name := range names(patch) {
		var keys map[string]json.RawMessage
		if name != own.Member || json.Unmarshal(patch[name], &keys) != nil || keys == nil {
			list = append(list, name)
			continue
		}
		for _, key := range names(keys) {
			list = append(list, own.Name(key))
		}
	}
	return list
}

// diffOwn adds the values that are not the same.
func diffOwn(changes map[string]Change, from, to own.Values) {
	for _, key := range from.Changed(to) {
		changes[own.Name(key)] = Change{jsonOf(from[key]), jsonOf(to[key])}
	}
}

func jsonOf(v own.Value) json.RawMessage {
	if v == "" {
		return null
	}
	return json.RawMessage(v)
}

// takeOwn brings changed values of fields of the tenant's own into the form that is
// stored, or says what is wrong with them. What goes back to how it was is not asked anew.
func takeOwn[F Fields[F]](o domain.Origin, from, to F, back bool) (F, error) {
	before, after := commonOf(&from).Custom, commonOf(&to)
	if len(before.Changed(after.Custom)) == 0 {
		return to, nil
	}
	d := own.Find(o, to.KindName())
	if back {
		after.Custom = own.Restore(d, before, after.Custom)
		return to, nil
	}
	taken, err := own.Take(d, before, after.Custom)
	after.Custom = taken
	return to, err
}

// ownReferences lists what a change of fields of the tenant's own depends on: their
// definitions, and the records that their values name.
func ownReferences[F Fields[F]](o domain.Origin, from, to F) []domain.Ref {
	before, after := commonOf(&from).Custom, commonOf(&to).Custom
	if len(before.Changed(after)) == 0 {
		return nil
	}
	return append([]domain.Ref{own.Ref(o, to.KindName())}, own.References(own.Find(o, to.KindName()), before, after)...)
}

// joinedOwn returns the patch of fields of the tenant's own that adds the items of its
// lists to those that there are.
func joinedOwn(vs own.Values, patch json.RawMessage) (json.RawMessage, error) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(patch, &keys) != nil || keys == nil {
		return patch, nil //nolint:nilerr // it is refused when it is applied
	}
	for key, value := range keys {
		has, ok := vs[key].List()
		var items []string
		if !ok || json.Unmarshal(value, &items) != nil || items == nil {
			continue
		}
		for _, item := range items {
			if !slices.Contains(has, item) {
				has = append(has, item)
			}
		}
		var err error
		if keys[key], err = domain.Marshal(has); err != nil {
			return nil, err
		}
	}
	return domain.Marshal(keys)
}
