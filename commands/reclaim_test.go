package commands_test

import (
	"testing"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/eventstore"
)

// past puts a record into the log as an earlier release made it: with values that
// nobody could write today, held in the form of its time.
func (w *world) past(kind, data string, claims ...eventstore.Claim) eventstore.StreamID {
	w.Helper()
	s := eventstore.StreamID{Tenant: w.ann.Tenant, Kind: kind, ID: newID()}
	for i := range claims {
		claims[i].Stream = s
	}
	c := eventstore.Command{ID: newID(), Claim: claims, Writes: []eventstore.Write{{Stream: s, Events: []eventstore.Event{
		{ID: newID(), Type: kind + ".created", Schema: 1, Data: []byte(data), Meta: []byte(`{"actor":{"kind":"user"}}`)},
	}}}}
	if err := w.log.Append(w.Context(), w.ann.Tenant, c)[0].Err; err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) holder(scope, key string) eventstore.StreamID {
	w.Helper()
	s, err := w.log.Holders(w.Context(), w.ann.Tenant, eventstore.Claim{Scope: scope, Key: key})
	if err != nil {
		w.Fatal(err)
	}
	return s[0]
}

func TestReclaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ascii, letters = "xn--bcher-kva.example", "bücher.example"
	old := w.past("company", `{"fields":{"name":"\u200b","domains":["`+ascii+`"],"phone":"+49030123456","annual_revenue":{"amount":"100","currency":"RSD"}}}`,
		eventstore.Claim{Scope: "company.domain", Key: ascii})
	person := w.past("contact", `{"fields":{"first_name":"Zoe\u0308","emails":[{"address":"kim@ fields.example.","primary":true},{"address":"STRASSE@fields.example","primary":false}],"tags":["VIP","vip"],"external_ids":{"crm":"e\u0301"}}}`,
		eventstore.Claim{Scope: "contact.email", Key: "kim@ fields.example."}, eventstore.Claim{Scope: "contact.email", Key: "strasse@fields.example"},
		eventstore.Claim{Scope: "contact.external_id", Key: "crm\x00e\u0301"})

	// Before: it is theirs as it was, and they can be changed.
	if got := try(w, commands.Companies, w.ann, commands.Target{ID: newID(), New: true}, company.Create{Fields: company.Fields{Name: "x", Domains: []domain.Hostname{ascii}}}); got == "" {
		t.Error("somebody else takes what is held in the form of its time")
	}
	give(w, commands.Companies, old.ID, company.SetParent{ParentID: w.newCompany(company.Fields{Name: "Parent"})})
	give(w, commands.Contacts, person.ID, contact.ChangeLifecycle{Lifecycle: contact.Customer})

	rival := w.newCompany(company.Fields{Name: "Rival", Domains: []domain.Hostname{"grün.example"}})
	twin := w.past("company", `{"fields":{"name":"Twin","domains":["xn--grn-ioa.example"]}}`, eventstore.Claim{Scope: "company.domain", Key: "xn--grn-ioa.example"})

	head := w.head()
	for range 2 {
		shared, err := w.run.Reclaim(t.Context(), w.ann.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		if len(shared) != 1 || shared[0] != (commands.Shared{Scope: "company.domain", Record: domain.ID{Prefix: "cmp", UUID: twin.ID}, Holder: rival}) {
			t.Errorf("the same have %v", shared)
		}
	}
	if w.head() != head {
		t.Error("renewing claims is an event")
	}
	if got := w.holder("company.domain", letters); got != old {
		t.Errorf("%s is held by %v", letters, got)
	}
	if got := w.holder("contact.external_id", "crm\x00\u00e9"); got != person {
		t.Errorf("the external ID is held by %v", got)
	}
	if got := try(w, commands.Companies, w.ann, commands.Target{ID: newID(), New: true}, company.Create{Fields: company.Fields{Name: "x", Domains: []domain.Hostname{letters}}}); got == "" {
		t.Error("somebody else takes the other form")
	}

	// They come and go, and what is unique with them, in both forms.
	for _, s := range []eventstore.StreamID{old, twin} {
		give(w, commands.Companies, s.ID, company.Delete{})
	}
	give(w, commands.Contacts, person.ID, contact.Delete{})
	for scope, keys := range map[string][]string{"company.domain": {ascii, letters, "xn--grn-ioa.example"}, "contact.external_id": {"crm\x00e\u0301", "crm\x00\u00e9"}, "contact.email": {"kim@ fields.example."}} {
		for _, key := range keys {
			if got := w.holder(scope, key); got != (eventstore.StreamID{}) {
				t.Errorf("%q is held by %v, which is deleted", key, got)
			}
		}
	}
	give(w, commands.Companies, old.ID, company.Restore{})
	give(w, commands.Companies, old.ID, company.RestoreVersion{Version: 1})
	give(w, commands.Contacts, person.ID, contact.Restore{})
	if got := w.holder("company.domain", letters); got != old {
		t.Errorf("after it was restored, %s is held by %v", letters, got)
	}
	give(w, commands.Contacts, person.ID, contact.RemoveTags{Tags: []string{"Vip"}})
}
