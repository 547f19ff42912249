package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// world is a log, the checkpoints of one group of readers and its leases, in
// memory, so that time can be made up.
type world struct {
	Store // no other method is used

	mu     sync.Mutex
	logs   map[domain.TenantID][]Recorded
	at     map[domain.TenantID]Checkpoint
	leases map[Shard]lease
	moves  map[domain.TenantID][]Position
	reads  []int

	changes int64                     // so many
	changed map[domain.TenantID]int64 // the number of the last one of a log
	asked   map[string]int            // statements, by what they are
}

type lease struct {
	owner   string
	expires time.Time
}

func newWorld() *world {
	return &world{
		logs: make(map[domain.TenantID][]Recorded), at: make(map[domain.TenantID]Checkpoint),
		leases: make(map[Shard]lease), moves: make(map[domain.TenantID][]Position),
		changed: make(map[domain.TenantID]int64), asked: make(map[string]int),
	}
}

// change counts a change of the log of a tenant.
func (w *world) change(t domain.TenantID) {
	w.changes++
	w.changed[t] = w.changes
}

func (w *world) append(t domain.TenantID, n int) Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change(t)
	for range n {
		w.logs[t] = append(w.logs[t], Recorded{Stream: StreamID{Tenant: t}, Position: Position(len(w.logs[t]) + 1)})
	}
	return Position(len(w.logs[t]))
}

func (w *world) Read(_ context.Context, t domain.TenantID, after Position, limit int) ([]Recorded, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.logs[t][after:]
	w.reads = append(w.reads, min(limit, len(rest)))
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (w *world) Lease(_ context.Context, owner string, ttl time.Duration, groups ...string) (Held, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked["lease"]++
	now := time.Now()
	var held []Shard
	for s := range Shard(Shards) {
		if l := w.leases[s]; l.owner == owner || l.expires.Before(now) {
			w.leases[s] = lease{owner, now.Add(ttl)}
			held = append(held, s)
		}
	}
	all := make(Held)
	for _, g := range groups {
		all[g] = held
	}
	return all, nil
}

func (w *world) held() map[Shard]lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.leases)
}

func (w *world) Release(_ context.Context, _, owner string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.leases, func(_ Shard, l lease) bool { return l.owner == owner })
	return nil
}

func (w *world) Behind(_ context.Context, held Held, since Mark) (lags []Lag, _ Mark, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked["look"]++
	if since == (Mark{}) {
		w.asked["full"]++
	}
	for t, log := range w.logs {
		if since != (Mark{}) && w.changed[t] <= since.Changes {
			continue
		}
		for group, shards := range held {
			if slices.Contains(shards, ShardOf(t)) && w.at[t].Position != Position(len(log)) {
				lags = append(lags, Lag{group, t, w.at[t], Position(len(log))})
			}
		}
	}
	return lags, Mark{Server: 1, Changes: w.changes}, nil
}

func (w *world) Head(_ context.Context, t domain.TenantID) (Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Position(len(w.logs[t])), nil
}

func (w *world) TakeBack(_ context.Context, _ string, t domain.TenantID, from Checkpoint, to Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at[t] != from {
		return ErrMoved
	}
	w.at[t] = Checkpoint{to, from.Generation + 1}
	w.change(t)
	return nil
}

// cut takes the log of a tenant back to a position.
func (w *world) cut(t domain.TenantID, to Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[t] = w.logs[t][:to]
	w.change(t)
}

func (w *world) Checkpoint(_ context.Context, _ string, t domain.TenantID) (Checkpoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[t], nil
}

func (w *world) Move(_ context.Context, _ string, t domain.TenantID, from Checkpoint, to Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at[t] != from {
		return ErrMoved
	}
	w.at[t] = Checkpoint{to, from.Generation}
	w.moves[t] = append(w.moves[t], to)
	return nil
}

func (w *world) position(t domain.TenantID) Position {
	at, _ := w.Checkpoint(nil, "", t) //nolint:staticcheck // not used
	return at.Position
}

// moving is a handler that does nothing but move the checkpoint.
func (w *world) moving(ctx context.Context, b Batch) error {
	return w.Move(ctx, "", b.Tenant, b.From, b.To())
}

