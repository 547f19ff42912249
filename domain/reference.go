package domain

import (
	"errors"
	"maps"
)

// A Referrer is a command that depends on other records. They must exist in the
// tenant of the caller and be live; what they are at the moment of the decision
// is found with [Find], and the log refuses to record the outcome if one of
// them changes before it is recorded.
//
// A command that can only tell what else it needs once it has seen what it
// asked for, such as the parent of a parent, looks into the origin: it is asked
// again, with what was found so far, until it asks for nothing new. The command
// bounds how many records that can be.
type Referrer[S any] interface {
	References(S, Origin) []Ref
}

// Ref points at a record of the same tenant.
type Ref struct {
	Kind    string // the name of its aggregate; if empty, the one that the prefix of the ID belongs to
	ID      ID     // if zero, the record that the command is for
	Pointer string // the input that names it, as a JSON pointer
	Version int    // if not 0, the record as it was at that version
	Dead    bool   // a record that is not live any more will do
	Setting bool   // it says how records of a kind are to be: it need not be there, nor be seen by the caller
}

// Live is implemented by states that can come to an end: only while they are
// live can a new reference be made to them.
type Live interface {
	Live() bool
}

// Decide finds what a command refers to, lets it decide, and asks the guard. It
// returns the events and the state that they lead to. What find returns is a pointer
// to the state of a record, or nil if there never was such a record; an error of
// find is a fault, and is returned as it is.
func (a *Aggregate[S]) Decide(c Command[S], s S, o Origin, find func(Ref) (any, error)) (events []Event[S], after S, err error) {
	if o, err = Resolve(c, s, o, find); err != nil {
		return nil, s, err
	}
	if events, err = c.Decide(s, o); err != nil {
		return nil, s, err
	}
	after = s
	for _, e := range events {
		ApplyAt(e, &after, o.Time)
	}
	if a.guard != nil {
		if err := a.guard(c, s, after, o); err != nil {
			return nil, s, err
		}
	}
	return events, after, nil
}

// Resolve finds what somebody refers to who is about to decide, if it is a
// [Referrer] of S, and returns the origin with what was found. See
// [Aggregate.Decide].
func Resolve[S any](asker any, s S, o Origin, find func(Ref) (any, error)) (Origin, error) {
	r, ok := asker.(Referrer[S])
	if !ok {
		return o, nil
	}
	o.Found = maps.Clone(o.Found)
	for {
		missing, again := []error(nil), false
		for _, ref := range r.References(s, o) {
			if _, ok := o.Found[ref.key()]; ok {
				continue
			}
			state, err := find(ref)
			if err != nil {
				return o, err
			}
			if l, ends := state.(Live); state == nil && !ref.Setting || ends && !ref.Dead && !l.Live() {
				missing = append(missing, NoSuchReference(ref.Pointer))
				continue
			}
			if o.Found == nil {
				o.Found = map[Ref]any{}
			}
			o.Found[ref.key()], again = state, true
		}
		if len(missing) > 0 || !again {
			return o, errors.Join(missing...)
		}
	}
}

// key returns the reference as [Origin.Found] has it: wherever it came from.
func (r Ref) key() Ref {
	r.Pointer = ""
	return r
}

// Find returns the state of a record that the command refers to, as a T: a
// pointer to the state, or an interface that says what the command needs to
// know. The state is shared: it must not be changed.
func Find[T any](o Origin, r Ref) (T, error) {
	t, ok := o.Found[r.key()].(T)
	if !ok {
		return t, NoSuchReference(r.Pointer)
	}
	return t, nil
}

// NoSuchReference refuses an ID in a command that names nothing the caller could
// refer to. It never says whether the record exists elsewhere, or once did.
func NoSuchReference(pointer string) error {
	return &Error{Reason: Invalid, Code: "reference_not_found", Pointer: pointer, Detail: "names no record"}
}
