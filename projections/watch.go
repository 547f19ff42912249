package projections

import (
	"sync"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// watch wakes those who wait for the read models to reach a position on this
// node. It holds something only for tenants that somebody waits for.
type watch struct {
	mu      sync.Mutex
	waiting map[domain.TenantID]map[*waiter]struct{}
}

type waiter struct {
	position eventstore.Position
	reached  chan struct{}
}

func newWatch() *watch {
	return &watch{waiting: make(map[domain.TenantID]map[*waiter]struct{})}
}

// wait returns a channel that is closed when the position is reached, and what
// to call when nobody waits for that any more.
func (w *watch) wait(t domain.TenantID, p eventstore.Position) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[t] == nil {
		w.waiting[t] = make(map[*waiter]struct{})
	}
	one := &waiter{p, make(chan struct{})}
	w.waiting[t][one] = struct{}{}
	return one.reached, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.remove(t, one)
	}
}

// reach says that the read models of a tenant are at a position.
func (w *watch) reach(t domain.TenantID, p eventstore.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.waiting[t] {
		if one.position <= p {
			close(one.reached)
			w.remove(t, one)
		}
	}
}

func (w *watch) remove(t domain.TenantID, one *waiter) {
	delete(w.waiting[t], one)
	if len(w.waiting[t]) == 0 {
		delete(w.waiting, t)
	}
}
