package projections

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain/note"
	"github.com/rowhouse/rowhouse/eventstore"
)

// A table is a row and a line. The row embeds [Row], the fields of the kind, and what
// else of the state is shown. What an event does to the state it does to the row, and
// columns to filter and sort by follow from the types and tags of the members.
func Example_table() {
	type Memo struct {
		Row
		note.Fields
		note.Shown
	}
	memos := records[Memo]("memos", note.Aggregate)

	// The projector does this with what is new in the log of a tenant.
	stream := eventstore.StreamID{Kind: "note", ID: uuid.UUID{15: 1}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e, err := memos.fold(nil, []eventstore.Recorded{
		{Event: eventstore.Event{Type: "note.created", Schema: 1, Data: []byte(`{"fields":{"body":"Call in the morning."}}`), Meta: []byte(`{}`)}, Stream: stream, Version: 1, Position: 7, Time: at},
		{Event: eventstore.Event{Type: "note.pinned", Schema: 1, Data: []byte(`{}`), Meta: []byte(`{}`)}, Stream: stream, Version: 2, Position: 9, Time: at},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var shown map[string]any
	if err := json.Unmarshal(e.doc, &shown); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shown["id"], shown["version"], shown["body"], shown["pinned"])
	for name, values := range memos.Columns().All() {
		if name == "owner_id" || name == "updated_at" {
			fmt.Println(name, "is", values)
		}
	}
	// Output:
	// note_00000000000000000000000001 2 Call in the morning. true
	// owner_id is an id that begins with usr_
	// updated_at is an RFC 3339 time or a date
}
