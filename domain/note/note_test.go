package note_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/note"
	"github.com/rowhouse/rowhouse/domain/record"
)

type events = []note.Event

type ada struct{}

func (ada) Live() bool { return true }

func TestNote(t *testing.T) {
	t.Parallel()
	con := domain.ID{Prefix: "con", UUID: uuid.UUID{15: 2}}
	found := map[domain.ID]any{con: ada{}}
	written := note.Created{Fields: note.Fields{Body: "Call in the morning.", Related: record.RelatedTo{{Type: "contact", ID: con}}}}
	in := func(more ...note.Event) events { return append(events{written}, more...) }
	edited := note.Edited{Body: "Call in the afternoon."}

	domaintest.RunRecord(t, note.Aggregate, written, []domaintest.Case[note.Note]{
		{Name: "a note is written", When: note.Create{Fields: written.Fields}, Found: found, Then: in()},
		{Name: "about something", When: note.Create{Fields: note.Fields{Body: "x"}}, Err: domain.Invalid, At: "/related"},
		{Name: "that is there", When: note.Create{Fields: written.Fields}, Err: domain.Invalid, Code: "reference_not_found", At: "/related/0/id"},
		{Name: "it says something", When: note.Create{Fields: note.Fields{Related: written.Fields.Related}}, Found: found, Err: domain.Invalid, At: "/body"},
		{Name: "a note is edited", Given: in(), When: note.Edit(edited), Then: events{edited}},
		{Name: "to say the same is no change", Given: in(edited), When: note.Edit(edited)},
		{Name: "a note is pinned", Given: in(), When: note.Pin{}, Then: events{note.Pinned{}}},
		{Name: "once", Given: in(note.Pinned{}), When: note.Pin{}},
		{Name: "and unpinned", Given: in(note.Pinned{}), When: note.Unpin{}, Then: events{note.Unpinned{}}},
		{Name: "if it is pinned", Given: in(), When: note.Unpin{}},
		{Name: "nothing cannot be pinned", When: note.Pin{}, Err: domain.NotFound},
	})
}
