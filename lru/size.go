package lru

import (
	"reflect"
	"time"
)

// Size returns how many bytes of memory a value takes, with all that it points to. It is
// near the truth, and not below it by much: what several values share counts for each.
// The value must not contain itself.
func Size(v any) int {
	r := reflect.ValueOf(v)
	if !r.IsValid() {
		return 0
	}
	return int(r.Type().Size()) + beyond(r)
}

// beyond returns how many bytes are not in a value itself, but where it points to.
func beyond(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice:
		n = v.Cap() * int(v.Type().Elem().Size())
		if isFlat(v.Type().Elem()) {
			return n
		}
		for i := range v.Len() {
			n += beyond(v.Index(i))
		}
	case reflect.Array:
		if isFlat(v.Type().Elem()) {
			return 0
		}
		for i := range v.Len() {
			n += beyond(v.Index(i))
		}
	case reflect.Map:
		n = v.Len() * (int(v.Type().Key().Size()+v.Type().Elem().Size()) + mapSlot)
		for i := v.MapRange(); i.Next(); {
			n += beyond(i.Key()) + beyond(i.Value())
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			n = int(v.Elem().Type().Size()) + beyond(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return 0 // all times share the few zones that there are
		}
		for i := range v.NumField() { //nolint:modernize // Fields makes a description of each, which costs more than the rest
			n += beyond(v.Field(i))
		}
	default:
	}
	return n
}

// mapSlot is what an entry of a map takes beside its key and its value: about as much
// room again that is kept free.
const mapSlot = 16

var timeType = reflect.TypeFor[time.Time]()

// isFlat reports whether values of a type certainly point to nothing.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Struct:
		return false
	case reflect.Array:
		return isFlat(t.Elem())
	default:
		return true
	}
}
