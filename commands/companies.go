package commands

import "github.com/rowhouse/rowhouse/domain/company"

// Companies says who may do what with companies.
var Companies = policy(company.Aggregate,
	allow(company.Create{}, "company:create"),
	allow(company.Update{}, "company:update"),
	allow(company.AssignOwner{}, "company:assign"),
	allow(company.AddTags{}, "company:update"),
	allow(company.RemoveTags{}, "company:update"),
	allow(company.Delete{}, "company:delete"),
	allow(company.Restore{}, "company:delete"),
	allow(company.RestoreVersion{}, "company:update"),
	allow(company.Purge{}, "company:purge"),
	allow(company.SetParent{}, "company:update"),
)
