package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/deal"
)

// Deal is a row of [Deals].
type Deal struct {
	Row
	deal.Fields
	deal.Progress
}

// Deals lists the deals of a tenant.
var Deals = records[Deal]("deals", deal.Aggregate,
	of(required(number("probability", (*Deal).probability)), "probability", "stage_probability"),
	of(references("contact_ids", "con", (*Deal).contactIDs), "primary_contact_id", "contacts"),
)

// probability is that of the deal, and otherwise that of its stage.
func (d *Deal) probability() *int {
	if d.Probability != nil {
		return d.Probability
	}
	return &d.StageProbability
}

func (d *Deal) contactIDs() (ids []domain.ID) {
	if !d.PrimaryContactID.IsZero() {
		ids = append(ids, d.PrimaryContactID)
	}
	for _, c := range d.Contacts {
		if c.ContactID != d.PrimaryContactID {
			ids = append(ids, c.ContactID)
		}
	}
	return ids
}
