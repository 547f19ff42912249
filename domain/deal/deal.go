// Package deal is about deals: sales that are hoped for, worked on, and won or
// lost. It knows the pipeline of a deal by its stages, and companies and
// contacts by their IDs.
package deal

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes deals. Its arguments are what can happen to one, besides
// what can happen to every record.
var Aggregate = record.Describe[Deal, Fields]("deal",
	Opened{}, StageChanged{}, PipelineChanged{}, AmountChanged{},
	LineItemAdded{}, LineItemUpdated{}, LineItemRemoved{}, ContactAdded{}, ContactRemoved{},
	Won{}, Lost{}, Reopened{}, StageReplaced{},
)

// Event is a fact about a deal.
type Event = domain.Event[Deal]

// What can be asked of a deal, and what can happen to one, as for every record.
type (
	Update         = record.Update[Deal, Fields, *Deal]
	AssignOwner    = record.AssignOwner[Deal, Fields, *Deal]
	AddTags        = record.AddTags[Deal, Fields, *Deal]
	RemoveTags     = record.RemoveTags[Deal, Fields, *Deal]
	Delete         = record.Delete[Deal, Fields, *Deal]
	Restore        = record.Restore[Deal, Fields, *Deal]
	RestoreVersion = record.RestoreVersion[Deal, Fields, *Deal]
	Purge          = record.Purge[Deal, Fields, *Deal]
	Updated        = record.Updated[Deal, Fields, *Deal]
	OwnerAssigned  = record.OwnerAssigned[Deal, Fields, *Deal]
	TagsChanged    = record.TagsChanged[Deal, Fields, *Deal]
	Deleted        = record.Deleted[Deal, Fields, *Deal]
	Restored       = record.Restored[Deal, Fields, *Deal]
	Purged         = record.Purged[Deal, Fields, *Deal]
)

// Fields is what can be changed by a patch. Where a deal is in its pipeline, its
// line items and its contacts are changed by commands made for it.
type Fields struct {
	record.Common

	Name             string       `json:"name" class:"personal" of:"primary_contact_id" search:"true" minLength:"1" maxLength:"300" doc:"What the deal is about" example:"New roof"`
	CompanyID        domain.ID    `json:"company_id,omitzero" prefix:"cmp" doc:"The company that may buy" example:"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	PrimaryContactID domain.ID    `json:"primary_contact_id,omitzero" prefix:"con" doc:"Who decides" example:"con_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Amount           domain.Money `json:"amount,omitzero" doc:"What the deal is worth. While it has line items, they say so."`
	CloseDate        domain.Date  `json:"close_date,omitzero" doc:"When it is expected to be closed" example:"2026-12-31"`
	Probability      *int         `json:"probability,omitzero" minimum:"0" maximum:"100" doc:"The chance of winning, in percent; that of the stage, if left out" example:"60"`
	Source           string       `json:"source,omitzero" class:"internal" search:"true" maxLength:"100" doc:"Where the deal comes from" example:"referral"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "deal" }

// Check implements [record.Fields].
func (f Fields) Check() error {
	return domain.Check(!f.Amount.Decimal().IsNegative(), "/amount/amount", "too_small", "must not be less than 0")
}

// Deal is what decisions about a deal depend on. The zero Deal does not exist.
type Deal struct {
	record.Base[Fields]
	Progress

	OpenStage string // where it was before the last move: if it is closed, the stage it was last open in
	LastItem  int    // the number of the last line item that ever was
}

// Progress is what clients see of a deal beside its fields.
type Progress struct {
	PipelineID       domain.ID  `json:"pipeline_id" prefix:"pip"`
	StageKey         string     `json:"stage_key" class:"internal" doc:"The stage that it is in, or was in when it was closed"`
	StageSince       time.Time  `json:"stage_since" doc:"When it entered the stage"`
	StageProbability int        `json:"stage_probability" list:"-" doc:"The chance of winning, in percent, that goes with the stage"`
	Status           Status     `json:"status" class:"internal" enum:"open,won,lost"`
	ClosedAt         *time.Time `json:"closed_at,omitzero" doc:"When it was won or lost"`
	LostReason       string     `json:"lost_reason,omitzero" class:"personal" of:"primary_contact_id" text:"lines"`
	Items            []LineItem `json:"line_items"`
	Contacts         []Link     `json:"contacts"`
}

// setStage puts the deal into a stage, with the chance of winning that goes with it.
func (d *Deal) setStage(stage string, probability int, at time.Time) {
	d.StageKey, d.StageProbability, d.StageSince = stage, probability, at.UTC()
}

// Status says how far a deal has come.
type Status string

// A deal is open until it is won or lost.
const (
	StatusOpen Status = "open"
	StatusWon  Status = "won"
	StatusLost Status = "lost"
)

// Own implements [record.Kind].
func (*Deal) Own() record.Own[Deal, Fields] {
	return record.Own[Deal, Fields]{
		"amount": func(from, to Fields) Event { return AmountChanged{from.Amount, to.Amount} },
	}
}

// Guard implements [record.Kind]: what a sale was about does not change once it
// is closed, and what line items add up to is not for anybody to choose.
func (d *Deal) Guard(cmd any, to Fields, _ domain.Origin) error {
	_, aboutItems := cmd.(itemCommand)
	switch {
	case d.closed() && !d.Fields.sameSale(to):
		return domain.StateConflict(string(d.Status), record.CommandName(cmd))
	case len(d.Items) > 0 && !aboutItems && to.Amount != d.Fields.Amount:
		return domain.Conflict.Refusef("has_line_items", "the line items say what the deal is worth")
	}
	return nil
}

func (d *Deal) closed() bool { return d.Status == StatusWon || d.Status == StatusLost }

// sameSale reports whether other fields say the same of the sale. Who is
// responsible for a deal, its tags and what it is called elsewhere are not about
// the sale: they change when people come and go, whatever became of the deal.
func (f Fields) sameSale(other Fields) bool {
	other.Common = f.Common
	return reflect.DeepEqual(f, other)
}

// mustBeOpen refuses a command for a deal that is not worked on.
func (d *Deal) mustBeOpen(command string) error {
	if err := d.MustBeLive(); err != nil {
		return err
	}
	if d.Status != StatusOpen {
		return domain.StateConflict(string(d.Status), command)
	}
	return nil
}

// pipeline refers to the pipeline that the deal is in. One that was archived
// still has the deals that are in it.
func (d *Deal) pipeline() domain.Ref {
	return domain.Ref{Kind: "pipeline", ID: d.PipelineID, Pointer: "/pipeline_id", Dead: true}
}

// inPipeline is the reference of commands that need the deal's pipeline.
func (d *Deal) inPipeline() []domain.Ref {
	if !d.Live() {
		return nil // to say so comes first
	}
	return []domain.Ref{d.pipeline()}
}

// has reports whether a field that a stage requires has a value.
func (d *Deal) has(name string) bool {
	switch name {
	case "line_items":
		return len(d.Items) > 0
	case "contacts":
		return len(d.Contacts) > 0
	}
	v := reflect.ValueOf(d.Fields)
	for _, m := range domain.Members(v.Type()) {
		if m.Name == name {
			return !v.FieldByIndex(m.Index).IsZero()
		}
	}
	return false
}

// mayEnter says why a deal cannot enter a stage of a pipeline. From is the stage
// that it comes from, or "" if it comes from outside of the pipeline. Every
// command that puts a deal into a stage asks here, but for reopening: that takes a
// deal back to where it was. The pointer is what names the stage, if anything does.
func (d *Deal) mayEnter(p domain.Stages, s domain.Stage, from, pointer string) error {
	if !mayCome(p, s, from) {
		return domain.Check(false, pointer, "not_allowed_from", "cannot be entered from the stage that the deal is in")
	}
	var errs []error
	for _, name := range s.RequiredFields {
		errs = append(errs, domain.Check(d.has(name), "/"+domain.EscapePointer(name), "required_by_stage", "is required by the stage"))
	}
	return errors.Join(errs...)
}

// mayCome reports whether a deal may come to a stage from another one, or from
// outside of the pipeline: then it may begin in the first open stage, or in one
// that does not say where deals come from.
func mayCome(p domain.Stages, to domain.Stage, from string) bool {
	keys, all := p.Sources(to)
	if all {
		return true
	}
	if from == "" {
		return to.Key == p.First(domain.StageOpen).Key
	}
	return slices.Contains(keys, currentKey(p, from))
}

// Open starts a deal.
type Open struct {
	Fields

	PipelineID domain.ID `json:"pipeline_id" prefix:"pip" doc:"The pipeline that the deal goes through" example:"pip_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	StageKey   string    `json:"stage_key,omitzero" maxLength:"50" doc:"The stage it begins in: the first open one, if left out" example:"lead"`
}

