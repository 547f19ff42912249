package wall

import (
	"errors"
	"sync/atomic"
	"time"
)

// remeasured is how often the clock of the database is looked at again, if nothing
// else makes us.
const remeasured = time.Minute

// clock tells the time of the database, which seals expire by: the time that it
// had when we last looked, and what has passed here since. So it does not matter
// how far apart the two clocks are, nor that ours is set while we run. It may be
// used concurrently.
type clock struct {
	now  func() time.Time // here
	last atomic.Pointer[reading]
}

// reading is what the clocks showed at the same moment.
type reading struct{ here, there time.Time }

// set takes note of the time that the database has just told.
func (c *clock) set(there time.Time) { c.last.Store(&reading{c.now(), there}) }

// time returns the time of the database, to less than a round trip.
func (c *clock) time() time.Time {
	r := c.last.Load()
	if r == nil {
		return c.now()
	}
	return r.there.Add(c.now().Sub(r.here))
}

// stale reports whether to look again, and that to one of those who ask only.
func (c *clock) stale() bool {
	r := c.last.Load()
	if r == nil {
		return true
	}
	now := c.now()
	if age := now.Sub(r.here); age >= 0 && age < remeasured {
		return false
	}
	// Until it was looked at, the others go on with the time as it was.
	return c.last.CompareAndSwap(r, &reading{now, r.there.Add(max(0, now.Sub(r.here)))})
}

// ahead returns how far the clock of the database is before ours.
func (c *clock) ahead() time.Duration {
	r := c.last.Load()
	if r == nil {
		return 0
	}
	return r.there.Sub(r.here.Round(0)) // and not by the monotonic clock, which there has none of
}

// errClockSet says that the clock of the database was set while we worked. What
// was asked had no effect, and can be asked again at once.
var errClockSet = errors.New("the clock of the database was set")

// ClockAhead returns how far the clock of the database is before that of this
// node, when it was last looked at; it is negative if it is behind.
func (w *Wall) ClockAhead() time.Duration { return w.clock.ahead() }
