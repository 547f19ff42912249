package record

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
)

// Status says how far a record has come, in kinds that have one.
type Status string

// A Step is a line of the status machine of a kind: a command that takes a record
// from one of some statuses to another, and the event that says so.
type Step struct {
	Command string // as clients write it: "start"
	From    []Status
	To      Status
	Event   string // after the kind: "started" in task.started
}

// A Stepper is a command that takes a step. Its members are those of the event
// as well. If the event does more to the state than to change the status, a method
// Effect(*S) does it, and a method Affects() []string says which members that are.
type Stepper interface{ Step() Step }

// Standing is implemented by kinds that have a status.
type Standing interface {
	// Standing returns where the status is kept.
	Standing() *Status
}

// Take decides that a live record takes a step, if its status allows it.
func Take[S any, F Fields[F], K interface {
	Kind[S, F]
	Standing
}, C Stepper](s K, cmd C) ([]domain.Event[S], error) {
	if err := s.base().MustBeLive(); err != nil {
		return nil, err
	}
	step, at := cmd.Step(), *s.Standing()
	if !slices.Contains(step.From, at) {
		return nil, domain.StateConflict(string(at), step.Command)
	}
	return []domain.Event[S]{Stepped[C, S, F, K]{cmd}}, nil
}

// Stepped says that a record has taken the step of a command.
type Stepped[C Stepper, S any, F Fields[F], K interface {
	Kind[S, F]
	Standing
}] struct {
	By C // the command
}

// Command returns the command whose step it is.
func (e Stepped[C, S, F, K]) Command() Stepper { return e.By }

func (e Stepped[C, S, F, K]) EventType() string { return kindName[F]() + "." + e.By.Step().Event }

func (e Stepped[C, S, F, K]) Apply(s *S) {
	*K(s).Standing() = e.By.Step().To
	if more, ok := any(e.By).(interface{ Effect(*S) }); ok {
		more.Effect(s)
	}
}

// Touches implements [domain.Toucher].
func (e Stepped[C, S, F, K]) Touches() []string { return Touches(e.By) }

// Touches returns the members of a record that a step changes.
func Touches(c Stepper) []string {
	if more, ok := c.(interface{ Affects() []string }); ok {
		return append([]string{"status"}, more.Affects()...)
	}
	return []string{"status"}
}

// Shape implements [domain.Shaped].
func (Stepped[C, S, F, K]) Shape() reflect.Type { return reflect.TypeFor[C]() }

// MarshalJSON implements [json.Marshaler]: the event has the members of its
// command.
func (e Stepped[C, S, F, K]) MarshalJSON() ([]byte, error) { return json.Marshal(e.By) }

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Stepped[C, S, F, K]) UnmarshalJSON(data []byte) error {
	return domain.UnmarshalStored(data, &e.By)
}
