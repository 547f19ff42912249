package commands

import "github.com/rowhouse/rowhouse/domain/task"

// Tasks says who may do what with tasks.
var Tasks = records(task.Aggregate, "What somebody has to do, and by when.",
	create[task.Create](`{"title":"Call Ada about the offer","kind":"call","due_at":"2026-03-01T10:00:00Z","external_ids":{"hubspot":"501"}}`),
	updateExample[task.Task](`{"priority":"high"}`),
	allow[task.Assign]("assign", "task:assign", "Assign a task", `{"assignee_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
	allow[task.Reschedule]("reschedule", "task:update", "Reschedule a task", `{"due_at":"2026-03-02T10:00:00Z"}`),
	allow[task.Start]("start", "task:update", "Start a task", ""),
	allow[task.Complete]("complete", "task:update", "Complete a task", `{"outcome":"Called back"}`),
	allow[task.Reopen]("reopen", "task:update", "Reopen a task", ""),
	allow[task.Cancel]("cancel", "task:update", "Cancel a task", ""),
	system[task.BecomeOverdue]("task:update"),
	system[task.Remind]("task:update"),
)
