package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
)

type (
	events = []task.Event
	fields = task.Fields
)

func patch(text string) (u task.Update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

// other stands for a record that a task is about: live or not.
type other bool

func (o other) Live() bool { return bool(o) }

func id(prefix string, n byte) domain.ID { return domain.ID{Prefix: prefix, UUID: uuid.UUID{15: n}} }

func TestTask(t *testing.T) {
	t.Parallel()
	bob, ada, gone := id("usr", 1), id("con", 2), id("deal", 3)
	found := map[domain.ID]any{ada: other(true), gone: other(false)}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	berlin := noon.In(time.FixedZone("CET", 3600)).Add(time.Nanosecond)
	call := task.Created{Fields: fields{Title: "Call Ada", Kind: "call", Priority: "high"}}
	in := func(more ...task.Event) events { return append(events{call}, more...) }
	rescheduled := task.Rescheduled{To: &noon}
	completed := task.Completed{By: task.Complete{Outcome: "She will sign"}}
	later := noon.Add(2 * time.Hour)
	at := func(t time.Time) domain.Origin { return domain.Origin{Time: t} }
	reminder := task.Updated{Changes: map[string]record.Change{"remind_at": {Old: json.RawMessage("null"), New: json.RawMessage(`"2026-03-01T12:00:00Z"`)}}}
	remindLater := task.Updated{Changes: map[string]record.Change{"remind_at": {Old: json.RawMessage(`"2026-03-01T12:00:00Z"`), New: json.RawMessage(`"2026-03-01T14:00:00Z"`)}}}

	domaintest.RunRecord(t, task.Aggregate, call, []domaintest.Case[task.Task]{
		{Name: "a task is created", When: task.Create{Fields: call.Fields}, Then: in()},
		{Name: "it needs a title", When: task.Create{}, Err: domain.Invalid, At: "/title"},
		{Name: "it is something to do, and as important as others, unless somebody says so", When: task.Create{Fields: fields{Title: "x"}}, Then: events{task.Created{Fields: fields{Title: "x", Kind: "todo", Priority: "normal"}}}},
		{Name: "times are kept in UTC, as exact as they can be looked for", When: task.Create{Fields: fields{Title: "x", Kind: "todo", Priority: "low", DueAt: &berlin}}, Then: events{task.Created{Fields: fields{Title: "x", Kind: "todo", Priority: "low", DueAt: &noon}}}},
		{Name: "a kind has to be one", When: task.Create{Fields: fields{Title: "x", Kind: "nap"}}, Err: domain.Invalid, At: "/kind"},
		{Name: "a task is about records", When: task.Create{Fields: fields{Title: "x", Related: record.RelatedTo{{Type: "contact", ID: ada}}}}, Found: found, Then: events{task.Created{Fields: fields{Title: "x", Kind: "todo", Priority: "normal", Related: record.RelatedTo{{Type: "contact", ID: ada}}}}}},
		{Name: "each named once", When: task.Create{Fields: fields{Title: "x", Related: record.RelatedTo{{Type: "contact", ID: ada}, {Type: "contact", ID: ada}}}}, Found: found, Err: domain.Invalid, At: "/related/1"},
		{Name: "of a kind that can be worked for", When: task.Create{Fields: fields{Title: "x", Related: record.RelatedTo{{Type: "task", ID: ada}}}}, Found: found, Err: domain.Invalid, At: "/related/0/type"},
		{Name: "that are live", When: task.Create{Fields: fields{Title: "x", Related: record.RelatedTo{{Type: "contact", ID: ada}, {Type: "deal", ID: gone}}}}, Found: found, Err: domain.Invalid, Code: "reference_not_found", At: "/related/1/id"},
		{Name: "a task is updated", Given: in(), When: patch(`{"priority":null}`), Then: events{task.Updated{Changes: map[string]record.Change{"priority": {Old: json.RawMessage(`"high"`), New: json.RawMessage(`"normal"`)}}}}},

		{Name: "a task is assigned", Given: in(), When: task.Assign{AssigneeID: bob}, Then: events{task.Assigned{To: bob}}},
		{Name: "by either door", Given: in(), When: patch(`{"assignee_id":"` + bob.String() + `"}`), Then: events{task.Assigned{To: bob}}},
		{Name: "to a member", Given: in(), When: task.Assign{AssigneeID: ada}, Err: domain.Invalid, At: "/assignee_id"},
		{Name: "or to nobody", Given: in(task.Assigned{To: bob}), When: task.Assign{}, Then: events{task.Assigned{From: bob}}},
		{Name: "a task is rescheduled", Given: in(), When: task.Reschedule{DueAt: &berlin}, Then: events{rescheduled}},
		{Name: "by either door, too", Given: in(), When: patch(`{"due_at":"2026-03-01T13:00:00+01:00"}`), Then: events{rescheduled}},
		{Name: "the same moment is no change", Given: in(rescheduled), When: task.Reschedule{DueAt: &berlin}},
		{Name: "what can wait", Given: in(rescheduled), When: task.Reschedule{}, Then: events{task.Rescheduled{From: &noon}}},
		{Name: "a time that cannot be written is none", Given: in(), When: patch(`{"due_at":"9999-12-31T23:59:59-10:00"}`), Err: domain.Invalid, Code: "invalid_time", At: "/due_at"},

		{Name: "completed", Given: in(task.Started{}), When: task.Complete{Outcome: "She will sign"}, Then: events{completed}},
		{Name: "or completed at once", Given: in(), When: task.Complete{Outcome: "She will sign"}, Then: events{completed}},
		{Name: "and completed again", Given: in(completed, task.Reopened{}), When: task.Complete{Outcome: "She will sign"}, Then: events{completed}},
		{Name: "nothing cannot be done", When: task.Complete{}, Err: domain.NotFound},
		{Name: "nor what is deleted", Given: in(task.Deleted{}), When: task.Start{}, Err: domain.Conflict, Code: "deleted"},

		{Name: "a task becomes overdue when the time has come", Given: in(rescheduled), When: task.BecomeOverdue{}, As: at(noon), Then: events{task.BecameOverdue{DueAt: noon}}},
		{Name: "not before", Given: in(rescheduled), When: task.BecomeOverdue{}, As: at(noon.Add(-1))},
		{Name: "once", Given: in(rescheduled, task.BecameOverdue{DueAt: noon}), When: task.BecomeOverdue{}, As: at(noon.Add(time.Hour))},
		{Name: "also when somebody is at it", Given: in(rescheduled, task.Started{}), When: task.BecomeOverdue{}, As: at(noon), Then: events{task.BecameOverdue{DueAt: noon}}},
		{Name: "not when it is done", Given: in(rescheduled, completed), When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "nor called off", Given: in(rescheduled, task.Cancelled{}), When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "nor in the bin", Given: in(rescheduled, task.Deleted{}), When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "nor gone", Given: in(rescheduled, task.Deleted{}, task.Purged{}), When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "nor if it can wait", Given: in(), When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "nor if it was never there", When: task.BecomeOverdue{}, As: at(noon)},
		{Name: "again after it was rescheduled", Given: in(rescheduled, task.BecameOverdue{DueAt: noon}, task.Rescheduled{From: &noon, To: &later}), When: task.BecomeOverdue{}, As: at(later), Then: events{task.BecameOverdue{DueAt: later}}},
		{Name: "and after it was reopened", Given: in(rescheduled, task.BecameOverdue{DueAt: noon}, completed, task.Reopened{}), When: task.BecomeOverdue{}, As: at(later), Then: events{task.BecameOverdue{DueAt: noon}}},

		{Name: "a task is reminded of when the time has come", Given: in(reminder), When: task.Remind{}, As: at(noon), Then: events{task.Reminded{RemindAt: noon}}},
		{Name: "also a little late", Given: in(reminder), When: task.Remind{}, As: at(noon.AddDate(0, 0, 7)), Then: events{task.Reminded{RemindAt: noon}}},
		{Name: "but not when nobody wants to know any more", Given: in(reminder), When: task.Remind{}, As: at(noon.AddDate(0, 0, 7).Add(1))},
		{Name: "nor too early", Given: in(reminder), When: task.Remind{}, As: at(noon.Add(-1))},
		{Name: "nor twice", Given: in(reminder, task.Reminded{RemindAt: noon}), When: task.Remind{}, As: at(later)},
		{Name: "nor when it is done", Given: in(reminder, completed), When: task.Remind{}, As: at(noon)},
		{Name: "nor if nobody asked for it", Given: in(), When: task.Remind{}, As: at(noon)},
		{Name: "again for another time", Given: in(reminder, task.Reminded{RemindAt: noon}, remindLater), When: task.Remind{}, As: at(later), Then: events{task.Reminded{RemindAt: later}}},

		{Name: "a task has an owner", Given: in(), When: task.AssignOwner{OwnerID: bob}, Then: events{task.OwnerAssigned{To: bob}}},
		{Name: "a task is tagged", Given: in(), When: task.AddTags{Tags: []string{"x"}}, Then: events{task.TagsChanged{Added: []string{"x"}}}},
		{Name: "a task is deleted", Given: in(), When: task.Delete{}, Then: events{task.Deleted{}}},
		{Name: "a task is restored", Given: in(task.Deleted{}), When: task.Restore{}, Then: events{task.Restored{}}},
		{Name: "a task is purged", Given: in(completed, task.Deleted{}), When: task.Purge{}, Then: events{task.Purged{}}},
	})
}
