// Package company is about companies: organizations that a tenant does business
// with, and how they belong together.
package company

import (
	"errors"
	"fmt"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes companies. Its arguments, and those of [record.Describe],
// are all that can happen to one.
var Aggregate = record.Describe[Company, Fields]("cmp", Created{}, ParentSet{})

// Company is what decisions about a company depend on.
type Company struct{ record.Base[Fields] }

// Event is a fact about a company.
type Event = domain.Event[Company]

// What can be asked of a company like of any record, and what follows from it.
type (
	Update         = record.Update[Company, Fields, *Company]
	AssignOwner    = record.AssignOwner[Company, Fields, *Company]
	AddTags        = record.AddTags[Company, Fields, *Company]
	RemoveTags     = record.RemoveTags[Company, Fields, *Company]
	Delete         = record.Delete[Company, Fields, *Company]
	Restore        = record.Restore[Company, Fields, *Company]
	RestoreVersion = record.RestoreVersion[Company, Fields, *Company]
	Purge          = record.Purge[Company, Fields, *Company]

	Created       = record.Created[Company, Fields, *Company]
	Updated       = record.Updated[Company, Fields, *Company]
	OwnerAssigned = record.OwnerAssigned[Company, Fields, *Company]
	TagsChanged   = record.TagsChanged[Company, Fields, *Company]
	Deleted       = record.Deleted[Company, Fields, *Company]
	Restored      = record.Restored[Company, Fields, *Company]
	Purged        = record.Purged[Company, Fields, *Company]
)

// Fields is what is known about a company.
type Fields struct {
	Name          string            `json:"name" class:"internal" search:"true" minLength:"1" maxLength:"300" example:"Analytical Engines Ltd"`
	Domains       []domain.Hostname `json:"domains,omitzero" class:"internal" maxItems:"20" maxLength:"253" doc:"Its names on the internet, in letters or in ASCII (xn--), which is the same. No two companies have the same." example:"[\"example.org\"]"`
	Industry      string            `json:"industry,omitzero" class:"internal" search:"true" maxLength:"100" example:"Manufacturing"`
	EmployeeCount *int              `json:"employee_count,omitzero" minimum:"0" maximum:"100000000" example:"250"`
	AnnualRevenue domain.Money      `json:"annual_revenue,omitzero"`
	Phone         domain.Phone      `json:"phone,omitzero" class:"personal" of:"self" search:"true" maxLength:"40" doc:"With its country code. It is stored in the form of E.164, by the numbering plan of its country." example:"+4930123456"`
	Addresses     []domain.Address  `json:"addresses,omitzero" class:"personal" of:"self" maxItems:"10"`
	ParentID      domain.ID         `json:"parent_id,omitzero" prefix:"cmp" doc:"The company that it belongs to" example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Kind          Kind              `json:"kind,omitzero" class:"internal" enum:"prospect,customer,partner,vendor,other" doc:"What it is to the tenant"`
	record.Common
}

// Kind says what a company is to the tenant.
type Kind string

// The kinds of companies.
const (
	Prospect Kind = "prospect"
	Customer Kind = "customer"
	Partner  Kind = "partner"
	Vendor   Kind = "vendor"
	Other    Kind = "other"
)

// KindName implements [record.Fields].
func (Fields) KindName() string { return "company" }

// Check implements [record.Fields].
func (f Fields) Check() error {
	seen := map[string]bool{}
	var errs []error
	for i, d := range f.Domains {
		errs = append(errs, domain.Check(!seen[d.Normalized()], fmt.Sprintf("/domains/%d", i), "duplicate_item", "is given twice"))
		seen[d.Normalized()] = true
	}
	errs = append(errs, domain.Check(f.AnnualRevenue.Units() >= 0, "/annual_revenue/amount", "too_small", "must not be less than 0"))
	return errors.Join(errs...)
}

// Claims keeps domains to one company each.
func (f Fields) Claims() []domain.Claim {
	claims := make([]domain.Claim, 0, len(f.Domains))
	for i, d := range f.Domains {
		claims = append(claims, domain.Keyed("company.domain", fmt.Sprintf("/domains/%d", i), d.Normalized(), string(d))...)
	}
	return claims
}

// Own implements [record.Kind].
func (*Company) Own() record.Own[Company, Fields] {
	return record.Own[Company, Fields]{
		"parent_id": func(from, to Fields) Event { return ParentSet{from.ParentID, to.ParentID} },
	}
}

// maxDepth is how many companies one below the other there can be: a company,
// its parent, and so on.
const maxDepth = 10

// Needs asks for a new parent, then for its parent, and so on to the top, or to
// the company itself, or to more than there can be. The log checks that none of
// them has changed when the outcome is recorded, so two changes at the same time
// cannot make a circle that neither of them sees. Deleted ancestors are passed
// through, because they may be restored.
//
// What is below the company is not looked at: moving a company that has others
// below it can make a chain longer than maxDepth, but no circle.
func (c *Company) Needs(to Fields, o domain.Origin) []domain.Ref {
	refs := c.Base.Needs(to, o)
	if to.ParentID == c.Fields.ParentID {
		return refs
	}
	for range maxDepth {
		above, err := ancestor(o, to.ParentID)
		if err != nil || above.Fields.ParentID.IsZero() || above.Fields.ParentID == o.Self {
			break
		}
		to = above.Fields
		refs = append(refs, through(to.ParentID))
	}
	return refs
}

// Guard refuses a parent that the company is above of, and too long a chain.
func (c *Company) Guard(_ any, to Fields, o domain.Origin) error {
	if to.ParentID == c.Fields.ParentID {
		return nil
	}
	depth := 1
	for id := to.ParentID; !id.IsZero(); depth++ {
		if id == o.Self {
			return domain.Check(false, "/parent_id", "circular", "is the company itself, or one below it")
		}
		if depth == maxDepth {
			return domain.Check(false, "/parent_id", "too_deep", fmt.Sprintf("must not make a chain of more than %d companies", maxDepth))
		}
		above, err := ancestor(o, id)
		if err != nil {
			return err
		}
		id = above.Fields.ParentID
	}
	return nil
}

// ancestor returns a company that was asked for: as a parent, or as one further
// up.
func ancestor(o domain.Origin, id domain.ID) (*Company, error) {
	parent := domain.Ref{ID: id, Pointer: "/parent_id"} // as the mould asks for it
	if c, err := domain.Find[*Company](o, parent); err == nil {
		return c, nil
	}
	return domain.Find[*Company](o, through(id))
}

// through refers to a company further up.
func through(id domain.ID) domain.Ref {
	return domain.Ref{Kind: "company", ID: id, Pointer: "/parent_id", Dead: true}
}

// Create makes a company.
type Create struct{ Fields }

// References implements [domain.Referrer].
func (c Create) References(s Company, o domain.Origin) []domain.Ref { return s.Needs(c.Fields, o) }

// Decide makes a company that is not there yet.
func (c Create) Decide(s Company, o domain.Origin) ([]Event, error) {
	return record.Make(&s, o, c.Fields)
}

// SetParent says which company a company belongs to, if any.
type SetParent struct {
	ParentID domain.ID `json:"parent_id,omitzero" prefix:"cmp" doc:"The company that it belongs to. None, if left out." example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// ParentSet says which company a company belonged to, and which it belongs to.
type ParentSet struct {
	From domain.ID `json:"from,omitzero"`
	To   domain.ID `json:"to,omitzero"`
}

func (c SetParent) to(s Company) Fields {
	s.Fields.ParentID = c.ParentID
	return s.Fields
}

// Touches implements [domain.Toucher].
func (SetParent) Touches() []string { return []string{"parent_id"} }

// References implements [domain.Referrer].
func (c SetParent) References(s Company, o domain.Origin) []domain.Ref {
	return record.References(&s, o, c.to(s))
}

// Decide sets another parent than the company has.
func (c SetParent) Decide(s Company, o domain.Origin) ([]Event, error) {
	return record.Modify(&s, o, c.to(s))
}

func (ParentSet) EventType() string  { return "company.parent_set" }
func (e ParentSet) Apply(s *Company) { e.Set(&s.Fields) }

// Set changes the fields accordingly.
func (e ParentSet) Set(f *Fields) { f.ParentID = e.To }

// Touches implements [domain.Toucher].
func (ParentSet) Touches() []string { return []string{"parent_id"} }
