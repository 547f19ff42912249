// Package pipeline is about pipelines: the stages that deals go through. It does
// not know which deals are in them.
package pipeline

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Aggregate describes pipelines. Its arguments are all that can happen to one.
var Aggregate = domain.NewAggregate[Pipeline]("pipeline", "pip",
	Created{}, Renamed{}, StageAdded{}, StageUpdated{}, StagesReordered{}, StageArchived{}, Archived{},
)

// Event is a fact about a pipeline.
type Event = domain.Event[Pipeline]

// maxStages is how many stages a pipeline can have.
const maxStages = 50

// Pipeline is what decisions about a pipeline and its deals depend on, and what
// clients see of it. The zero
// Pipeline does not exist yet.
type Pipeline struct { //nolint:recvcheck // what is hidden is written, too
	Name   string                  `json:"name" class:"internal" search:"true"`
	Status Status                  `json:"status" class:"internal" enum:"active,archived"`
	Stages []domain.Stage          `json:"stages" doc:"In order, without those that were archived"`
	Moved  map[string]string       `json:"archived_stages,omitzero" class:"internal" doc:"The keys of archived stages, each with the stage that took its place"`
	Gone   map[string]domain.Stage `json:"-"` // archived stages as they were
}

// Hidden implements [domain.Hider].
func (p *Pipeline) Hidden() any { return &p.Gone }

// Status says whether a pipeline takes deals.
type Status string

// A pipeline is active until it is archived. The empty status means none.
const (
	Active  Status = "active"
	Retired Status = "archived"
)

// Live reports whether deals can be opened in the pipeline.
func (p Pipeline) Live() bool { return p.Status == Active }

// Claims returns the name, which no two active pipelines share.
func (p Pipeline) Claims() []domain.Claim {
	if !p.Live() {
		return nil
	}
	return domain.Keyed("pipeline.name", "/name", domain.Folded(p.Name), strings.ToLower(p.Name))
}

// Stage implements [domain.Stages].
func (p Pipeline) Stage(key string) (domain.Stage, bool) {
	// A key is archived once and never used again, so this comes to an end.
	for to, archived := p.Moved[key]; archived; to, archived = p.Moved[key] {
		key = to
	}
	i := p.index(key)
	if i < 0 {
		return domain.Stage{}, false
	}
	return p.Stages[i], true
}

// Sources implements [domain.Stages].
func (p Pipeline) Sources(to domain.Stage) (keys []string, all bool) {
	seen := map[string]bool{}
	var from func(list []string)
	from = func(list []string) {
		all = all || len(list) == 0
		for _, key := range list {
			if seen[key] {
				continue
			}
			seen[key] = true
			s, _ := p.Stage(key)
			if gone, ok := p.Gone[key]; ok && s.Key == to.Key {
				from(gone.AllowedFrom)
				continue
			}
			keys = append(keys, s.Key)
		}
	}
	from(to.AllowedFrom)
	return keys, all
}

// First implements [domain.Stages]. Archiving leaves at least one of each kind.
func (p Pipeline) First(kind domain.StageKind) domain.Stage {
	return p.Stages[slices.IndexFunc(p.Stages, func(s domain.Stage) bool { return s.Kind == kind })]
}

// Of implements [domain.Stages].
func (p Pipeline) Of(kind domain.StageKind) (list []domain.Stage) {
	for _, s := range p.Stages {
		if s.Kind == kind {
			list = append(list, s)
		}
	}
	return list
}

func (p Pipeline) index(key string) int {
	return slices.IndexFunc(p.Stages, func(s domain.Stage) bool { return s.Key == key })
}

// mustBeActive refuses what cannot be done to a pipeline that takes no deals.
func (p Pipeline) mustBeActive(command string) error {
	switch p.Status {
	case Active:
		return nil
	case "":
		return domain.NotFound.Refusef("not_found", "there is no such pipeline")
	default:
		return domain.StateConflict(string(p.Status), command)
	}
}

// checkName returns a name as it is stored, if anything of it can be seen.
func checkName(name string) (string, error) {
	name = domain.Line(name)
	return name, domain.Check(name != "", "/name", "required", "is required")
}

// certain returns a stage with the probability that its kind leaves no choice
// of: what is won is won.
func certain(s domain.Stage) domain.Stage {
	switch s.Kind {
	case domain.StageWon:
		s.Probability = 100
	case domain.StageLost:
		s.Probability = 0
	case domain.StageOpen:
	}
	return s
}

