package deal

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// MoveStage moves a deal to another stage of its pipeline. To move it into a won
// or lost stage wins or loses it.
type MoveStage struct {
	StageKey string `json:"stage_key" minLength:"1" maxLength:"50" doc:"The stage to move to" example:"offer"`
	Reason   string `json:"reason,omitzero" maxLength:"1000" text:"lines" doc:"Why; required to lose the deal"`
}

// StageChanged says that a deal moved to another stage.
type StageChanged struct {
	From          string    `json:"from" class:"internal"`
	To            string    `json:"to" class:"internal"`
	SecondsInFrom int64     `json:"seconds_in_from"`
	Probability   int       `json:"probability"` // of the new stage
	Reason        string    `json:"reason,omitempty" class:"personal" of:"primary_contact_id"`
	At            time.Time `json:"at"`
}

// References implements [domain.Referrer].
func (MoveStage) References(d Deal, _ domain.Origin) []domain.Ref { return d.inPipeline() }

// Decide moves an open deal to a stage that it may enter from where it is.
func (c MoveStage) Decide(d Deal, o domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen("move_stage"); err != nil {
		return nil, err
	}
	pipeline, err := domain.Find[domain.Stages](o, d.pipeline())
	if err != nil {
		return nil, err
	}
	to, ok := pipeline.Stage(c.StageKey)
	if err := domain.Check(ok, "/stage_key", "unknown_stage", "is no stage of the pipeline"); err != nil {
		return nil, err
	}
	if to.Key == d.StageKey {
		return nil, nil
	}
	return d.enter(pipeline, to, "/stage_key", c.Reason, o)
}

// currentKey returns the key of a stage, or of the one that took its place.
func currentKey(pipeline domain.Stages, key string) string {
	s, _ := pipeline.Stage(key)
	return s.Key
}

// Renames implements [record.Renaming].
func (d *Deal) Renames() []domain.Ref { return d.inPipeline() }

// IsNow implements [record.Renaming]: the key of a stage that was archived stands
// for the stage that took its place.
func (d *Deal) IsNow(o domain.Origin, member string, other any) bool {
	key, ok := other.(string)
	if member != "stage_key" || !ok {
		return false
	}
	pipeline, err := domain.Find[domain.Stages](o, d.pipeline())
	if err != nil {
		return false
	}
	now := currentKey(pipeline, key)
	return now != "" && now == currentKey(pipeline, d.StageKey)
}

// enter moves a deal into a stage, and wins or loses it if that is what the
// stage means.
func (d *Deal) enter(pipeline domain.Stages, to domain.Stage, pointer, reason string, o domain.Origin) ([]Event, error) {
	if to.Kind == domain.StageLost && !domain.Visible(reason) {
		return nil, domain.Check(false, "/reason", "required", "is required to lose a deal")
	}
	if err := d.mayEnter(pipeline, to, d.StageKey, pointer); err != nil {
		return nil, err
	}
	events := []Event{d.move(to, reason, o)}
	switch to.Kind {
	case domain.StageWon:
		events = append(events, Won{At: o.Time})
	case domain.StageLost:
		events = append(events, Lost{Reason: reason, At: o.Time})
	case domain.StageOpen:
	}
	return events, nil
}

func (d *Deal) move(to domain.Stage, reason string, o domain.Origin) StageChanged {
	return StageChanged{
		From: d.StageKey, To: to.Key, SecondsInFrom: max(0, int64(o.Time.Sub(d.StageSince).Seconds())),
		Probability: to.Probability, Reason: reason, At: o.Time,
	}
}

func (StageChanged) EventType() string { return "deal.stage_changed" }
func (e StageChanged) Apply(d *Deal) {
	// Only open deals move, so where it comes from is an open stage.
	d.OpenStage = e.From
	d.setStage(e.To, e.Probability, e.At)
}

// Touches implements [domain.Toucher].
func (MoveStage) Touches() []string { return []string{"stage_key"} }

// Touches implements [domain.Toucher].
func (e StageChanged) Touches() []string {
	if e.Reason != "" { // which [Lost] says as well
		return stageAnd("lost_reason")
	}
	return stageAnd()
}

// stageAnd returns the members that change when a deal comes to another stage, and
// others.
func stageAnd(others ...string) []string {
	return append([]string{"stage_key", "stage_since", "stage_probability"}, others...)
}

