package domain

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// normalizer is implemented by pointers to values: Normalize brings the value into
// the form in which it is stored, or says why it is no such value and leaves it.
type normalizer interface{ Normalize() error }

// Normalize brings all values in what v points to into the form in which they are
// stored, and refuses those that are none, each with its pointer. Text becomes a
// [Line], or [Lines] if it is tagged text:"lines"; that of a field tagged
// text:"raw", such as a password, stays as it is.
//
// It is the door for what comes from outside. What was stored is read without it:
// it was let in by the rules of its time.
func Normalize(v any) error {
	n := normalization{}
	n.value(reflect.ValueOf(v).Elem(), line)
	return n.wrong.Err()
}

// how is what is done to text.
type how string

const (
	line  how = ""
	lines how = "lines"
	raw   how = "raw"
)

// normalization is one walk through a value.
type normalization struct {
	path  []string
	wrong Mistakes
}

func (n *normalization) refuse(err error) {
	if err == nil || n.wrong.Full() {
		return
	}
	var at strings.Builder
	for _, step := range n.path {
		at.WriteString("/" + EscapePointer(step))
	}
	for _, e := range Refusals(err) {
		n.wrong.Add(At(at.String(), e))
	}
}

func (n *normalization) within(step string, v reflect.Value, text how) {
	n.path = append(n.path, step)
	n.value(v, text)
	n.path = n.path[:len(n.path)-1]
}

func (n *normalization) value(v reflect.Value, text how) {
	t := v.Type()
	if !holdsText(t) || n.wrong.Full() {
		return
	}
	switch {
	case reflect.PointerTo(t).Implements(normalizerType):
		if !v.IsZero() { // there is none, or it was refused when it was read
			n.refuse(v.Addr().Interface().(normalizer).Normalize())
		}
	case t.Kind() == reflect.String:
		v.SetString(text.of(v.String()))
	case t.Kind() == reflect.Pointer:
		if !v.IsNil() {
			n.value(v.Elem(), text)
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			n.within(strconv.Itoa(i), v.Index(i), text)
		}
	case t.Kind() == reflect.Map:
		n.properties(v, text)
	case t.Kind() == reflect.Struct:
		s := shapeOf(t)
		for i, m := range s.members {
			n.within(m.Name, v.FieldByIndex(m.Index), s.rules[i].text)
		}
	}
}

// properties brings the members of an object with names of the client's choice
// into normal form: their names, too.
func (n *normalization) properties(v reflect.Value, text how) {
	if v.Len() == 0 {
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	normal := reflect.MakeMapWithSize(v.Type(), v.Len())
	for _, key := range keys {
		item := reflect.New(v.Type().Elem()).Elem()
		item.Set(v.MapIndex(key))
		n.within(key.String(), item, text)
		name := reflect.New(key.Type()).Elem()
		name.SetString(Line(key.String()))
		if normal.MapIndex(name).IsValid() {
			n.path = append(n.path, key.String())
			n.refuse(Invalid.Refusef("duplicate_item", "is given twice"))
			n.path = n.path[:len(n.path)-1]
		}
		normal.SetMapIndex(name, item)
	}
	v.Set(normal)
}

// of returns a text as it is stored.
func (h how) of(s string) string {
	switch h {
	case raw:
		return s
	case lines:
		return Lines(s)
	case line:
	}
	return Line(s)
}

var normalizerType = reflect.TypeFor[normalizer]()

// texts remembers what holdsText found out. It is no state, like shapes.
var texts sync.Map // reflect.Type to bool

// holdsText reports whether there is text in values of a type, so that it is
// worth looking into them. No type of ours holds itself.
func holdsText(t reflect.Type) bool {
	if known, ok := texts.Load(t); ok {
		return known.(bool)
	}
	holds := false
	switch kind := t.Kind(); {
	case t == timeType, t == idType:
	case kind == reflect.String, reflect.PointerTo(t).Implements(normalizerType):
		holds = true
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8: // raw JSON: read when its meaning is known
	case kind == reflect.Pointer, kind == reflect.Slice, kind == reflect.Map && t.Key().Kind() == reflect.String:
		holds = holdsText(t.Elem())
	case kind == reflect.Struct:
		holds = slices.ContainsFunc(shapeOf(t).members, func(m Member) bool { return holdsText(t.FieldByIndex(m.Index).Type) })
	}
	texts.Store(t, holds)
	return holds
}
