package eventstore

import (
	"context"
	"sync"

	"github.com/rowhouse/rowhouse/domain"
)

// Tail is a Store that remembers the events that were last appended through it,
// so that those who follow the logs on the same node need not read from the
// engine what it has just been given. What is recorded is final, so what Tail
// remembers may be incomplete, but never wrong.
type Tail struct {
	Store

	// Appended, if set, is told how far the log of a tenant goes after each
	// command. It must not block.
	Appended func(domain.TenantID, Position)

	mu     sync.Mutex
	events map[place]Recorded
	order  []place // oldest first
	size   int     // bytes of data and metadata
}

// place is where an event is.
type place struct {
	tenant   domain.TenantID
	position Position
}

// What a Tail remembers, whoever appends.
const (
	tailEvents = 8192
	tailBytes  = 16 << 20
)

// Append implements [Store].
func (t *Tail) Append(ctx context.Context, tenant domain.TenantID, commands ...Command) []Result {
	results := t.Store.Append(ctx, tenant, commands...)
	for i, r := range results {
		if r.Err == nil && !r.Receipt.Repeated && r.Receipt.First <= r.Receipt.Last {
			t.remember(WithNumbers(commands[i], r.Numbers), r.Receipt)
			if t.Appended != nil {
				t.Appended(tenant, r.Receipt.Last)
			}
		}
	}
	return results
}

// remember keeps the events of a command, which are in its order.
func (t *Tail) remember(c Command, r Receipt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.events == nil {
		t.events = make(map[place]Recorded)
	}
	at := r.First
	for _, w := range c.Writes {
		for i, e := range w.Events {
			p := place{w.Stream.Tenant, at}
			t.events[p] = Recorded{Event: e, Stream: w.Stream, Version: w.At + Version(i+1), Position: at, Time: r.Time}
			t.order = append(t.order, p)
			t.size += len(e.Data) + len(e.Meta)
			at++
		}
	}
	for len(t.order) > tailEvents || t.size > tailBytes {
		e := t.events[t.order[0]]
		t.size -= len(e.Data) + len(e.Meta)
		delete(t.events, t.order[0])
		t.order = t.order[1:]
	}
}

// Read implements [Store]. It asks the engine only if it does not remember what
// comes next.
func (t *Tail) Read(ctx context.Context, tenant domain.TenantID, after Position, limit int) ([]Recorded, error) {
	if events := t.recall(tenant, after, limit); len(events) > 0 {
		return events, nil
	}
	return t.Store.Read(ctx, tenant, after, limit)
}

func (t *Tail) recall(tenant domain.TenantID, after Position, limit int) (events []Recorded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(events) < limit {
		e, ok := t.events[place{tenant, after + 1}]
		if !ok {
			break
		}
		events, after = append(events, e), after+1
	}
	return events
}
