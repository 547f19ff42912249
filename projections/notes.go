package projections

import "github.com/rowhouse/rowhouse/domain/note"

// Note is a row of [Notes].
type Note struct {
	Row
	note.Fields
	note.Shown
}

// Notes lists the notes of a tenant.
var Notes = records[Note]("notes", note.Aggregate)
