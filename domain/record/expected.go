package record

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
)

// Expected is a value that a member of a record is taken to have, by whoever
// changes something else. It is for members that are no fields, such as the
// pipeline of a deal: a change of fields must neither change them nor drop what
// was said of them.
type Expected struct {
	Value json.RawMessage
	By    string // the command that changes the member; may be ""
}

// Renaming is implemented by kinds that have members which are no fields, and
// whose values have been called otherwise: a stage was archived, and another one
// took its place.
type Renaming interface {
	// Renames returns the references that IsNow finds.
	Renames() []domain.Ref

	// IsNow reports whether another value than the member has stands for that.
	IsNow(o domain.Origin, member string, other any) bool
}

// unexpected returns the members that are not as expected: what is wrong with the
// value that is expected, or the value in the type of the member. The state is a
// pointer. Null, and
// an empty value, are nothing that anybody expects.
func unexpected(state any, expected map[string]Expected) map[string]any {
	others := map[string]any{}
	v := reflect.ValueOf(state).Elem()
	for name, e := range expected {
		if string(e.Value) == string(null) {
			continue
		}
		has, ok := member(v, name)
		if !ok {
			others[name] = errors.New("there is no such member")
			continue
		}
		want := reflect.New(has.Type())
		if err := domain.Unmarshal(e.Value, want.Interface()); err != nil {
			others[name] = err
		} else if !want.Elem().IsZero() && !equal(has, want.Elem()) {
			others[name] = want.Elem().Interface()
		}
	}
	return others
}

// asExpected refuses a change of a record that is not as expected. The state is a
// pointer.
func asExpected(state any, expected map[string]Expected, o domain.Origin) error {
	var errs []error
	others := unexpected(state, expected)
	for _, name := range names(others) {
		at := "/" + domain.EscapePointer(name)
		if err, ok := others[name].(error); ok && len(domain.Refusals(err)) > 0 {
			errs = append(errs, domain.At(at, err))
			continue
		}
		if r, ok := state.(Renaming); ok && r.IsNow(o, name, others[name]) {
			continue
		}
		detail := "counts only when the record is made, and this one has something else"
		if by := expected[name].By; by != "" {
			detail += "; the command " + by + " changes it"
		}
		errs = append(errs, domain.Check(false, at, "not_as_expected", detail))
	}
	return errors.Join(errs...)
}
