package postgres

import "github.com/rowhouse/rowhouse/domain"

// What a batch may hold at most. A command that is larger than that travels
// alone.
const (
	batchCommands = 128
	batchEvents   = 1000
	batchBytes    = 1 << 20

	// batchShare is how many commands of one call there may be. A call with more, such as
	// a batch of an import, takes several, so that whoever comes meanwhile waits for a
	// small part of it.
	batchShare = 64
)

// batch is a set of entries of which no two touch the same thing, unless both
// only look at it. So it does not matter in which order they are recorded.
type batch struct {
	entries []*entry
	events  int
	bytes   int
	touched map[resource]bool // and whether it is changed
	calls   map[*call]int     // how many entries of each
}

func (b *batch) reset() {
	if b.touched == nil {
		b.touched = make(map[resource]bool, 2*batchCommands)
		b.calls = make(map[*call]int)
	}
	clear(b.calls)
	clear(b.entries)
	clear(b.touched)
	b.entries, b.events, b.bytes = b.entries[:0], 0, 0
}

// fits reports whether there is room for an entry.
func (b *batch) fits(e *entry) bool {
	return len(b.entries) == 0 ||
		len(b.entries) < batchCommands && b.events+e.events <= batchEvents && b.bytes+e.bytes <= batchBytes
}

// conflicts reports whether an entry must wait for one that is in the batch, or
// that was kept out of it.
func (b *batch) conflicts(e *entry) (yes bool) {
	e.touches(func(r resource, changes bool) {
		changed, touched := b.touched[r]
		yes = yes || touched && (changed || changes)
	})
	return yes
}

// hasHad reports whether as many entries of the call are in the batch as may be.
func (b *batch) hasHad(c *call) bool { return c != nil && b.calls[c] >= batchShare }

// touch makes those wait that conflict with an entry.
func (b *batch) touch(e *entry) {
	e.touches(func(r resource, changes bool) { b.touched[r] = b.touched[r] || changes })
}

func (b *batch) add(e *entry) {
	b.entries = append(b.entries, e)
	b.events += e.events
	b.bytes += e.bytes
	b.calls[e.call]++
}

// queue holds the entries of a tenant that wait, in order.
type queue struct {
	tenant  domain.TenantID
	entries []*entry // from head on
	head    int
	skipped []*entry // those before head that have to wait for the next batch

	// held says that entries of the tenant are on a way of their own, because
	// somebody else holds the head of its log.
	held bool
}

// lookAhead is how many entries of a tenant may be passed over in search of one
// that can be in the batch.
const lookAhead = 2 * batchCommands

func (q *queue) push(entries []*entry) {
	if q.head > len(q.entries)/2 {
		q.entries = q.entries[:copy(q.entries, q.entries[q.head:])]
		q.head = 0
	}
	q.entries = append(q.entries, entries...)
}

// next returns the first entry that can be in the batch, or nil if none can.
// Those before it stay in front of all that depend on them.
func (q *queue) next(b *batch) *entry {
	for ; q.head < len(q.entries) && len(q.skipped) < lookAhead; q.head++ {
		e := q.entries[q.head]
		if !b.hasHad(e.call) && !b.conflicts(e) {
			return e
		}
		b.touch(e)
		q.skipped = append(q.skipped, e)
	}
	return nil
}

// pop takes out what next has returned.
func (q *queue) pop() {
	q.entries[q.head] = nil
	q.head++
}

func (q *queue) empty() bool { return q.head == len(q.entries) && len(q.skipped) == 0 }

// settle puts what was skipped back in front of the others.
func (q *queue) settle() {
	q.head -= len(q.skipped)
	copy(q.entries[q.head:], q.skipped)
	q.skipped = q.skipped[:0]
}

// remove takes out the entries of a call.
func (q *queue) remove(c *call) (removed []*entry) {
	kept := q.entries[:0]
	for _, e := range q.entries[q.head:] {
		if e.call == c {
			removed = append(removed, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear(q.entries[len(kept):])
	q.entries, q.head = kept, 0
	return removed
}
