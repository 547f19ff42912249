package projections

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Deal is a row of [Deals].
type Deal struct {
	Row
	deal.Fields

	PipelineID       domain.ID       `json:"pipeline_id"`
	StageKey         string          `json:"stage_key" doc:"The stage that it is in, or was in when it was closed"`
	StageSince       time.Time       `json:"stage_since" doc:"When it entered the stage"`
	StageProbability int             `json:"stage_probability" doc:"The chance of winning, in percent, that goes with the stage"`
	Status           deal.Status     `json:"status" enum:"open,won,lost"`
	ClosedAt         *time.Time      `json:"closed_at,omitzero" doc:"When it was won or lost"`
	LostReason       string          `json:"lost_reason,omitzero"`
	LineItems        []deal.LineItem `json:"line_items"`
	Contacts         []deal.Link     `json:"contacts"`
}

// Deals lists the deals of a tenant.
var Deals = table("deals", deal.Aggregate,
	required(text("name", func(d *Deal) string { return d.Name })),
	required(enum("status", []deal.Status{deal.StatusOpen, deal.StatusWon, deal.StatusLost}, func(d *Deal) deal.Status { return d.Status })),
	required(reference("pipeline_id", "pip", func(d *Deal) domain.ID { return d.PipelineID })),
	required(text("stage_key", func(d *Deal) string { return d.StageKey })),
	required(moment("stage_since", func(d *Deal) *time.Time { return &d.StageSince })),
	money("amount", func(d *Deal) domain.Money { return d.Amount }),
	required(number("probability", (*Deal).probability)),
	day("close_date", func(d *Deal) domain.Date { return d.CloseDate }),
	moment("closed_at", func(d *Deal) *time.Time { return d.ClosedAt }),
	long("lost_reason", query.Lines, func(d *Deal) string { return d.LostReason }),
	reference("company_id", "cmp", func(d *Deal) domain.ID { return d.CompanyID }),
	reference("primary_contact_id", "con", func(d *Deal) domain.ID { return d.PrimaryContactID }),
	references("contact_ids", "con", (*Deal).contactIDs), // with the primary one
	text("source", func(d *Deal) string { return d.Source }),
	search(func(d *Deal) []string { return []string{d.Name, d.Source} }),

	recorded[Deal, deal.Deal](func(d *Deal) *deal.Fields { return &d.Fields }, func(d *Deal) *record.Common { return &d.Common }),
	on(func(d *Deal, e Event[deal.Opened]) {
		d.Fields, d.PipelineID, d.Status = e.Data.Fields, e.Data.PipelineID, deal.StatusOpen
		d.LineItems, d.Contacts = []deal.LineItem{}, []deal.Link{}
		d.enter(e.Data.StageKey, e.Data.Probability, e.Data.At)
	}),
	on(func(d *Deal, e Event[deal.StageChanged]) { d.enter(e.Data.To, e.Data.Probability, e.Data.At) }),
	on(func(d *Deal, e Event[deal.PipelineChanged]) {
		d.PipelineID = e.Data.To
		d.enter(e.Data.ToStage, e.Data.Probability, e.Data.At)
	}),
	on(func(d *Deal, e Event[deal.StageReplaced]) {
		d.StageKey, d.StageProbability = e.Data.To, e.Data.Probability
	}),
	on(func(d *Deal, e Event[deal.AmountChanged]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.LineItemAdded]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.LineItemUpdated]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.LineItemRemoved]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.ContactAdded]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.ContactRemoved]) { d.apply(e.Data) }),
	on(func(d *Deal, e Event[deal.Won]) { d.Status, d.ClosedAt = deal.StatusWon, new(e.Data.At.UTC()) }),
	on(func(d *Deal, e Event[deal.Lost]) {
		d.Status, d.ClosedAt, d.LostReason = deal.StatusLost, new(e.Data.At.UTC()), e.Data.Reason
	}),
	on(func(d *Deal, e Event[deal.Reopened]) {
		d.Status, d.ClosedAt, d.LostReason = deal.StatusOpen, nil, ""
		d.enter(e.Data.To, e.Data.Probability, e.Data.At)
	}),
)

func (d *Deal) enter(stage string, probability int, at time.Time) {
	d.StageKey, d.StageProbability, d.StageSince = stage, probability, at.UTC()
}

// apply does to fields, line items and contacts what the event does to them.
func (d *Deal) apply(e deal.Event) {
	s := deal.Deal{Items: d.LineItems, Contacts: d.Contacts}
	s.Fields = d.Fields
	e.Apply(&s)
	d.Fields, d.LineItems, d.Contacts = s.Fields, s.Items, s.Contacts
}

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