// checkStages says what is wrong with the stages of a pipeline as a whole.
func checkStages(stages []domain.Stage) error {
	var errs []error
	keys, kinds := map[string]bool{}, map[domain.StageKind]int{}
	for i, s := range stages {
		errs = append(errs, domain.Check(!keys[s.Key], "/stages/"+strconv.Itoa(i)+"/key", "duplicate_key", "is the key of another stage"))
		keys[s.Key] = true
		kinds[s.Kind]++
	}
	for _, k := range []domain.StageKind{domain.StageOpen, domain.StageWon, domain.StageLost} {
		errs = append(errs, domain.Check(kinds[k] > 0, "/stages", "missing_"+string(k), "must have at least one stage of the kind "+string(k)))
	}
	for i, s := range stages {
		errs = append(errs, domain.At("/stages/"+strconv.Itoa(i), checkFrom(s, func(key string) bool { return keys[key] })))
	}
	return errors.Join(errs...)
}

// checkFrom says which of the stages that deals may come from are none.
func checkFrom(s domain.Stage, known func(string) bool) error {
	var errs []error
	for i, key := range s.AllowedFrom {
		errs = append(errs, domain.Check(known(key), "/allowed_from/"+strconv.Itoa(i), "unknown_stage", "is no stage of the pipeline"))
	}
	return errors.Join(errs...)
}

// Create makes a pipeline.
type Create struct {
	Name   string         `json:"name" minLength:"1" maxLength:"100" example:"Sales"`
	Stages []domain.Stage `json:"stages" minItems:"1" maxItems:"50"`
}

// Created says that a pipeline was made.
type Created struct {
	Name   string         `json:"name" class:"internal"`
	Stages []domain.Stage `json:"stages"`
}

// Decide makes a pipeline that is not there yet: with something to work on, and
// a way to win and to lose.
func (c Create) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if p.Status != "" {
		return nil, domain.Conflict.Refusef("already_exists", "there is a pipeline with this id")
	}
	name, err := checkName(c.Name)
	if err := errors.Join(err, checkStages(c.Stages)); err != nil {
		return nil, err
	}
	stages := make([]domain.Stage, len(c.Stages))
	for i, s := range c.Stages {
		stages[i] = certain(s)
	}
	return []Event{Created{name, stages}}, nil
}

func (Created) EventType() string { return "pipeline.created" }
func (e Created) Apply(p *Pipeline) {
	p.Name, p.Stages, p.Status = e.Name, e.Stages, Active
}

// Rename changes the name of a pipeline.
type Rename struct {
	Name string `json:"name" minLength:"1" maxLength:"100" example:"Sales, Europe"`
}

// Renamed says that a pipeline has another name.
type Renamed struct {
	Name string `json:"name" class:"internal"`
}

// Decide renames an active pipeline.
func (c Rename) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("rename"); err != nil {
		return nil, err
	}
	name, err := checkName(c.Name)
	if err != nil || name == p.Name {
		return nil, err
	}
	return []Event{Renamed{name}}, nil
}

// Touches implements [domain.Toucher].
func (Rename) Touches() []string { return []string{"name"} }

// Touches implements [domain.Toucher].
func (Renamed) Touches() []string { return []string{"name"} }

func (Renamed) EventType() string   { return "pipeline.renamed" }
func (e Renamed) Apply(p *Pipeline) { p.Name = e.Name }

// AddStage adds a stage.
type AddStage struct {
	domain.Stage

	Before string `json:"before,omitzero" maxLength:"50" doc:"The stage that the new one comes before; the end if it is left out."`
}

// StageAdded says that a stage was added.
type StageAdded struct {
	Stage  domain.Stage `json:"stage"`
	Before string       `json:"before,omitempty" class:"internal"`
}

// Check checks the stage; the embedded one would answer for the whole.
func (c AddStage) Check() error { return c.Stage.Check() }

