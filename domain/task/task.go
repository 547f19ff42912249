// Package task is about tasks: what somebody has to do, and by when. It knows
// the records that a task is about by their IDs.
package task

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes tasks. Its arguments are what can happen to one, besides
// what can happen to every record.
var Aggregate = record.Describe[Task, Fields]("task",
	Created{}, Assigned{}, Rescheduled{}, Started{}, Completed{}, Reopened{}, Cancelled{},
	BecameOverdue{}, Reminded{},
)

// Event is a fact about a task.
type Event = domain.Event[Task]

// What can be asked of a task, and what can happen to one, as for every record.
type (
	Create         = record.Create[Task, Fields, *Task]
	Update         = record.Update[Task, Fields, *Task]
	AssignOwner    = record.AssignOwner[Task, Fields, *Task]
	AddTags        = record.AddTags[Task, Fields, *Task]
	RemoveTags     = record.RemoveTags[Task, Fields, *Task]
	Delete         = record.Delete[Task, Fields, *Task]
	Restore        = record.Restore[Task, Fields, *Task]
	RestoreVersion = record.RestoreVersion[Task, Fields, *Task]
	Purge          = record.Purge[Task, Fields, *Task]
	Created        = record.Created[Task, Fields, *Task]
	Updated        = record.Updated[Task, Fields, *Task]
	OwnerAssigned  = record.OwnerAssigned[Task, Fields, *Task]
	TagsChanged    = record.TagsChanged[Task, Fields, *Task]
	Deleted        = record.Deleted[Task, Fields, *Task]
	Restored       = record.Restored[Task, Fields, *Task]
	Purged         = record.Purged[Task, Fields, *Task]
)

// Fields is what can be changed by a patch.
type Fields struct {
	record.Common

	Title      string           `json:"title" class:"personal" of:"related" search:"true" minLength:"1" maxLength:"500" doc:"What is to be done" example:"Call Ada about the roof"`
	Kind       string           `json:"kind,omitzero" class:"internal" default:"todo" enum:"todo,call,email,meeting" doc:"How it is done" example:"call"`
	Priority   string           `json:"priority,omitzero" class:"internal" sort:"-" default:"normal" enum:"low,normal,high" doc:"How urgent it is" example:"high"`
	DueAt      *time.Time       `json:"due_at,omitzero" doc:"When it must be done" example:"2026-12-01T09:00:00Z"`
	RemindAt   *time.Time       `json:"remind_at,omitzero" doc:"When to remind of it" example:"2026-12-01T08:00:00Z"`
	AssigneeID domain.ID        `json:"assignee_id,omitzero" prefix:"usr" doc:"The member who does it" example:"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Related    record.RelatedTo `json:"related,omitzero" maxItems:"50" doc:"What it is about"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "task" }

// Task is what decisions about a task depend on. The zero Task does not exist.
type Task struct {
	record.Base[Fields]
	Progress

	RemindedOf time.Time // the remind_at of the last reminder
}

// Progress is what clients see of a task beside its fields.
type Progress struct {
	Status     Status     `json:"status" class:"internal" enum:"open,in_progress,done,cancelled"`
	Outcome    string     `json:"outcome,omitzero" class:"personal" of:"related" list:"-" search:"true" doc:"What came of it"`
	DoneAt     *time.Time `json:"done_at,omitzero" doc:"When it was completed"`
	Overdue    bool       `json:"overdue,omitzero" doc:"True if it was not done in time and still is not; left out otherwise"`
	RemindedAt *time.Time `json:"reminded_at,omitzero" list:"-" doc:"When its last reminder was given"`
}

// Status says how far a task has come.
type Status = record.Status

// A task is open until somebody starts it, and ends by being done or cancelled.
const (
	StatusOpen       Status = "open"
	StatusInProgress Status = "in_progress"
	StatusDone       Status = "done"
	StatusCancelled  Status = "cancelled"
)

// Begun implements [record.Beginner].
func (t *Task) Begun() { t.Status = StatusOpen }

// Standing implements [record.Standing].
func (t *Task) Standing() *Status { return &t.Status }

// Own implements [record.Kind].
func (*Task) Own() record.Own[Task, Fields] {
	return record.Own[Task, Fields]{
		"assignee_id": func(from, to Fields) Event { return Assigned{from.AssigneeID, to.AssigneeID} },
		"due_at":      func(from, to Fields) Event { return Rescheduled{from.DueAt, to.DueAt} },
	}
}

