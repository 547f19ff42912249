package api

import (
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/projections"
)

func (s *Server) pipelines() *resource {
	return records(s, "The stages that deals go through.", commands.Pipelines, projections.Pipelines,
		create[pipeline.Create](`{"name":"Sales","stages":[{"key":"lead","name":"Lead","kind":"open","probability":10},{"key":"offer","name":"Offer","kind":"open","probability":50},{"key":"won","name":"Won","kind":"won","probability":100},{"key":"lost","name":"Lost","kind":"lost"}]}`),
		command[pipeline.Rename]("rename", "Give it another name", `{"name":"Sales, Europe"}`),
		command[pipeline.AddStage]("add_stage", "Add a stage", `{"key":"pilot","name":"Pilot","kind":"open","probability":70,"before":"won"}`),
		command[pipeline.UpdateStage]("update_stage", "Change a stage", `{"key":"offer","probability":60}`),
		command[pipeline.ReorderStages]("reorder_stages", "Put the stages in another order", `{"keys":["offer","lead","won","lost"]}`),
		command[pipeline.ArchiveStage]("archive_stage", "Archive a stage and move its deals to another one", `{"key":"offer","move_to":"lead"}`),
		command[pipeline.Archive]("archive", "Put it away", ""),
	)
}