// Decide adds a stage with a key that was never used.
func (c AddStage) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("add_stage"); err != nil {
		return nil, err
	}
	_, archived := p.Moved[c.Key]
	if err := errors.Join(
		domain.Check(!archived, "/key", "key_was_used", "is the key of a stage that was archived"),
		domain.Check(p.index(c.Key) < 0, "/key", "duplicate_key", "is the key of another stage"),
		domain.Check(c.Before == "" || p.index(c.Before) >= 0, "/before", "unknown_stage", "is no stage of the pipeline"),
		domain.Check(len(p.Stages) < maxStages, "", "too_many", "a pipeline has at most 50 stages"),
		checkFrom(c.Stage, func(key string) bool { return p.index(key) >= 0 }),
	); err != nil {
		return nil, err
	}
	return []Event{StageAdded{certain(c.Stage), c.Before}}, nil
}

// Touches implements [domain.Toucher].
func (AddStage) Touches() []string { return []string{"stages"} }

// Touches implements [domain.Toucher].
func (StageAdded) Touches() []string { return []string{"stages"} }

func (StageAdded) EventType() string { return "pipeline.stage_added" }
func (e StageAdded) Apply(p *Pipeline) {
	at := p.index(e.Before)
	if at < 0 {
		at = len(p.Stages)
	}
	p.Stages = slices.Insert(slices.Clone(p.Stages), at, e.Stage)
}

// UpdateStage changes a stage. What is left out stays.
type UpdateStage struct {
	Key            string    `json:"key" minLength:"1" maxLength:"50"`
	Name           *string   `json:"name,omitzero" minLength:"1" maxLength:"100"`
	Probability    *int      `json:"probability,omitzero" minimum:"0" maximum:"100"`
	RequiredFields *[]string `json:"required_fields,omitzero" maxItems:"20" enum:"amount,close_date,probability,company_id,primary_contact_id,contacts,line_items,source,owner_id"`
	AllowedFrom    *[]string `json:"allowed_from,omitzero" maxItems:"50" maxLength:"50"`
	SLASeconds     *int64    `json:"sla_seconds,omitzero" minimum:"0" maximum:"315360000"`
}

// StageUpdated says what a stage is like now.
type StageUpdated struct {
	Stage domain.Stage `json:"stage"`
}

// Decide changes a stage that is not archived. Its key and its kind stay.
func (c UpdateStage) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("update_stage"); err != nil {
		return nil, err
	}
	i := p.index(c.Key)
	if err := domain.Check(i >= 0, "/key", "unknown_stage", "is no stage of the pipeline"); err != nil {
		return nil, err
	}
	s := p.Stages[i]
	set(&s.Name, c.Name)
	set(&s.Probability, c.Probability)
	set(&s.RequiredFields, c.RequiredFields)
	set(&s.SLASeconds, c.SLASeconds)
	if c.AllowedFrom != nil && !slices.Equal(*c.AllowedFrom, s.AllowedFrom) {
		s.AllowedFrom = *c.AllowedFrom
		if err := checkFrom(s, func(key string) bool { _, ok := p.Stage(key); return ok }); err != nil {
			return nil, err
		}
		s.AllowedFrom = p.current(s)
	}
	if s = certain(s); same(s, p.Stages[i]) {
		return nil, nil
	}
	return []Event{StageUpdated{s}}, nil
}

