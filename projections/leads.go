package projections

import "github.com/rowhouse/rowhouse/domain/lead"

// Lead is a row of [Leads].
type Lead struct {
	Row
	lead.Fields
	lead.Progress
}

// Leads lists the leads of a tenant.
var Leads = records[Lead]("leads", lead.Aggregate)
