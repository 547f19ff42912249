package commands_test

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/eventstore"
)

// changeOften changes a contact so many times, each time by an event.
func (w *world) changeOften(con uuid.UUID, n int) {
	w.Helper()
	ops := make([]commands.Operation, n)
	for i := range ops {
		ops[i] = commands.Contacts.Prepare(commands.Target{ID: con}, patchContact(fmt.Sprintf(`{"job_title":"%d"}`, i)))
	}
	for _, res := range w.run.All(w.Context(), w.ann, ops) {
		if res.Err != nil {
			w.Fatal(res.Err)
		}
	}
}

// A batch of commands that look back at one record reads its history once, and not
// once for each of them.
func TestHistoryIsReadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const versions, many = 201, 60
	con := w.newContact(contact.Fields{})
	w.changeOften(con.UUID, versions-1)
	for name, op := range map[string]func(i int) (commands.Target, domain.Command[contact.Contact]){
		"refusals": func(int) (commands.Target, domain.Command[contact.Contact]) {
			return commands.Target{Match: []eventstore.Version{1}}, contact.Delete{}
		},
		"changes of other fields": func(i int) (commands.Target, domain.Command[contact.Contact]) {
			return commands.Target{Match: []eventstore.Version{1}, Disjoint: true}, patchContact(fmt.Sprintf(`{"language":"%s"}`, []string{"de", "en"}[i%2]))
		},
		"a version that never was": func(int) (commands.Target, domain.Command[contact.Contact]) {
			return commands.Target{}, contact.RestoreVersion{Version: 9999}
		},
		"versions, from the last to the first": func(i int) (commands.Target, domain.Command[contact.Contact]) {
			return commands.Target{}, contact.RestoreVersion{Version: versions - 1 - i}
		},
	} {
		ops := make([]commands.Operation, many)
		for i := range ops {
			to, cmd := op(i)
			to.ID = con.UUID
			ops[i] = commands.Contacts.Prepare(to, cmd)
		}
		before := w.log.events.Load()
		w.run.All(t.Context(), w.ann, ops)
		if n := w.log.events.Load() - before; n > 2*versions+50*many {
			t.Errorf("%s: %d events were read", name, n)
		}
		if name != "versions, from the last to the first" {
			if n := w.log.events.Load() - before; n > versions+3*many {
				t.Errorf("%s: %d events were read", name, n)
			}
		}
	}
}

// What is too long ago is not looked up.
func TestFarBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	w.changeOften(con.UUID, 1005)
	for version, known := range map[eventstore.Version]bool{1: false, 10: true} {
		before := w.log.events.Load()
		_, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann,
			commands.Target{ID: con.UUID, Match: []eventstore.Version{version}, Disjoint: true}, patchContact(`{"language":"en"}`))
		e, _ := errors.AsType[*domain.Error](err)
		switch {
		case known && err != nil:
			t.Errorf("since %d: %v", version, err)
		case !known && (refusal(err) != "stale version_conflict" || e.Data["changed_fields"] != nil || w.log.events.Load() > before):
			t.Errorf("since %d: %v, %+v", version, err, e)
		}
	}
}

// The last of several versions that the record had is what counts, and one that
// does not match may still say what the caller has seen.
func TestMatchSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	give(w, commands.Contacts, con.UUID, patchContact(`{"job_title":"Analyst"}`))
	give(w, commands.Contacts, con.UUID, patchContact(`{"lifecycle":"lead"}`))
	for _, c := range []struct {
		match, seen []eventstore.Version
		changed     []string // nil if the command passes, as it changes the title
	}{
		{[]eventstore.Version{1, 9}, nil, []string{"job_title", "lifecycle"}},
		{[]eventstore.Version{9, 1, 2}, nil, nil},
		{[]eventstore.Version{9}, []eventstore.Version{2}, []string{"lifecycle"}},
		{[]eventstore.Version{9}, nil, []string{}},
		{[]eventstore.Version{2}, []eventstore.Version{3}, nil},
	} {
		to := commands.Target{ID: con.UUID, Match: c.match, Seen: c.seen, Disjoint: true}
		_, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, to, patchContact(`{"job_title":"Analyst"}`))
		e, ok := errors.AsType[*domain.Error](err)
		if ok != (c.changed != nil) || ok && !reflect.DeepEqual(e.Data["changed_fields"], c.changed) {
			t.Errorf("%v and %v: %v, %+v", c.match, c.seen, err, e)
		}
	}
}

// A record that is gone for good is not there for anybody, whatever version they
// have seen: it is not told that it once was.
func TestMatchPurged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	give(w, commands.Contacts, con.UUID, patchContact(`{"job_title":"Analyst"}`))
	give(w, commands.Contacts, con.UUID, contact.Delete{})
	give(w, commands.Contacts, con.UUID, contact.Purge{})
	for _, cmd := range []domain.Command[contact.Contact]{
		patchContact(`{"job_title":"x"}`), contact.Delete{}, contact.Restore{}, contact.Purge{}, contact.RestoreVersion{Version: 1}, contact.ChangeLifecycle{Lifecycle: "customer"},
	} {
		for _, v := range [][]eventstore.Version{nil, {1}, {4}, {9}} {
			if got := try(w, commands.Contacts, w.ann, commands.Target{ID: con.UUID, Match: v}, cmd); got != "not_found not_found" {
				t.Errorf("%T with %v: %s", cmd, v, got)
			}
		}
	}
}

// Parts of a request that was cut off can still be done by asking for it again, by
// the same name; and another request cannot take the name over.
func TestPartsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name, hash := newID(), []byte("the batch")
	ops := func(n int) (all []commands.Operation) {
		for i := range n {
			to := commands.Target{ID: newID(), New: true, Command: uuid.NewSHA1(name, []byte{byte(i)}), Hash: hash}
			all = append(all, commands.Contacts.Prepare(to, contact.Create{Fields: contact.Fields{FirstName: strconv.Itoa(i)}}))
		}
		return all
	}
	head := func() eventstore.Position {
		p, err := w.log.Head(t.Context(), w.ann.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := w.run.Parts(t.Context(), w.ann, name, hash, ops(2)); err != nil { // and then the server ends
		t.Fatal(err)
	}
	if _, err := w.run.Parts(t.Context(), w.ann, name, []byte("another"), ops(3)); refusal(err) != "invalid idempotency_mismatch" || head() != 2 {
		t.Errorf("another one: %v, and the log is at %d", err, head())
	}
	results, err := w.run.Parts(t.Context(), w.ann, name, hash, ops(4))
	if err != nil || head() != 4 {
		t.Errorf("the same again: %v, and the log is at %d", err, head())
	}
	for i, res := range results {
		if res.Err != nil || res.Outcome.Repeated != (i < 2) {
			t.Errorf("%d: %+v", i, res)
		}
	}
}
