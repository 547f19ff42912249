package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// lines counts what is logged.
type lines struct{ atomic.Int64 }

func (l *lines) Write(p []byte) (int, error) {
	l.Add(1)
	return len(p), nil
}

// Tenants whose batches take long and fail, however many, leave half of the
// workers to those that are well; and get their own turns, however many of the
// others there are.
func TestFollowerLeavesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(), tenants(60)
		bad, good := all[:30], all[30:]
		var mu sync.Mutex
		tried := make(map[domain.TenantID]int)
		f, stop := w.follow(t, FollowerConfig{Workers: 4, Handle: OneByOne(func(ctx context.Context, b Batch) error {
			if slices.Contains(bad, b.Tenant) {
				mu.Lock()
				if b.Faults != tried[b.Tenant] {
					t.Errorf("told of %d faults after %d", b.Faults, tried[b.Tenant])
				}
				tried[b.Tenant]++
				mu.Unlock()
				time.Sleep(10 * time.Second)
				return errors.New("timeout")
			}
			time.Sleep(10 * time.Millisecond)
			return w.moving(ctx, b)
		})})
		for _, ten := range bad {
			f.Notify(ten, w.append(ten, 1))
		}
		time.Sleep(30 / 4 * 15 * time.Second) // until each of them had its first turn
		for range 200 {
			for _, ten := range good {
				f.Notify(ten, w.append(ten, 1))
			}
			time.Sleep(time.Second)
			for _, ten := range good {
				if at := w.position(ten); int(at) != len(w.logs[ten]) {
					t.Fatalf("at %d of %d though nothing is wrong with it", at, len(w.logs[ten]))
				}
			}
		}
		stop()
		for _, ten := range bad {
			if n := tried[ten]; n < 2 { // one at first, then those of two workers, 10 s each
				t.Errorf("%d attempts", n)
			}
		}
	})
}

// A tenant that gets further, if only a little each time, does not wait ever
// longer. What goes wrong is told when it has lasted for a while, and not each
// time.
func TestFollowerIsPatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ten := newWorld(), tenants(1)[0]
		stuck := Position(100)
		w.append(ten, 200)
		tries := 0
		var told lines
		log := slog.New(slog.NewTextHandler(&told, nil))
		f, stop := w.follow(t, FollowerConfig{Patience: 2 * time.Second, Log: log, Handle: OneByOne(func(ctx context.Context, b Batch) error {
			tries++
			if b.From.Position == stuck {
				return errors.New("stuck")
			}
			return errors.Join(w.Move(ctx, "", b.Tenant, b.From, b.From.Position+1), errors.New("shaky"))
		})})
		time.Sleep(100 * 63 * time.Millisecond)
		synctest.Wait()
		if at := w.position(ten); at != stuck || told.Load() != 0 {
			t.Errorf("at %d, %d lines", at, told.Load())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := told.Load(); n != 1 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(6 * time.Minute)
		stop()
		if n := told.Load(); n != 2 {
			t.Errorf("%d lines", n)
		}
		if s := f.Stats(); s.Faults != uint64(tries) {
			t.Errorf("stats = %+v after %d tries", s, tries)
		}
	})
}

// While the database is away nobody is told for each tenant, and all go on within
// a second and a bit when it is back, however long it was away.
func TestFollowerWhileDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(), tenants(10)
		var away atomic.Bool
		away.Store(true)
		lost := errors.New("connection refused")
		var told lines
		f, stop := w.follow(t, FollowerConfig{
			Away: func(err error) bool { return errors.Is(err, lost) },
			Log:  slog.New(slog.NewTextHandler(&told, nil)),
			Handle: OneByOne(func(ctx context.Context, b Batch) error {
				if away.Load() {
					return fmt.Errorf("store: %w", lost)
				}
				return w.moving(ctx, b)
			}),
		})
		for _, ten := range all {
			f.Notify(ten, w.append(ten, 1))
		}
		time.Sleep(10 * time.Minute)
		if s := f.Stats(); s.Faults != 0 || told.Load() != 0 {
			t.Errorf("%d lines, stats = %+v", told.Load(), s)
		}
		away.Store(false)
		time.Sleep(1300 * time.Millisecond)
		stop()
		for _, ten := range all {
			if w.position(ten) != 1 {
				t.Errorf("at %d", w.position(ten))
			}
		}
	})
}
