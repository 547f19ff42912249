package domain

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// An Event is a fact about an S. Facts are never refused: Apply must accept
// every event that was ever recorded, and must only look at its arguments. It
// puts new slices and maps in the place of old ones, and never changes what they
// hold: states are shared.
type Event[S any] interface {
	// EventType names the event for good. It is stored, so it never changes.
	EventType() string

	// Apply folds the event into the state.
	Apply(*S)
}

// A Command is a request to change an S. Decide returns the events that grant
// the request, none if there is nothing to change, or the reason it is refused.
// It may change the state it is given, but not what its slices and maps hold.
type Command[S any] interface {
	Decide(S, Origin) ([]Event[S], error)
}

// A Claimer is a state that holds something no other live record of the tenant
// may hold, such as the name of a pipeline. What is claimed follows from the
// state alone: the log takes and releases claims as they come and go.
type Claimer interface {
	Claims() []Claim
}

// Claim is one thing held. At most one stream of a tenant holds a key of a scope.
type Claim struct {
	Scope   string // "contact.email": one kind of thing, never renamed
	Key     string // the normalised value; stored as a hash only
	Pointer string // the input it came from, as a JSON pointer

	// Optional claims are those that a [Lenient] command can do without.
	Optional bool
}

// Keyed returns the claims of one thing: by its normalised value and, if that is
// another one, by the value that earlier releases compared by. So records of
// their time still keep theirs, give them back, and get them again.
func Keyed(scope, pointer, key, legacy string) []Claim {
	claims := []Claim{{Scope: scope, Key: key, Pointer: pointer}}
	if legacy != key {
		claims = append(claims, Claim{Scope: scope, Key: legacy, Pointer: pointer})
	}
	return claims
}

// A Lenient command may go ahead although somebody else holds an optional claim
// it asks for. It then simply does not hold it.
type Lenient interface {
	AllowDuplicate() bool
}

// A Toucher is an event or a command that changes fields of a record, and says
// which: their names as clients know them. It lets two callers change different
// fields of a record at the same time.
type Toucher interface {
	Touches() []string
}

// Aggregate describes one kind of record: the name its streams carry, the
// prefix of its IDs and the events that make up its history. It is immutable.
type Aggregate[S any] struct {
	name   string
	prefix string
	events map[string]reflect.Type
	guard  Guard[S] // nil if everything may happen that commands decide
}

// A Guard has the last say on every command: also on one that changes nothing.
// Before and after are the state as it is, and as the command would leave it.
type Guard[S any] func(cmd Command[S], before, after S, o Origin) error

// NewAggregate describes a kind of record. It panics if two events share a
// name, because that is a mistake no caller could handle.
func NewAggregate[S any](name, prefix string, events ...Event[S]) *Aggregate[S] {
	a := &Aggregate[S]{name: name, prefix: prefix, events: make(map[string]reflect.Type, len(events))}
	for _, e := range events {
		if _, dup := a.events[e.EventType()]; dup {
			panic(fmt.Sprintf("domain: %s has two events named %q", name, e.EventType()))
		}
		a.events[e.EventType()] = reflect.TypeOf(e)
	}
	return a
}

// Guarded returns the same aggregate with a guard.
func (a *Aggregate[S]) Guarded(g Guard[S]) *Aggregate[S] {
	b := *a
	b.guard = g
	return &b
}

// Name returns the name of the aggregate, such as "deal".
func (a *Aggregate[S]) Name() string { return a.name }

// Prefix returns the prefix of its IDs, such as "deal" in deal_01j….
func (a *Aggregate[S]) Prefix() string { return a.prefix }

// Events returns the names of the events, sorted.
func (a *Aggregate[S]) Events() []string { return slices.Sorted(maps.Keys(a.events)) }

// EventTypes returns the type of each event by its name.
func (a *Aggregate[S]) EventTypes() map[string]reflect.Type { return maps.Clone(a.events) }

// PurgeOf returns the type of the event by which a record of a kind is removed for
// good. It is the last of its record, and has no data.
func PurgeOf(kind string) string { return kind + purge }

// IsPurge reports whether an event of a type removes its record for good.
func IsPurge(eventType string) bool { return strings.HasSuffix(eventType, purge) }

const purge = ".purged"

// ErrUnknownEvent says that a stream holds an event this build cannot read.
var ErrUnknownEvent = errors.New("unknown event type")

// Decode returns the event that was recorded with this data, in the form that
// schema version has.
func (a *Aggregate[S]) Decode(eventType string, version int, data []byte) (Event[S], error) {
	t, ok := a.events[eventType]
	if !ok {
		return nil, fmt.Errorf("%s: %q: %w", a.name, eventType, ErrUnknownEvent)
	}
	e := reflect.New(t)
	if err := Decode(e.Interface(), version, data); err != nil {
		return nil, fmt.Errorf("%s: decode %q: %w", a.name, eventType, err)
	}
	return e.Elem().Interface().(Event[S]), nil
}

// Apply decodes an event that was recorded at some time, and folds it into s.
func (a *Aggregate[S]) Apply(s *S, at time.Time, eventType string, version int, data []byte) error {
	e, err := a.Decode(eventType, version, data)
	if err == nil {
		ApplyAt(e, s, at)
	}
	return err
}

// Timed is implemented by states in which it shows when something happened.
// Whoever folds an event says before when that was: see [ApplyAt].
type Timed interface{ Happens(at time.Time) }

// ApplyAt folds an event that happened at some time into a state.
func ApplyAt[S any](e Event[S], s *S, at time.Time) {
	if t, ok := any(s).(Timed); ok {
		t.Happens(at)
	}
	e.Apply(s)
}

// Fold returns the state that events lead to.
func Fold[S any](events ...Event[S]) S {
	var s S
	for _, e := range events {
		e.Apply(&s)
	}
	return s
}
