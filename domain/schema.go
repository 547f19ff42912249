package domain

import (
	"encoding/json"
	"errors"
	"fmt"
)

// An Upcaster turns the stored form of an event into the next version of it.
// It is pure, and works on JSON so that it needs no Go type of the past.
type Upcaster func(json.RawMessage) (json.RawMessage, error)

// Upcast is implemented by events whose stored form has changed. The first
// upcaster turns version 1 into version 2, the last one turns out the form that
// the type itself has. The log is never rewritten.
type Upcast interface {
	Upcasters() []Upcaster
}

// ErrNewerSchema says that what was recorded, or follows from it, was written by a newer
// build, and holds what this one does not know.
var ErrNewerSchema = errors.New("written by a newer build than this one")

// SchemaVersion returns the version of the stored form of an event: 1, and one
// more for each of its upcasters.
func SchemaVersion(event any) int {
	if u, ok := event.(Upcast); ok {
		return 1 + len(u.Upcasters())
	}
	return 1
}

// Decode decodes the stored form of an event, as it was at some version, into
// the event that the pointer is for. One of a newer version, or with a member that the
// event does not have, is [ErrNewerSchema]: see [UnmarshalStored].
func Decode(event any, version int, data json.RawMessage) error {
	current := SchemaVersion(event)
	if version > current {
		return fmt.Errorf("version %d, known are up to %d: %w", version, current, ErrNewerSchema)
	}
	if version < 1 {
		return fmt.Errorf("version %d: versions begin with 1", version)
	}
	if version < current {
		for i, up := range event.(Upcast).Upcasters()[version-1:] {
			var err error
			if data, err = up(data); err != nil {
				return fmt.Errorf("upcast from version %d: %w", version+i, err)
			}
		}
	}
	return UnmarshalStored(data, event)
}