// follow starts a follower and returns it with a function that stops it.
func (w *world) follow(t *testing.T, cfg FollowerConfig) (*Follower, func()) {
	t.Helper()
	cfg.Store, cfg.Tracker, cfg.Group = w, w, "test"
	cfg.Now = time.Now
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if cfg.Owner == "" {
		cfg.Owner = "node"
	}
	f := NewFollower(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	synctest.Wait()
	return f, stop
}

func tenants(n int) []domain.TenantID {
	list := make([]domain.TenantID, n)
	for i := range list {
		list[i] = domain.TenantID{UUID: uuid.UUID{0: byte(i >> 8), 1: byte(i), 15: byte(i)}}
	}
	return list
}

func TestFollower(t *testing.T) {
	t.Parallel()
	t.Run("looks at once when notified", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving)})
			for range 3 {
				time.Sleep(time.Second / 7)
				f.Notify(ten, w.append(ten, 2))
				synctest.Wait() // without time going on
				if at, head := w.position(ten), Position(len(w.logs[ten])); at != head {
					t.Fatalf("at %d, log is at %d", at, head)
				}
			}
			if s := f.Stats(); s.Tenants != 0 || s.Lag != 0 || s.Batches != 3 || s.Events != 6 || s.Shards != Shards {
				t.Errorf("stats = %+v", s)
			}
		})
	})
	t.Run("finds out by itself", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, all := newWorld(), tenants(100)
			for _, ten := range all {
				w.append(ten, 10)
			}
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving), Batch: 3, MaxBatch: 3})
			time.Sleep(time.Second / 2)
			for _, ten := range all {
				if at := w.position(ten); at != 10 {
					t.Fatalf("at %d of 10", at)
				}
				w.append(ten, 1)
			}
			time.Sleep(1200 * time.Millisecond)
			for _, ten := range all {
				if at := w.position(ten); at != 11 {
					t.Fatalf("at %d of 11", at)
				}
			}
			f.queue.mu.Lock()
			defer f.queue.mu.Unlock()
			if n := len(f.queue.tasks); n != 0 {
				t.Errorf("%d tenants kept though nothing is to be done for them", n)
			}
		})
	})
	t.Run("leaves alone what others hold", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			w.leases[ShardOf(ten)] = lease{"somebody else", time.Now().Add(time.Hour)}
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving)})
			f.Notify(ten, w.append(ten, 2))
			time.Sleep(time.Minute)
			if w.position(ten) != 0 || f.Stats().Shards != Shards-1 {
				t.Errorf("at %d, holding %d shards", w.position(ten), f.Stats().Shards)
			}
		})
	})
	t.Run("goes on from where somebody else has come to", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving)})
			f.Notify(ten, w.append(ten, 2))
			time.Sleep(100 * time.Millisecond)
			if err := w.Move(t.Context(), "", ten, Checkpoint{Position: 2}, w.append(ten, 2)); err != nil {
				t.Fatal(err)
			}
			f.Notify(ten, w.append(ten, 1))
			time.Sleep(10 * time.Millisecond)
			if w.position(ten) != 5 {
				t.Errorf("at %d of 5", w.position(ten))
			}
		})
	})
	t.Run("notices that a log was taken back", func(t *testing.T) {
		t.Parallel()
		for _, restarted := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w, ten := newWorld(), tenants(1)[0]
				f, stop := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving)})
				f.Notify(ten, w.append(ten, 10))
				time.Sleep(100 * time.Millisecond)
				if restarted {
					stop()
					synctest.Wait()
				}
				w.cut(ten, 7)
				if restarted {
					f, _ = w.follow(t, FollowerConfig{Handle: OneByOne(w.moving)})
				}
				time.Sleep(1500 * time.Millisecond)
				if w.position(ten) != 7 || f.Stats().TakenBack != 1 {
					t.Errorf("at %d of 7, %d logs were taken back", w.position(ten), f.Stats().TakenBack)
				}
				f.Notify(ten, w.append(ten, 2))
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				if m := w.moves[ten]; w.position(ten) != 9 || m[len(m)-1] != 9 {
					t.Errorf("at %d of 9", w.position(ten))
				}
				time.Sleep(5 * time.Second)
				if s := f.Stats(); s.TakenBack != 1 || s.Tenants != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	})
	t.Run("lets whoever derives from a log begin anew", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			w.append(ten, 5)
			w.at[ten] = Checkpoint{Position: 9}
			calls := 0
			w.follow(t, FollowerConfig{Handle: OneByOne(w.moving), TakenBack: func(ctx context.Context, t domain.TenantID) error {
				if calls++; calls == 1 {
					return errors.New("not now")
				}
				return w.TakeBack(ctx, "", t, Checkpoint{Position: 9}, 0)
			}})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if w.position(ten) != 5 || calls != 2 || len(w.moves[ten]) != 1 {
				t.Errorf("at %d of 5 after %d calls and %v", w.position(ten), calls, w.moves[ten])
			}
		})
	})
	t.Run("gathers events of a busy tenant", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(w.moving), Linger: 10 * time.Millisecond})
			for range 100 {
				f.Notify(ten, w.append(ten, 1))
				time.Sleep(time.Millisecond)
			}
			synctest.Wait()
			if n := len(w.moves[ten]); n < 10 || n > 11 {
				t.Errorf("%d batches in 100 ms, want one in 10 ms", n)
			}
			time.Sleep(time.Second)
			for range 5 {
				f.Notify(ten, w.append(ten, 1))
				f.Hurry(ten)
				synctest.Wait()
				if at := w.position(ten); int(at) != len(w.logs[ten]) {
					t.Errorf("at %d of %d though somebody waits", at, len(w.logs[ten]))
				}
				f.Hurry(ten) // there is nothing to do
			}
		})
	})
	t.Run("does not gather after a batch that somebody came to wait in", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			f, _ := w.follow(t, FollowerConfig{Linger: time.Second, Handle: OneByOne(func(ctx context.Context, b Batch) error {
				time.Sleep(10 * time.Millisecond)
				return w.moving(ctx, b)
			})})
			f.Notify(ten, w.append(ten, 1))
			time.Sleep(5 * time.Millisecond)
			f.Notify(ten, w.append(ten, 1))
			f.Hurry(ten)
			time.Sleep(20 * time.Millisecond)
			if at := w.position(ten); at != 2 {
				t.Errorf("at %d of 2 though somebody waits", at)
			}
			f.Notify(ten, w.append(ten, 1))
			time.Sleep(100 * time.Millisecond)
			if at := w.position(ten); at != 2 {
				t.Errorf("at %d though nobody waits any more", at)
			}
		})
	})
	t.Run("takes larger batches while nobody waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			w.append(ten, 1000)
			w.follow(t, FollowerConfig{Handle: OneByOne(w.moving), Batch: 10, MaxBatch: 600})
			if want := []int{600, 400}; !slices.Equal(w.reads, want) {
				t.Errorf("reads = %v, want %v", w.reads, want)
			}
		})
	})
}

