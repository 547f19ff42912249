package eventstore

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// queue says which tenant a follower deals with next. Tenants with new events
// take turns, a batch each; those in trouble take theirs in a line of their own,
// and never have more than half of the workers, so that they cannot hold up the
// others, however long each of them takes. A tenant is in it only while there is
// something to do for it.
type queue struct {
	linger   time.Duration
	patience time.Duration
	now      func() time.Time

	mu     sync.Mutex
	ready  *sync.Cond // there is something to take, or the queue is closed
	closed bool
	mine   map[Shard]bool
	tasks  map[domain.TenantID]*task
	turns  []*task // those that can be taken, in order, but for
	again  []*task // those whose last batch failed
	trying int     // of the latter, how many are under way
	queued uint64  // ever
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
	number uint64      // in the order in which tasks were queued

	faults  int       // in a row, without getting any further
	failing time.Time // since when
	stuck   Position  // where
	told    int       // how many faults there were when somebody was told of them
	halted  bool

	// hurried says that somebody has come to wait while a batch was handled, perhaps for
	// what is not in it.
	hurried bool

	// ahead says that the log was seen to end before the place that the group has
	// come to, so that there is something to do although there is nothing new.
	ahead bool
}

// due reports whether there is something to do.
func (t *task) due() bool { return t.at < t.head || t.ahead }

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
	faults int         // of the task, before
}

// outcome is how a job ended.
type outcome struct {
	at     Checkpoint // after it or, if there is an error, before it, as far as is known
	events int
	full   bool // the batch was as large as it could be, so there is probably more
	err    error
	away   bool // the error is not about the tenant: the database is away
}

// maxMarks bounds how many checkpoints are remembered to save asking for them.
const maxMarks = 4096

func newQueue(linger, patience time.Duration, now func() time.Time) *queue {
	q := &queue{
		linger: linger, patience: patience, now: now,
		mine:  make(map[Shard]bool),
		tasks: make(map[domain.TenantID]*task),
		marks: make(map[domain.TenantID]Checkpoint),
	}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// open forgets what was to be done before the queue was closed.
func (q *queue) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.tasks {
		t.timer = nil // if it fires nevertheless, it is not its own any more
	}
	clear(q.mine)
	clear(q.tasks)
	clear(q.marks)
	q.turns, q.again, q.trying, q.closed = nil, nil, 0, false
}

// close makes an end. Nothing is dealt with here any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	clear(q.mine)
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

// notice takes note that the log of a tenant goes up to a position.
func (q *queue) notice(tenant domain.TenantID, head Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.see(tenant, head)
}

// behind takes note of tenants that the database says are behind. It reports whether
// that is news: the end of a log that was not known here. It returns false for all if
// some of them have to be seen again, because it cannot be said now what is the case.
func (q *queue) behind(lags []Lag) (news, all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all = true
	for _, l := range lags {
		if l.Head < l.Checkpoint.Position {
			all = q.seeAhead(l) && all
			continue
		}
		if t := q.tasks[l.Tenant]; t == nil || t.state == queued {
			q.learn(l.Tenant, l.Checkpoint)
		}
		news = q.see(l.Tenant, l.Head) || news
	}
	return news, all
}

// see takes note of the end of a log, and reports whether it was not known.
func (q *queue) see(tenant domain.TenantID, head Position) bool {
	if q.closed || !q.mine[ShardOf(tenant)] {
		return false
	}
	t := q.tasks[tenant]
	switch {
	case t != nil && t.head >= head:
		return false
	case t != nil:
		if t.at >= t.head {
			t.since = q.now()
		}
		t.head = head
		return true
	case q.marks[tenant].Position >= head:
		return false
	}
	t = &task{tenant: tenant, at: q.marks[tenant].Position, head: head, since: q.now()}
	q.tasks[tenant] = t
	q.enqueue(t)
	return true
}

// seeAhead takes note of a log that ends before the place that the group has come
// to. Whoever deals with the tenant asks the database where that is. It reports
// whether that is done: while a batch of the tenant is being handled, it is not.
func (q *queue) seeAhead(l Lag) bool {
	t := q.tasks[l.Tenant]
	switch {
	case q.closed || !q.mine[ShardOf(l.Tenant)]:
		return true
	case t == nil:
		t = &task{tenant: l.Tenant, since: q.now()}
		q.tasks[l.Tenant] = t
		q.enqueue(t)
	case t.state == running:
		return false
	}
	delete(q.marks, l.Tenant)
	t.at, t.head, t.ahead = l.Checkpoint.Position, l.Head, true
	return true
}

// tookBack counts a log that was taken back.
func (q *queue) tookBack() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.TakenBack++
}

func (q *queue) enqueue(t *task) {
	q.queued++
	t.state, t.timer, t.number = queued, nil, q.queued
	if t.faults == 0 {
		q.turns = append(q.turns, t)
	} else {
		q.again = append(q.again, t)
	}
	q.ready.Signal()
}

