package bus

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/rowhouse/rowhouse/eventstore"
)

// delivery is a batch on its way: the events of each record in a line, of which
// only the first may be under way. So no event can be taken before the one that
// it follows, however the target sends them.
type delivery struct {
	batch eventstore.Batch
	lines []*line
}

// line is what is left to publish of a record.
type line struct {
	events  []eventstore.Recorded
	refused Reason // why the first one is not taken, if it is not; then all wait
}

// open reports whether there is something to publish.
func (l *line) open() bool { return len(l.events) > 0 && l.refused == "" }

// newDelivery lines events up, but for those of the records that are held back.
func newDelivery(b eventstore.Batch, held map[eventstore.StreamID]bool) *delivery {
	d := &delivery{batch: b}
	of := make(map[eventstore.StreamID]*line)
	for _, e := range b.Events {
		if held[e.Stream] {
			continue
		}
		l := of[e.Stream]
		if l == nil {
			l = new(line)
			of[e.Stream] = l
			d.lines = append(d.lines, l)
		}
		l.events = append(l.events, e)
	}
	return d
}

// next returns the lines that something can be published of.
func (d *delivery) next() (open []*line) {
	for _, l := range d.lines {
		if l.open() {
			open = append(open, l)
		}
	}
	return open
}

// settled returns the position up to which there is nothing left to publish.
func (d *delivery) settled() eventstore.Position {
	to := d.batch.To()
	for _, l := range d.lines {
		if l.open() {
			to = min(to, l.events[0].Position-1)
		}
	}
	return to
}

// parkedUpTo returns the records that are to be parked at some position up to
// this one.
func (d *delivery) parkedUpTo(to eventstore.Position) (parked []Parked) {
	for _, l := range d.lines {
		if l.refused != "" && l.events[0].Position <= to {
			e := l.events[0]
			parked = append(parked, Parked{Stream: e.Stream, Version: e.Version, Position: e.Position, Reason: l.refused})
		}
	}
	return parked
}

// together is how many topics are published to at a time.
const together = 16

// publish publishes the first event of each line and takes those out that the
// target has taken. It reports whether there were any (what is refused may never
// have come as far as to the broker), and returns an error if some were neither
// taken nor refused.
func (b *Bus) publish(ctx context.Context, lines []*line) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	topics := make(map[string]*wave)
	for _, l := range lines {
		m, err := NewMessage(l.events[0], b.cfg.Prefixes)
		if reason, bad := refused(err); bad {
			l.refused = reason
			continue
		}
		m.SetContext(ctx)
		topic := b.cfg.Target.Topic(l.events[0].Stream, l.events[0].Type)
		if topics[topic] == nil {
			topics[topic] = new(wave)
		}
		topics[topic].add(l, m)
	}
	limit := make(chan struct{}, together)
	var wg sync.WaitGroup
	for topic, w := range topics {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			w.err = w.publish(b.cfg.Target, topic)
		})
	}
	wg.Wait()
	for _, w := range topics {
		b.published.Add(uint64(w.taken))
		taken = taken || w.taken > 0
		err = cmp.Or(err, w.err) // one of them will do
	}
	return taken, err
}

// wave is what is published to a topic at a time.
type wave struct {
	lines    []*line
	messages []*message.Message

	taken int
	err   error
}

func (w *wave) add(l *line, m *message.Message) {
	w.lines, w.messages = append(w.lines, l), append(w.messages, m)
}

// publish publishes all messages at once and, if one of them is refused, again
// one by one, to find out which.
func (w *wave) publish(t Target, topic string) error {
	err := publish(t, topic, w.messages)
	_, bad := refused(err)
	switch {
	case err == nil:
		for _, l := range w.lines {
			l.events = l.events[1:]
		}
		w.taken = len(w.lines)
		return nil
	case !bad:
		return err
	}
	for i, l := range w.lines {
		if len(w.lines) > 1 {
			err = publish(t, topic, w.messages[i:i+1])
		}
		reason, bad := refused(err)
		switch {
		case bad:
			l.refused = reason
		case err != nil:
			return err
		default:
			l.events = l.events[1:]
			w.taken++
		}
	}
	return nil
}

// publish keeps a panic of a client library from ending the process.
func publish(t Target, topic string, messages []*message.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while publishing: %T", p) // not p: it may hold what is in the messages
		}
	}()
	return t.Publish(topic, messages...)
}
