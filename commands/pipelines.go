package commands

import "github.com/rowhouse/rowhouse/domain/pipeline"

// Pipelines says who may do what with pipelines.
var Pipelines = policy(pipeline.Aggregate, "The stages that deals go through.",
	create[pipeline.Create](`{"name":"Sales","stages":[{"key":"lead","name":"Lead","kind":"open","probability":10},{"key":"offer","name":"Offer","kind":"open","probability":50},{"key":"won","name":"Won","kind":"won","probability":100},{"key":"lost","name":"Lost","kind":"lost"}]}`),
	allow[pipeline.Rename]("rename", "pipeline:update", "Rename a pipeline", `{"name":"Sales, Europe"}`),
	allow[pipeline.AddStage]("add_stage", "pipeline:update", "Add a stage to a pipeline", `{"key":"pilot","name":"Pilot","kind":"open","probability":70,"before":"won"}`),
	allow[pipeline.UpdateStage]("update_stage", "pipeline:update", "Update a stage of a pipeline", `{"key":"offer","probability":60}`),
	allow[pipeline.ReorderStages]("reorder_stages", "pipeline:update", "Reorder the stages of a pipeline", `{"keys":["offer","lead","won","lost"]}`),
	allow[pipeline.ArchiveStage]("archive_stage", "pipeline:update", "Archive a stage of a pipeline, and move its deals to another one", `{"key":"offer","move_to":"lead"}`),
	allow[pipeline.Archive]("archive", "pipeline:delete", "Archive a pipeline", ""),
)
