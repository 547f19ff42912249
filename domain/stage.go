package domain

// StageKind says what it means for a deal to be in a stage.
type StageKind string

// The kinds of stages.
const (
	StageOpen StageKind = "open"
	StageWon  StageKind = "won"
	StageLost StageKind = "lost"
)

// Stage is a step of a pipeline that deals go through.
type Stage struct {
	Key            string    `json:"key" class:"internal" minLength:"1" maxLength:"50" doc:"Names the stage for good: lower-case letters, digits and underscores." example:"negotiation"`
	Name           string    `json:"name" class:"internal" minLength:"1" maxLength:"100" example:"Negotiation"`
	Kind           StageKind `json:"kind" class:"internal" enum:"open,won,lost"`
	Probability    int       `json:"probability,omitzero" minimum:"0" maximum:"100" doc:"The chance, in percent, that a deal in this stage is won."`
	RequiredFields []string  `json:"required_fields,omitzero" class:"internal" maxItems:"20" enum:"amount,close_date,probability,company_id,primary_contact_id,contacts,line_items,source,owner_id" doc:"What a deal must have to enter the stage."`
	AllowedFrom    []string  `json:"allowed_from,omitzero" class:"internal" maxItems:"50" maxLength:"50" doc:"The stages that a deal may come from, whatever command moves it; any if there are none. A deal that is new in the pipeline comes from none, and can begin in such a stage only if it is the first open one."`
	SLASeconds     int64     `json:"sla_seconds,omitzero" minimum:"0" maximum:"315360000" doc:"How long a deal should stay at most."`
}

// Check says what is wrong with a stage by itself.
func (s Stage) Check() error {
	return Check(isKey(s.Key), "/key", "invalid_key", "must be lower-case letters, digits and underscores, and begin with a letter")
}

func isKey(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && s[0] != '_'
}

// Stages is what a deal needs to know of its pipeline.
type Stages interface {
	// Stage returns a stage by its key. For one that was archived it is the
	// stage that took its place.
	Stage(key string) (Stage, bool)

	// Sources returns the stages that deals may come from to a stage, by the keys
	// that they have now, or true if they may come from any. Where an archived
	// stage is named, it is the one that took its place; and for that one itself,
	// those that the archived stage could be entered from.
	Sources(Stage) (keys []string, all bool)

	// First returns the first stage of a kind. There always is one.
	First(kind StageKind) Stage

	// Of returns the stages of a kind, in their order.
	Of(kind StageKind) []Stage
}
