package reactions

import (
	"context"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/jobs"
)

// Name returns the name of a process.
func (p Process) Name() string { return p.name }

// React gives events to a process.
func (p Process) React(ctx context.Context, in Services, tracker eventstore.Tracker, b eventstore.Batch) error {
	return p.react(ctx, in, tracker, b)
}

// Purgeable returns the kinds of records that the bin is emptied of.
func Purgeable() (kinds []string) {
	for _, k := range purgeable {
		kinds = append(kinds, k.table.Kind())
	}
	return kinds
}

// AddLineItem is a command that has another effect each time that it is given.
func AddLineItem() Command { return give(commands.Deals, deal.AddLineItem{}) }

// GiveCommand gives the command that a job is about.
func (in Services) GiveCommand(ctx context.Context, c Command, j jobs.Job) error {
	return in.give(ctx, c, j)
}
