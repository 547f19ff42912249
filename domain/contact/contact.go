// Package contact is about contacts: people that a tenant does business with.
package contact

import (
	"errors"
	"fmt"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes contacts. Its arguments, and those of [record.Describe],
// are all that can happen to one.
var Aggregate = record.Describe[Contact, Fields]("con",
	Created{}, CompanyLinked{}, CompanyUnlinked{}, LifecycleChanged{},
)

// Contact is what decisions about a contact depend on.
type Contact struct{ record.Base[Fields] }

// Event is a fact about a contact.
type Event = domain.Event[Contact]

// What can be asked of a contact like of any record, and what follows from it.
type (
	Update         = record.Update[Contact, Fields, *Contact]
	AssignOwner    = record.AssignOwner[Contact, Fields, *Contact]
	AddTags        = record.AddTags[Contact, Fields, *Contact]
	RemoveTags     = record.RemoveTags[Contact, Fields, *Contact]
	Delete         = record.Delete[Contact, Fields, *Contact]
	Restore        = record.RestoreDuplicate[Contact, Fields, *Contact]
	RestoreVersion = record.RestoreVersion[Contact, Fields, *Contact]
	Purge          = record.Purge[Contact, Fields, *Contact]

	Created       = record.Created[Contact, Fields, *Contact]
	Updated       = record.Updated[Contact, Fields, *Contact]
	OwnerAssigned = record.OwnerAssigned[Contact, Fields, *Contact]
	TagsChanged   = record.TagsChanged[Contact, Fields, *Contact]
	Deleted       = record.Deleted[Contact, Fields, *Contact]
	Restored      = record.Restored[Contact, Fields, *Contact]
	Purged        = record.Purged[Contact, Fields, *Contact]
)

// Fields is what is known about a contact.
type Fields struct {
	FirstName string           `json:"first_name,omitzero" class:"personal" of:"self" search:"true" maxLength:"100" example:"Ada"`
	LastName  string           `json:"last_name,omitzero" class:"personal" of:"self" search:"true" maxLength:"100" example:"Lovelace"`
	Emails    []EmailAddress   `json:"emails,omitzero" class:"personal" of:"self" maxItems:"20" doc:"E-mail addresses. If none of them is marked as primary, the first one is. No two contacts have the same, whatever its case, unless it is allowed when it is given."`
	Phones    []PhoneNumber    `json:"phones,omitzero" class:"personal" of:"self" maxItems:"20" doc:"Telephone numbers. If none of them is marked as primary, the first one is."`
	Addresses []domain.Address `json:"addresses,omitzero" class:"personal" of:"self" maxItems:"10"`
	CompanyID domain.ID        `json:"company_id,omitzero" prefix:"cmp" doc:"The company that the contact works for" example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	JobTitle  string           `json:"job_title,omitzero" class:"personal" of:"self" search:"true" maxLength:"200" example:"Head of Analysis"`
	Language  domain.Language  `json:"language,omitzero" class:"personal" of:"self" maxLength:"35" doc:"BCP 47" example:"en-GB"`
	BirthDate domain.Date      `json:"birth_date,omitzero" class:"personal" of:"self" format:"date" example:"1985-12-10"`
	Lifecycle Lifecycle        `json:"lifecycle,omitzero" class:"internal" enum:"subscriber,lead,opportunity,customer,former" doc:"How far the relation has come"`
	DoNotCall bool             `json:"do_not_call" required:"false" doc:"The contact has asked not to be called"`
	record.Common
}

// EmailAddress is an e-mail address of a contact.
type EmailAddress struct {
	Address domain.Email `json:"address" format:"email" maxLength:"254" example:"ada@example.org"`
	Kind    string       `json:"kind,omitzero" enum:"work,home,other"`
	Primary bool         `json:"primary" required:"false" doc:"The address to write to"`
}

// PhoneNumber is a telephone number of a contact.
type PhoneNumber struct {
	Number  domain.Phone `json:"number" maxLength:"40" doc:"With its country code. It is stored in the form of E.164, by the numbering plan of its country." example:"+4930123456"`
	Kind    string       `json:"kind,omitzero" enum:"work,home,mobile,fax,other"`
	Primary bool         `json:"primary" required:"false" doc:"The number to call"`
}

// SameItem implements [record.Item].
func (e EmailAddress) SameItem(other any) bool {
	o, ok := other.(EmailAddress)
	return ok && e.Address.Normalized() == o.Address.Normalized()
}

// SameItem implements [record.Item].
func (p PhoneNumber) SameItem(other any) bool {
	o, ok := other.(PhoneNumber)
	return ok && p.Number == o.Number
}

// Lifecycle says how far the relation with a contact has come.
type Lifecycle string

// The stages of a relation. A contact need not be in any.
const (
	Subscriber  Lifecycle = "subscriber"
	Lead        Lifecycle = "lead"
	Opportunity Lifecycle = "opportunity"
	Customer    Lifecycle = "customer"
	Former      Lifecycle = "former"
)

// KindName implements [record.Fields].
func (Fields) KindName() string { return "contact" }

// Normal makes the first e-mail address and the first number the primary ones,
// if none is.
func (f Fields) Normal() Fields {
	f.Emails = withPrimary(f.Emails, func(e *EmailAddress) *bool { return &e.Primary })
	f.Phones = withPrimary(f.Phones, func(p *PhoneNumber) *bool { return &p.Primary })
	return f
}

// withPrimary returns a list of which at least one is primary.
func withPrimary[T any](list []T, primary func(*T) *bool) []T {
	for i := range list {
		if *primary(&list[i]) {
			return list
		}
	}
	if len(list) == 0 {
		return nil
	}
	list = append([]T(nil), list...)
	*primary(&list[0]) = true
	return list
}

// Check asks for something to know the contact by, and for one primary address.
func (f Fields) Check() error {
	errs := []error{domain.Check(domain.Visible(f.FirstName+f.LastName) || len(f.Emails) > 0 || len(f.Phones) > 0,
		"/last_name", "required", "or a first name, an e-mail address or a telephone number is required")}
	seen, primary := map[string]bool{}, 0
	for i, e := range f.Emails {
		at := fmt.Sprintf("/emails/%d", i)
		errs = append(errs, domain.Check(!seen[e.Address.Normalized()], at+"/address", "duplicate_item", "is given twice"))
		seen[e.Address.Normalized()] = true
		if e.Primary {
			primary++
			errs = append(errs, domain.Check(primary == 1, at+"/primary", "not_unique", "only one address can be primary"))
		}
	}
	primary = 0
	for i, p := range f.Phones {
		if p.Primary {
			primary++
			errs = append(errs, domain.Check(primary == 1, fmt.Sprintf("/phones/%d/primary", i), "not_unique", "only one number can be primary"))
		}
	}
	return errors.Join(errs...)
}

// Claims keeps e-mail addresses to one contact each, unless it was allowed
// otherwise when they were given.
func (f Fields) Claims() []domain.Claim {
	claims := make([]domain.Claim, 0, len(f.Emails))
	for i, e := range f.Emails {
		claims = append(claims, domain.Keyed("contact.email", fmt.Sprintf("/emails/%d/address", i), e.Address.Normalized(), e.Address.Legacy())...)
	}
	for i := range claims {
		claims[i].Optional = true
	}
	return claims
}

// Form implements [record.Form].
func (Fields) Form() any { return Create{} }

// Own implements [record.Kind].
func (*Contact) Own() record.Own[Contact, Fields] {
	return record.Own[Contact, Fields]{
		"company_id": companyChanged,
		"lifecycle":  func(from, to Fields) Event { return LifecycleChanged{from.Lifecycle, to.Lifecycle} },
	}
}

func companyChanged(from, to Fields) Event {
	if to.CompanyID.IsZero() {
		return CompanyUnlinked{from.CompanyID}
	}
	return CompanyLinked{CompanyID: to.CompanyID, From: from.CompanyID}
}

// Create makes a contact.
type Create struct {
	Fields

	Duplicate bool `json:"allow_duplicate,omitzero" doc:"Go ahead although another contact has one of the e-mail addresses"`
}

// AllowDuplicate implements [domain.Lenient].
func (c Create) AllowDuplicate() bool { return c.Duplicate }

// References implements [domain.Referrer].
func (c Create) References(s Contact, o domain.Origin) []domain.Ref { return s.Needs(c.Fields, o) }

// Decide makes a contact that is not there yet.
func (c Create) Decide(s Contact, o domain.Origin) ([]Event, error) {
	return record.Make(&s, o, c.Fields)
}

// LinkCompany says which company a contact works for.
type LinkCompany struct {
	CompanyID domain.ID `json:"company_id" prefix:"cmp" example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// CompanyLinked says that a contact works for a company, and for which one
// before.
type CompanyLinked struct {
	CompanyID domain.ID `json:"company_id"`
	From      domain.ID `json:"from,omitzero"`
}

func (c LinkCompany) to(s Contact) Fields {
	s.Fields.CompanyID = c.CompanyID
	return s.Fields
}

// Touches implements [domain.Toucher].
func (LinkCompany) Touches() []string { return []string{"company_id"} }

// References implements [domain.Referrer].
func (c LinkCompany) References(s Contact, o domain.Origin) []domain.Ref {
	return record.References(&s, o, c.to(s))
}

// Decide links a contact to another company than the one it is linked to.
func (c LinkCompany) Decide(s Contact, o domain.Origin) ([]Event, error) {
	return record.Modify(&s, o, c.to(s))
}

func (CompanyLinked) EventType() string  { return "contact.company_linked" }
func (e CompanyLinked) Apply(s *Contact) { e.Set(&s.Fields) }

// Set changes the fields accordingly.
func (e CompanyLinked) Set(f *Fields) { f.CompanyID = e.CompanyID }

// Touches implements [domain.Toucher].
func (CompanyLinked) Touches() []string { return []string{"company_id"} }

// UnlinkCompany says that a contact works for no company any more.
type UnlinkCompany struct{}

// CompanyUnlinked says that a contact does not work for a company any more.
type CompanyUnlinked struct {
	CompanyID domain.ID `json:"company_id"`
}

// Touches implements [domain.Toucher].
func (UnlinkCompany) Touches() []string { return []string{"company_id"} }

// Decide unlinks a contact that is linked.
func (UnlinkCompany) Decide(s Contact, o domain.Origin) ([]Event, error) {
	to := s.Fields
	to.CompanyID = domain.ID{}
	return record.Modify(&s, o, to)
}

func (CompanyUnlinked) EventType() string  { return "contact.company_unlinked" }
func (e CompanyUnlinked) Apply(s *Contact) { e.Set(&s.Fields) }

// Set changes the fields accordingly.
func (CompanyUnlinked) Set(f *Fields) { f.CompanyID = domain.ID{} }

// Touches implements [domain.Toucher].
func (CompanyUnlinked) Touches() []string { return []string{"company_id"} }

// ChangeLifecycle says how far the relation has come.
type ChangeLifecycle struct {
	Lifecycle Lifecycle `json:"lifecycle" enum:"subscriber,lead,opportunity,customer,former"`
}

// LifecycleChanged says how far the relation had come, and how far it has come.
type LifecycleChanged struct {
	From Lifecycle `json:"from,omitzero" class:"internal"`
	To   Lifecycle `json:"to,omitzero" class:"internal"`
}

// Touches implements [domain.Toucher].
func (ChangeLifecycle) Touches() []string { return []string{"lifecycle"} }

// Decide moves the relation to where it is not yet.
func (c ChangeLifecycle) Decide(s Contact, o domain.Origin) ([]Event, error) {
	to := s.Fields
	to.Lifecycle = c.Lifecycle
	return record.Modify(&s, o, to)
}

func (LifecycleChanged) EventType() string  { return "contact.lifecycle_changed" }
func (e LifecycleChanged) Apply(s *Contact) { e.Set(&s.Fields) }

// Set changes the fields accordingly.
func (e LifecycleChanged) Set(f *Fields) { f.Lifecycle = e.To }

// Touches implements [domain.Toucher].
func (LifecycleChanged) Touches() []string { return []string{"lifecycle"} }
