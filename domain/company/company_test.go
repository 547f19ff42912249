package company_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/record"
)

type (
	events = []company.Event
	fields = company.Fields
)

func patch(text string) (u company.Update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

func cmpID(n byte) domain.ID { return domain.ID{Prefix: "cmp", UUID: uuid.UUID{15: n}} }

// below returns a company that belongs to another.
func below(parent domain.ID, more ...company.Event) *company.Company {
	return new(domain.Fold(append(events{company.Created{Fields: fields{Name: "x", ParentID: parent}}}, more...)...))
}

// chain returns n companies, each below the next, the last one below none.
func chain(n byte) map[domain.ID]any {
	all := map[domain.ID]any{}
	for i := byte(1); i < n; i++ {
		all[cmpID(i)] = below(cmpID(i + 1))
	}
	all[cmpID(n)] = below(domain.ID{})
	return all
}

func TestCompany(t *testing.T) {
	t.Parallel()
	bob, self := domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 1}}, domain.Origin{Self: cmpID(99)}
	acme := company.Created{Fields: fields{Name: "Acme", Domains: []domain.Hostname{"acme.example"}}}
	in := func(more ...company.Event) events { return append(events{acme}, more...) }
	deleted := map[domain.ID]any{cmpID(1): below(domain.ID{}, company.Deleted{})}
	circle := map[domain.ID]any{cmpID(1): below(cmpID(2)), cmpID(2): below(cmpID(99))}
	hidden := map[domain.ID]any{cmpID(1): below(cmpID(2)), cmpID(2): below(cmpID(99), company.Deleted{})}
	gap := map[domain.ID]any{cmpID(1): below(cmpID(2)), cmpID(2): below(domain.ID{}, company.Deleted{}, company.Purged{})}
	set := company.ParentSet{To: cmpID(1)}

	domaintest.Run(t, company.Aggregate, []domaintest.Case[company.Company]{
		{Name: "a company is created", When: company.Create{Fields: acme.Fields}, Then: in()},
		{Name: "it needs a name", When: company.Create{}, Err: domain.Invalid, Code: "required", At: "/name"},
		{Name: "more than blanks", When: company.Create{Fields: fields{Name: "  "}}, Err: domain.Invalid, At: "/name"},
		{Name: "a domain is given once", When: company.Create{Fields: fields{Name: "x", Domains: []domain.Hostname{"a.example", "a.example"}}}, Err: domain.Invalid, At: "/domains/1"},
		{Name: "and has to be one", When: company.Create{Fields: fields{Name: "x", Domains: []domain.Hostname{"https://a.example"}}}, Err: domain.Invalid, Code: "invalid_domain", At: "/domains/0"},
		{Name: "revenue is not negative", When: company.Create{Fields: fields{Name: "x", AnnualRevenue: domain.Money{Amount: "-1.00", Currency: "EUR"}}}, Err: domain.Invalid, At: "/annual_revenue/amount"},
		{Name: "nobody has less than nobody working for it", When: company.Create{Fields: fields{Name: "x", EmployeeCount: new(-1)}}, Err: domain.Invalid, At: "/employee_count"},
		{Name: "a company is updated", Given: in(), When: patch(`{"employee_count":0}`), Then: events{company.Updated{Changes: map[string]record.Change{"employee_count": {Old: json.RawMessage(`null`), New: json.RawMessage(`0`)}}}}},

		{Name: "a company can have a parent", When: company.Create{Fields: fields{Name: "x", ParentID: cmpID(1)}}, As: self, Found: chain(1), Then: events{company.Created{Fields: fields{Name: "x", ParentID: cmpID(1)}}}},
		{Name: "get one", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: chain(3), Then: events{set}},
		{Name: "by either door", Given: in(), When: patch(`{"parent_id":"` + cmpID(1).String() + `"}`), As: self, Found: chain(3), Then: events{set}},
		{Name: "and lose it", Given: in(set), When: company.SetParent{}, As: self, Then: events{company.ParentSet{From: cmpID(1)}}},
		{Name: "the parent must be there", Given: in(), When: company.SetParent{ParentID: cmpID(5)}, As: self, Err: domain.Invalid, Code: "reference_not_found", At: "/parent_id"},
		{Name: "and live", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: deleted, Err: domain.Invalid, Code: "reference_not_found", At: "/parent_id"},
		{Name: "a company is not its own parent", Given: in(), When: company.SetParent{ParentID: self.Self}, As: self, Found: map[domain.ID]any{self.Self: below(domain.ID{})}, Err: domain.Invalid, Code: "circular", At: "/parent_id"},
		{Name: "nor above its parents", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: circle, Err: domain.Invalid, Code: "circular", At: "/parent_id"},
		{Name: "not even if one of them is deleted", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: hidden, Err: domain.Invalid, Code: "circular"},
		{Name: "one that is gone is the end", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: gap, Then: events{set}},
		{Name: "ten are a chain", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: chain(9), Then: events{set}},
		{Name: "eleven are too many", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: chain(10), Err: domain.Invalid, Code: "too_deep", At: "/parent_id"},
		{Name: "a hundred are, too", Given: in(), When: company.SetParent{ParentID: cmpID(1)}, As: self, Found: chain(90), Err: domain.Invalid, Code: "too_deep"},
		{Name: "a parent that is gone does no harm", Given: in(set), When: patch(`{"industry":"Mining"}`), As: self, Found: deleted, Then: events{company.Updated{Changes: map[string]record.Change{"industry": {Old: json.RawMessage(`null`), New: json.RawMessage(`"Mining"`)}}}}},
		{Name: "nothing has no parent", When: company.SetParent{ParentID: cmpID(5)}, As: self, Err: domain.NotFound},

		{Name: "a company is assigned", Given: in(), When: company.AssignOwner{OwnerID: bob}, Then: events{company.OwnerAssigned{To: bob}}},
		{Name: "a company is tagged", Given: in(), When: company.AddTags{Tags: []string{"key"}}, Then: events{company.TagsChanged{Added: []string{"key"}}}},
		{Name: "a company is deleted", Given: in(), When: company.Delete{}, Then: events{company.Deleted{}}},
		{Name: "a company is restored", Given: in(company.Deleted{}), When: company.Restore{}, Then: events{company.Restored{}}},
		{Name: "a company is purged", Given: in(company.Deleted{}), When: company.Purge{}, Then: events{company.Purged{}}},
	})
}

func TestDomainsAreClaimed(t *testing.T) {
	t.Parallel()
	c := domain.Fold(events{company.Created{Fields: fields{Domains: []domain.Hostname{"a.example", "b.example"}}}}...)
	want := []domain.Claim{
		{Scope: "company.domain", Key: "a.example", Pointer: "/domains/0"},
		{Scope: "company.domain", Key: "b.example", Pointer: "/domains/1"},
	}
	if diff := cmp.Diff(want, c.Claims()); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}
