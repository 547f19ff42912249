package contact_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/record"
)

type (
	events = []contact.Event
	fields = contact.Fields
	emails = []contact.EmailAddress
)

func patch(text string) (u contact.Update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

// company stands for one: live or not.
type company bool

func (c company) Live() bool { return bool(c) }

func id(prefix string, n byte) domain.ID { return domain.ID{Prefix: prefix, UUID: uuid.UUID{15: n}} }

func TestContact(t *testing.T) {
	t.Parallel()
	bob, acme, gone := id("usr", 1), id("cmp", 2), id("cmp", 3)
	found := map[domain.ID]any{acme: company(true), gone: company(false)}
	work := emails{{Address: "Ada@example.org", Kind: "work", Primary: true}}
	ada := contact.Created{Fields: fields{FirstName: "Ada", Emails: work}}
	in := func(more ...contact.Event) events { return append(events{ada}, more...) }
	linked := contact.CompanyLinked{CompanyID: acme}

	domaintest.Run(t, contact.Aggregate, []domaintest.Case[contact.Contact]{
		{Name: "a contact is created", When: contact.Create{Fields: ada.Fields}, Then: in()},
		{Name: "something is needed to know it by", When: contact.Create{Fields: fields{JobTitle: "Analyst"}}, Err: domain.Invalid, Code: "required"},
		{Name: "a last name will do", When: contact.Create{Fields: fields{LastName: "Lovelace"}}, Then: events{contact.Created{Fields: fields{LastName: "Lovelace"}}}},
		{
			Name: "or a number", When: contact.Create{Fields: fields{Phones: []contact.PhoneNumber{{Number: "+4930123456"}}}},
			Then: events{contact.Created{Fields: fields{Phones: []contact.PhoneNumber{{Number: "+4930123456", Primary: true}}}}},
		},
		{Name: "the first address is the primary one", When: contact.Create{Fields: fields{Emails: emails{{Address: "a@b.example"}, {Address: "c@d.example"}}}}, Then: events{contact.Created{Fields: fields{Emails: emails{{Address: "a@b.example", Primary: true}, {Address: "c@d.example"}}}}}},
		{Name: "unless another one is", When: contact.Create{Fields: fields{Emails: emails{{Address: "a@b.example"}, {Address: "c@d.example", Primary: true}}}}, Then: events{contact.Created{Fields: fields{Emails: emails{{Address: "a@b.example"}, {Address: "c@d.example", Primary: true}}}}}},
		{Name: "two cannot be", When: contact.Create{Fields: fields{Emails: emails{{Address: "a@b.example", Primary: true}, {Address: "c@d.example", Primary: true}}}}, Err: domain.Invalid, At: "/emails/1/primary"},
		{Name: "nor two numbers", When: contact.Create{Fields: fields{Phones: []contact.PhoneNumber{{Number: "+4930123456", Primary: true}, {Number: "+4930123457", Primary: true}}}}, Err: domain.Invalid, At: "/phones/1/primary"},
		{Name: "an address is given once", When: contact.Create{Fields: fields{Emails: emails{{Address: "a@b.example"}, {Address: "A@B.example"}}}}, Err: domain.Invalid, At: "/emails/1/address"},
		{Name: "an address has to be one", When: contact.Create{Fields: fields{Emails: emails{{Address: "a@b"}}}}, Err: domain.Invalid, Code: "invalid_email", At: "/emails/0/address"},
		{Name: "a country has to be one", When: contact.Create{Fields: fields{LastName: "L", Addresses: []domain.Address{{Country: "XX"}}}}, Err: domain.Invalid, At: "/addresses/0/country"},
		{Name: "a lifecycle has to be one", When: contact.Create{Fields: fields{LastName: "L", Lifecycle: "friend"}}, Err: domain.Invalid, At: "/lifecycle"},
		{Name: "the company must be there", When: contact.Create{Fields: fields{LastName: "L", CompanyID: gone}}, Found: found, Err: domain.Invalid, Code: "reference_not_found", At: "/company_id"},
		{Name: "and be one", When: contact.Create{Fields: fields{LastName: "L", CompanyID: bob}}, Err: domain.Invalid, Code: "invalid_id", At: "/company_id"},

		{Name: "a contact is updated", Given: in(), When: patch(`{"last_name":"Lovelace"}`), Then: events{contact.Updated{Changes: map[string]record.Change{"last_name": {Old: json.RawMessage(`null`), New: json.RawMessage(`"Lovelace"`)}}}}},
		{Name: "not to nobody", Given: in(), When: patch(`{"first_name":null,"emails":[]}`), Err: domain.Invalid, Code: "required"},
		{Name: "the company can be patched", Given: in(), Found: found, When: patch(`{"company_id":"` + acme.String() + `"}`), Then: events{linked}},
		{Name: "or linked", Given: in(), Found: found, When: contact.LinkCompany{CompanyID: acme}, Then: events{linked}},
		{Name: "it has to be named", Given: in(), When: contact.LinkCompany{}, Err: domain.Invalid, At: "/company_id"},
		{Name: "and be live", Given: in(), Found: found, When: contact.LinkCompany{CompanyID: gone}, Err: domain.Invalid, Code: "reference_not_found"},
		{Name: "linking it again is no change", Given: in(linked), When: contact.LinkCompany{CompanyID: acme}},
		{Name: "the company changes", Given: in(contact.CompanyLinked{CompanyID: gone}), Found: found, When: contact.LinkCompany{CompanyID: acme}, Then: events{contact.CompanyLinked{CompanyID: acme, From: gone}}},
		{Name: "it is patched away", Given: in(linked), When: patch(`{"company_id":null}`), Then: events{contact.CompanyUnlinked{CompanyID: acme}}},
		{Name: "or unlinked", Given: in(linked), When: contact.UnlinkCompany{}, Then: events{contact.CompanyUnlinked{CompanyID: acme}}},
		{Name: "where none is, none is unlinked", Given: in(), When: contact.UnlinkCompany{}},
		{Name: "the relation is patched", Given: in(), When: patch(`{"lifecycle":"lead"}`), Then: events{contact.LifecycleChanged{To: contact.Lead}}},
		{Name: "or changed", Given: in(contact.LifecycleChanged{To: contact.Lead}), When: contact.ChangeLifecycle{Lifecycle: contact.Customer}, Then: events{contact.LifecycleChanged{From: contact.Lead, To: contact.Customer}}},
		{Name: "nobody has no company", When: contact.LinkCompany{CompanyID: gone}, Found: found, Err: domain.NotFound},

		{Name: "a contact is assigned", Given: in(), When: contact.AssignOwner{OwnerID: bob}, Then: events{contact.OwnerAssigned{To: bob}}},
		{Name: "a contact is tagged", Given: in(), When: contact.AddTags{Tags: []string{"vip"}}, Then: events{contact.TagsChanged{Added: []string{"vip"}}}},
		{Name: "a contact is deleted", Given: in(), When: contact.Delete{}, Then: events{contact.Deleted{}}},
		{Name: "a contact is restored", Given: in(contact.Deleted{}), When: contact.Restore{}, Then: events{contact.Restored{}}},
		{Name: "a contact is purged", Given: in(contact.Deleted{}), When: contact.Purge{}, Then: events{contact.Purged{}}},
		{Name: "going back links the company again", Given: in(linked, contact.CompanyUnlinked{CompanyID: acme}), Found: found, When: contact.RestoreVersion{Version: 2}, Then: events{contact.Updated{Changes: map[string]record.Change{}, RestoredFrom: 2}, linked}},
	})
}

func TestAddressesAreClaimed(t *testing.T) {
	t.Parallel()
	c := domain.Fold(events{contact.Created{Fields: fields{Emails: emails{{Address: "Ada@Example.org"}, {Address: "b@c.example"}}}}}...)
	want := []domain.Claim{
		{Scope: "contact.email", Key: "ada@example.org", Pointer: "/emails/0/address", Optional: true},
		{Scope: "contact.email", Key: "b@c.example", Pointer: "/emails/1/address", Optional: true},
	}
	if diff := cmp.Diff(want, c.Claims()); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}
