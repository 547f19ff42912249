package commands

import "github.com/rowhouse/rowhouse/domain/deal"

// Deals says who may do what with deals.
var Deals = records(deal.Aggregate, "Sales that are hoped for, worked on, and won or lost.",
	create[deal.Open](`{"name":"New roof","pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6","amount":{"amount":"1250.00","currency":"EUR"},"close_date":"2026-12-31","external_ids":{"hubspot":"501"}}`),
	updateExample[deal.Deal](`{"close_date":"2027-01-31","source":null}`),
	allow[deal.MoveStage]("move_stage", "deal:update", "Move a deal to another stage", `{"stage_key":"offer"}`),
	allow[deal.ChangePipeline]("change_pipeline", "deal:update", "Move a deal to another pipeline", `{"pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
	allow[deal.SetAmount]("set_amount", "deal:update", "Set the amount of a deal", `{"amount":{"amount":"1400.00","currency":"EUR"}}`),
	allow[deal.AddLineItem]("add_line_item", "deal:update", "Add a line item to a deal", `{"description":"Tiles, slate grey","qty":"120","unit_price":{"amount":"9.90","currency":"EUR"}}`),
	allow[deal.UpdateLineItem]("update_line_item", "deal:update", "Update a line item of a deal", `{"id":1,"description":"Tiles, slate grey","qty":"140","unit_price":{"amount":"9.50","currency":"EUR"}}`),
	allow[deal.RemoveLineItem]("remove_line_item", "deal:update", "Remove a line item from a deal", `{"id":1}`),
	allow[deal.AddContact]("add_contact", "deal:update", "Add a contact to a deal", `{"contact_id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6","label":"decision_maker"}`),
	allow[deal.RemoveContact]("remove_contact", "deal:update", "Remove a contact from a deal", `{"contact_id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
	allow[deal.Win]("win", "deal:close", "Close a deal as won", ""),
	allow[deal.Lose]("lose", "deal:close", "Close a deal as lost", `{"reason":"price"}`),
	allow[deal.Reopen]("reopen", "deal:close", "Reopen a deal", ""),
	system[deal.ReplaceStage]("deal:update"),
)
