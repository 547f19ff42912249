package commands_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/eventstore"
)

// A record under an ID that somebody else made is taken for new, and the log is
// not asked before it says otherwise. Nobody can tell from the outcome.
func TestFresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	firm := w.newCompany(company.Fields{})
	ada := contact.Fields{FirstName: "Ada", CompanyID: firm, Emails: emails("ada@example.org")}
	id, key := newID(), newID()
	to := commands.Target{ID: id, Fresh: true, Command: key, Hash: []byte("a")}
	out, err := commands.Do(w.Context(), w.run, commands.Contacts, w.ann, to, contact.Create{Fields: ada})
	if err != nil || out.Repeated || out.Version != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	stream := eventstore.StreamID{Tenant: w.ann.Tenant, Kind: "contact", ID: id}
	if n, recalled := w.log.asked(stream); n != 0 || recalled != 0 {
		t.Errorf("the log was asked %d times for the record, and %d times for the command", n, recalled)
	}

	cold := commands.NewRunner(commands.Config{Store: w.log, NewID: newID, Cache: 1 << 20}) // such as that of another node
	for _, run := range []*commands.Runner{w.run, cold} {
		again, err := commands.Do(w.Context(), run, commands.Contacts, w.ann, to, contact.Create{Fields: ada})
		if err != nil || !again.Repeated || again.ID != out.ID || len(again.Events) != 1 {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	give(w, commands.Contacts, id, contact.UnlinkCompany{})
	give(w, commands.Companies, firm.UUID, company.Delete{})
	for name, c := range map[string]struct {
		to   commands.Target
		with contact.Fields
		want string
	}{
		"the same, although it would be refused now": {to, ada, ""},
		"another ID":                   {commands.Target{ID: newID(), Fresh: true, Command: key, Hash: []byte("b")}, contact.Fields{FirstName: "Bob"}, "invalid idempotency_mismatch"},
		"the same ID":                  {commands.Target{ID: id, Fresh: true}, contact.Fields{FirstName: "Bob"}, "conflict already_exists"},
		"the same ID, and what is bad": {commands.Target{ID: id, Fresh: true}, ada, "invalid reference_not_found /company_id"},
		"the same address":             {commands.Target{ID: newID(), Fresh: true}, contact.Fields{FirstName: "Bob", Emails: ada.Emails}, "conflict duplicate /emails/0/address"},
	} {
		w.run = commands.NewRunner(commands.Config{Store: w.log, NewID: newID, Cache: 1 << 20})
		if got := try(w, commands.Contacts, w.ann, c.to, contact.Create{Fields: c.with}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}

	// In a batch, some of which are there.
	var ops []commands.Operation
	for _, id := range []uuid.UUID{newID(), id, newID()} {
		ops = append(ops, commands.Contacts.Prepare(commands.Target{ID: id, Fresh: true}, contact.Create{Fields: contact.Fields{FirstName: "Cid"}}))
	}
	for i, r := range cold.All(w.Context(), w.ann, ops) {
		if (r.Err == nil) != (i != 1) {
			t.Errorf("%d: %+v", i, r)
		}
	}
}
