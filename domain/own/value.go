package own

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Value is what a record has in a field: JSON without needless white space. It is text, a
// number, true or false, a list of texts, or a sum of money.
type Value string

// Values is what a record has in fields of the tenant's own, by their keys. They are a
// value: whoever changes a copy puts a new map in the place of the old one.
type Values map[string]Value

// With returns the values with another one in a field, or without one if that is empty.
func (vs Values) With(key string, v Value) Values {
	all := maps.Clone(vs)
	if all == nil {
		all = Values{}
	}
	if all[key] = v; v == "" {
		delete(all, key)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Changed returns the keys, sorted, under which other values are not the same.
func (vs Values) Changed(to Values) (keys []string) {
	for key, v := range vs {
		if to[key] != v {
			keys = append(keys, key)
		}
	}
	for key := range to {
		if _, both := vs[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// UnmarshalJSON implements [json.Unmarshaler]. Null is no value.
func (vs *Values) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return domain.Check(false, "", "wrong_type", "must be an object")
	}
	*vs = nil
	var wrong domain.Mistakes
	for _, key := range slices.Sorted(maps.Keys(members)) {
		var v Value
		err := v.UnmarshalJSON(members[key])
		if wrong.Add(domain.At("/"+domain.EscapePointer(key), err)); wrong.Full() {
			break
		}
		if v != "" {
			if *vs == nil {
				*vs = make(Values, len(members))
			}
			(*vs)[key] = v
		}
	}
	return wrong.Err()
}

// MarshalJSON implements [json.Marshaler].
func (v Value) MarshalJSON() ([]byte, error) {
	if v == "" {
		return []byte("null"), nil
	}
	return []byte(v), nil
}

// Normalize leaves the value as it is: what it says is looked at when it is known of which
// field it is.
func (*Value) Normalize() error { return nil }

// UnmarshalJSON implements [json.Unmarshaler]. What no build could have recorded as a
// value is none.
func (v *Value) UnmarshalJSON(data []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return err
	}
	is := Value(b.String())
	if is == "null" {
		*v = ""
		return nil
	}
	if !is.possible() {
		return domain.Check(false, "", "wrong_type", "must be text, a number, true, false, a list of texts, or an amount with its currency")
	}
	*v = is
	return nil
}

// possible reports whether the JSON has the form of a value of some type.
func (v Value) possible() bool {
	switch v[0] {
	case '[':
		_, ok := v.List()
		return ok
	case '{':
		var m map[string]string
		if json.Unmarshal([]byte(v), &m) != nil {
			return false
		}
		return !slices.ContainsFunc(slices.Collect(maps.Keys(m)), func(k string) bool { return k != "amount" && k != "currency" })
	}
	return true
}

// Text returns the value, if it is text.
func (v Value) Text() (s string, ok bool) {
	if !strings.HasPrefix(string(v), `"`) {
		return "", false
	}
	return s, json.Unmarshal([]byte(v), &s) == nil
}

// List returns the value, if it is a list of texts.
func (v Value) List() (list []string, ok bool) {
	if !strings.HasPrefix(string(v), "[") {
		return nil, false
	}
	return list, json.Unmarshal([]byte(v), &list) == nil
}

// Whole returns the value, if it is a whole number.
func (v Value) Whole() (n int64, ok bool) {
	return n, v != "" && json.Unmarshal([]byte(v), &n) == nil
}

// Money returns the value, if it is a sum of money.
func (v Value) Money() (m domain.Money, ok bool) {
	if !strings.HasPrefix(string(v), "{") {
		return m, false
	}
	return m, json.Unmarshal([]byte(v), &m) == nil
}
