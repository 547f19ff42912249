package api

import (
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/projections"
)

func (s *Server) tasks() *resource {
	return records(s, "What somebody has to do, and by when.", commands.Tasks, projections.Tasks,
		create[task.Create](`{"title":"Call Ada about the offer","kind":"call","due_at":"2026-03-01T10:00:00Z","external_ids":{"hubspot":"501"}}`),
		update[task.Update](`{"priority":"high"}`),
		deletes[task.Delete](),
		command[task.Restore]("restore", "Take it out of the bin", `{}`),
		command[task.RestoreVersion]("restore_version", "Take its fields back to what they were", `{"version":1}`),
		command[task.Purge]("purge", "Remove it for good", ""),
		command[task.AssignOwner]("assign_owner", "Make somebody responsible for it", `{"owner_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[task.AddTags]("add_tags", "Add tags", `{"tags":["vip"]}`),
		command[task.RemoveTags]("remove_tags", "Take tags away", `{"tags":["vip"]}`),
		command[task.Assign]("assign", "Say who has to do it", `{"assignee_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		command[task.Reschedule]("reschedule", "Move it to another time", `{"due_at":"2026-03-02T10:00:00Z"}`),
		command[task.Start]("start", "Begin to work on it", ""),
		command[task.Complete]("complete", "Say that it is done", `{"outcome":"Called back"}`),
		command[task.Reopen]("reopen", "Say that it is not done", ""),
		command[task.Cancel]("cancel", "Say that it need not be done", ""),
	).matching(matches[task.Fields, task.Task]("external_ids"))
}
