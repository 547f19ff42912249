package api

import (
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/projections"
)

func (s *Server) deals() *resource {
	return records(s, "Sales that are hoped for, worked on, and won or lost.", commands.Deals, projections.Deals,
		create[deal.Open](`{"name":"New roof","pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6","amount":{"amount":"1250.00","currency":"EUR"},"close_date":"2026-12-31","external_ids":{"hubspot":"501"}}`),
		update[deal.Update](`{"close_date":"2027-01-31","source":null}`),
		deletes[deal.Delete](),
		command[deal.Restore]("restore", "Take it out of the bin", `{}`),
		command[deal.RestoreVersion]("restore_version", "Take its fields back to what they were", `{"version":1}`),
		command[deal.Purge]("purge", "Remove it for good", ""),
		command[deal.AssignOwner]("assign_owner", "Make somebody responsible for it", `{"owner_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[deal.AddTags]("add_tags", "Add tags", `{"tags":["vip"]}`),
		command[deal.RemoveTags]("remove_tags", "Take tags away", `{"tags":["vip"]}`),
		command[deal.MoveStage]("move_stage", "Move it to another stage", `{"stage_key":"offer"}`),
		command[deal.ChangePipeline]("change_pipeline", "Move it to another pipeline", `{"pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[deal.SetAmount]("set_amount", "Say what it is worth", `{"amount":{"amount":"1400.00","currency":"EUR"}}`),
		command[deal.AddLineItem]("add_line_item", "Add a line item", `{"description":"Tiles, slate grey","qty":"120","unit_price":{"amount":"9.90","currency":"EUR"}}`),
		command[deal.UpdateLineItem]("update_line_item", "Change a line item", `{"id":1,"description":"Tiles, slate grey","qty":"140","unit_price":{"amount":"9.50","currency":"EUR"}}`),
		command[deal.RemoveLineItem]("remove_line_item", "Remove a line item", `{"id":1}`),
		command[deal.AddContact]("add_contact", "Say who has to do with it", `{"contact_id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6","label":"decision_maker"}`),
		command[deal.RemoveContact]("remove_contact", "Say who has nothing to do with it any more", `{"contact_id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[deal.Win]("win", "Close it as won", ""),
		command[deal.Lose]("lose", "Close it as lost", `{"reason":"price"}`),
		command[deal.Reopen]("reopen", "Open it again", ""),
	).matching(matches[deal.Fields, deal.Deal]("external_ids"))
}
