package commands

import "github.com/rowhouse/rowhouse/domain/pipeline"

// Pipelines says who may do what with pipelines.
var Pipelines = policy(pipeline.Aggregate,
	allow(pipeline.Create{}, "pipeline:create"),
	allow(pipeline.Rename{}, "pipeline:update"),
	allow(pipeline.AddStage{}, "pipeline:update"),
	allow(pipeline.UpdateStage{}, "pipeline:update"),
	allow(pipeline.ReorderStages{}, "pipeline:update"),
	allow(pipeline.ArchiveStage{}, "pipeline:update"),
	allow(pipeline.Archive{}, "pipeline:delete"),
)
