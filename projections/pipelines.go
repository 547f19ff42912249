package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/pipeline"
)

// Pipeline is a row of [Pipelines].
type Pipeline struct {
	Row
	Name           string            `json:"name"`
	Status         pipeline.Status   `json:"status" enum:"active,archived"`
	Stages         []domain.Stage    `json:"stages" doc:"In order, without those that were archived"`
	ArchivedStages map[string]string `json:"archived_stages,omitzero" doc:"The keys of archived stages, each with the stage that took its place"`
}

// Pipelines lists the pipelines of a tenant.
var Pipelines = table("pipelines", pipeline.Aggregate,
	required(text("name", func(p *Pipeline) string { return p.Name })),
	required(enum("status", []pipeline.Status{pipeline.Active, pipeline.Retired}, func(p *Pipeline) pipeline.Status { return p.Status })),
	search(func(p *Pipeline) []string { return []string{p.Name} }),

	on(func(p *Pipeline, e Event[pipeline.Created]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.Renamed]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.StageAdded]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.StageUpdated]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.StagesReordered]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.StageArchived]) { p.apply(e.Data) }),
	on(func(p *Pipeline, e Event[pipeline.Archived]) { p.apply(e.Data) }),
)

// apply does to the row what the event does to the pipeline: all of its state is
// to be seen.
func (p *Pipeline) apply(e pipeline.Event) {
	s := pipeline.Pipeline{Name: p.Name, Status: p.Status, Stages: p.Stages, Moved: p.ArchivedStages}
	e.Apply(&s)
	p.Name, p.Status, p.Stages, p.ArchivedStages = s.Name, s.Status, s.Stages, s.Moved
}
