package commands

import "github.com/rowhouse/rowhouse/domain/note"

// Notes says who may do what with notes.
var Notes = records(note.Aggregate, "What somebody has written down about other records.",
	create[note.Create](`{"body":"Prefers to be called in the **morning**.","related":[{"type":"contact","id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6"}]}`),
	updateExample[note.Note](`{"tags":["important"]}`),
	allow[note.Edit]("edit", "note:update", "Edit a note", `{"body":"Prefers to be called in the **afternoon**."}`),
	allow[note.Pin]("pin", "note:update", "Pin a note", ""),
	allow[note.Unpin]("unpin", "note:update", "Unpin a note", ""),
)
