package lead

import (
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Conversion is what a lead has become.
type Conversion struct {
	ContactID domain.ID `json:"contact_id,omitzero" prefix:"con" doc:"The person"`
	CompanyID domain.ID `json:"company_id,omitzero" prefix:"cmp" doc:"Where the person works, if that is known"`
	DealID    domain.ID `json:"deal_id,omitzero" prefix:"deal" doc:"What may be sold, if that was said"`
}

// Conclude says what a lead has become. It is a part of converting it: the records
// are made, or are known to be there, by whoever gives it.
type Conclude struct{ Conversion }

// Converted says what a lead has become.
type Converted = record.Stepped[Conclude, Lead, Fields, *Lead]

// Step implements [record.Stepper].
func (Conclude) Step() record.Step {
	return record.Step{Command: "convert", From: []record.Status{StatusNew, StatusWorking, StatusQualified}, To: StatusConverted, Event: "converted"}
}

// Affects implements [record.Stepper].
func (Conclude) Affects() []string { return []string{"conversion"} }

// Effect implements [record.Stepper].
func (c Conclude) Effect(l *Lead) { l.Conversion = c.Conversion }

// Decide converts a lead that somebody may still work on.
func (c Conclude) Decide(l Lead, _ domain.Origin) ([]Event, error) { return record.Take[Lead](&l, c) }

// MayConvert refuses to convert a lead that nobody works on any more.
func (l *Lead) MayConvert() error { return l.mustBeOpen(Conclude{}.Step().Command) }

// Guard implements [record.Kind]: what was known of a lead when it was converted
// stays as it is, because it is in the records that were made of it, and changes
// there. Who is responsible, tags and external IDs change, and the lead can be
// deleted, restored and purged.
func (l *Lead) Guard(cmd any, to Fields, _ domain.Origin) error {
	to.Common = l.Fields.Common
	if l.Status == StatusConverted && !reflect.DeepEqual(l.Fields, to) {
		return domain.StateConflict(string(l.Status), record.CommandName(cmd))
	}
	return nil
}
