package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rowhouse/rowhouse/domain"
)

// lane carries the commands of some of the tenants to the log, one batch after
// another. While a batch is under way the next one fills, so batches are as
// large as the load makes them, and nothing ever waits for a timer. Whoever
// finds the lane idle carries the first batch; a goroutine goes on if others
// came meanwhile, and ends when there is nothing left. So a lane, and a tenant,
// that nobody uses is only a few empty fields.
type lane struct {
	recorder recorder

	mu     sync.Mutex
	busy   bool                       // a batch is under way
	queues map[domain.TenantID]*queue // those that are not empty, or are held
	turns  []*queue                   // those that are not held, in the order of their turns
	batch  batch
}

// call is what one caller waits for.
type call struct {
	left     int // entries without an answer, guarded by the lane's mutex
	answered chan struct{}
}

func newLane(r recorder) *lane {
	return &lane{recorder: r, queues: make(map[domain.TenantID]*queue)}
}

// append carries entries of a tenant to the log and returns when all of them
// have their results. Those that are still in the queue when ctx ends are taken
// out of it.
func (l *lane) append(ctx context.Context, tenant domain.TenantID, entries []*entry) {
	c := &call{left: len(entries), answered: make(chan struct{})}
	for _, e := range entries {
		e.call = c
	}
	carry := context.WithoutCancel(ctx) // what carries the entries of others must not end with our context
	l.mu.Lock()
	l.enqueue(tenant, entries)
	idle := !l.busy && len(l.turns) > 0
	l.busy = l.busy || idle
	l.mu.Unlock()
	if idle && l.carry(carry) {
		go l.carryAll(carry)
	}
	select {
	case <-c.answered:
	case <-ctx.Done():
		l.withdraw(tenant, c, ctx.Err())
		<-c.answered
	}
}

func (l *lane) enqueue(tenant domain.TenantID, entries []*entry) {
	q := l.queues[tenant]
	if q == nil {
		q = &queue{tenant: tenant}
		l.queues[tenant] = q
		l.turns = append(l.turns, q)
	}
	q.push(entries)
}

func (l *lane) carryAll(ctx context.Context) {
	for l.carry(ctx) {
	}
}

// carry takes the next batch to the log, and reports whether there is more.
func (l *lane) carry(ctx context.Context) (more bool) {
	held := l.guard(ctx, l.next(), l.recorder.record)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entries := range held {
		l.hold(ctx, entries)
	}
	for _, e := range l.batch.entries {
		if !e.held {
			l.answer(e)
		}
	}
	l.busy = len(l.turns) > 0
	return l.busy
}

// next fills the batch, and returns what is in it.
func (l *lane) next() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take()
	return l.batch.entries
}

// guard makes a fault of a panic. It is that of the entries that were on their way,
// of which nobody knows whether they were recorded, and of no others.
func (l *lane) guard(ctx context.Context, entries []*entry, record func(context.Context, []*entry) [][]*entry) (held [][]*entry) {
	defer func() {
		if p := recover(); p != nil {
			held = nil
			fail(entries, fmt.Errorf("panic while a batch was recorded: %T", p)) // not p: it may hold what is in the events
			l.recorder.metrics.panics.Inc()
			l.recorder.cfg.Log.ErrorContext(ctx, "a batch has panicked", "commands", len(entries), "panic", fmt.Sprintf("%T", p))
		}
	}()
	return record(ctx, entries)
}

// answer lets the caller know that an entry has its result.
func (l *lane) answer(e *entry) {
	l.recorder.metrics.count(e.result)
	if e.call.left--; e.call.left == 0 {
		close(e.call.answered)
	}
}

// take fills the batch: with one entry of each tenant after another, until it is
// full or nothing is left that can be in it.
func (l *lane) take() {
	l.batch.reset()
	var blocked []*queue
	for len(l.turns) > 0 {
		q := l.turns[0]
		e := q.next(&l.batch)
		if e != nil && !l.batch.fits(e) {
			break // it comes first in the next batch, or it might never come
		}
		l.turns = l.turns[1:]
		if e == nil {
			blocked = append(blocked, q)
			continue
		}
		l.batch.add(e)
		q.pop()
		if q.empty() {
			delete(l.queues, q.tenant)
			continue
		}
		l.batch.touch(e) // there may be others that it has to be kept apart from
		l.turns = append(l.turns, q)
	}
	l.turns = append(l.turns, blocked...)
	for _, q := range l.turns {
		q.settle()
	}
}

// hold takes entries of a tenant whose head is held by somebody else out of the
// way of the others. Until they are answered, those that come after them wait.
func (l *lane) hold(ctx context.Context, entries []*entry) {
	tenant := entries[0].tenant
	q := l.queues[tenant]
	if q == nil {
		q = &queue{tenant: tenant}
		l.queues[tenant] = q
	}
	q.held = true
	l.turns = slices.DeleteFunc(l.turns, func(other *queue) bool { return other == q })
	for _, e := range entries {
		e.held = true
	}
	entries = slices.Clone(entries) // they are the batch's
	go func() {
		l.guard(ctx, entries, func(ctx context.Context, entries []*entry) [][]*entry {
			l.recorder.outwait(ctx, entries)
			return nil
		})
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range entries {
			l.answer(e)
		}
		q.held = false
		if q.empty() {
			delete(l.queues, tenant)
			return
		}
		l.turns = append(l.turns, q)
		if !l.busy {
			l.busy = true
			go l.carryAll(ctx)
		}
	}()
}

// withdraw takes the entries of a call that are still waiting out of the queue.
func (l *lane) withdraw(tenant domain.TenantID, c *call, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[tenant]
	if q == nil {
		return
	}
	for _, e := range q.remove(c) {
		e.result.Err = err
		l.answer(e)
	}
	if q.empty() && !q.held {
		delete(l.queues, tenant)
		l.turns = slices.DeleteFunc(l.turns, func(other *queue) bool { return other == q })
	}
}
