// Package content is the only way into and out of what events hold: their data and
// their metadata. Whoever records an event makes it with an [Encoder], and whoever has
// one that was recorded reads it with the functions here, as a value of Go or as
// JSON. Only engines, and what moves whole logs, handle the bytes as they are;
// cmd/rowhouse/arch_test.go knows who that is.
//
// Here is known of each event of which type, record and tenant it is, and so which of
// its values are personal, and whose (see [domain.Class]). That is what it takes to
// seal them. Nothing is sealed yet. ADR 24 says how that is to be done.
//
// A value that cannot be opened any more, because the person was forgotten, is null.
// Every event can be decoded with null in the place of any personal value, and leaves
// there what it would leave if nothing had been said.
package content

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// Event is an event of whatever kind of record.
type Event interface{ EventType() string }

// Encoder makes the events of one command, as they are to be recorded.
type Encoder struct{ meta json.RawMessage }

// NewEncoder returns an encoder for events that have the same metadata.
func NewEncoder(m eventstore.Metadata) (Encoder, error) {
	meta, err := json.Marshal(m)
	if err != nil {
		return Encoder{}, fmt.Errorf("encode metadata: %w", err)
	}
	return Encoder{meta}, nil
}

// Encode returns an event as it is to be recorded in a stream, under an ID.
func (enc Encoder) Encode(s eventstore.StreamID, id uuid.UUID, e Event) (eventstore.Event, error) {
	data, err := domain.Marshal(e)
	if err != nil {
		return eventstore.Event{}, fmt.Errorf("encode %s of a %s: %w", e.EventType(), s.Kind, err)
	}
	return eventstore.Event{ID: id, Type: e.EventType(), Schema: domain.SchemaVersion(e), Data: data, Meta: enc.meta}, nil
}

// Decode returns an event as what it is to its kind of record.
func Decode[S any](agg *domain.Aggregate[S], e eventstore.Recorded) (domain.Event[S], error) {
	return agg.Decode(e.Type, e.Schema, e.Data)
}

// Apply folds an event into the state of its record.
func Apply[S any](agg *domain.Aggregate[S], s *S, e eventstore.Recorded) error {
	return agg.Apply(s, e.Time, e.Type, e.Schema, e.Data)
}

// As decodes an event into a pointer to a value of its type, for those who want to
// know of one type only.
func As(event any, e eventstore.Recorded) error { return domain.Decode(event, e.Schema, e.Data) }

// JSON returns what an event says, in the form in which it was recorded: null if it is
// withheld. It must not be changed.
func JSON(e eventstore.Recorded) json.RawMessage { return e.Data }

// Metadata says where an event came from.
func Metadata(e eventstore.Recorded) (m eventstore.Metadata, err error) {
	err = metadata(e, &m)
	return m, err
}

// Actor says who caused an event: for those who do not need the rest of its metadata.
func Actor(e eventstore.Recorded) (domain.Actor, error) {
	var m struct {
		Actor domain.Actor `json:"actor"`
	}
	err := metadata(e, &m)
	return m.Actor, err
}

// Command returns the command that an event follows from: for those who do not need
// the rest of its metadata.
func Command(e eventstore.Recorded) (uuid.UUID, error) {
	var m struct {
		Command uuid.UUID `json:"command_id"`
	}
	err := metadata(e, &m)
	return m.Command, err
}

func metadata(e eventstore.Recorded, m any) error {
	if err := json.Unmarshal(e.Meta, m); err != nil {
		return fmt.Errorf("metadata at %d: %w", e.Position, err)
	}
	return nil
}

// Number returns what an event that was encoded asks for, if it gets a number when it
// is recorded; see [domain.Numbered]. Where it is in the command is left to be filled
// in. An event that has no place for its number is a fault.
func Number(encoded eventstore.Event, event Event) (n eventstore.Number, gets bool, err error) {
	asks, ok := event.(domain.Numbered)
	if !ok {
		return n, false, nil
	}
	at, err := domain.PlaceOfNumber(encoded.Data)
	if err != nil {
		return n, false, fmt.Errorf("number %s: %w", event.EventType(), err)
	}
	return eventstore.Number{Series: asks.Series(), At: at}, true, nil
}
