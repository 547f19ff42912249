package eventstore

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// queue says which tenant a follower deals with next. Tenants with new events
// take turns, a batch each. A tenant is in it only while there is something to
// do for it.
type queue struct {
	linger time.Duration
	now    func() time.Time

	mu     sync.Mutex
	ready  *sync.Cond // there is something to take, or the queue is closed
	closed bool
	mine   map[Shard]bool
	tasks  map[domain.TenantID]*task
	turn   []*task // those that can be taken, in order
	marks  map[domain.TenantID]Checkpoint
	stats  FollowerStats
}

// task is a tenant that is, or just was, behind.
type task struct {
	tenant domain.TenantID
	at     Position // as far as is known
	head   Position
	state  taskState
	since  time.Time   // when it was found to be behind
	begun  time.Time   // when its last batch was taken
	timer  *time.Timer // while it waits
	faults int         // in a row
	halted bool
}

type taskState int

const (
	waiting taskState = iota // for a timer
	queued
	running
)

// job is a task as a worker takes it.
type job struct {
	tenant domain.TenantID
	head   Position
	from   *Checkpoint // nil if it is not known here
}

// outcome is how a job ended.
type outcome struct {
	at     Checkpoint
	events int
	full   bool // the batch was as large as it could be, so there is probably more
	err    error
}

// maxMarks bounds how many checkpoints are remembered to save asking for them.
const maxMarks = 4096

func newQueue(linger time.Duration, now func() time.Time) *queue {
	q := &queue{
		linger: linger, now: now,
		mine:  make(map[Shard]bool),
		tasks: make(map[domain.TenantID]*task),
		marks: make(map[domain.TenantID]Checkpoint),
	}
	q.ready = sync.NewCond(&q.mu)
	return q
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// hold sets the shards whose tenants are dealt with here.
func (q *queue) hold(shards []Shard) {
	mine := make(map[Shard]bool, len(shards))
	for _, s := range shards {
		mine[s] = true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mine = mine
	for t := range q.marks {
		if !mine[ShardOf(t)] {
			delete(q.marks, t) // whoever has it now moves it
		}
	}
}

// shards returns what hold has set.
func (q *queue) shards() (held []Shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for s := range q.mine {
		held = append(held, s)
	}
	return held
}

// notice takes note that the log of a tenant goes up to a position.
func (q *queue) notice(tenant domain.TenantID, head Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.see(tenant, head)
}

// behind takes note of all the tenants that the database says are behind.
func (q *queue) behind(lags []Lag) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range lags {
		if t := q.tasks[l.Tenant]; t == nil || t.state == queued {
			q.learn(l.Tenant, l.Checkpoint)
		}
		q.see(l.Tenant, l.Head)
	}
}

func (q *queue) see(tenant domain.TenantID, head Position) {
	if q.closed || !q.mine[ShardOf(tenant)] {
		return
	}
	t := q.tasks[tenant]
	switch {
	case t != nil && t.head >= head:
		return
	case t != nil:
		if t.at >= t.head {
			t.since = q.now()
		}
		t.head = head
		return
	case q.marks[tenant].Position >= head:
		return
	}
	t = &task{tenant: tenant, at: q.marks[tenant].Position, head: head, since: q.now()}
	q.tasks[tenant] = t
	q.enqueue(t)
}

func (q *queue) enqueue(t *task) {
	t.state, t.timer = queued, nil
	q.turn = append(q.turn, t)
	q.ready.Signal()
}

// enqueueIn gives a task its turn after a while, if there is then something to
// do for it. Until then it is kept, so that it cannot have its turn earlier.
func (q *queue) enqueueIn(t *task, d time.Duration) {
	if d <= 0 && t.at < t.head {
		q.enqueue(t)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		switch {
		case q.closed, t.timer != timer:
		case t.at >= t.head, !q.mine[ShardOf(t.tenant)]:
			delete(q.tasks, t.tenant)
		default:
			q.enqueue(t)
		}
	})
	t.state, t.timer = waiting, timer
}

// hurry gives a tenant its turn now, if it only waits for more events to come.
func (q *queue) hurry(tenant domain.TenantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.tasks[tenant]; t != nil && t.state == waiting && t.faults == 0 && t.at < t.head {
		t.timer.Stop()
		q.enqueue(t)
	}
}

