package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Contact is a row of [Contacts].
type Contact struct {
	Row
	contact.Fields
}

// Contacts lists the contacts of a tenant.
var Contacts = table("contacts", contact.Aggregate,
	text("first_name", func(c *Contact) string { return c.FirstName }),
	text("last_name", func(c *Contact) string { return c.LastName }),
	value("email", query.Email, (*Contact).email), // the primary one
	texts("emails", query.Email, (*Contact).emails),
	texts("phones", query.Phone, (*Contact).phones),
	reference("company_id", "cmp", func(c *Contact) domain.ID { return c.CompanyID }),
	text("job_title", func(c *Contact) string { return c.JobTitle }),
	value("language", query.Language, func(c *Contact) domain.Language { return c.Language }),
	day("birth_date", func(c *Contact) domain.Date { return c.BirthDate }),
	enum("lifecycle", []contact.Lifecycle{contact.Subscriber, contact.Lead, contact.Opportunity, contact.Customer, contact.Former},
		func(c *Contact) contact.Lifecycle { return c.Lifecycle }),
	boolean("do_not_call", func(c *Contact) bool { return c.DoNotCall }),
	search(func(c *Contact) []string {
		return append(append(c.emails(), c.phones()...), c.FirstName, c.LastName, c.JobTitle)
	}),

	recorded[Contact, contact.Contact](
		func(c *Contact) *contact.Fields { return &c.Fields }, func(c *Contact) *record.Common { return &c.Common }),
	on(func(c *Contact, e Event[contact.Created]) { c.Fields = e.Data.Fields }),
	on(func(c *Contact, e Event[contact.CompanyLinked]) { c.CompanyID = e.Data.CompanyID }),
	on(func(c *Contact, _ Event[contact.CompanyUnlinked]) { c.CompanyID = domain.ID{} }),
	on(func(c *Contact, e Event[contact.LifecycleChanged]) { c.Lifecycle = e.Data.To }),
)

func (c *Contact) email() string {
	for _, e := range c.Emails {
		if e.Primary {
			return e.Address.Normalized()
		}
	}
	return ""
}

func (c *Contact) emails() (list []string) {
	for _, e := range c.Emails {
		list = append(list, e.Address.Normalized())
	}
	return list
}

func (c *Contact) phones() (list []string) {
	for _, p := range c.Phones {
		list = append(list, string(p.Number))
	}
	return list
}
