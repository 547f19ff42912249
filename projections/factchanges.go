package projections

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// factSet is what a step changes in facts.
type factSet interface {
	writes

	// listener returns who is to be told what the records of a table tell: nil if nothing. The
	// changes are those that will tell it. If they are of rows that are only worked out for that,
	// nobody else parks a record that cannot be projected.
	listener(table string, of changes, alone bool) listener

	// gone says which records are purged by the events of the step.
	gone(purges []eventstore.Recorded)

	// anew says that what records tell takes the place of all that they have told before.
	anew()
}

// factChanges is what the records of one tenant tell in a step.
type factChanges[T any] struct {
	of     *FactTable[T]
	tenant domain.TenantID
	ver    int
	whole  bool

	listeners []*factListener[T]
	purges    []eventstore.Recorded
	refused   map[eventstore.StreamID]parking
}

// factListener is told by the records of one table.
type factListener[T any] struct {
	feed  feed[T]
	open  func(open, change *T)
	from  changes
	alone bool
}

func (cs *factChanges[T]) listener(table string, of changes, alone bool) listener {
	i, ok := cs.of.follows(table)
	if !ok {
		return nil
	}
	l := &factListener[T]{feed: cs.of.feeds[i], open: cs.of.open.apply, from: of, alone: alone}
	cs.listeners = append(cs.listeners, l)
	return l
}

func (l *factListener[T]) listen() any { return &told[T]{open: l.open} }

// hear takes what an event tells. What panics is the fault of the facts, and not of the
// table that the event changes.
func (l *factListener[T]) hear(to, before any, e eventstore.Recorded, after any) {
	t := to.(*told[T]) //nolint:forcetypeassert // listen has made it
	if l.feed.each == nil || t.failed != nil {
		return
	}
	n, change := len(t.facts), t.change
	defer func() {
		if recover() != nil {
			t.failed = &parking{e, classify(errPanic)}
			t.facts, t.change = t.facts[:n], change
		}
	}()
	l.feed.each(t, before, e, after)
}

func (cs *factChanges[T]) gone(purges []eventstore.Recorded) {
	cs.purges = append(cs.purges, purges...)
}

func (cs *factChanges[T]) anew() { cs.whole = true }

// factsOf is what one record has told in a step.
type factsOf[T any] struct {
	stream eventstore.StreamID
	first  eventstore.Recorded
	told[T]
}

// heard returns what each record has told, as far as it can be written.
func (cs *factChanges[T]) heard() (all []factsOf[T]) {
	for _, l := range cs.listeners {
		for h := range l.from.heard(l) {
			t := *h.told.(*told[T]) //nolint:forcetypeassert // listen has made it
			if _, refused := cs.refused[h.first.Stream]; refused || h.after == nil {
				continue
			}
			if l.feed.whole != nil {
				cs.rows(l, h, &t)
			}
			t.whole = t.whole || cs.whole
			if t.whole || t.change != nil || len(t.facts) > 0 {
				all = append(all, factsOf[T]{h.first.Stream, h.first, t})
			}
		}
	}
	return all
}

// rows adds the facts that a row tells, if it did not tell the same before.
func (cs *factChanges[T]) rows(l *factListener[T], h heard, t *told[T]) {
	defer func() {
		if recover() != nil {
			cs.refuse(h.first, errPanic)
			*t = told[T]{}
		}
	}()
	var was []T
	if h.before != nil {
		was = l.feed.whole(h.before)
	}
	is := l.feed.whole(h.after)
	if !cs.whole && alike(was, is) {
		return
	}
	t.whole = true
	for _, fact := range is {
		t.put(fact)
	}
}

// refuse parks the facts of a record.
func (cs *factChanges[T]) refuse(e eventstore.Recorded, because error) {
	if cs.refused == nil {
		cs.refused = make(map[eventstore.StreamID]parking)
	}
	cs.refused[e.Stream] = parking{e, classify(because)}
}

func (cs *factChanges[T]) queueWrite(b *pgx.Batch) {
	cs.queueGone(b)
	cs.queue(b, cs.heard())
}

// queueGone queues the statements that remove what purged records have told, and what was
// told about them.
func (cs *factChanges[T]) queueGone(b *pgx.Batch) {
	var kinds []string
	var ids []uuid.UUID
	for _, e := range cs.purges {
		kinds, ids = append(kinds, e.Stream.Kind), append(ids, e.Stream.ID)
	}
	cs.queueDrop(b, kinds, ids)
	if len(ids) > 0 && cs.of.sql.forget != "" {
		b.Queue(cs.of.sql.forget, cs.tenant.UUID, cs.ver, kinds, ids)
	}
}

func (cs *factChanges[T]) queueDrop(b *pgx.Batch, kinds []string, ids []uuid.UUID) {
	if len(ids) > 0 {
		b.Queue(cs.of.sql.drop, cs.tenant.UUID, cs.ver, kinds, ids)
	}
}

// queue queues the statements that write what records have told.
func (cs *factChanges[T]) queue(b *pgx.Batch, all []factsOf[T]) {
	var kinds []string
	var ids []uuid.UUID
	var changes, added []*T
	for _, r := range all {
		switch {
		case r.whole:
			kinds, ids = append(kinds, r.stream.Kind), append(ids, r.stream.ID)
		case r.change != nil:
			changes = append(changes, r.change)
		}
		added = append(added, r.facts...)
	}
	cs.queueDrop(b, kinds, ids)
	cs.of.queueFacts(b, cs.of.sql.amend, cs.tenant, cs.ver, changes)
	cs.of.queueFacts(b, cs.of.sql.insert, cs.tenant, cs.ver, cs.remaining(added))
}

// remaining leaves out facts about records that the events after them have purged.
func (cs *factChanges[T]) remaining(facts []*T) []*T {
	if cs.of.about.record == nil || len(cs.purges) == 0 {
		return facts
	}
	return slices.DeleteFunc(facts, func(f *T) bool {
		kind, id := cs.of.about.record(f)
		return slices.ContainsFunc(cs.purges, func(p eventstore.Recorded) bool {
			return p.Stream.ID == id && p.Stream.Kind == kind && cs.of.about.position(f) < p.Position
		})
	})
}

func (cs *factChanges[T]) parked() (list []parking) {
	for _, l := range cs.listeners {
		for h := range l.from.heard(l) {
			if t := h.told.(*told[T]); t.failed != nil { //nolint:forcetypeassert // listen has made it
				list = append(list, *t.failed)
			}
		}
		if l.alone {
			list = append(list, l.from.parked()...)
		}
	}
	for _, p := range cs.refused {
		list = append(list, p)
	}
	return list
}

// bisect tries to write what records have told, and finds out of which the database will
// not have it.
func (cs *factChanges[T]) bisect(ctx context.Context, tx wall.Tx) error {
	return bisect(ctx, tx, cs.heard(), cs.queue, func(f factsOf[T], because error) { cs.refuse(f.first, because) })
}