// take waits for the next jobs: usually one, but up to most of them if there are
// that many for each worker, and they have few events each. It returns none when
// the queue is closed.
func (q *queue) take(most, workers, events int) (jobs []job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(jobs) == 0 {
		for len(q.turn) == 0 && !q.closed {
			q.ready.Wait()
		}
		if q.closed {
			return nil
		}
		most = max(1, min(most, (len(q.turn)+workers-1)/workers))
		for left := events; len(jobs) < most && len(q.turn) > 0; {
			j, ok := q.next()
			if !ok {
				continue
			}
			if jobs = append(jobs, j); j.from == nil {
				break // who knows how many there are
			}
			if left -= int(j.head - j.from.Position); left <= 0 {
				break
			}
		}
	}
	return jobs
}

// next takes the task whose turn it is, unless others deal with it by now.
func (q *queue) next() (job, bool) {
	t := q.turn[0]
	q.turn[0] = nil
	q.turn = q.turn[1:]
	if !q.mine[ShardOf(t.tenant)] {
		delete(q.tasks, t.tenant)
		return job{}, false
	}
	t.state, t.begun = running, q.now()
	j := job{tenant: t.tenant, head: t.head}
	if at, known := q.marks[t.tenant]; known {
		j.from, t.at = &at, at.Position
	}
	return j, true
}

// busy reports whether other tenants wait for their turn.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.turn) > 0
}

// finish says how a job ended, and returns how often in a row it has failed.
func (q *queue) finish(j job, o outcome) (faults int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.tasks[j.tenant]
	if o.err != nil {
		q.postpone(t, o.err)
		return t.faults
	}
	t.faults, t.halted = 0, false
	t.at = o.at.Position
	q.mark(t.tenant, o.at)
	if o.events > 0 {
		q.stats.Batches++
		q.stats.Events += uint64(o.events)
	}
	var wait time.Duration
	if !o.full {
		wait = q.linger - q.now().Sub(t.begun)
	}
	q.enqueueIn(t, wait)
	return 0
}

// What a tenant waits after a fault, doubled with each one in a row.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 30 * time.Second
)

func (q *queue) postpone(t *task, err error) {
	delete(q.marks, t.tenant) // ask again: perhaps it is not where we think
	wait := min(minBackoff<<min(t.faults, 20), maxBackoff)
	switch {
	case errors.Is(err, ErrMoved) && t.faults == 0:
		wait = time.Millisecond // somebody else was faster; see how far it is now
	case errors.Is(err, ErrMoved):
	case errors.Is(err, ErrAway):
		wait = minBackoff
		t.faults = -1
	default:
		q.stats.Faults++
		t.halted = t.halted || halts(err)
	}
	t.faults++
	wait += rand.N(wait/4 + 1) //nolint:gosec // jitter
	q.enqueueIn(t, wait)
}

// learn remembers a checkpoint that the database had a moment ago. Meanwhile we
// may have come further ourselves.
func (q *queue) learn(tenant domain.TenantID, at Checkpoint) {
	ours, known := q.marks[tenant]
	if !known || at.Generation > ours.Generation || at.Generation == ours.Generation && at.Position > ours.Position {
		q.mark(tenant, at)
	}
}

// mark remembers a checkpoint. Which ones are forgotten to make room does not
// matter much, so it is left to the order of the map.
func (q *queue) mark(tenant domain.TenantID, at Checkpoint) {
	if _, known := q.marks[tenant]; !known && len(q.marks) >= maxMarks {
		for victim := range q.marks {
			delete(q.marks, victim)
			break
		}
	}
	q.marks[tenant] = at
}

// At returns how far the group has come with a tenant, if this node is the one
// that goes on from there. Others may have come further by now.
func (f *Follower) At(tenant domain.TenantID) (Position, bool) {
	q := f.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	at, known := q.marks[tenant]
	return at.Position, known
}

// Forget makes the follower ask how far the group has come with a tenant, because
// somebody has moved its checkpoint back.
func (f *Follower) Forget(tenant domain.TenantID) {
	f.queue.mu.Lock()
	defer f.queue.mu.Unlock()
	delete(f.queue.marks, tenant)
}

// FollowerStats says how a follower is doing.
type FollowerStats struct {
	Shards int // that this node holds

	Tenants int           // that are behind
	Halted  int           // of these, that cannot go on
	Lag     int64         // events that they are behind, together
	Oldest  time.Duration // for how long the one has been behind that is longest

	Batches, Events, Faults uint64 // since the start
}

// Stats says how the follower is doing on this node.
func (f *Follower) Stats() FollowerStats {
	q := f.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Shards = len(q.mine)
	for _, t := range q.tasks {
		behind := int64(t.head - t.at)
		if behind <= 0 {
			continue
		}
		s.Tenants++
		s.Lag += behind
		s.Oldest = max(s.Oldest, q.now().Sub(t.since))
		if t.halted {
			s.Halted++
		}
	}
	return s
}
