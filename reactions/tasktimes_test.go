package reactions_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/reactions"
)

// What follows from what happens to tasks, on paper.
func TestTaskTimesOnPaper(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	due, remind := noon.Add(2*time.Hour), noon.Add(time.Hour)
	id := domain.ID{Prefix: "task", UUID: uuid.UUID{15: 1}}
	changed := func(field, to string) task.Updated {
		return task.Updated{Changes: map[string]record.Change{field: {Old: json.RawMessage("null"), New: json.RawMessage(to)}}}
	}
	for name, c := range map[string]struct {
		event interface{ EventType() string }
		want  []string
	}{
		"made with times":           {task.Created{Fields: task.Fields{Title: "x", DueAt: &due, RemindAt: &remind}}, []string{"wake at 2026-03-01 14:00:00: due", "wake at 2026-03-01 13:00:00: remind"}},
		"made without":              {task.Created{Fields: task.Fields{Title: "x"}}, nil},
		"put off":                   {task.Rescheduled{To: &due}, []string{"wake at 2026-03-01 14:00:00: due"}},
		"not due any more":          {task.Rescheduled{From: &due}, []string{"call off due"}},
		"to be reminded of":         {changed("remind_at", `"2026-03-01T13:00:00Z"`), []string{"wake at 2026-03-01 13:00:00: remind"}},
		"not to be reminded of":     {changed("remind_at", "null"), []string{"call off remind"}},
		"changed in another way":    {changed("title", `"y"`), nil},
		"taken up again":            {task.Reopened{}, []string{"wake at 2026-03-01 12:00:00: look_again"}},
		"taken out of the bin":      {task.Restored{}, []string{"wake at 2026-03-01 12:00:00: look_again"}},
		"gone for good":             {task.Purged{}, []string{"call off due", "call off remind"}},
		"done, which is seen later": {task.Completed{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play := reactions.Play{Process: reactions.TaskTimes}
			if diff := cmp.Diff(c.want, play.Event(id, noon, c.event)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
		})
	}
	play := reactions.Play{Process: reactions.TaskTimes}
	for key, want := range map[string]string{"due": "task.become_overdue", "look_again": "task.become_overdue", "remind": "task.remind"} {
		if diff := cmp.Diff([]string{"give " + want + " to " + id.String()}, play.Wake(reactions.Wakeup{Subject: id.String(), Key: key})); diff != "" {
			t.Errorf("woken by %s (-want +got):\n%s", key, diff)
		}
	}
}
