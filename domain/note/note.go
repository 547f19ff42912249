// Package note is about notes: what somebody has written down about other
// records. It knows these by their IDs.
package note

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes notes.
var Aggregate = record.Describe[Note, Fields]("note", Created{}, Edited{}, Pinned{}, Unpinned{})

// Event is a fact about a note.
type Event = domain.Event[Note]

// What can be asked of a note, and what can happen to one.
type (
	Create  = record.Create[Note, Fields, *Note]
	Created = record.Created[Note, Fields, *Note]
)

// Fields is what can be changed by a patch.
type Fields struct {
	record.Common

	Body    string           `json:"body" class:"personal" of:"related" minLength:"1" maxLength:"100000" text:"lines" list:"-" search:"true" doc:"What was written, in Markdown" example:"Prefers to be called in the morning."`
	Related record.RelatedTo `json:"related" minItems:"1" maxItems:"50" doc:"What it is about"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "note" }

// Note is what decisions about a note depend on.
type Note struct {
	record.Base[Fields]
	Shown
}

// Shown is what clients see of a note beside its fields.
type Shown struct {
	Pinned bool `json:"pinned" doc:"It comes first among the notes of a record"`
}

// Own implements [record.Kind].
func (*Note) Own() record.Own[Note, Fields] {
	return record.Own[Note, Fields]{"body": func(_, to Fields) Event { return Edited{to.Body} }}
}

// Edit changes what a note says.
type Edit struct {
	Body string `json:"body" minLength:"1" maxLength:"100000" text:"lines" doc:"What it says from now on, in Markdown" example:"Prefers to be called in the afternoon."`
}

// Edited says that a note says something else.
type Edited struct {
	Body string `json:"body" class:"personal" of:"related"`
}

// Decide edits a note that says something else.
func (c Edit) Decide(n Note, o domain.Origin) ([]Event, error) {
	to := n.Fields
	to.Body = c.Body
	return record.Modify[Note](&n, o, to)
}

// Touches implements [domain.Toucher].
func (Edit) Touches() []string { return []string{"body"} }

func (Edited) EventType() string { return "note.edited" }
func (e Edited) Apply(n *Note)   { n.Fields.Body = e.Body }

// Touches implements [domain.Toucher].
func (Edited) Touches() []string { return []string{"body"} }

// Pin puts a note before the others.
type Pin struct{}

// Pinned says that a note comes before the others.
type Pinned struct{}

// Decide pins a note that is not pinned.
func (Pin) Decide(n Note, _ domain.Origin) ([]Event, error) { return n.pin(true, Pinned{}) }

// Touches implements [domain.Toucher].
func (Pin) Touches() []string { return []string{"pinned"} }

func (Pinned) EventType() string { return "note.pinned" }
func (Pinned) Apply(n *Note)     { n.Pinned = true }

// Touches implements [domain.Toucher].
func (Pinned) Touches() []string { return []string{"pinned"} }

// Unpin puts a note back among the others.
type Unpin struct{}

// Unpinned says that a note is one among the others again.
type Unpinned struct{}

// Decide unpins a note that is pinned.
func (Unpin) Decide(n Note, _ domain.Origin) ([]Event, error) { return n.pin(false, Unpinned{}) }

// Touches implements [domain.Toucher].
func (Unpin) Touches() []string { return []string{"pinned"} }

func (Unpinned) EventType() string { return "note.unpinned" }
func (Unpinned) Apply(n *Note)     { n.Pinned = false }

// Touches implements [domain.Toucher].
func (Unpinned) Touches() []string { return []string{"pinned"} }

func (n *Note) pin(to bool, event Event) ([]Event, error) {
	if err := n.MustBeLive(); err != nil || n.Pinned == to {
		return nil, err
	}
	return []Event{event}, nil
}
