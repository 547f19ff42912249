package commands

import "github.com/rowhouse/rowhouse/domain/task"

// Tasks says who may do what with tasks.
var Tasks = policy(task.Aggregate,
	refers[task.Task](Contacts, Companies, Deals),
	allow(task.Create{}, "task:create"),
	allow(task.Update{}, "task:update"),
	allow(task.AssignOwner{}, "task:assign"),
	allow(task.AddTags{}, "task:update"),
	allow(task.RemoveTags{}, "task:update"),
	allow(task.Delete{}, "task:delete"),
	allow(task.Restore{}, "task:delete"),
	allow(task.RestoreVersion{}, "task:update"),
	allow(task.Purge{}, "task:purge"),
	allow(task.Assign{}, "task:assign"),
	allow(task.Reschedule{}, "task:update"),
	allow(task.Start{}, "task:update"),
	allow(task.Complete{}, "task:update"),
	allow(task.Reopen{}, "task:update"),
	allow(task.Cancel{}, "task:update"),
	allow(task.BecomeOverdue{}, "task:update"),
	allow(task.Remind{}, "task:update"),
)