// enqueueIn gives a task its turn after a while, if there is then something to
// do for it. Until then it is kept, so that it cannot have its turn earlier.
func (q *queue) enqueueIn(t *task, d time.Duration) {
	if d <= 0 && t.due() {
		q.enqueue(t)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		switch {
		case q.closed, t.timer != timer:
		case !t.due(), !q.mine[ShardOf(t.tenant)]:
			delete(q.tasks, t.tenant)
		default:
			q.enqueue(t)
		}
	})
	t.state, t.timer = waiting, timer
}

// hurry gives a tenant its turn now, if it only waits for more events to come, or
// after the batch that is being handled, if there is more by then.
func (q *queue) hurry(tenant domain.TenantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.tasks[tenant]
	switch {
	case t == nil || t.faults > 0:
	case t.state == running:
		t.hurried = true
	case t.state == waiting && t.at < t.head:
		t.timer.Stop()
		q.enqueue(t)
	}
}

// take waits for the next jobs: usually one, but up to most of them if there are
// that many for each worker, and they have few events each. Those in trouble are
// taken apart from the others. It returns none when the queue is closed.
func (q *queue) take(most, workers, events int) (jobs []job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(jobs) == 0 {
		line := q.line(workers)
		for line == nil && !q.closed {
			q.ready.Wait()
			line = q.line(workers)
		}
		if q.closed {
			return nil
		}
		most = max(1, min(most, (len(*line)+workers-1)/workers))
		for left := events; len(jobs) < most && len(*line) > 0; {
			j, ok := q.next(line)
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
	if jobs[0].faults > 0 {
		q.trying++
	}
	return jobs
}

// line returns the line whose turn it is: the one in which the first has waited
// longer. It returns nil if there is nobody to be taken.
func (q *queue) line(workers int) *[]*task {
	may := len(q.again) > 0 && q.trying < max(1, workers/2)
	switch {
	case may && (len(q.turns) == 0 || q.again[0].number < q.turns[0].number):
		return &q.again
	case len(q.turns) > 0:
		return &q.turns
	}
	return nil
}

// next takes the first of a line, unless others deal with it by now.
func (q *queue) next(line *[]*task) (job, bool) {
	t := (*line)[0]
	(*line)[0] = nil
	*line = (*line)[1:]
	if !q.mine[ShardOf(t.tenant)] {
		delete(q.tasks, t.tenant)
		return job{}, false
	}
	t.state, t.begun = running, q.now()
	j := job{tenant: t.tenant, head: t.head, faults: t.faults}
	if at, known := q.marks[t.tenant]; known {
		j.from, t.at = &at, at.Position
	}
	return j, true
}

// busy reports whether other tenants wait for their turn.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.turns)+len(q.again) > 0
}

// finish says how the jobs ended that were taken together. It returns for each
// how often in a row it has failed, or 0 if there is no reason to tell anybody.
func (q *queue) finish(jobs []job, outcomes []outcome) (faults []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if jobs[0].faults > 0 {
		q.trying--
		q.ready.Signal() // there is room for the next one
	}
	faults = make([]int, len(jobs))
	for i, o := range outcomes {
		t := q.tasks[jobs[i].tenant]
		if o.err != nil {
			faults[i] = q.postpone(t, o)
			continue
		}
		q.advance(t, o)
	}
	return faults
}

func (q *queue) advance(t *task, o outcome) {
	t.faults, t.halted, t.ahead = 0, false, false
	t.at = o.at.Position
	q.mark(t.tenant, o.at)
	if o.events > 0 {
		q.stats.Batches++
		q.stats.Events += uint64(o.events)
	}
	var wait time.Duration
	if !o.full && (!t.hurried || !t.due()) {
		wait = q.linger - q.now().Sub(t.begun)
	}
	t.hurried = false
	q.enqueueIn(t, wait)
}

// What a tenant waits after a fault, doubled with each one in a row. While
// nobody takes anything, or the database is away, it tries a little more often, to
// notice when that ends.
const (
	minBackoff  = 50 * time.Millisecond
	maxBackoff  = 30 * time.Second
	awayBackoff = 4 * time.Second
	lostBackoff = time.Second
)

func (q *queue) postpone(t *task, o outcome) (tell int) {
	delete(q.marks, t.tenant) // ask again: perhaps it is not where we think
	if t.faults == 0 || o.at.Position > t.stuck {
		t.faults, t.told, t.failing, t.stuck = 0, 0, q.now(), o.at.Position
	}
	wait := min(minBackoff<<min(t.faults, 20), maxBackoff)
	t.faults++
	switch {
	case errors.Is(o.err, ErrMoved):
		if t.faults == 1 {
			wait = time.Millisecond // somebody else was faster; see how far it is now
		}
	case errors.Is(o.err, ErrAway):
		wait = min(wait, awayBackoff)
	case o.away && !halts(o.err):
		wait = min(wait, lostBackoff)
	default:
		q.stats.Faults++
		t.halted = t.halted || halts(o.err)
		if (t.told == 0 || t.faults >= t.told+10) && (halts(o.err) || q.now().Sub(t.failing) >= q.patience) {
			t.told, tell = t.faults, t.faults
		}
	}
	wait += rand.N(wait/4 + 1) //nolint:gosec // jitter
	q.enqueueIn(t, wait)
	return tell
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
	TakenBack               uint64 // logs that ended before the place that the group had come to, since the start
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
