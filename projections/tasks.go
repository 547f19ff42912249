package projections

import (
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Task is a row of [Tasks].
type Task struct {
	Row
	task.Fields
	task.Progress
}

// Tasks lists the tasks of a tenant.
var Tasks = records[Task]("tasks", task.Aggregate,
	texts("related.id", query.AnyID, (*Task).related),
)

// related are of several kinds, so they are filtered by as text.
func (t *Task) related() (ids []string) {
	for _, r := range t.Related {
		ids = append(ids, r.ID.String())
	}
	return ids
}
