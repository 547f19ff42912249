package commands

import "github.com/rowhouse/rowhouse/domain/lead"

// Leads says who may do what with leads.
var Leads = records(lead.Aggregate, "People who may become customers, and of whom little is known yet.",
	create[lead.Capture](`{"name":"Ada Lovelace","company_name":"Analytical Engines Ltd","email":"ada@example.org","source":"website","utm":{"campaign":"spring"}}`),
	updateExample[lead.Lead](`{"phone":"+442071838750"}`),
	allow[lead.ChangeStatus]("change_status", "lead:update", "Change the status of a lead", `{"status":"working"}`),
	allow[lead.Score]("score", "lead:update", "Score a lead", `{"score":70}`),
	allow[lead.Disqualify]("disqualify", "lead:update", "Disqualify a lead", `{"reason":"no budget"}`),
	allow[lead.Reopen]("reopen", "lead:update", "Reopen a lead", ""),
	plan("convert", "lead:convert", "Convert a lead to a contact, and perhaps a company and a deal", `{"company":{"industry":"Manufacturing"},"deal":{"pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6","amount":{"amount":"1250.00","currency":"EUR"}}}`, convertLead),
	system[lead.Conclude]("lead:convert"),
)
