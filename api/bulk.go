package api

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
)

// Bulk work is what is asked for by a large body, such as a batch of 500 commands. Few
// of such requests are carried out at a time, so that there is always room for those
// that somebody waits for at a screen.
const (
	// bulkBody is the size of body from which on a request is bulk work, if it is for
	// an operation that can be.
	bulkBody = 16 << 10

	// bulkWaiting is how many bytes the bodies of those may have that wait. They are not
	// parsed before their turn, because that takes several times as much memory.
	// One tenant may have as many of them as it leaves for others.
	bulkWaiting = 64 << 20

	// bulkPatience is how long a request waits for its turn. After that it still has time
	// to be carried out.
	bulkPatience = 15 * time.Second

	// bulkPause is after how many seconds to ask again.
	bulkPause = 2
)

// bulk lets the bulk work of all tenants take turns, one request each. The request of a
// tenant that has none at work waits at most for one of each other tenant, however many
// these have sent.
type bulk struct {
	mu      sync.Mutex
	free    int   // how many more may be at work
	room    int64 // how many more bytes may wait
	waiting map[domain.TenantID][]*bulkTurn
	turns   []domain.TenantID // those who wait, in the order of their turns
}

// bulkTurn is a request that waits.
type bulkTurn struct {
	begin chan struct{}
	size  int64
}

// newBulk returns turns for so many requests at a time: half as many as there are
// processors, if it is 0.
func newBulk(most int) *bulk {
	if most == 0 {
		most = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return &bulk{free: most, room: bulkWaiting, waiting: map[domain.TenantID][]*bulkTurn{}}
}

// take waits for a turn, which lasts until it is released, once. It refuses the request
// if there are too many before it.
func (b *bulk) take(ctx context.Context, tenant domain.TenantID, size int64) (release func(), err error) {
	b.mu.Lock()
	if b.free > 0 {
		b.free--
		b.mu.Unlock()
		return b.release, nil
	}
	if !b.hasRoom(tenant, size) {
		b.mu.Unlock()
		return nil, errBulk
	}
	b.room -= size
	turn := &bulkTurn{make(chan struct{}), size}
	if len(b.waiting[tenant]) == 0 {
		b.turns = append(b.turns, tenant)
	}
	b.waiting[tenant] = append(b.waiting[tenant], turn)
	b.mu.Unlock()

	wait, stop := context.WithTimeout(ctx, bulkPatience)
	defer stop()
	select {
	case <-turn.begin:
	case <-wait.Done():
		err = errBulk
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room += size
	if err == nil {
		return b.release, nil
	}
	if !b.withdraw(tenant, turn) { // it has just begun
		b.pass()
	}
	return nil, err
}

// hasRoom reports whether a request of a tenant can wait: then there is at least as much
// room left for others as the tenant has.
func (b *bulk) hasRoom(tenant domain.TenantID, size int64) bool {
	has := size
	for _, turn := range b.waiting[tenant] {
		has += turn.size
	}
	return has <= b.room-size || len(b.waiting[tenant]) == 0 && size <= b.room
}

func (b *bulk) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pass()
}

// pass gives the place of a request that has ended to the first of the tenant whose
// turn it is.
func (b *bulk) pass() {
	if len(b.turns) == 0 {
		b.free++
		return
	}
	tenant := b.turns[0]
	b.turns = b.turns[1:]
	list := b.waiting[tenant]
	close(list[0].begin)
	if list = list[1:]; len(list) == 0 {
		delete(b.waiting, tenant)
		return
	}
	b.waiting[tenant] = list
	b.turns = append(b.turns, tenant)
}

// withdraw takes out one that waits, and reports whether it still did.
func (b *bulk) withdraw(tenant domain.TenantID, turn *bulkTurn) bool {
	list := b.waiting[tenant]
	i := slices.Index(list, turn)
	if i < 0 {
		return false
	}
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		b.waiting[tenant] = list
		return true
	}
	delete(b.waiting, tenant)
	b.turns = slices.DeleteFunc(b.turns, func(t domain.TenantID) bool { return t == tenant })
	return true
}

// waits counts the requests that wait.
func (b *bulk) waits() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, list := range b.waiting {
		n += len(list)
	}
	return n
}

// metrics says how many requests wait.
func (b *bulk) metrics() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rowhouse_bulk_waiting", Help: "How many large requests, such as batches of an import, wait for their turn.",
	}, func() float64 { return float64(b.waits()) })
}

var errBulk = &domain.Error{
	Reason: domain.Unavailable, Code: "busy", Detail: "there is too much to do before it now; nothing was changed", Data: map[string]any{"retry_after": bulkPause},
}

// inTurns says that a request with a large body is bulk work.
func inTurns(op *operation) { op.bulk = true }

// takeTurn waits until the request may be carried out, if it is bulk work. Its turn ends
// when the answer begins, since nobody else is to wait for who is slow to read.
func (x *exchange) takeTurn(size int) (err error) {
	if !x.op.bulk || size <= bulkBody {
		return nil
	}
	x.turn, err = x.s.bulk.take(x.ctx(), x.caller.Tenant(), int64(size))
	return err
}

// endTurn ends the turn, if there is one.
func (x *exchange) endTurn() {
	if x.turn != nil {
		x.turn()
		x.turn = nil
	}
}
