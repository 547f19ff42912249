package task

import (
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// mayRemind is how late a reminder may come. Nobody wants to be reminded of what
// was to be remembered a week ago, such as of tasks that were imported.
const mayRemind = 7 * 24 * time.Hour

// BecomeOverdue says that the time may have passed at which a task had to be done.
// The server gives it at that time. It changes nothing if the task is not overdue
// then, or is already.
type BecomeOverdue struct{}

// BecameOverdue says that a task was not done in time. It can happen again after
// the task was rescheduled or reopened.
type BecameOverdue struct {
	DueAt time.Time `json:"due_at"`
}

// Decide makes a task overdue that somebody should have done by now.
func (BecomeOverdue) Decide(t Task, o domain.Origin) ([]Event, error) {
	due := t.Fields.DueAt
	if !t.toDo() || t.Overdue || due == nil || o.Time.Before(*due) {
		return nil, nil
	}
	return []Event{BecameOverdue{*due}}, nil
}

func (BecameOverdue) EventType() string { return "task.became_overdue" }
func (BecameOverdue) Apply(t *Task)     { t.Overdue = true }

// Touches implements [domain.Toucher].
func (BecomeOverdue) Touches() []string { return []string{overdueField} }

// Touches implements [domain.Toucher].
func (BecameOverdue) Touches() []string { return []string{overdueField} }

const overdueField = "overdue"

// Remind says that the time may have come to remind of a task. The server gives it
// at that time. It changes nothing if it is too early or more than 7 days late, if
// the task is not to be done any more, or if this reminder was given.
type Remind struct{}

// Reminded says that it was time to remind of a task. It happens once for each
// remind_at that a task is given.
type Reminded struct {
	RemindAt time.Time `json:"remind_at"`
}

// Decide reminds of a task that is still to be done.
func (Remind) Decide(t Task, o domain.Origin) ([]Event, error) {
	at := t.Fields.RemindAt
	if !t.toDo() || at == nil || o.Time.Before(*at) || o.Time.Sub(*at) > mayRemind || at.Equal(t.RemindedOf) {
		return nil, nil
	}
	return []Event{Reminded{*at}}, nil
}

func (Reminded) EventType() string { return "task.reminded" }
func (e Reminded) Apply(t *Task)   { t.RemindedOf, t.RemindedAt = e.RemindAt, new(t.EventTime()) }

// Touches implements [domain.Toucher].
func (Remind) Touches() []string { return []string{"reminded_at"} }

// Touches implements [domain.Toucher].
func (Reminded) Touches() []string { return []string{"reminded_at"} }

// toDo reports whether a task is there and has not come to an end.
func (t *Task) toDo() bool {
	return t.Live() && (t.Status == StatusOpen || t.Status == StatusInProgress)
}