// One tenant that is far behind, or at fault, does not hold up the others.
func TestFollowerIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(), tenants(20)
		big, broken, gapped := all[0], all[1], all[2]
		w.append(big, 100_000)
		w.append(broken, 5)
		w.append(gapped, 5)
		w.logs[gapped][2].Position++
		f, _ := w.follow(t, FollowerConfig{Workers: 1, Batch: 10, MaxBatch: 10, Handle: OneByOne(func(ctx context.Context, b Batch) error {
			if b.Tenant == broken {
				return errors.New("broken")
			}
			time.Sleep(time.Millisecond)
			return w.moving(ctx, b)
		})})
		time.Sleep(20 * time.Millisecond)
		for _, ten := range all[3:] {
			f.Notify(ten, w.append(ten, 1))
		}
		time.Sleep(20 * time.Millisecond)
		for _, ten := range all[3:] {
			if w.position(ten) != 1 {
				t.Errorf("a small tenant still waits")
			}
		}
		if w.position(gapped) != 0 || w.position(broken) != 0 {
			t.Errorf("gapped at %d, broken at %d", w.position(gapped), w.position(broken))
		}
		if s := f.Stats(); s.Halted != 1 || s.Faults < 2 || s.Tenants != 3 || s.Oldest < 20*time.Millisecond {
			t.Errorf("stats = %+v", s)
		}
		w.mu.Lock()
		w.logs[gapped][2].Position--
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if at := w.position(gapped); at != 5 {
			t.Errorf("mended log is read up to %d of 5", at)
		}
	})
}

func TestFollowerSurvivesPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ten := newWorld(), tenants(1)[0]
		w.append(ten, 1)
		calls := 0
		w.follow(t, FollowerConfig{Handle: OneByOne(func(ctx context.Context, b Batch) error {
			if calls++; calls == 1 {
				panic("no")
			}
			return w.moving(ctx, b)
		})})
		time.Sleep(time.Second)
		if w.position(ten) != 1 || calls != 2 {
			t.Errorf("at %d after %d calls", w.position(ten), calls)
		}
	})
}

// Two nodes that both believe to hold a tenant commit every event once.
func TestFollowersSplitBrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(), tenants(8)
		lag := func(ctx context.Context, b Batch) error {
			time.Sleep(time.Duration(len(b.Events)) * time.Millisecond)
			return w.moving(ctx, b)
		}
		a, _ := w.follow(t, FollowerConfig{Owner: "a", Handle: OneByOne(lag), Batch: 7, MaxBatch: 7})
		clear(w.leases)
		b, _ := w.follow(t, FollowerConfig{Owner: "b", Handle: OneByOne(lag), Batch: 5, MaxBatch: 5})
		for range 20 {
			for _, ten := range all {
				head := w.append(ten, 9)
				a.Notify(ten, head)
				b.Notify(ten, head)
			}
			time.Sleep(3 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for _, ten := range all {
			if w.position(ten) != 180 || !slices.IsSorted(w.moves[ten]) || len(slices.Compact(w.moves[ten])) != len(w.moves[ten]) {
				t.Errorf("at %d of 180 by way of %v", w.position(ten), w.moves[ten])
			}
		}
		if a.Stats().Events+b.Stats().Events != 8*180 || a.Stats().Events == 0 || b.Stats().Events == 0 {
			t.Errorf("a did %d events, b did %d", a.Stats().Events, b.Stats().Events)
		}
	})
}

// A node that stops hands over; one that dies is replaced when its leases end,
// whenever that was, and whenever the other one looks.
func TestFollowerTakesOver(t *testing.T) {
	t.Parallel()
	for name, within := range map[string]time.Duration{"stopped": 5 * time.Second, "dead": 14 * time.Second} {
		for offset := range 16 {
			t.Run(fmt.Sprint(name, offset), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, ten := newWorld(), tenants(1)[0]
					_, stop := w.follow(t, FollowerConfig{Owner: "a", Handle: OneByOne(w.moving)})
					time.Sleep(time.Duration(offset) * 300 * time.Millisecond)
					b, _ := w.follow(t, FollowerConfig{Owner: "b", Handle: OneByOne(w.moving)})
					// Long enough for their jitter to set them apart. Nothing is worse
					// than to die right after the leases were renewed.
					time.Sleep(time.Minute)
					held := w.held()
					for last := held; held[ShardOf(ten)] == last[ShardOf(ten)]; held = w.held() {
						time.Sleep(10 * time.Millisecond)
					}
					stop()
					if name == "dead" {
						w.mu.Lock()
						w.leases = held
						w.mu.Unlock()
					}
					b.Notify(ten, w.append(ten, 1))
					time.Sleep(within)
					if w.position(ten) != 1 {
						t.Errorf("nobody took over within %s", within)
					}
				})
			})
		}
	}
}

// As long as nobody takes anything, tenants try in turn and do not wait long, so
// that all go on as soon as somebody does.
func TestFollowerWhileAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(), tenants(10)
		var away atomic.Bool
		away.Store(true)
		tried := make(map[domain.TenantID]int)
		f, stop := w.follow(t, FollowerConfig{Workers: 1, Handle: OneByOne(func(ctx context.Context, b Batch) error {
			if tried[b.Tenant]++; away.Load() {
				time.Sleep(time.Second)
				return fmt.Errorf("broker: %w", ErrAway)
			}
			return w.moving(ctx, b)
		})})
		for _, ten := range all {
			f.Notify(ten, w.append(ten, 1))
		}
		time.Sleep(5 * time.Minute)
		away.Store(false)
		time.Sleep(6 * time.Second)
		stop()
		for _, ten := range all {
			if w.position(ten) != 1 || tried[ten] < 25 {
				t.Errorf("at %d after %d attempts", w.position(ten), tried[ten])
			}
		}
		if s := f.Stats(); s.Faults != 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}
