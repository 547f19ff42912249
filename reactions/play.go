package reactions

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// Play is a process on paper: it shows what follows from what, without a log, a
// database or a clock. It remembers as the process does. It is for tests.
type Play struct {
	Process Process
	states  map[string]json.RawMessage
}

// Event returns the orders that follow from an event of a record, as text: see
// [Order.String].
func (p *Play) Event(record domain.ID, at time.Time, event interface{ EventType() string }) []string {
	on, ok := p.Process.on[event.EventType()]
	if !ok {
		return nil
	}
	stream := eventstore.StreamID{ID: record.UUID}
	enc, err := content.NewEncoder(eventstore.Metadata{})
	if err != nil {
		return []string{err.Error()}
	}
	made, err := enc.Encode(stream, uuid.Nil, event)
	if err != nil {
		return []string{err.Error()}
	}
	o, err := on(eventstore.Recorded{Event: made, Stream: stream, Time: at}, record)
	if err != nil {
		return []string{err.Error()}
	}
	return p.react(o)
}

// Wake returns the orders that follow when the process is woken.
func (p *Play) Wake(w Wakeup) []string {
	return p.react(occasion{subject: w.Subject, react: func(state json.RawMessage) (json.RawMessage, []Order, error) {
		return p.Process.woken(state, w)
	}})
}

func (p *Play) react(o occasion) (list []string) {
	after, orders, err := o.react(p.states[o.subject])
	if err != nil {
		return []string{err.Error()}
	}
	if p.states == nil {
		p.states = map[string]json.RawMessage{}
	}
	p.states[o.subject] = after
	for _, order := range orders {
		list = append(list, order.String())
	}
	return list
}

// String says what is ordered.
func (o Order) String() string {
	switch g, _ := o.args.(given); {
	case o.kind == kindCommand:
		return fmt.Sprintf("give %s to %s", o.name, g.ID)
	case o.kind == kindWork:
		return fmt.Sprintf("do %s %v", o.name, o.args)
	case o.off:
		return "call off " + o.key
	case o.earliest:
		return "wake by " + o.at.UTC().Format(time.DateTime) + ": " + o.key
	default:
		return "wake at " + o.at.UTC().Format(time.DateTime) + ": " + o.key
	}
}
