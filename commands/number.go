package commands

import (
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

// isNumbered reports whether events of a decision get numbers when they are recorded.
func (d *decision) isNumbered() bool {
	return slices.ContainsFunc(d.events, func(e content.Event) bool { _, ok := e.(domain.Numbered); return ok })
}
