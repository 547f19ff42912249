package commands

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/lead"
	"github.com/rowhouse/rowhouse/domain/record"
)

// ConvertLead makes of a lead a contact, perhaps a company, and perhaps a deal. What
// new records have comes from the lead, but for what is given here. See [Draft].
type ConvertLead struct{ Draft[conversion] }

// conversion is what a lead is converted to. What is nil is not made.
type conversion struct {
	ContactID domain.ID       `json:"contact_id,omitzero" prefix:"con" doc:"The contact that the person is already. A new one is made, if left out." example:"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Contact   *contact.Create `json:"contact,omitempty" doc:"What the new contact has. What is left out is taken from the lead: name, e-mail address, telephone number, owner and tags. Null keeps a member empty."`
	CompanyID domain.ID       `json:"company_id,omitzero" prefix:"cmp" doc:"The company that there is already. If left out, that of the contact; if it has none, a new one is made when the lead has the name of one." example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Company   *company.Create `json:"company,omitempty" doc:"What the new company has. What is left out is taken from the lead: name and owner. Null for no company."`
	Deal      *deal.Open      `json:"deal,omitempty" doc:"What the new deal has: at least a pipeline. What is left out is taken from the lead: name, source and owner. No deal is made, if left out."`
}

// References implements [domain.Referrer].
func (c ConvertLead) References(l lead.Lead, _ domain.Origin) []domain.Ref {
	to, err := c.Over(conversion{})
	if err != nil || l.MayConvert() != nil {
		return nil // which is said later
	}
	var refs []domain.Ref
	if to.ContactID.Prefix == contact.Aggregate.Prefix() {
		refs = append(refs, existingContact(to.ContactID))
	}
	if to.CompanyID.Prefix == company.Aggregate.Prefix() {
		refs = append(refs, domain.Ref{Kind: "company", ID: to.CompanyID, Pointer: "/company_id"})
	}
	return refs
}

func existingContact(id domain.ID) domain.Ref {
	return domain.Ref{Kind: "contact", ID: id, Pointer: "/contact_id"}
}

// Touches implements [domain.Toucher].
func (ConvertLead) Touches() []string { return []string{"status", "conversion"} }

// Reads implements [Reader].
func (ConvertLead) Reads(kind string) []string {
	switch kind {
	case "lead":
		return []string{"name", "email", "phone", "company_name", "source", "owner_id", "tags"}
	case "contact":
		return []string{"first_name", "last_name", "emails", "phones", "company_id"}
	}
	return nil
}

// convertLead is the plan of [ConvertLead].
func convertLead(c ConvertLead, l lead.Lead, o domain.Origin, ids *IDs) ([]Step, error) {
	if err := l.MayConvert(); err != nil {
		return nil, err
	}
	to, err := c.over(l)
	if err != nil {
		return nil, err
	}
	became := lead.Conversion{ContactID: to.ContactID, CompanyID: to.CompanyID}
	var known *contact.Contact
	var works domain.ID // for which company the contact works already
	if to.ContactID.IsZero() {
		works = to.Contact.CompanyID
	} else {
		if known, err = domain.Find[*contact.Contact](o, existingContact(to.ContactID)); err != nil {
			return nil, err
		}
		works = known.Fields.CompanyID
	}
	if _, said := c.Given("company"); !said {
		became.CompanyID = cmp.Or(became.CompanyID, works)
	}
	var steps []Step
	if became.CompanyID.IsZero() && to.Company != nil {
		became.CompanyID = ids.New(company.Aggregate)
		steps = append(steps, Give(became.CompanyID, *to.Company, "/company"))
	}
	if known == nil {
		became.ContactID = ids.New(contact.Aggregate)
		to.Contact.CompanyID = cmp.Or(to.Contact.CompanyID, became.CompanyID)
		steps = append(steps, Give(became.ContactID, *to.Contact, "/contact"))
	} else if update, ok := missing(known, l, became.CompanyID); ok {
		steps = append(steps, Give(became.ContactID, update, "/contact_id"))
	}
	if to.Deal != nil {
		became.DealID = ids.New(deal.Aggregate)
		to.Deal.CompanyID = cmp.Or(to.Deal.CompanyID, became.CompanyID)
		to.Deal.PrimaryContactID = cmp.Or(to.Deal.PrimaryContactID, became.ContactID)
		steps = append(steps, Give(became.DealID, *to.Deal, "/deal"))
	}
	return append(steps, Give(o.Self, lead.Conclude{Conversion: became}, "")), nil
}

