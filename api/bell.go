package api

import (
	"sync"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// bell wakes those who listen to the log of a tenant. It holds something only
// for tenants that somebody listens to.
type bell struct {
	mu    sync.Mutex
	rooms map[domain.TenantID]*room
}

// room is where the listeners of one tenant are.
type room struct {
	listeners int
	rung      chan struct{} // closed when there is news, and then replaced
}

func newBell() *bell { return &bell{rooms: map[domain.TenantID]*room{}} }

// enter makes somebody a listener until the function is called.
func (b *bell) enter(t domain.TenantID) (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[t]
	if r == nil {
		r = &room{rung: make(chan struct{})}
		b.rooms[t] = r
	}
	r.listeners++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.listeners--; r.listeners == 0 {
			delete(b.rooms, t)
		}
	}
}

// news returns a channel that is closed when there is news. A listener asks for
// it before looking at the log, so as not to miss anything.
func (b *bell) news(t domain.TenantID) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[t].rung
}

func (b *bell) ring(t domain.TenantID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.rooms[t]; r != nil {
		close(r.rung)
		r.rung = make(chan struct{})
	}
}

// Notify says that the log of a tenant has grown, so that those who listen to it
// are told at once. It never blocks. What the server is not told of, it finds
// out a second later.
func (s *Server) Notify(t domain.TenantID, _ eventstore.Position) { s.bell.ring(t) }
