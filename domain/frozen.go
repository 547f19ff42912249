package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// A Hider is a state whose JSON is not all of it. Hidden returns a pointer to what is
// missing there, or to a struct of pointers to that.
type Hider interface{ Hidden() any }

// frozen is a state as it is stored.
type frozen struct {
	State  any `json:"state"`
	Hidden any `json:"hidden,omitempty"`
}

// form returns what the state at a pointer is written as, and read into.
func form(state any) frozen {
	f := frozen{State: state}
	if h, ok := state.(Hider); ok {
		f.Hidden = h.Hidden()
	}
	return f
}

// Freeze returns a state as it can be stored: [Thaw] makes the same of it. It reports
// false if there is no such form of the state, and nothing is wrong with that: whoever
// wants it has to fold its events.
func Freeze[S any](s *S) (data []byte, ok bool) {
	data, err := Marshal(form(s))
	if err != nil {
		return nil, false
	}
	var again S
	return data, Thaw(data, &again) == nil && reflect.DeepEqual(*s, again)
}

// Thaw reads what Freeze has written into the zero state.
func Thaw[S any](data []byte, s *S) error {
	f := form(s)
	return UnmarshalStored(data, &f)
}

// Fingerprint names the form of the values of a type, and whatever else it is given: it
// is another one if a member, or the tag or the type of one, is another one at whatever
// depth.
func Fingerprint(of reflect.Type, more ...string) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q\n", more)
	describe(h, of, nil)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func describe(w io.Writer, t reflect.Type, within []reflect.Type) {
	_, _ = fmt.Fprintln(w, t.String(), t.Kind())
	if slices.Contains(within, t) {
		return
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Map:
		describe(w, t.Key(), within)
		describe(w, t.Elem(), within)
	case reflect.Slice, reflect.Array, reflect.Pointer:
		describe(w, t.Elem(), within)
	case reflect.Struct:
		for f := range t.Fields() {
			_, _ = fmt.Fprintf(w, "%s %q\n", f.Name, f.Tag)
			if t != timeType {
				describe(w, f.Type, within)
			}
		}
		_, _ = fmt.Fprintln(w, "end")
	default:
	}
}
