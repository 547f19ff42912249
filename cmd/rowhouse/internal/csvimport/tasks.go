package csvimport

import (
	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain/task"
)

// tasks are what is to be done.
var tasks = object{
	collection: "tasks", prefix: "task",
	needs: []string{"title"},
	fields: []field{
		externalID.also("Task ID", "Activity ID", "Activity: ID"),
		{name: "title", headers: []string{"Title", "Task Title", "Task Name", "Subject", "Name", "Task", "Betreff", "Titel", "Titre", "Asunto"}},
		{name: "kind", headers: []string{"Type", "Task Type", "Kind", "Task Subtype", "Activity Type"}},
		{name: "priority", headers: []string{"Priority", "Task Priority", "Priorität", "Priorité", "Prioridad"}},
		{name: "due_at", kind: aDate, headers: []string{"Due Date", "Due", "Due At", "Deadline", "Date Due", "Activity Date", "Fällig", "Fälligkeitsdatum", "Échéance"}},
		{name: "remind_at", kind: aDate, headers: []string{"Reminder", "Reminder Date", "Remind At", "Reminder Date/Time"}},
		{name: "status", headers: []string{"Status", "Task Status", "State", "Completed", "Done"}},
		{name: "outcome", headers: []string{"Outcome", "Result", "Resolution", "Ergebnis"}},
		companyName, companyID,
		{name: "contact.external_id", headers: []string{"Contact ID", "Who ID", "WhoId", "Associated Contact ID", "Associated Contact IDs"}},
		{name: "contact", headers: []string{"Contact", "Contact Name", "Associated Contact", "Contact Email"}},
		tags,
	},
	build: buildTask,
	check: checker[task.Fields](),
}

// What other products call the kinds, priorities and states of tasks.
var (
	taskKinds = map[string]string{
		"todo": "todo", "call": "call", "email": "email", "meeting": "meeting",
		"task": "todo", "other": "todo", "linkedin": "todo", "letter": "todo", "demo": "meeting", "visit": "meeting", "phonecall": "call",
	}
	taskPriorities = map[string]string{
		"low": "low", "normal": "normal", "high": "high",
		"medium": "normal", "none": "", "urgent": "high", "highest": "high", "lowest": "low",
	}
	taskStates = map[string]string{
		"open": "open", "inprogress": "in_progress", "done": "done", "cancelled": "cancelled",
		"notstarted": "open", "todo": "open", "waiting": "open", "waitingonsomeoneelse": "open", "deferred": "open", "pending": "open", "new": "open",
		"no": "open", "false": "open", "0": "open",
		"started": "in_progress", "completed": "done", "complete": "done", "closed": "done", "finished": "done", "yes": "done", "true": "done", "1": "done",
		"canceled": "cancelled", "aborted": "cancelled",
	}
)

func buildTask(d *draft) {
	d.externalID()
	d.required("title")
	d.choice("kind", taskKinds)
	d.choice("priority", taskPriorities)
	d.moment("due_at")
	d.moment("remind_at")
	d.tags()
	d.related()
	outcome := d.given("outcome")
	switch d.picked("status", taskStates) {
	case "in_progress":
		d.then(client.Operation{Op: "start"})
	case "done":
		data := map[string]any{}
		if outcome != "" {
			data["outcome"] = outcome
		}
		d.then(client.Operation{Op: "complete", Data: mustJSON(data)})
	case "cancelled":
		d.then(client.Operation{Op: "cancel"})
	}
}
