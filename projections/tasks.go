package projections

import "github.com/rowhouse/rowhouse/domain/task"

// Task is a row of [Tasks].
type Task struct {
	Row
	task.Fields
	task.Progress
}

// Tasks lists the tasks of a tenant.
var Tasks = records[Task]("tasks", task.Aggregate)
