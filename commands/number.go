package commands

import (
	"fmt"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// number asks for the number of an event that is the next one of a write, in the form
// that is stored, if it gets one; see [domain.Numbered].
func number(c *eventstore.Command, write int, data []byte, event content.Event) error {
	n, ok := event.(domain.Numbered)
	if !ok {
		return nil
	}
	at, err := domain.PlaceOfNumber(data)
	if err != nil {
		return fmt.Errorf("number %s: %w", event.EventType(), err)
	}
	c.Numbers = append(c.Numbers, eventstore.Number{Series: n.Series(), Write: write, Event: len(c.Writes[write].Events), At: at})
	return nil
}

// isNumbered reports whether events of a decision get numbers when they are recorded.
func (d *decision) isNumbered() bool {
	return slices.ContainsFunc(d.events, func(e content.Event) bool { _, ok := e.(domain.Numbered); return ok })
}
