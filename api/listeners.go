package api

import (
	"sync"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// listeners tells those who follow the log of a tenant that it has grown. It holds
// something only for tenants that somebody follows.
type listeners struct {
	mu sync.Mutex
	of map[domain.TenantID]*listening
}

// listening is those who follow the log of one tenant.
type listening struct {
	count int
	grown chan struct{} // closed when the log has grown, and then replaced
}

func newListeners() *listeners { return &listeners{of: map[domain.TenantID]*listening{}} }

// add makes somebody a listener until the function is called.
func (l *listeners) add(t domain.TenantID) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of[t]
	if r == nil {
		r = &listening{grown: make(chan struct{})}
		l.of[t] = r
	}
	r.count++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if r.count--; r.count == 0 {
			delete(l.of, t)
		}
	}
}

// next returns a channel that is closed when the log grows. A listener asks for it
// before looking at the log, so as not to miss anything.
func (l *listeners) next(t domain.TenantID) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[t].grown
}

func (l *listeners) tell(t domain.TenantID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.of[t]; r != nil {
		close(r.grown)
		r.grown = make(chan struct{})
	}
}

// Notify says that the log of a tenant has grown, so that those who listen to it
// are told at once. It never blocks. What the server is not told of, it finds
// out a second later.
func (s *Server) Notify(t domain.TenantID, _ eventstore.Position) { s.listeners.tell(t) }
