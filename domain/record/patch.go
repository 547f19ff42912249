package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

var null = json.RawMessage("null")

func names[V any, M ~map[string]V](m M) []string { return slices.Sorted(maps.Keys(m)) }

// patched returns the fields with a merge patch (RFC 7396) applied to them. If
// add is set, lists get the items of the patch besides those that they have.
func patched[F Fields[F]](f F, patch map[string]json.RawMessage, add bool) (F, error) {
	var errs []error
	v := reflect.ValueOf(&f).Elem()
	for _, name := range names(patch) {
		old, ok := member(v, name)
		if !ok {
			errs = append(errs, domain.UnknownMember("/"+domain.EscapePointer(name)))
			continue
		}
		by, err := patch[name], error(nil)
		if vs, is := reflect.TypeAssert[own.Values](old); add && is {
			by, err = joinedOwn(vs, by)
		} else if add {
			by, err = joined(old, by)
		}
		merged := by
		if err == nil {
			merged, err = merge(valueOf(old), by)
		}
		if err == nil {
			err = domain.Unmarshal(merged, cleared(old))
		}
		errs = append(errs, domain.At("/"+domain.EscapePointer(name), err))
	}
	return f, errors.Join(errs...)
}

// Patched returns a value with a merge patch (RFC 7396) applied to it, whose members
// are given by name. What the value becomes is read as if it came from outside.
func Patched[T any](v T, patch map[string]json.RawMessage) (to T, err error) {
	data, err := domain.Marshal(v)
	if err != nil {
		return to, err
	}
	by, err := domain.Marshal(patch)
	if err != nil {
		return to, err
	}
	if data, err = merge(data, by); err != nil {
		return to, err
	}
	return to, domain.Unmarshal(data, &to)
}

// merge applies a merge patch to JSON. What the patch does not mention is kept
// only where both are objects.
func merge(target, patch json.RawMessage) (json.RawMessage, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(patch, " \t\r\n"), []byte("{")) {
		return patch, nil
	}
	t, err := parse(target)
	if err != nil {
		return nil, err
	}
	p, err := parse(patch)
	if err != nil {
		return nil, domain.Malformed.Refusef("invalid_json", "is not JSON")
	}
	return domain.Marshal(mergeValues(t, p))
}

func parse(data json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

func mergeValues(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, v := range p {
		if v == nil {
			delete(t, name)
		} else {
			t[name] = mergeValues(t[name], v)
		}
	}
	return t
}

// normal returns fields in the form that is stored. Those that are not changed stay
// as they are, also if today they would be stored in another form.
func normal[F Fields[F]](from, to F) F {
	n := Normal(to)
	a, b, v := reflect.ValueOf(from), reflect.ValueOf(to), reflect.ValueOf(&n).Elem()
	for _, m := range domain.Members(a.Type()) {
		if x := a.FieldByIndex(m.Index); equal(x, b.FieldByIndex(m.Index)) {
			v.FieldByIndex(m.Index).Set(x)
		}
	}
	return n
}

func equal(x, y reflect.Value) bool {
	return x.Comparable() && x.Equal(y) || !x.Comparable() && reflect.DeepEqual(x.Interface(), y.Interface())
}

// diff returns the fields that are not the same.
func diff[F Fields[F]](from, to F) map[string]Change {
	changes := map[string]Change{}
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	for _, m := range domain.Members(a.Type()) {
		x, y := a.FieldByIndex(m.Index), b.FieldByIndex(m.Index)
		if equal(x, y) {
			continue
		}
		if vs, is := reflect.TypeAssert[own.Values](x); is {
			diffOwn(changes, vs, y.Interface().(own.Values)) //nolint:forcetypeassert // they are of one type
			continue
		}
		if c := (Change{valueOf(x), valueOf(y)}); !bytes.Equal(c.Old, c.New) {
			changes[m.Name] = c
		}
	}
	return changes
}

// valueOf returns the JSON of a field: null if there is nothing in it.
func valueOf(v reflect.Value) json.RawMessage {
	switch {
	case v.Kind() == reflect.Bool:
	case v.IsZero(), (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0:
		return null
	}
	data, err := domain.Marshal(v.Interface())
	if err != nil {
		return null // no field is of a type that can fail
	}
	return data
}

// set puts the JSON of a value that was recorded into a field. It does not write into
// what is there, which others may share. A field that the kind does not have is one
// of a newer build.
func set(fields reflect.Value, name string, value json.RawMessage) error {
	if key, ok := ownKey(name); ok {
		var v own.Value
		err := domain.UnmarshalStored(value, &v)
		setOwn(fields, key, v)
		return err
	}
	v, ok := member(fields, name)
	if !ok {
		return domain.ErrNewerSchema
	}
	return domain.UnmarshalStored(value, cleared(v))
}

// setOwn puts a value into a field of the tenant's own.
func setOwn(fields reflect.Value, key string, v own.Value) {
	if to, ok := member(fields, own.Member); ok {
		to.Set(reflect.ValueOf(to.Interface().(own.Values).With(key, v))) //nolint:forcetypeassert // it is of this type
	}
}

// ownValue returns the value of a field of the tenant's own.
func ownValue(fields reflect.Value, key string) own.Value {
	v, _ := member(fields, own.Member)
	return v.Interface().(own.Values)[key] //nolint:forcetypeassert // it is of this type
}

func member(fields reflect.Value, name string) (reflect.Value, bool) {
	members := domain.Members(fields.Type())
	i := slices.IndexFunc(members, func(m domain.Member) bool { return m.Name == name })
	if i < 0 {
		return reflect.Value{}, false
	}
	return fields.FieldByIndex(members[i].Index), true
}

func cleared(v reflect.Value) any {
	v.SetZero()
	return v.Addr().Interface()
}
