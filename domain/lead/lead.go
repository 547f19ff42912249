// Package lead is about leads: people who may become customers, and of whom little
// is known yet.
package lead

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes leads.
var Aggregate = record.Describe[Lead, Fields]("lead", Captured{}, StatusChanged{}, Scored{}, Disqualified{}, Reopened{}, Converted{})

// Event is a fact about a lead.
type Event = domain.Event[Lead]

// What follows from commands that end work on a lead, or begin it anew.
type (
	Disqualified = record.Stepped[Disqualify, Lead, Fields, *Lead]
	Reopened     = record.Stepped[Reopen, Lead, Fields, *Lead]
)

// Fields is what can be changed by a patch.
type Fields struct {
	record.Common

	Name        string       `json:"name,omitzero" class:"personal" of:"self" search:"true" maxLength:"300" doc:"Of the person" example:"Ada Lovelace"`
	CompanyName string       `json:"company_name,omitzero" class:"personal" of:"self" search:"true" maxLength:"300" example:"Analytical Engines Ltd"`
	Email       domain.Email `json:"email,omitzero" class:"personal" of:"self" search:"true" maxLength:"254" doc:"An e-mail address or a telephone number is required" example:"ada@example.org"`
	Phone       domain.Phone `json:"phone,omitzero" class:"personal" of:"self" search:"true" maxLength:"40" doc:"With its country code" example:"+442071838750"`
	Source      string       `json:"source,omitzero" class:"internal" maxLength:"100" doc:"Where the lead comes from" example:"website"`
	UTM         UTM          `json:"utm,omitzero" class:"personal" of:"self" doc:"What the link to the site said about the campaign"`
	Form        Form         `json:"form,omitzero" class:"internal" doc:"The form that was filled in"`
}

// UTM is what a link says about the campaign that it is a part of.
type UTM struct {
	Source   string `json:"source,omitzero" maxLength:"200" example:"newsletter"`
	Medium   string `json:"medium,omitzero" maxLength:"200" example:"email"`
	Campaign string `json:"campaign,omitzero" maxLength:"200" example:"spring"`
	Term     string `json:"term,omitzero" maxLength:"200"`
	Content  string `json:"content,omitzero" maxLength:"200"`
}