// Opened says that a deal was started.
type Opened struct {
	Fields      Fields    `json:"fields"`
	PipelineID  domain.ID `json:"pipeline_id"`
	StageKey    string    `json:"stage_key" class:"internal"`
	Probability int       `json:"probability"` // of the stage
	At          time.Time `json:"at"`
}

func (c Open) pipeline() domain.Ref {
	return domain.Ref{Kind: "pipeline", ID: c.PipelineID, Pointer: "/pipeline_id"}
}

// References implements [domain.Referrer].
func (c Open) References(d Deal, o domain.Origin) []domain.Ref {
	return append(d.Needs(c.Fields, o), c.pipeline())
}

// Decide opens a deal that is not there yet, in an open stage.
func (c Open) Decide(d Deal, o domain.Origin) ([]Event, error) {
	fields, err := record.New[Deal](&d, o, c.Fields)
	if err != nil {
		return nil, err
	}
	pipeline, err := domain.Find[domain.Stages](o, c.pipeline())
	if err != nil {
		return nil, err
	}
	stage := pipeline.First(domain.StageOpen)
	if c.StageKey != "" {
		var ok bool
		stage, ok = pipeline.Stage(c.StageKey)
		if err := errors.Join(
			domain.Check(ok, "/stage_key", "unknown_stage", "is no stage of the pipeline"),
			domain.Check(!ok || stage.Kind == domain.StageOpen, "/stage_key", "closed_stage", "must be an open stage"),
		); err != nil {
			return nil, err
		}
	}
	d.Fields = fields
	if err := d.mayEnter(pipeline, stage, "", "/stage_key"); err != nil {
		return nil, err
	}
	return []Event{Opened{fields, c.PipelineID, stage.Key, stage.Probability, o.Time}}, nil
}

func (Opened) EventType() string { return "deal.opened" }
func (e Opened) Apply(d *Deal) {
	d.Begin(e.Fields)
	d.PipelineID, d.OpenStage, d.Status = e.PipelineID, e.StageKey, StatusOpen
	d.Items, d.Contacts = []LineItem{}, []Link{}
	d.setStage(e.StageKey, e.Probability, e.At)
}
