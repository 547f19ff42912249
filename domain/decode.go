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
	"strings"
	"time"
)

// Unmarshal reads JSON that came from outside into the value v points to. It
// refuses members that the type does not have, and says about what is wrong
// where it is: unknown members are [Malformed], values are [Invalid]. It tells of
// [MaxRefusals] mistakes and one more, and takes time in proportion to the JSON,
// however much is wrong with it. Values are brought into normal form: see
// [Normalize].
func Unmarshal(data []byte, v any) error {
	if err := unmarshal(data, v); err != nil {
		return err
	}
	return Normalize(v)
}

// unmarshal is Unmarshal without looking at what values say.
func unmarshal(data []byte, v any) error {
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
	e := explainer{}
	e.explain(reflect.TypeOf(v).Elem(), data)
	if e.wrong.Len() > 0 {
		return e.wrong.Err()
	}
	return Malformed.Refusef("malformed", "cannot be read")
}

// CheckPatch says what is wrong with a merge patch (RFC 7396) of a t, as far as
// that can be told without what it will be applied to: an object in it need not
// have all that makes a value.
func CheckPatch(data []byte, t reflect.Type) error {
	if !json.Valid(data) {
		return Malformed.Refusef("invalid_json", "is not JSON")
	}
	e := explainer{partial: true}
	e.explain(t, data)
	return e.wrong.Err()
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

// explainer says what is wrong with a JSON value that should become a value of
// some type.
type explainer struct {
	partial bool // objects may lack what makes a value
	path    []string
	wrong   Mistakes
}

func (e *explainer) refuse(err error) {
	var at strings.Builder
	for _, step := range e.path {
		at.WriteString("/" + EscapePointer(step))
	}
	e.wrong.Add(At(at.String(), err))
}

func (e *explainer) within(step string, t reflect.Type, data json.RawMessage) {
	e.path = append(e.path, step)
	e.explain(t, data)
	e.path = e.path[:len(e.path)-1]
}

func (e *explainer) explain(t reflect.Type, data json.RawMessage) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if e.wrong.Full() || bytes.Equal(data, []byte("null")) {
		return
	}
	switch kind := t.Kind(); {
	case readsItself(t) && (!e.partial || len(Members(t)) == 0):
	case kind == reflect.Struct:
		e.object(t, data)
		return
	case kind == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		e.array(t, data)
		return
	case kind == reflect.Map:
		e.dictionary(t, data)
		return
	}
	v := reflect.New(t).Interface()
	err := json.Unmarshal(data, v)
	if err == nil {
		err = Normalize(v)
	}
	switch {
	case err == nil:
	case len(Refusals(err)) > 0:
		e.refuse(err)
	case t == timeType:
		e.refuse(errNotTime)
	default:
		e.refuse(wrongType(t))
	}
}

func (e *explainer) object(t reflect.Type, data json.RawMessage) {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		e.refuse(wrongType(t))
		return
	}
	members := Members(t)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if e.wrong.Full() {
			return
		}
		i := slices.IndexFunc(members, func(m Member) bool { return m.Name == name })
		if i < 0 {
			e.refuse(UnknownMember("/" + EscapePointer(name)))
			continue
		}
		e.within(name, t.FieldByIndex(members[i].Index).Type, object[name])
	}
}

func (e *explainer) array(t reflect.Type, data json.RawMessage) {
	var items []json.RawMessage
	if json.Unmarshal(data, &items) != nil {
		e.refuse(wrongType(t))
		return
	}
	partial := e.partial
	e.partial = false // a patch replaces an array as a whole
	for i, item := range items {
		if e.wrong.Full() {
			break
		}
		e.within(strconv.Itoa(i), t.Elem(), item)
	}
	e.partial = partial
}

func (e *explainer) dictionary(t reflect.Type, data json.RawMessage) {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		e.refuse(wrongType(t))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if e.wrong.Full() {
			return
		}
		e.within(name, t.Elem(), object[name])
	}
}

const unknownMember = "unknown_member"

// UnknownMember refuses a member that the type it is in does not have.
func UnknownMember(pointer string) error {
	return &Error{Reason: Malformed, Code: unknownMember, Pointer: pointer, Detail: "is not a member that is known here"}
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

func wrongType(t reflect.Type) error {
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
	return &Error{Reason: Invalid, Code: "wrong_type", Detail: "must be " + name}
}