// over returns what a lead is converted to: what follows from the lead, with what is
// given in its place.
func (c ConvertLead) over(l lead.Lead) (conversion, error) {
	var from conversion
	own := record.Common{OwnerID: l.Fields.OwnerID}
	from.Contact = newContact(l)
	if _, said := c.Given("company"); said || l.Fields.CompanyName != "" {
		from.Company = &company.Create{Fields: company.Fields{Name: l.Fields.CompanyName, Kind: company.Prospect, Common: own}}
	}
	if _, said := c.Given("deal"); said {
		name := cmp.Or(l.Fields.CompanyName, l.Fields.Name, string(l.Fields.Email), string(l.Fields.Phone))
		from.Deal = &deal.Open{Fields: deal.Fields{Name: name, Source: l.Fields.Source, Common: own}}
		from.Contact.Lifecycle = contact.Opportunity
	}
	to, err := c.Over(from)
	if err != nil {
		return to, err
	}
	wrong := []error{domain.Check(to.Contact != nil || !to.ContactID.IsZero(), "/contact", "required", "is required: a lead becomes a contact, a new one or that of contact_id")}
	if !to.ContactID.IsZero() {
		to.Contact = nil
		wrong = append(wrong, c.notBoth("contact"))
	}
	if !to.CompanyID.IsZero() {
		to.Company = nil
		wrong = append(wrong, c.notBoth("company"))
	}
	return to, errors.Join(append(wrong, domain.CheckShape(to))...)
}

// notBoth refuses what a new record shall have if there is none.
func (c ConvertLead) notBoth(member string) error {
	value, _ := c.Given(member)
	return domain.Check(value == nil || string(value) == "null", "/"+member, "not_applicable", "is for a new record, and "+member+"_id names one that is there")
}

// newContact returns the contact that a lead becomes.
func newContact(l lead.Lead) *contact.Create {
	f := contact.Fields{Common: record.Common{OwnerID: l.Fields.OwnerID, Tags: slices.Clone(l.Fields.Tags)}}
	f.FirstName, f.LastName = personName(l.Fields.Name)
	f.Emails, f.Phones = emailOf(l), phoneOf(l)
	return &contact.Create{Fields: f}
}

func emailOf(l lead.Lead) (list []contact.EmailAddress) {
	if l.Fields.Email != "" {
		list = append(list, contact.EmailAddress{Address: l.Fields.Email, Primary: true})
	}
	return list
}

func phoneOf(l lead.Lead) (list []contact.PhoneNumber) {
	if l.Fields.Phone != "" {
		list = append(list, contact.PhoneNumber{Number: l.Fields.Phone, Primary: true})
	}
	return list
}

// personName divides a name into what comes first and the rest, which most names
// have last: "Ludwig van Beethoven". With a comma, the last name comes first. One
// word is a first name.
func personName(name string) (first, last string) {
	if last, first, ok := strings.Cut(name, ","); ok {
		return domain.Trim(first), domain.Trim(last)
	}
	first, last, _ = strings.Cut(domain.Trim(name), " ")
	return first, domain.Trim(last)
}

// missing returns the update by which a contact gets what it has not and the lead
// has, or false if there is no such thing. What the contact has stays.
func missing(known *contact.Contact, l lead.Lead, companyID domain.ID) (contact.Update, bool) {
	has, gets := known.Fields, map[string]any{}
	if first, last := personName(l.Fields.Name); has.FirstName+has.LastName == "" && l.Fields.Name != "" {
		gets["first_name"], gets["last_name"] = first, last
	}
	if len(has.Emails) == 0 && l.Fields.Email != "" {
		gets["emails"] = emailOf(l)
	}
	if len(has.Phones) == 0 && l.Fields.Phone != "" {
		gets["phones"] = phoneOf(l)
	}
	if has.CompanyID.IsZero() && !companyID.IsZero() {
		gets["company_id"] = companyID
	}
	return contact.Update{Patch: patchOf(gets)}, len(gets) > 0
}
