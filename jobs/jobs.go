// Package jobs keeps what is to be done later for a tenant, now or when its time
// has come, and does it: at least once, on whichever node, and so that no tenant
// waits for another.
//
// Jobs are rows behind the wall, stored in the transaction of what they follow
// from: see [Put]. Those of a tenant are done in turns of a tenth of a second, one
// job after another. Who has had a turn and has more to do asks for another one,
// behind everybody who waits by then. River hands out the turns to the nodes, and
// knows nothing of the jobs but which tenants have some: see [Queue].
//
// A job that fails is tried again after a pause, which grows, and in the end is
// parked, for an operator to look at. If the database or the log is away, that is
// nobody's failure: jobs wait.
//
// The package does not know what jobs mean, and it has no clock: see [Config].
package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// Job is something to be done for a tenant.
type Job struct {
	Tenant  domain.TenantID
	ID      uuid.UUID
	Process string          // who ordered it
	Kind    string          // who does it: a key of [Handlers]
	Name    string          // what it is, for operators and metrics; no personal data
	Subject string          // what it is about, in the words of the process
	Key     string          // if set, no other job of the process and the subject has it
	Args    json.RawMessage // a JSON value
	Cause   Cause
	DueAt   time.Time // not before that
}

// Cause says what a job follows from.
type Cause struct {
	Event       uuid.UUID `json:"event,omitzero"`
	Actor       domain.ID `json:"actor,omitzero"` // who caused the event
	Correlation string    `json:"correlation,omitempty"`
}

// Order asks for a job, or for a job with a key not to be done.
type Order struct {
	Job // the tenant is that of the transaction

	// Earliest says that a job with the same key that is there already is kept, at
	// the earlier of the two times. Otherwise the order takes its place.
	Earliest bool

	// Off says that the job with the key is called off, if there is one.
	Off bool
}

// Work does a job and returns what is to be done next, which is ordered in the
// transaction that removes the job. It may be called again for a job that was
// done, so doing it twice must be the same as doing it once. It has [WorkTime]. A
// refusal (see [domain.Error]) is final, and parks the job at once.
type Work func(context.Context, Job) ([]Order, error)

// Step does several jobs of a tenant in the transaction that removes them, and so
// does each exactly once. It returns what is to be done next, and what was wrong
// with each job, in their order: one that fails must have changed nothing. The
// error is for all of them.
type Step func(ctx context.Context, tx wall.Tx, tenant domain.TenantID, all []Job) ([]Order, []error, error)

// Handlers says who does jobs, by their kinds. No kind has both.
type Handlers struct {
	Work map[string]Work
	Step map[string]Step
}

// How jobs are done.
const (
	// turnTime is for how long a turn takes on more jobs, and turnJobs how many.
	turnTime = 100 * time.Millisecond
	turnJobs = 50

	// WorkTime is how long a job may take.
	WorkTime = 5 * time.Second

	// turnLease is after how long a turn is taken to have died with its node. It is
	// longer than a turn can take.
	turnLease = turnTime + WorkTime + finishTime + time.Second

	// finishTime is how long it may take to store what became of the jobs.
	finishTime = 2 * time.Second

	// setBack is how far in the future no turn ends. If one does, the clock was set
	// back meanwhile.
	setBack = time.Minute

	// pauseAway is how long a tenant waits if the database or the log is away.
	pauseAway = 2 * time.Second

	// maxAttempts is how often a job is tried until it is parked, which takes more
	// than an hour.
	maxAttempts = 16
	maxPause    = 10 * time.Minute
)

// pause is how long a job waits after it has failed so many times.
func pause(failed int) time.Duration {
	if failed > 10 {
		return maxPause
	}
	return min(time.Second<<(failed-1), maxPause)
}
