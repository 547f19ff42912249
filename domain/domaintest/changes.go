package domaintest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// changes checks that each event changes the state in some case, and no member that
// clients see but those that it says it touches. Events that make a record say
// nothing.
func changes[S any](t *testing.T, cases []Case[S]) {
	t.Helper()
	idle := map[string]bool{}
	for _, c := range cases {
		var s S
		for i, e := range slices.Concat(c.Given, c.Then) {
			before := s
			e.Apply(&s)
			name := e.EventType()
			if was, seen := idle[name]; was || !seen {
				idle[name] = cmp.Equal(before, s, everything)
			}
			if touched, says := e.(domain.Toucher); says && i > 0 && !domain.IsPurge(name) {
				for _, m := range differing(t, before, s) {
					if !slices.Contains(touched.Touches(), m) {
						t.Errorf("%s changes %q, and does not say so: add it to its Touches, or to Affects of its step", name, m)
					}
				}
			}
		}
	}
	for name, is := range idle {
		if is {
			t.Errorf("%s changes nothing in any case: does its Apply do what it should?", name)
		}
	}
}

// differing returns the members of what clients see of a state that are not the same in
// another one.
func differing(t *testing.T, a, b any) (names []string) {
	t.Helper()
	was, is := seen(t, a), seen(t, b)
	for name := range maps.All(is) {
		if string(was[name]) != string(is[name]) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, left := is[name]; !left {
			names = append(names, name)
		}
	}
	return names
}

// seen returns the members that clients see: those of the fields and of exported structs
// that the state embeds. A state that embeds nothing is shown as it is.
func seen(t *testing.T, state any) map[string]json.RawMessage {
	t.Helper()
	v := reflect.ValueOf(state)
	all, embeds := map[string]json.RawMessage{}, false
	add := func(part any) {
		data, err := domain.Marshal(part)
		if err == nil {
			err = json.Unmarshal(data, &all)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.Anonymous || !f.IsExported() {
			continue
		}
		embeds = true
		if strings.HasPrefix(f.Type.Name(), "Base[") {
			add(v.Field(i).FieldByName("Fields").Interface())
		} else {
			add(v.Field(i).Interface())
		}
	}
	if !embeds {
		add(state)
	}
	return withOwn(t, all)
}

// withOwn returns members with each field of the tenant's own as one by itself.
func withOwn(t *testing.T, all map[string]json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	var keys map[string]json.RawMessage
	if all[own.Member] == nil {
		return all
	}
	if err := json.Unmarshal(all[own.Member], &keys); err != nil {
		t.Fatal(err)
	}
	delete(all, own.Member)
	for key, v := range keys {
		all[own.Name(key)] = v
	}
	return all
}