// ChangePipeline moves a deal to another pipeline.
type ChangePipeline struct {
	PipelineID domain.ID `json:"pipeline_id" prefix:"pip" doc:"The pipeline to move to" example:"pip_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	StageKey   string    `json:"stage_key,omitzero" maxLength:"50" doc:"The stage it goes on in: the first open one, if left out. In the pipeline that the deal is in, it moves there as move_stage does, and stays where it is if left out."`
}

// PipelineChanged says that a deal is in another pipeline, and in which stage.
type PipelineChanged struct {
	From          domain.ID `json:"from"`
	To            domain.ID `json:"to"`
	FromStage     string    `json:"from_stage" class:"internal"`
	ToStage       string    `json:"to_stage" class:"internal"`
	SecondsInFrom int64     `json:"seconds_in_from"`
	Probability   int       `json:"probability"`
	At            time.Time `json:"at"`
}

func (c ChangePipeline) pipeline() domain.Ref {
	return domain.Ref{Kind: "pipeline", ID: c.PipelineID, Pointer: "/pipeline_id"}
}

// References implements [domain.Referrer].
func (c ChangePipeline) References(d Deal, _ domain.Origin) []domain.Ref {
	if !d.Live() {
		return nil
	}
	if c.PipelineID == d.PipelineID {
		return d.inPipeline()
	}
	return []domain.Ref{c.pipeline()}
}

// Decide moves an open deal to an open stage of another pipeline.
func (c ChangePipeline) Decide(d Deal, o domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen("change_pipeline"); err != nil {
		return nil, err
	}
	if c.PipelineID == d.PipelineID {
		if c.StageKey == "" {
			return nil, nil
		}
		return MoveStage{StageKey: c.StageKey}.Decide(d, o) // it is in the pipeline, so only the stage is left to change
	}
	pipeline, err := domain.Find[domain.Stages](o, c.pipeline())
	if err != nil {
		return nil, err
	}
	to := pipeline.First(domain.StageOpen)
	if c.StageKey != "" {
		s, ok := pipeline.Stage(c.StageKey)
		if err := domain.Check(ok && s.Kind == domain.StageOpen, "/stage_key", "unknown_stage", "is no open stage of the pipeline"); err != nil {
			return nil, err
		}
		to = s
	}
	if err := d.mayEnter(pipeline, to, "", "/stage_key"); err != nil {
		return nil, err
	}
	m := d.move(to, "", o)
	return []Event{PipelineChanged{d.PipelineID, c.PipelineID, m.From, m.To, m.SecondsInFrom, m.Probability, m.At}}, nil
}

func (PipelineChanged) EventType() string { return "deal.pipeline_changed" }
func (e PipelineChanged) Apply(d *Deal) {
	d.PipelineID, d.OpenStage = e.To, e.ToStage
	d.setStage(e.ToStage, e.Probability, e.At)
}

// Touches implements [domain.Toucher].
func (ChangePipeline) Touches() []string { return []string{"pipeline_id", "stage_key"} }

// Touches implements [domain.Toucher].
func (PipelineChanged) Touches() []string { return stageAnd("pipeline_id") }

// Win closes a deal as won: it goes to the first stage that means that and that may
// be entered from where it is.
type Win struct{}

// Won says that a deal was won.
type Won struct {
	At time.Time `json:"at"`
}

// References implements [domain.Referrer].
func (Win) References(d Deal, _ domain.Origin) []domain.Ref { return d.inPipeline() }

// Decide wins an open deal.
func (Win) Decide(d Deal, o domain.Origin) ([]Event, error) {
	return d.closeAs("win", domain.StageWon, "", o)
}

func (d *Deal) closeAs(command string, kind domain.StageKind, reason string, o domain.Origin) ([]Event, error) {
	if err := d.mustBeOpen(command); err != nil {
		return nil, err
	}
	pipeline, err := domain.Find[domain.Stages](o, d.pipeline())
	if err != nil {
		return nil, err
	}
	to := pipeline.First(kind)
	for _, s := range pipeline.Of(kind) {
		if mayCome(pipeline, s, d.StageKey) {
			to = s
			break
		}
	}
	return d.enter(pipeline, to, "", reason, o)
}

func (Won) EventType() string { return "deal.won" }
func (e Won) Apply(d *Deal)   { d.Status, d.ClosedAt = StatusWon, new(e.At.UTC()) }

// Touches implements [domain.Toucher].
func (Win) Touches() []string { return []string{"status", "stage_key"} }

// Touches implements [domain.Toucher].
func (Won) Touches() []string { return []string{"status", "closed_at"} }

// Lose closes a deal as lost: it goes to the first stage that means that and that
// may be entered from where it is.
type Lose struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" text:"lines" doc:"Why the deal was lost" example:"price"`
}

// Lost says that a deal was lost, and why.
type Lost struct {
	Reason string    `json:"reason" class:"personal" of:"primary_contact_id"`
	At     time.Time `json:"at"`
}

// References implements [domain.Referrer].
func (Lose) References(d Deal, _ domain.Origin) []domain.Ref { return d.inPipeline() }

