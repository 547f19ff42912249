package api

import (
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/projections"
)

func (s *Server) contacts() *resource {
	return records(s, "People that the tenant does business with.", commands.Contacts, projections.Contacts,
		create[contact.Create](`{"first_name":"Ada","last_name":"Lovelace","emails":[{"address":"ada@example.org","kind":"work"}],"tags":["vip"]}`),
		update[contact.Update](`{"job_title":"Head of Analysis","tags":null}`),
		deletes[contact.Delete](),
		command[contact.Restore]("restore", "Take it out of the bin", `{}`),
		command[contact.RestoreVersion]("restore_version", "Take its fields back to what they were", `{"version":1}`),
		command[contact.Purge]("purge", "Remove it for good", ""),
		command[contact.AssignOwner]("assign_owner", "Make somebody responsible for it", `{"owner_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[contact.AddTags]("add_tags", "Add tags", `{"tags":["vip"]}`),
		command[contact.RemoveTags]("remove_tags", "Take tags away", `{"tags":["vip"]}`),
		command[contact.LinkCompany]("link_company", "Say which company it works for", `{"company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[contact.UnlinkCompany]("unlink_company", "Say that it works for no company any more", ""),
		command[contact.ChangeLifecycle]("change_lifecycle", "Say how far the relation has come", `{"lifecycle":"customer"}`),
	).matching(matches[contact.Fields, contact.Contact]("emails", "external_ids"))
}
