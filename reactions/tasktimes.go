package reactions

import (
	"slices"
	"time"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/task"
)

// TaskTimes has tasks become overdue when they were not done in time, and reminds of
// them. It remembers nothing: it is woken when the time has come, and the task
// decides what that means by then. A task that is taken up again, or taken out of
// the bin, is looked at once more.
var TaskTimes = NewProcess("task_times",
	On(func(s nothing, e Event[task.Created]) (nothing, []Order) {
		return s, append(onlyIf(e.Data.Fields.DueAt, wakeDue), onlyIf(e.Data.Fields.RemindAt, wakeRemind)...)
	}),
	On(func(s nothing, e Event[task.Rescheduled]) (nothing, []Order) {
		return s, []Order{wakeOrNot(wakeDue, e.Data.To)}
	}),
	On(func(s nothing, e Event[task.Updated]) (nothing, []Order) {
		if !slices.Contains(e.Data.Touches(), "remind_at") {
			return s, nil
		}
		var f task.Fields
		e.Data.Set(&f)
		return s, []Order{wakeOrNot(wakeRemind, f.RemindAt)}
	}),
	On(func(s nothing, e Event[task.Reopened]) (nothing, []Order) {
		return s, []Order{WakeAt(wakeAgain, e.Time)}
	}),
	On(func(s nothing, e Event[task.Restored]) (nothing, []Order) {
		return s, []Order{WakeAt(wakeAgain, e.Time)}
	}),
	On(func(s nothing, _ Event[task.Purged]) (nothing, []Order) {
		return s, []Order{CallOff(wakeDue), CallOff(wakeRemind)}
	}),
	Woken(func(s nothing, w Wakeup) (nothing, []Order) {
		id, err := domain.ParseID(w.Subject)
		if err != nil {
			return s, nil // no subject of ours
		}
		if w.Key == wakeRemind {
			return s, []Order{Give(commands.Tasks, id.UUID, task.Remind{})}
		}
		return s, []Order{Give(commands.Tasks, id.UUID, task.BecomeOverdue{})}
	}),
)

// nothing is the state of a process that remembers nothing.
type nothing struct{}

// The wake-ups of a task.
const (
	wakeDue    = "due"
	wakeRemind = "remind"
	wakeAgain  = "look_again"
)

// wakeOrNot orders a wake-up at a time, or none any more.
func wakeOrNot(key string, at *time.Time) Order {
	if at == nil {
		return CallOff(key)
	}
	return WakeAt(key, *at)
}

// onlyIf orders a wake-up if there is a time.
func onlyIf(at *time.Time, key string) []Order {
	if at == nil {
		return nil
	}
	return []Order{WakeAt(key, *at)}
}
