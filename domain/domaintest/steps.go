package domaintest

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// A step is the event of a command that takes a record from one status to another.
type step[S any] interface {
	domain.Event[S]
	Command() record.Stepper
}

// steps returns a case for each step of a kind from each status that it can have: the step
// is taken from where it may be taken, and refused everywhere else. A command whose members
// are required is taken from the cases.
func steps[S any](t *testing.T, types map[string]reflect.Type, made domain.Event[S], cases []Case[S]) (all []Case[S]) {
	t.Helper()
	found := examples(types, cases)
	if len(found) == 0 {
		return nil
	}
	ways := ways(made, found, cases)
	for _, e := range found {
		s := e.Command().Step()
		command, ok := e.Command().(domain.Command[S])
		if err := domain.CheckShape(e.Command()); err != nil || !ok {
			t.Errorf("%s has no case with an event that says what its command must: %v", e.EventType(), err)
			continue
		}
		for _, at := range slices.Sorted(maps.Keys(ways)) {
			c := Case[S]{Name: s.Command + " when it is " + string(at), Given: ways[at], When: command}
			if slices.Contains(s.From, at) {
				c.Then = []domain.Event[S]{e}
			} else {
				c.Err, c.Code = domain.Conflict, "state_conflict"
			}
			all = append(all, c)
		}
		for _, from := range s.From {
			if ways[from] == nil {
				t.Errorf("%s is taken from the status %q, which no step and no case leads to: add a case", s.Command, from)
			}
		}
	}
	return all
}

// ways returns what happens to a record until it has a status: for each status that steps
// or cases lead to.
func ways[S any](made domain.Event[S], found []step[S], cases []Case[S]) map[record.Status][]domain.Event[S] {
	all := map[record.Status][]domain.Event[S]{}
	add := func(events []domain.Event[S]) bool {
		s := domain.Fold(events...)
		live, at := any(&s).(domain.Live), any(&s).(record.Standing)
		if !live.Live() || all[*at.Standing()] != nil {
			return false
		}
		all[*at.Standing()] = events
		return true
	}
	add([]domain.Event[S]{made})
	for _, c := range cases {
		for i := range c.Given {
			add(c.Given[:i+1])
		}
	}
	for again := true; again; {
		again = false
		for _, e := range found {
			for _, from := range e.Command().Step().From {
				if way := all[from]; way != nil {
					again = add(append(slices.Clone(way), domain.Event[S](e))) || again
				}
			}
		}
	}
	return all
}

// examples returns an event of each step, by the names of the events: one from the cases, if
// there is one.
func examples[S any](types map[string]reflect.Type, cases []Case[S]) (all []step[S]) {
	named := map[string]step[S]{}
	for name, of := range types {
		if e, ok := reflect.TypeAssert[step[S]](reflect.Zero(of)); ok {
			named[name] = e
		}
	}
	for _, c := range slices.Backward(cases) {
		for _, e := range slices.Concat(c.Given, c.Then) {
			if e, ok := e.(step[S]); ok {
				named[e.EventType()] = e
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		all = append(all, named[name])
	}
	return all
}
