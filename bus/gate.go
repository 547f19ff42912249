package bus

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// patience is for how long nothing must have worked until a target is away.
const patience = 2 * time.Second

// How long to wait between two attempts, doubled with each one that fails.
const (
	minWait = 50 * time.Millisecond
	maxWait = 5 * time.Second
)

// gate keeps all of us from running against a target that is away. While it is
// closed, there is one attempt at a time by those who have failed before, and the
// next only after a while. Those who have not may be the ones whose events it
// takes, so they come first, but not all at once.
type gate struct {
	log *slog.Logger
	now func() time.Time

	failures atomic.Uint64

	mu      sync.Mutex
	failing time.Time     // since when nothing has worked; zero if something did
	tries   int           // since then, while the gate was closed
	opened  chan struct{} // closed when the gate opens; nil while it is open
	turn    chan struct{} // holds something while somebody tries who has failed before
	last    time.Time     // when the last of these attempts failed
	first   time.Time     // when the next one may try who has not
}

func newGate(log *slog.Logger, now func() time.Time) *gate {
	return &gate{log: log, now: now, turn: make(chan struct{}, 1)}
}

// enter waits until there is reason to try, and reports whether it had to wait.
// If there is no error, leave must be called after the attempt.
func (g *gate) enter(ctx context.Context, again bool) (waited bool, leave func(), err error) {
	g.mu.Lock()
	opened, wait := g.opened, time.Duration(0)
	if opened != nil && !again {
		wait = max(0, g.first.Sub(g.now()))
		g.first = g.now().Add(wait + minWait)
	}
	g.mu.Unlock()
	switch {
	case opened == nil:
		return false, func() {}, nil
	case !again:
		return true, func() {}, sleep(ctx, wait, opened)
	}
	select {
	case <-opened:
		return true, func() {}, nil
	case <-ctx.Done():
		return true, nil, ctx.Err()
	case g.turn <- struct{}{}:
	}
	leave = func() {
		g.mu.Lock()
		g.last = g.now()
		g.mu.Unlock()
		<-g.turn
	}
	g.mu.Lock()
	wait = g.last.Add(backoff(g.tries)).Sub(g.now())
	g.mu.Unlock()
	if err := sleep(ctx, wait, opened); err != nil {
		leave()
		return true, nil, err
	}
	return true, leave, nil
}

// succeeded says that the target has taken something.
func (g *gate) succeeded(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		g.log.InfoContext(ctx, "the broker is back: it takes messages again", "away", g.now().Sub(g.failing).Round(time.Second))
		close(g.opened)
	}
	g.failing, g.tries, g.opened = time.Time{}, 0, nil
}

// failed says that an attempt has failed, and reports whether the target is away.
func (g *gate) failed(ctx context.Context, err error) bool {
	g.failures.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.opened != nil:
		g.tries++
	case g.failing.IsZero():
		g.failing = g.now()
	case g.now().Sub(g.failing) >= patience:
		g.opened = make(chan struct{})
		g.log.WarnContext(ctx, "the broker is away: it takes nothing; events wait in the log, and are published when it does again", "error", err)
	}
	return g.opened != nil
}

// away reports whether the gate is closed.
func (g *gate) away() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened != nil
}

// backoff returns how long to wait after some attempts in a row that failed.
func backoff(tries int) time.Duration {
	d := min(minWait<<min(tries, 20), maxWait)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter
}

// sleep waits, but no longer than until early is closed.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