// Assign says who does a task, or that nobody does.
type Assign struct {
	AssigneeID domain.ID `json:"assignee_id,omitzero" prefix:"usr" doc:"The member who does it; nobody, if left out" example:"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// Assigned says that somebody else does a task.
type Assigned struct {
	From domain.ID `json:"from,omitzero"`
	To   domain.ID `json:"to,omitzero"`
}

// Decide assigns a task to somebody who does not have it already.
func (c Assign) Decide(t Task, o domain.Origin) ([]Event, error) {
	to := t.Fields
	to.AssigneeID = c.AssigneeID
	return record.Modify[Task](&t, o, to)
}

func (Assigned) EventType() string { return "task.assigned" }
func (e Assigned) Apply(t *Task)   { e.Set(&t.Fields) }

// Set changes the fields accordingly.
func (e Assigned) Set(f *Fields) { f.AssigneeID = e.To }

// Touches implements [domain.Toucher].
func (Assign) Touches() []string { return []string{"assignee_id"} }

// Touches implements [domain.Toucher].
func (Assigned) Touches() []string { return []string{"assignee_id"} }

// Reschedule says when a task must be done, or that it does not matter.
type Reschedule struct {
	DueAt *time.Time `json:"due_at,omitzero" doc:"When it must be done; at no time, if left out" example:"2026-12-01T09:00:00Z"`
}

// Rescheduled says that a task must be done at another time.
type Rescheduled struct {
	From *time.Time `json:"from,omitzero"`
	To   *time.Time `json:"to,omitzero"`
}

// Decide reschedules a task.
func (c Reschedule) Decide(t Task, o domain.Origin) ([]Event, error) {
	to := t.Fields
	to.DueAt = c.DueAt
	return record.Modify[Task](&t, o, to)
}

func (Rescheduled) EventType() string { return "task.rescheduled" }
func (e Rescheduled) Apply(t *Task) {
	e.Set(&t.Fields)
	t.Overdue = false
}

// Set changes the fields accordingly.
func (e Rescheduled) Set(f *Fields) { f.DueAt = e.To }

// Touches implements [domain.Toucher].
func (Reschedule) Touches() []string { return []string{"due_at"} }

// Touches implements [domain.Toucher].
func (Rescheduled) Touches() []string { return []string{"due_at", overdueField} }

// stepped is the event of a command that changes the status.
type stepped[C record.Stepper] = record.Stepped[C, Task, Fields, *Task]

// What follows from commands that change the status.
type (
	Started   = stepped[Start]
	Completed = stepped[Complete]
	Reopened  = stepped[Reopen]
	Cancelled = stepped[Cancel]
)

// ended is what changes, beside the status, when a task comes to an end or begins
// anew.
var ended = []string{"outcome", "done_at", overdueField}

// Start begins a task.
type Start struct{}

// Step implements [record.Stepper].
func (Start) Step() record.Step {
	return record.Step{Command: "start", From: []Status{StatusOpen}, To: StatusInProgress, Event: "started"}
}

// Decide starts an open task.
func (c Start) Decide(t Task, _ domain.Origin) ([]Event, error) { return record.Take[Task](&t, c) }

// Complete says that a task is done.
type Complete struct {
	Outcome string `json:"outcome,omitzero" class:"personal" of:"related" maxLength:"2000" text:"lines" doc:"What came of it" example:"Wants an offer by Friday"`
}

// Step implements [record.Stepper].
func (Complete) Step() record.Step {
	return record.Step{Command: "complete", From: []Status{StatusOpen, StatusInProgress}, To: StatusDone, Event: "completed"}
}

// Affects implements [record.Stepper].
func (Complete) Affects() []string { return ended }

// Effect implements [record.Stepper].
func (c Complete) Effect(t *Task) {
	t.Outcome, t.DoneAt, t.Overdue = c.Outcome, new(t.EventTime()), false
}

// Decide completes a task that is not at its end.
func (c Complete) Decide(t Task, _ domain.Origin) ([]Event, error) { return record.Take[Task](&t, c) }

// Reopen takes a task up again.
type Reopen struct{}

// Step implements [record.Stepper].
func (Reopen) Step() record.Step {
	return record.Step{Command: "reopen", From: []Status{StatusDone, StatusCancelled}, To: StatusOpen, Event: "reopened"}
}

// Affects implements [record.Stepper].
func (Reopen) Affects() []string { return ended }

// Effect implements [record.Stepper].
func (Reopen) Effect(t *Task) { t.Outcome, t.DoneAt, t.Overdue = "", nil, false }

// Decide reopens a task that is at its end.
func (c Reopen) Decide(t Task, _ domain.Origin) ([]Event, error) { return record.Take[Task](&t, c) }

// Cancel says that a task need not be done.
type Cancel struct{}

// Step implements [record.Stepper].
func (Cancel) Step() record.Step {
	return record.Step{Command: "cancel", From: []Status{StatusOpen, StatusInProgress}, To: StatusCancelled, Event: "cancelled"}
}

// Affects implements [record.Stepper].
func (Cancel) Affects() []string { return ended }

// Effect implements [record.Stepper].
func (Cancel) Effect(t *Task) { t.Overdue = false }

// Decide cancels a task that is not at its end.
func (c Cancel) Decide(t Task, _ domain.Origin) ([]Event, error) { return record.Take[Task](&t, c) }
