package commands

import "github.com/rowhouse/rowhouse/domain/company"

// Companies says who may do what with companies.
var Companies = records(company.Aggregate, "Organizations that the tenant does business with.",
	create[company.Create](`{"name":"Analytical Engines Ltd","domains":["example.org"],"industry":"Manufacturing","employee_count":250}`),
	updateExample[company.Company](`{"industry":"Computing","annual_revenue":{"amount":"1250000.00","currency":"GBP"}}`),
	findBy[company.Company]("domains"),
	allow[company.SetParent]("set_parent", "company:update", "Set the parent of a company", `{"parent_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
)
