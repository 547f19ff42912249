package api

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

func bulkTenant(n byte) domain.TenantID { return domain.TenantID{UUID: uuid.UUID{15: n}} }

// TestBulkTakesTurns sends much for one tenant and little for two others, while
// something is at work, and looks in which order it is carried out.
func TestBulkTakesTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulk(1)
		first, err := b.take(t.Context(), bulkTenant(1), 1)
		if err != nil {
			t.Fatal(err)
		}
		var order []byte // guarded by the turn
		ask := func(n byte) {
			go func() {
				release, err := b.take(t.Context(), bulkTenant(n), 1)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, n)
				release()
			}()
			synctest.Wait()
		}
		for _, n := range []byte{1, 1, 1, 1, 2, 3, 2} {
			ask(n)
		}
		if n := b.waits(); n != 7 || len(order) > 0 {
			t.Fatalf("%d wait, and %v were carried out, while one is at work", n, order)
		}
		first()
		synctest.Wait()
		if want := []byte{1, 2, 3, 1, 2, 1, 1}; !slices.Equal(order, want) {
			t.Errorf("carried out in the order %v, want %v", order, want)
		}
		if b.free != 1 || b.room != bulkWaiting || len(b.waiting) > 0 || len(b.turns) > 0 {
			t.Errorf("left are %d places, room for %d bytes, %d tenants and %d turns", b.free, b.room, len(b.waiting), len(b.turns))
		}
	})
}

// TestBulkIsBounded asks for more than can wait, for longer than anything waits, and goes
// away while it waits.
func TestBulkIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulk(1)
		release, err := b.take(t.Context(), bulkTenant(1), 1)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := b.take(t.Context(), bulkTenant(2), bulkWaiting+1); !errors.Is(err, errBulk) || time.Since(start) != 0 {
			t.Errorf("more than can wait: %v after %v", err, time.Since(start))
		}
		if _, err := b.take(t.Context(), bulkTenant(2), 1); !errors.Is(err, errBulk) || time.Since(start) != bulkPatience {
			t.Errorf("one that waits for ever: %v after %v", err, time.Since(start))
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := b.take(ctx, bulkTenant(2), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who has left: %v", err)
		}
		if b.waits() > 0 || len(b.turns) > 0 || b.room != bulkWaiting {
			t.Errorf("%d wait, %d have turns, and there is room for %d bytes", b.waits(), len(b.turns), b.room)
		}
		release()
		if b.free != 1 {
			t.Errorf("%d places are free, want 1", b.free)
		}
	})
}

// However much a tenant wants to wait for, there is room left for others.
func TestBulkLeavesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulk(1)
		release, err := b.take(t.Context(), bulkTenant(9), 1)
		if err != nil {
			t.Fatal(err)
		}
		refused := map[byte]int{}
		var mu sync.Mutex
		for _, n := range []byte{1, 2, 3} {
			for range 20 {
				go func() {
					release, err := b.take(t.Context(), bulkTenant(n), bulkWaiting/16)
					if err != nil {
						mu.Lock()
						refused[n]++
						mu.Unlock()
						return
					}
					release()
				}()
			}
			synctest.Wait()
		}
		if refused[1] != 12 || refused[2] != 16 || refused[3] != 18 {
			t.Errorf("of 20 of each tenant are refused: %v", refused)
		}
		release()
		synctest.Wait()
		if b.free != 1 || b.room != bulkWaiting {
			t.Errorf("left are %d places and room for %d bytes", b.free, b.room)
		}
	})
}

// TestOnlyLargeBodiesAreBulk gives commands while all turns are taken.
func TestOnlyLargeBodiesAreBulk(t *testing.T) {
	t.Parallel()
	op := describe("POST", "/things", everybody, "Things", "thing.do", "", "", []part{inTurns})
	x := &exchange{op: op}
	if err := x.takeTurn(bulkBody); err != nil || x.turn != nil { // would panic: there is no server
		t.Errorf("a small body takes a turn: %v", err)
	}
	op.bulk = false
	if err := x.takeTurn(10 * bulkBody); err != nil || x.turn != nil {
		t.Errorf("what is no bulk work takes a turn: %v", err)
	}
}
