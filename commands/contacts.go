package commands

import "github.com/rowhouse/rowhouse/domain/contact"

// Contacts says who may do what with contacts.
var Contacts = policy(contact.Aggregate,
	refers[contact.Contact](Companies),
	allow(contact.Create{}, "contact:create"),
	allow(contact.Update{}, "contact:update"),
	allow(contact.AssignOwner{}, "contact:assign"),
	allow(contact.AddTags{}, "contact:update"),
	allow(contact.RemoveTags{}, "contact:update"),
	allow(contact.Delete{}, "contact:delete"),
	allow(contact.Restore{}, "contact:delete"),
	allow(contact.RestoreVersion{}, "contact:update"),
	allow(contact.Purge{}, "contact:purge"),
	allow(contact.LinkCompany{}, "contact:update"),
	allow(contact.UnlinkCompany{}, "contact:update"),
	allow(contact.ChangeLifecycle{}, "contact:update"),
)
