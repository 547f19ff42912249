package projections

import (
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Contact is a row of [Contacts].
type Contact struct {
	Row
	contact.Fields
}

// Contacts lists the contacts of a tenant.
var Contacts = records[Contact]("contacts", contact.Aggregate,
	of(value("email", query.Email, (*Contact).email), "emails"), // the primary one
	texts("emails", query.Email, (*Contact).emails),
	texts("phones", query.Phone, (*Contact).phones),
	searched("emails", (*Contact).emails),
	searched("phones", (*Contact).phones),
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