// current returns what a stage says of where deals come from with the keys of
// today. An archived stage that it took the place of itself stays named: what that
// means is for [Pipeline.Sources] to say.
func (p Pipeline) current(s domain.Stage) (keys []string) {
	for _, key := range s.AllowedFrom {
		if now, _ := p.Stage(key); now.Key != s.Key {
			key = now.Key
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func same(a, b domain.Stage) bool {
	return a.Name == b.Name && a.Probability == b.Probability && a.SLASeconds == b.SLASeconds &&
		slices.Equal(a.RequiredFields, b.RequiredFields) && slices.Equal(a.AllowedFrom, b.AllowedFrom)
}

// Touches implements [domain.Toucher].
func (UpdateStage) Touches() []string { return []string{"stages"} }

// Touches implements [domain.Toucher].
func (StageUpdated) Touches() []string { return []string{"stages"} }

func (StageUpdated) EventType() string { return "pipeline.stage_updated" }
func (e StageUpdated) Apply(p *Pipeline) {
	p.Stages = slices.Clone(p.Stages)
	if i := p.index(e.Stage.Key); i >= 0 {
		p.Stages[i] = e.Stage
	}
}

// ReorderStages puts the stages in another order.
type ReorderStages struct {
	Keys []string `json:"keys" minItems:"1" maxItems:"50" maxLength:"50" doc:"The keys of all stages, in their new order."`
}

// StagesReordered says which order the stages are in.
type StagesReordered struct {
	Keys []string `json:"keys" class:"internal"`
}

// Decide reorders the stages. All of them must be named, each once.
func (c ReorderStages) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("reorder_stages"); err != nil {
		return nil, err
	}
	now := make([]string, len(p.Stages))
	for i, s := range p.Stages {
		now[i] = s.Key
	}
	all := slices.Equal(slices.Sorted(slices.Values(c.Keys)), slices.Sorted(slices.Values(now)))
	if err := domain.Check(all, "/keys", "not_all_stages", "must be the keys of all stages, each once"); err != nil {
		return nil, err
	}
	if slices.Equal(c.Keys, now) {
		return nil, nil
	}
	return []Event{StagesReordered(c)}, nil
}

// Touches implements [domain.Toucher].
func (ReorderStages) Touches() []string { return []string{"stages"} }

// Touches implements [domain.Toucher].
func (StagesReordered) Touches() []string { return []string{"stages"} }

func (StagesReordered) EventType() string { return "pipeline.stages_reordered" }
func (e StagesReordered) Apply(p *Pipeline) {
	stages := make([]domain.Stage, 0, len(e.Keys))
	for _, key := range e.Keys {
		if i := p.index(key); i >= 0 {
			stages = append(stages, p.Stages[i])
		}
	}
	p.Stages = stages
}

// ArchiveStage puts a stage away. Its deals move to another one: the server gives
// each of them the command for it, see reactions.StageMoves.
type ArchiveStage struct {
	Key    string `json:"key" minLength:"1" maxLength:"50"`
	MoveTo string `json:"move_to" minLength:"1" maxLength:"50" doc:"The stage that its deals move to: one of the same kind."`
}

// StageArchived says that a stage was put away.
type StageArchived struct {
	Key    string `json:"key" class:"internal"`
	MoveTo string `json:"move_to" class:"internal"`
}

// Decide archives a stage for which another one of its kind stands in, so that
// no open deal is closed, and no closed one reopened, by tidying up.
func (c ArchiveStage) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("archive_stage"); err != nil {
		return nil, err
	}
	from, to := p.index(c.Key), p.index(c.MoveTo)
	if err := errors.Join(
		domain.Check(from >= 0, "/key", "unknown_stage", "is no stage of the pipeline"),
		domain.Check(to >= 0 && to != from, "/move_to", "unknown_stage", "is no other stage of the pipeline"),
	); err != nil {
		return nil, err
	}
	if err := domain.Check(p.Stages[from].Kind == p.Stages[to].Kind, "/move_to", "other_kind", "is a stage of another kind"); err != nil {
		return nil, err
	}
	return []Event{StageArchived(c)}, nil
}

// Touches implements [domain.Toucher].
func (ArchiveStage) Touches() []string { return []string{"stages"} }

// Touches implements [domain.Toucher].
func (StageArchived) Touches() []string { return []string{"stages", "archived_stages"} }

func (StageArchived) EventType() string { return "pipeline.stage_archived" }
func (e StageArchived) Apply(p *Pipeline) {
	if i := p.index(e.Key); i >= 0 {
		gone := maps.Clone(p.Gone)
		if gone == nil {
			gone = map[string]domain.Stage{}
		}
		gone[e.Key] = p.Stages[i]
		p.Gone = gone
	}
	p.Stages = slices.DeleteFunc(slices.Clone(p.Stages), func(s domain.Stage) bool { return s.Key == e.Key })
	moved := maps.Clone(p.Moved)
	if moved == nil {
		moved = map[string]string{}
	}
	moved[e.Key] = e.MoveTo
	p.Moved = moved
}

// Archive puts a pipeline away. Its deals stay what they are; no new ones come.
type Archive struct{}

// Archived says that a pipeline was put away.
type Archived struct{}

// Decide archives an active pipeline.
func (Archive) Decide(p Pipeline, _ domain.Origin) ([]Event, error) {
	if err := p.mustBeActive("archive"); err != nil {
		return nil, err
	}
	return []Event{Archived{}}, nil
}

// Touches implements [domain.Toucher].
func (Archive) Touches() []string { return []string{"status"} }

// Touches implements [domain.Toucher].
func (Archived) Touches() []string { return []string{"status"} }

func (Archived) EventType() string { return "pipeline.archived" }
func (Archived) Apply(p *Pipeline) { p.Status = Retired }
