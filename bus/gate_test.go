package bus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// While a target is away there is one attempt at a time, ever more rarely; when
// it is back, all go on at once. Each is told once.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told strings.Builder
		g := newGate(slog.New(slog.NewTextHandler(&told, nil)), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		away, attempts, under, passed := true, 0, 0, 0
		attempt := func() bool {
			_, leave, err := g.enter(ctx, true)
			if err != nil {
				return false
			}
			defer leave()
			mu.Lock()
			closed := g.away()
			attempts++
			if under++; closed && under > 1 {
				t.Error("two attempts at a time")
			}
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			under--
			if away {
				g.failed(ctx, errors.New("refused by 127.0.0.1"))
			} else {
				g.succeeded(ctx)
				passed++
			}
			return true
		}
		var workers sync.WaitGroup
		for range 5 {
			workers.Go(func() {
				for ctx.Err() == nil && attempt() {
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		time.Sleep(1900 * time.Millisecond)
		mu.Lock()
		if g.away() || told.Len() > 0 {
			t.Errorf("away after 1.9 s: %s", told.String())
		}
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		before := attempts
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if n := attempts - before; n < 600/6 || n > 600/2 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		if !g.away() || strings.Count(told.String(), "\n") != 1 {
			t.Errorf("told: %s", told.String())
		}
		away = false
		mu.Unlock()
		time.Sleep(maxWait + 30*time.Millisecond)
		mu.Lock()
		if g.away() || passed < 5 || strings.Count(told.String(), "\n") != 2 || !strings.Contains(told.String(), "broker is back") {
			t.Errorf("%d passed, told: %s", passed, told.String())
		}
		mu.Unlock()
		cancel()
		workers.Wait()
	})
}

// Those who have not failed yet do not wait for those who have, nor for what is
// under way, but they do not all come at once either.
func TestGateLetsOthersFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(slog.New(slog.DiscardHandler), time.Now)
		for range 100 {
			g.failed(t.Context(), errors.New("timeout"))
			time.Sleep(time.Second)
		}
		if !g.away() {
			t.Fatal("not away")
		}
		_, leave, err := g.enter(t.Context(), true) // and stays for long
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		for range 3 {
			time.Sleep(time.Second)
			began := time.Now()
			for i := range 10 {
				waited, done, err := g.enter(t.Context(), false)
				if err != nil || !waited {
					t.Errorf("waited = %t, %v", waited, err)
				}
				done()
				if took := time.Since(began); took != time.Duration(i)*minWait {
					t.Errorf("%d entered after %v", i, took)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g.enter(t.Context(), false) //nolint:errcheck // the next one has to wait
		if _, _, err := g.enter(ctx, false); !errors.Is(err, context.Canceled) {
			t.Errorf("enter = %v", err)
		}
	})
}

// One tenant that has no luck is not a target that is away.
func TestGateWithOneTenantAtFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(slog.New(slog.DiscardHandler), time.Now)
		for range 100 {
			g.failed(t.Context(), errors.New("no such topic"))
			time.Sleep(time.Second)
			g.succeeded(t.Context())
			if g.failed(t.Context(), errors.New("no such topic")) {
				t.Fatal("away")
			}
		}
	})
}
