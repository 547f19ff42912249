package commands

import "github.com/rowhouse/rowhouse/domain/contact"

// Contacts says who may do what with contacts.
var Contacts = records(contact.Aggregate, "People that the tenant does business with.",
	create[contact.Create](`{"first_name":"Ada","last_name":"Lovelace","emails":[{"address":"ada@example.org","kind":"work"}],"tags":["vip"]}`),
	updateExample[contact.Contact](`{"job_title":"Head of Analysis","tags":null}`),
	findBy[contact.Contact]("emails"),
	allow[contact.LinkCompany]("link_company", "contact:update", "Link a contact to a company", `{"company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
	allow[contact.UnlinkCompany]("unlink_company", "contact:update", "Unlink a contact from its company", ""),
	allow[contact.ChangeLifecycle]("change_lifecycle", "contact:update", "Change the lifecycle of a contact", `{"lifecycle":"customer"}`),
)
