package projections

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Task is a row of [Tasks].
type Task struct {
	Row
	task.Fields

	Status  task.Status `json:"status" enum:"open,in_progress,done,cancelled"`
	Outcome string      `json:"outcome,omitzero" doc:"What came of it"`
	DoneAt  *time.Time  `json:"done_at,omitzero" doc:"When it was completed"`

	Overdue    bool       `json:"overdue,omitzero" doc:"True if it was not done in time and still is not; left out otherwise"`
	RemindedAt *time.Time `json:"reminded_at,omitzero" doc:"When its last reminder was given"`
}

// Tasks lists the tasks of a tenant.
var Tasks = table("tasks", task.Aggregate,
	required(text("title", func(t *Task) string { return t.Title })),
	required(enum("kind", []string{"todo", "call", "email", "meeting"}, func(t *Task) string { return t.Kind })),
	unsorted(required(enum("priority", []string{"low", "normal", "high"}, func(t *Task) string { return t.Priority }))),
	required(enum("status", []task.Status{task.StatusOpen, task.StatusInProgress, task.StatusDone, task.StatusCancelled},
		func(t *Task) task.Status { return t.Status })),
	moment("due_at", func(t *Task) *time.Time { return t.DueAt }),
	moment("remind_at", func(t *Task) *time.Time { return t.RemindAt }),
	boolean("overdue", func(t *Task) bool { return t.Overdue }),
	moment("done_at", func(t *Task) *time.Time { return t.DoneAt }),
	reference("assignee_id", "usr", func(t *Task) domain.ID { return t.AssigneeID }),
	texts("related.id", query.AnyID, (*Task).related),
	search(func(t *Task) []string { return []string{t.Title, t.Outcome} }),

	recorded[Task, task.Task](func(t *Task) *task.Fields { return &t.Fields }, func(t *Task) *record.Common { return &t.Common }),
	on(func(t *Task, e Event[task.Created]) { t.Fields, t.Status = e.Data.Fields, task.StatusOpen }),
	on(func(t *Task, e Event[task.Assigned]) { e.Data.Set(&t.Fields) }),
	on(func(t *Task, e Event[task.Rescheduled]) {
		e.Data.Set(&t.Fields)
		t.Overdue = false
	}),
	on(func(t *Task, _ Event[task.Started]) { t.Status = task.StatusInProgress }),
	on(func(t *Task, e Event[task.Completed]) {
		t.Status, t.Outcome, t.DoneAt, t.Overdue = task.StatusDone, e.Data.Outcome, new(e.Time.UTC()), false
	}),
	on(func(t *Task, _ Event[task.Reopened]) {
		t.Status, t.Outcome, t.DoneAt, t.Overdue = task.StatusOpen, "", nil, false
	}),
	on(func(t *Task, _ Event[task.Cancelled]) { t.Status, t.Overdue = task.StatusCancelled, false }),
	on(func(t *Task, _ Event[task.BecameOverdue]) { t.Overdue = true }),
	on(func(t *Task, e Event[task.Reminded]) { t.RemindedAt = new(e.Time.UTC()) }),
)

// related are of several kinds, so they are filtered by as text.
func (t *Task) related() (ids []string) {
	for _, r := range t.Related {
		ids = append(ids, r.ID.String())
	}
	return ids
}
