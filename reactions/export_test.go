package reactions

import (
	"context"

	"github.com/rowhouse/rowhouse/eventstore"
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
