package domain

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Unmarshal reads JSON that came from outside into the value v points to. It
// refuses members that the type does not have, and says about everything that
// is wrong where it is: unknown members are [Malformed], values are [Invalid].
func Unmarshal(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, end := dec.Token(); errors.Is(end, io.EOF) {
			return nil
		}
	}
	if !json.Valid(data) {
		return Malformed.Refusef("invalid_json", "is not JSON")
	}
	// The error of encoding/json says little about the place, and nothing about
	// a second one, so the document is gone through again, piece by piece.
	if wrong := explain(reflect.TypeOf(v).Elem(), data); len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	return Malformed.Refusef("malformed", "cannot be read")
}

// Marshal returns the JSON of a value as it is stored and shown: with &, < and >
// as they are. encoding/json escapes them for the sake of pages that JSON is
// written into, which is nothing that ours is for.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// explain returns what is wrong with a JSON value that should become a t.
func explain(t reflect.Type, data json.RawMessage) []error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	switch kind := t.Kind(); {
	case readsItself(t):
	case kind == reflect.Struct:
		return explainStruct(t, data)
	case kind == reflect.Slice:
		return explainSlice(t, data)
	case kind == reflect.Map:
		return explainMap(t, data)
	}
	err := json.Unmarshal(data, reflect.New(t).Interface())
	if err == nil {
		return nil
	}
	if refusals := Refusals(err); len(refusals) > 0 {
		return refusals
	}
	if t == timeType {
		return []error{&Error{Kind: Invalid, Code: "invalid_time", Detail: "is not a time of RFC 3339, such as 2026-03-01T10:00:00Z"}}
	}
	return wrongType(t)
}

func explainStruct(t reflect.Type, data json.RawMessage) (errs []error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return wrongType(t)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		for _, err := range explainMember(t, name, object[name]) {
			errs = append(errs, At("/"+EscapePointer(name), err))
		}
	}
	return errs
}

func explainMember(t reflect.Type, name string, data json.RawMessage) []error {
	members := Members(t)
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return []error{UnknownMember("")}
	}
	return explain(t.FieldByIndex(members[i].Index).Type, data)
}

func explainSlice(t reflect.Type, data json.RawMessage) (errs []error) {
	var items []json.RawMessage
	if json.Unmarshal(data, &items) != nil {
		return wrongType(t)
	}
	for i, item := range items {
		for _, err := range explain(t.Elem(), item) {
			errs = append(errs, At("/"+strconv.Itoa(i), err))
		}
	}
	return errs
}

func explainMap(t reflect.Type, data json.RawMessage) (errs []error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return wrongType(t)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		for _, err := range explain(t.Elem(), object[name]) {
			errs = append(errs, At("/"+EscapePointer(name), err))
		}
	}
	return errs
}

// UnknownMember refuses a member that the type it is in does not have.
func UnknownMember(pointer string) error {
	return &Error{Kind: Malformed, Code: "unknown_member", Pointer: pointer, Detail: "is not a member that is known here"}
}

var (
	timeType            = reflect.TypeFor[time.Time]()
	jsonUnmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshalerType) || p.Implements(textUnmarshalerType)
}

func wrongType(t reflect.Type) []error {
	name := "a string"
	switch kind := t.Kind(); {
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
	case kind == reflect.Bool:
		name = "true or false"
	case t.ConvertibleTo(reflect.TypeFor[int64]()):
		name = fmt.Sprintf("a whole number of %d bits", t.Bits())
	case kind == reflect.Slice:
		name = "an array"
	case kind == reflect.Struct, kind == reflect.Map:
		name = "an object"
	}
	return []error{&Error{Kind: Invalid, Code: "wrong_type", Detail: "must be " + name}}
}