// Decide loses an open deal.
func (c Lose) Decide(d Deal, o domain.Origin) ([]Event, error) {
	return d.closeAs("lose", domain.StageLost, c.Reason, o)
}

func (Lost) EventType() string { return "deal.lost" }
func (e Lost) Apply(d *Deal) {
	d.Status, d.ClosedAt, d.LostReason = StatusLost, new(e.At.UTC()), e.Reason
}

// Touches implements [domain.Toucher].
func (Lose) Touches() []string { return []string{"status", "stage_key", "lost_reason"} }

// Touches implements [domain.Toucher].
func (Lost) Touches() []string { return []string{"status", "closed_at", "lost_reason"} }

// Reopen makes a closed deal open again, in the stage it was last open in.
type Reopen struct{}

// Reopened says that a deal is open again, and in which stage.
type Reopened struct {
	From        string    `json:"from" class:"internal"`
	To          string    `json:"to" class:"internal"`
	Probability int       `json:"probability"`
	At          time.Time `json:"at"`
}

// References implements [domain.Referrer].
func (Reopen) References(d Deal, _ domain.Origin) []domain.Ref { return d.inPipeline() }

// Decide reopens a deal that was won or lost.
func (Reopen) Decide(d Deal, o domain.Origin) ([]Event, error) {
	if err := d.MustBeLive(); err != nil {
		return nil, err
	}
	if d.Status == StatusOpen {
		return nil, domain.StateConflict(string(d.Status), "reopen")
	}
	pipeline, err := domain.Find[domain.Stages](o, d.pipeline())
	if err != nil {
		return nil, err
	}
	to, ok := pipeline.Stage(d.OpenStage)
	if !ok || to.Kind != domain.StageOpen {
		to = pipeline.First(domain.StageOpen)
	}
	return []Event{Reopened{From: d.StageKey, To: to.Key, Probability: to.Probability, At: o.Time}}, nil
}

func (Reopened) EventType() string { return "deal.reopened" }
func (e Reopened) Apply(d *Deal) {
	d.Status, d.OpenStage, d.ClosedAt, d.LostReason = StatusOpen, e.To, nil, ""
	d.setStage(e.To, e.Probability, e.At)
}

// Touches implements [domain.Toucher].
func (Reopen) Touches() []string { return []string{"status", "stage_key", "lost_reason"} }

// Touches implements [domain.Toucher].
func (Reopened) Touches() []string {
	return stageAnd("status", "closed_at", "lost_reason")
}

// ReplaceStage puts a deal that is in an archived stage into the stage that took
// its place. It is given by the server, and not by clients. A deal that has left
// the stage meanwhile stays where it is. One in the bin moves as well, so that it
// comes back into a stage that there is.
type ReplaceStage struct {
	PipelineID domain.ID `json:"pipeline_id" prefix:"pip"`
	StageKey   string    `json:"stage_key" minLength:"1" maxLength:"50"` // the archived one
}

// StageReplaced says that the stage of a deal was archived, and which stage the
// deal is in since. Nobody moved the deal, so the time that it entered the stage
// stays.
type StageReplaced struct {
	From        string `json:"from" class:"internal"`
	To          string `json:"to" class:"internal"`
	Probability int    `json:"probability"` // of the new stage
}

// applies reports whether the deal is in the archived stage.
func (c ReplaceStage) applies(d Deal) bool {
	return d.PipelineID == c.PipelineID && d.StageKey == c.StageKey
}

// References implements [domain.Referrer].
func (c ReplaceStage) References(d Deal, _ domain.Origin) []domain.Ref {
	if !c.applies(d) {
		return nil
	}
	return []domain.Ref{d.pipeline()}
}

// Decide moves a deal, whether it is open or closed, if its stage was archived.
func (c ReplaceStage) Decide(d Deal, o domain.Origin) ([]Event, error) {
	if !c.applies(d) {
		return nil, nil
	}
	pipeline, err := domain.Find[domain.Stages](o, d.pipeline())
	if err != nil {
		return nil, err
	}
	to, ok := pipeline.Stage(c.StageKey)
	if !ok || to.Key == c.StageKey {
		return nil, nil
	}
	return []Event{StageReplaced{From: c.StageKey, To: to.Key, Probability: to.Probability}}, nil
}

func (StageReplaced) EventType() string { return "deal.stage_replaced" }
func (e StageReplaced) Apply(d *Deal) {
	d.StageKey, d.StageProbability = e.To, e.Probability
	if d.OpenStage == e.From {
		d.OpenStage = e.To
	}
}

// Touches implements [domain.Toucher].
func (ReplaceStage) Touches() []string { return []string{"stage_key"} }

// Touches implements [domain.Toucher].
func (StageReplaced) Touches() []string { return []string{"stage_key", "stage_probability"} }
