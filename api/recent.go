package api

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

const (
	recentLife = 3 * time.Second        // by then the read models have it, or something is wrong
	recentWait = 300 * time.Millisecond // how long to wait for somebody who did not ask to
	maxRecent  = 16384
)

// recent knows up to which position this node has lately acknowledged changes to
// whom, so that they can read what they wrote without saying so. It is a help,
// and no promise: who goes on at another node has to send Min-Position.
type recent struct {
	now  func() time.Time
	mu   sync.Mutex
	last *simplelru.LRU[writer, acknowledged]
}

// writer is somebody in a tenant.
type writer struct {
	tenant domain.TenantID
	actor  domain.ID
}

type acknowledged struct {
	position eventstore.Position
	until    time.Time
}

func newRecent(now func() time.Time) *recent {
	last, err := simplelru.NewLRU[writer, acknowledged](maxRecent, nil)
	if err != nil {
		panic(err) // only for a size of 0
	}
	return &recent{now: now, last: last}
}

// note says that a change at a position is about to be acknowledged.
func (r *recent) note(w writer, p eventstore.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.last.Peek(w); ok {
		p = max(p, known.position)
	}
	if p > 0 {
		r.last.Add(w, acknowledged{p, r.now().Add(recentLife)})
	}
}

// of returns the position that somebody may expect to see, or 0.
func (r *recent) of(w writer) eventstore.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.last.Peek(w)
	if !ok {
		return 0
	}
	if r.now().After(known.until) {
		r.last.Remove(w)
		return 0
	}
	return known.position
}

// seen says that the read models show everything up to a position.
func (r *recent) seen(w writer, p eventstore.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.last.Peek(w); ok && known.position <= p {
		r.last.Remove(w)
	}
}
