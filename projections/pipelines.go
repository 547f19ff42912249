package projections

import "github.com/rowhouse/rowhouse/domain/pipeline"

// Pipeline is a row of [Pipelines].
type Pipeline struct {
	Row
	pipeline.Pipeline
}

// Pipelines lists the pipelines of a tenant.
var Pipelines = table("pipelines", pipeline.Aggregate,
	state(pipeline.Aggregate, func(p *Pipeline) *pipeline.Pipeline { return &p.Pipeline }),
	fieldColumns[Pipeline]{},
)
