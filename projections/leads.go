package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/lead"
)

// Lead is a row of [Leads].
type Lead struct {
	Row
	lead.Fields
	lead.Progress
}

// Leads lists the leads of a tenant.
var Leads = records[Lead]("leads", lead.Aggregate,
	reference("conversion.contact_id", "con", func(l *Lead) domain.ID { return l.Conversion.ContactID }),
	reference("conversion.company_id", "cmp", func(l *Lead) domain.ID { return l.Conversion.CompanyID }),
	reference("conversion.deal_id", "deal", func(l *Lead) domain.ID { return l.Conversion.DealID }),
)