// Form names a form on a site.
type Form struct {
	Site string `json:"site,omitzero" maxLength:"253" example:"www.example.org"`
	Form string `json:"form,omitzero" maxLength:"100" example:"contact"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "lead" }

// Check implements [record.Fields].
func (f Fields) Check() error {
	return domain.Check(f.Email != "" || f.Phone != "", "/email", "required", "or a telephone number is required")
}

// Lead is what decisions about a lead depend on.
type Lead struct {
	record.Base[Fields]
	Progress
}

// Progress is what clients see of a lead beside its fields.
type Progress struct {
	Status             record.Status `json:"status" class:"internal" enum:"new,working,qualified,disqualified,converted"`
	Score              *int          `json:"score,omitzero" doc:"How promising it is, from 0 to 100"`
	DisqualifiedReason string        `json:"disqualified_reason,omitzero" class:"personal" of:"self" text:"lines" list:"-" doc:"Why nothing came of it"`
	Conversion         Conversion    `json:"conversion,omitzero" list:"-" doc:"What it was converted to"`
}

// A lead is new until somebody works on it, and ends by being converted or
// disqualified.
const (
	StatusNew          record.Status = "new"
	StatusWorking      record.Status = "working"
	StatusQualified    record.Status = "qualified"
	StatusDisqualified record.Status = "disqualified"
	StatusConverted    record.Status = "converted"
)

// Begun implements [record.Beginner].
func (l *Lead) Begun() { l.Status = StatusNew }

// Standing implements [record.Standing].
func (l *Lead) Standing() *record.Status { return &l.Status }

// Capture makes a lead.
type Capture struct{ Fields }

// Captured says that a lead came in.
type Captured struct {
	Fields Fields `json:"fields"`
}

// References implements [domain.Referrer].
func (c Capture) References(l Lead, o domain.Origin) []domain.Ref { return l.Needs(c.Fields, o) }

// Decide captures a lead that is not there yet.
func (c Capture) Decide(l Lead, o domain.Origin) ([]Event, error) {
	f, err := record.New[Lead](&l, o, c.Fields)
	if err != nil {
		return nil, err
	}
	return []Event{Captured{f}}, nil
}

func (Captured) EventType() string { return "lead.captured" }
func (e Captured) Apply(l *Lead) {
	l.Begin(e.Fields)
	l.Begun()
}

// ChangeStatus says how far work on a lead has come.
type ChangeStatus struct {
	Status record.Status `json:"status" enum:"new,working,qualified" doc:"How far it has come" example:"working"`
}

// StatusChanged says that work on a lead has come further, or less far.
type StatusChanged struct {
	From record.Status `json:"from" class:"internal"`
	To   record.Status `json:"to" class:"internal"`
}

// Decide changes the status of a lead that somebody may still work on.
func (c ChangeStatus) Decide(l Lead, _ domain.Origin) ([]Event, error) {
	if err := l.mustBeOpen("change_status"); err != nil || l.Status == c.Status {
		return nil, err
	}
	return []Event{StatusChanged{l.Status, c.Status}}, nil
}

// mustBeOpen refuses a command for a lead that nobody works on any more.
func (l *Lead) mustBeOpen(command string) error {
	if err := l.MustBeLive(); err != nil {
		return err
	}
	if l.Status == StatusDisqualified || l.Status == StatusConverted {
		return domain.StateConflict(string(l.Status), command)
	}
	return nil
}

func (StatusChanged) EventType() string { return "lead.status_changed" }
func (e StatusChanged) Apply(l *Lead)   { l.Status = e.To }

// Touches implements [domain.Toucher].
func (ChangeStatus) Touches() []string { return []string{"status"} }

// Touches implements [domain.Toucher].
func (StatusChanged) Touches() []string { return []string{"status"} }

// Score says how promising a lead is.
type Score struct {
	Score int `json:"score" minimum:"0" maximum:"100" doc:"From 0 to 100" example:"70"`
}

// Scored says that a lead is as promising as that.
type Scored struct {
	Score int `json:"score"`
}

// Decide scores a lead that has another score, or none.
func (c Score) Decide(l Lead, _ domain.Origin) ([]Event, error) {
	if err := l.mustBeOpen("score"); err != nil || l.Score != nil && *l.Score == c.Score {
		return nil, err
	}
	return []Event{Scored(c)}, nil
}

func (Scored) EventType() string { return "lead.scored" }
func (e Scored) Apply(l *Lead)   { l.Score = new(e.Score) }

// Touches implements [domain.Toucher].
func (Score) Touches() []string { return []string{"score"} }

// Touches implements [domain.Toucher].
func (Scored) Touches() []string { return []string{"score"} }

// Disqualify ends work on a lead.
type Disqualify struct {
	Reason string `json:"reason" class:"personal" of:"self" minLength:"1" maxLength:"1000" text:"lines" doc:"Why nothing comes of it" example:"no budget"`
}

// Step implements [record.Stepper].
func (Disqualify) Step() record.Step {
	return record.Step{Command: "disqualify", From: []record.Status{StatusNew, StatusWorking, StatusQualified}, To: StatusDisqualified, Event: "disqualified"}
}

// Affects implements [record.Stepper].
func (Disqualify) Affects() []string { return []string{"disqualified_reason"} }

// Effect implements [record.Stepper].
func (c Disqualify) Effect(l *Lead) { l.DisqualifiedReason = c.Reason }

// Decide disqualifies a lead that somebody may still work on.
func (c Disqualify) Decide(l Lead, _ domain.Origin) ([]Event, error) { return record.Take[Lead](&l, c) }

// Reopen takes up work on a lead again.
type Reopen struct{}

// Step implements [record.Stepper].
func (Reopen) Step() record.Step {
	return record.Step{Command: "reopen", From: []record.Status{StatusDisqualified}, To: StatusWorking, Event: "reopened"}
}

// Affects implements [record.Stepper].
func (Reopen) Affects() []string { return []string{"disqualified_reason"} }

// Effect implements [record.Stepper].
func (Reopen) Effect(l *Lead) { l.DisqualifiedReason = "" }

// Decide reopens a disqualified lead.
func (c Reopen) Decide(l Lead, _ domain.Origin) ([]Event, error) { return record.Take[Lead](&l, c) }
