package commands

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/rowhouse/rowhouse/eventstore"
)

// turns lets those who want to change the same record go one after another on
// this node. There is one for each record that somebody is at, and none for
// others, so nobody waits for the records of another tenant, or for another
// record at all.
type turns struct {
	mu    sync.Mutex
	taken map[eventstore.StreamID]*turn
}

type turn struct {
	users int           // who has it, and who waits for it
	free  chan struct{} // holds one token while nobody has it
}

// take waits until it is the caller's turn for all of some records, or ctx is
// done. All take them in the same order, so nobody waits in a circle.
func (t *turns) take(ctx context.Context, streams ...eventstore.StreamID) (release func(), err error) {
	streams = slices.SortedFunc(slices.Values(streams), compareStreams)
	streams = slices.Compact(streams)
	held := 0
	release = func() {
		for _, s := range streams[:held] {
			t.leave(s, true)
		}
	}
	for _, s := range streams {
		one := t.enter(s)
		select {
		case <-one.free:
			held++
		case <-ctx.Done():
			t.leave(s, false)
			release()
			return nil, ctx.Err()
		}
	}
	return release, nil
}

// busy reports whether somebody has, or waits for, the turn of one of some records.
func (t *turns) busy(streams ...eventstore.StreamID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.taken) > 0 && slices.ContainsFunc(streams, func(s eventstore.StreamID) bool { return t.taken[s] != nil })
}

func (t *turns) enter(s eventstore.StreamID) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.taken[s]
	if one == nil {
		if t.taken == nil {
			t.taken = make(map[eventstore.StreamID]*turn)
		}
		one = &turn{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		t.taken[s] = one
	}
	one.users++
	return one
}

func (t *turns) leave(s eventstore.StreamID, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.taken[s]
	if had {
		one.free <- struct{}{}
	}
	if one.users--; one.users == 0 {
		delete(t.taken, s)
	}
}

func compareStreams(a, b eventstore.StreamID) int {
	return cmp.Or(slices.Compare(a.Tenant.UUID[:], b.Tenant.UUID[:]), cmp.Compare(a.Kind, b.Kind), slices.Compare(a.ID[:], b.ID[:]))
}
