package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// farBack is how many changes of a record are looked through at most, to say what
// has changed since a caller looked.
const farBack = 1000

// markEvery is how many versions there are between those that are kept when a
// record is folded up to one that is not its last.
const markEvery = 50

// past keeps what operations of one call have read of the history of records, so
// that a thousand of them do not read the same history a thousand times. As what
// has happened stays as it is, it is right for as long as the call takes.
type past struct {
	mu       sync.Mutex
	changes  map[since]changes
	marks    map[eventstore.StreamID][]baseline // in their order
	selected map[eventstore.StreamID]int        // see [past.mayHave]
}

// mostSelected is how many records all commands of one call may select by filters. They
// are in memory until the call has ended, and a thousand commands could each ask for all
// records of the tenant.
const mostSelected = 200_000

// mayHave refuses a command for a record that selects so many records by filters, if the
// commands of the call select too many in all. What an earlier attempt of it has selected
// does not count. Whoever has not looked yet asks with one.
func (p *past) mayHave(id eventstore.StreamID, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := n
	for other, m := range p.selected {
		if other != id {
			all += m
		}
	}
	if all > mostSelected {
		n = mostSelected // no other need look
	}
	p.selected[id] = n
	return domain.Check(all <= mostSelected, "", "too_many", "the commands of this request select more than 200,000 records in all: give them in several requests")
}

// since is a record, and a version that somebody has seen.
type since struct {
	stream  eventstore.StreamID
	version eventstore.Version
}

// changes is the fields that were changed up to a version, sorted.
type changes struct {
	fields []string
	until  eventstore.Version
}

func newPast() *past {
	return &past{changes: map[since]changes{}, marks: map[eventstore.StreamID][]baseline{}, selected: map[eventstore.StreamID]int{}}
}

// changedSince lists the fields that events after a version have changed, or
// reports false if there are too many events to look through. The record is at
// the version at.
func changedSince[S any](ctx context.Context, v *view, agg *domain.Aggregate[S], key since, at eventstore.Version) (fields []string, known bool, err error) {
	if at-key.version > farBack {
		return nil, false, nil
	}
	v.past.mu.Lock()
	c, ok := v.past.changes[key]
	v.past.mu.Unlock()
	if !ok {
		c = changes{[]string{}, key.version}
	}
	if c.until < at {
		changed := slices.Clone(c.fields)
		for rec, err := range v.run.store.ReadStream(ctx, key.stream, c.until) {
			if err != nil {
				return nil, false, fmt.Errorf("read %s: %w", key.stream.Kind, err)
			}
			e, err := content.Decode(agg, rec)
			if err != nil {
				return nil, false, err
			}
			changed, c.until = append(changed, touched(e)...), rec.Version
		}
		slices.Sort(changed)
		c.fields = slices.Compact(changed)
		v.past.mu.Lock()
		v.past.changes[key] = c
		v.past.mu.Unlock()
	}
	return c.fields, true, nil
}

// foldUntil returns a pointer to the state of a record as it was at a version, or
// nil if it never came to that, and its version.
func (p *Policy[S]) foldUntil(ctx context.Context, v *view, id eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error) {
	from := v.past.before(id, until)
	f := folding[S]{policy: p, run: v.run, id: id, at: from.at, kept: from.kept}
	f.state, _ = from.state.(S)
	f.each = func(s S, at eventstore.Version) {
		if at == until || at%markEvery == 0 {
			v.past.mark(id, baseline{s, at, f.kept})
		}
	}
	if f.at < until {
		if err := f.to(ctx, eventstore.Until{Version: until}); err != nil {
			return nil, 0, err
		}
	}
	if f.at != until {
		return nil, f.at, nil
	}
	return &f.state, until, nil
}

// before returns the last state of a record that is known up to a version.
func (p *past) before(id eventstore.StreamID, until eventstore.Version) baseline {
	p.mu.Lock()
	defer p.mu.Unlock()
	marks := p.marks[id]
	i, found := slices.BinarySearchFunc(marks, until, func(b baseline, v eventstore.Version) int { return cmp.Compare(b.at, v) })
	if found {
		i++
	}
	if i == 0 {
		return baseline{}
	}
	return marks[i-1]
}

// mark keeps a state of a record.
func (p *past) mark(id eventstore.StreamID, b baseline) {
	p.mu.Lock()
	defer p.mu.Unlock()
	marks := p.marks[id]
	i, found := slices.BinarySearchFunc(marks, b.at, func(b baseline, v eventstore.Version) int { return cmp.Compare(b.at, v) })
	if !found {
		p.marks[id] = slices.Insert(marks, i, b)
	}
}
