package api

import (
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/projections"
)

func (s *Server) companies() *resource {
	return records(s, "Organizations that the tenant does business with.", commands.Companies, projections.Companies,
		create[company.Create](`{"name":"Analytical Engines Ltd","domains":["example.org"],"industry":"Manufacturing","employee_count":250}`),
		update[company.Update](`{"industry":"Computing","annual_revenue":{"amount":"1250000.00","currency":"GBP"}}`),
		deletes[company.Delete](),
		command[company.Restore]("restore", "Take it out of the bin", `{}`),
		command[company.RestoreVersion]("restore_version", "Take its fields back to what they were", `{"version":1}`),
		command[company.Purge]("purge", "Remove it for good", ""),
		command[company.AssignOwner]("assign_owner", "Make somebody responsible for it", `{"owner_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[company.AddTags]("add_tags", "Add tags", `{"tags":["vip"]}`),
		command[company.RemoveTags]("remove_tags", "Take tags away", `{"tags":["vip"]}`),
		command[company.SetParent]("set_parent", "Say which company it belongs to", `{"parent_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
	).matching(matches[company.Fields, company.Company]("domains", "external_ids"))
}
