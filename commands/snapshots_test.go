package commands_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
)

// A command for a record with a long history does not read all of it, not even on a node
// that has just started, and decides as if it had.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := func(build string) *commands.Runner {
		return commands.NewRunner(commands.Config{
			Store: w.log, NewID: newID, Cache: 1 << 20, Snapshots: projections.NewSnapshots(w.wall, slog.New(slog.DiscardHandler)), Build: build,
		})
	}
	warm, id := node("one"), newID()
	do := func(run *commands.Runner, cmd domain.Command[contact.Contact]) commands.Outcome {
		t.Helper()
		out, err := commands.Do(t.Context(), run, commands.Contacts, w.ann, commands.Target{ID: id}, cmd)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	do(warm, contact.Create{Fields: contact.Fields{FirstName: "Ada"}})
	const events = 2*eventstore.SnapshotEvery + 50
	for i := 2; i <= events; i++ {
		tags := []string{fmt.Sprint("t", i%40)}
		if i%2 == 0 {
			do(warm, contact.AddTags{Tags: tags})
		} else {
			do(warm, contact.AssignOwner{OwnerID: domain.ID{Prefix: "usr", UUID: uuid.UUID{15: byte(i)}}})
		}
	}
	at := do(warm, contact.AddTags{Tags: []string{"last"}}).Version
	cold := func(build string, most int64) {
		t.Helper()
		w.log.events.Store(0)
		do(node(build), contact.Update{Patch: map[string]json.RawMessage{"first_name": json.RawMessage(fmt.Sprintf("%q", newID()))}})
		if n := w.log.events.Load(); n > most {
			t.Errorf("a command on a cold node read %d of %d events", n, at)
		}
	}
	cold("one", 2*eventstore.SnapshotEvery)
	whole, version, err := commands.State(t.Context(), commands.NewRunner(commands.Config{Store: w.log, NewID: newID}), commands.Contacts, w.ann.Viewer, id)
	if err != nil {
		t.Fatal(err)
	}
	fast, again, err := commands.State(t.Context(), node("one"), commands.Contacts, w.ann.Viewer, id)
	if err != nil || again != version || fmt.Sprintf("%+v", fast) != fmt.Sprintf("%+v", whole) {
		t.Errorf("from a snapshot (%v), at %d:\n%+v\nfrom the first event, at %d:\n%+v", err, again, fast, version, whole)
	}
	w.log.events.Store(0)
	do(node("another"), contact.AddTags{Tags: []string{"other"}})
	if n := w.log.events.Load(); n < int64(version) {
		t.Errorf("another build read %d of %d events: it has believed a snapshot of this one", n, version)
	}
	cold("another", 2*eventstore.SnapshotEvery)
}
