package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// number asks for the number of an event that is the next one of a write, if it gets
// one; see [domain.Numbered].
func number(c *eventstore.Command, write int, encoded eventstore.Event, event content.Event) error {
	n, gets, err := content.Number(encoded, event)
	if gets {
		n.Write, n.Event = write, len(c.Writes[write].Events)
		c.Numbers = append(c.Numbers, n)
	}
	return err //nolint:wrapcheck // it says which event it is about
}

// asRecorded returns a command as it is in the log. One that an earlier attempt has
// recorded, whose answer was lost, has got its numbers then: they are read from there.
func (r *Runner) asRecorded(ctx context.Context, tenant domain.TenantID, c eventstore.Command, res eventstore.Result) (eventstore.Command, error) {
	if len(c.Numbers) == 0 || !res.Receipt.Repeated {
		return eventstore.WithNumbers(c, res.Numbers), nil
	}
	events, err := r.eventsOf(ctx, tenant, res.Receipt)
	if err != nil {
		return c, err
	}
	c.Writes = slices.Clone(c.Writes)
	for i := range c.Writes {
		w := &c.Writes[i]
		if len(events) < len(w.Events) {
			return c, fmt.Errorf("a repeated command has fewer events than when it was recorded: %w", eventstore.ErrGap)
		}
		was := events[:len(w.Events)]
		w.Events, events = make([]eventstore.Event, len(was)), events[len(was):]
		for k := range was {
			w.Events[k] = was[k].Event
		}
	}
	return c, nil
}

// isNumbered reports whether events of a decision get numbers when they are recorded.
func (d *decision) isNumbered() bool {
	return slices.ContainsFunc(d.events, func(e content.Event) bool { _, ok := e.(domain.Numbered); return ok })
}
