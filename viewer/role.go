package viewer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Access says what may be done with a member of records. The zero value is nothing.
type Access int

// What may be done with a member, each more than the one before.
const (
	Hidden   Access = iota // it is not there
	Masked                 // it is known to be there, and shown to be null
	ReadOnly               // it is shown
	Full                   // it can be changed, too
)

// Role is what somebody may do who has the role: by the name of an object, which is
// a kind of record or something else there is to do with a tenant. What is not in
// it may not be done. It is immutable.
type Role map[string]Grant

// Grant is what a role may do with one kind of object.
type Grant struct {
	// Actions has the actions that may be taken, each with the records it may be
	// taken on: those that a filter finds, in the text form of lists, or all if it is
	// empty. "$me" is the ID of the member who asks. Records are seen by those who
	// may "read" them.
	Actions map[string]string

	// Classes has what may be done with members, by the class of what is in them: a
	// class that is not there is hidden. So what is added later is not shown because
	// nobody has thought of it.
	Classes map[domain.Class]Access

	// Members has what may be done with single members, whatever their class.
	Members map[string]Access
}

// Allows reports whether the role allows an action on any record at all.
func (r Role) Allows(p domain.Permission) bool {
	object, action := split(p)
	_, ok := r[object].Actions[action]
	return ok
}

func split(p domain.Permission) (object, action string) {
	object, action, _ = strings.Cut(string(p), ":")
	return object, action
}

// Without returns the role without what it allows to do with some objects.
func (r Role) Without(objects ...string) Role {
	less := maps.Clone(r)
	for _, o := range objects {
		delete(less, o)
	}
	return less
}

// Check says what is wrong with a role: filters that cannot be read, or cannot be
// decided for a single record (see [query.Decidable]), and members that records do
// not have.
func (r Role) Check(kinds Kinds) error {
	var errs []error
	for _, object := range slices.Sorted(maps.Keys(r)) {
		g := r[object]
		kind, known := kinds[object]
		for _, action := range slices.Sorted(maps.Keys(g.Actions)) {
			text := g.Actions[action]
			switch {
			case text == "":
			case !known:
				errs = append(errs, fmt.Errorf("%s:%s has a filter, and %s is no kind of record", object, action, object))
			default:
				if _, err := rule(kind, text, someone); err != nil {
					errs = append(errs, fmt.Errorf("the filter of %s:%s: %w", object, action, err))
				}
			}
		}
		for _, m := range slices.Sorted(maps.Keys(g.Members)) {
			if !known || !slices.Contains(kind.Members(), m) && !own.IsName(m) {
				errs = append(errs, fmt.Errorf("%s has no member %q", object, m))
			}
		}
	}
	return errors.Join(errs...)
}

// someone stands for whoever has a role.
const someone = "usr_00000000000000000000000001"

// rule reads the filter of a rule.
func rule(kind Kind, text, me string) (query.Filter, error) {
	f, err := kind.Columns().Text(strings.ReplaceAll(text, "$me", me))
	if err == nil {
		err = query.Decidable(f)
	}
	return f, err
}
