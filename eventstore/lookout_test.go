package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// several is a world with a checkpoint for each group.
type several struct {
	*world
	groups map[string]*world // of which only the checkpoints are used
}

func (s several) Behind(ctx context.Context, held Held, since Mark) (lags []Lag, at Mark, err error) {
	lags, at, err = s.world.Behind(ctx, held, since)
	left := lags[:0]
	for _, l := range lags {
		if l.Checkpoint, _ = s.Checkpoint(ctx, l.Group, l.Tenant); l.Checkpoint.Position != l.Head {
			left = append(left, l)
		}
	}
	return left, at, err
}

// follow starts followers of all groups, which share a lookout.
func (s several) follow(t *testing.T, owner string) (stop func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	lookout := NewLookout(LookoutConfig{Tracker: s, Owner: owner, Log: log, Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { lookout.Run(ctx) })
	for group, at := range s.groups {
		f := NewFollower(FollowerConfig{
			Store: s, Tracker: s, Group: group, Owner: owner, Lookout: lookout, Handle: OneByOne(at.moving), Log: log, Now: time.Now,
		})
		running.Go(func() { f.Run(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// Checkpoint implements [Tracker].
func (s several) Checkpoint(ctx context.Context, group string, t domain.TenantID) (Checkpoint, error) {
	return s.groups[group].Checkpoint(ctx, group, t)
}

func newSeveral(groups int) several {
	s := several{newWorld(), make(map[string]*world)}
	for g := range groups {
		s.groups[fmt.Sprint("group ", g)] = newWorld()
	}
	return s
}

// However many followers there are, a node asks once a second what has changed, and
// renews their leases every three seconds.
func TestLookoutAsksLittle(t *testing.T) {
	t.Parallel()
	for _, groups := range []int{1, 20} {
		synctest.Test(t, func(t *testing.T) {
			s := newSeveral(groups)
			for _, ten := range tenants(100) {
				s.append(ten, 3)
			}
			s.follow(t, "node")
			time.Sleep(time.Minute)
			s.mu.Lock()
			clear(s.asked)
			s.mu.Unlock()
			time.Sleep(10 * time.Minute)
			s.mu.Lock()
			defer s.mu.Unlock()
			if looks, leases := s.asked["look"], s.asked["lease"]; looks < 590 || looks > 680 || leases < 150 || leases > 200 || s.asked["full"] != 2 {
				t.Errorf("%d groups: %v in 10 minutes", groups, s.asked)
			}
			for name, at := range s.groups {
				for ten := range s.logs {
					if at.position(ten) != 3 {
						t.Errorf("%s is at %d of 3", name, at.position(ten))
					}
				}
			}
		})
	}
}

// What nobody was told of is followed by all within a second and a bit, and sooner
// while there is more of it; and what nothing has counted within five minutes.
func TestLookoutFindsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(3)
		s.follow(t, "node")
		all := tenants(5)
		settled := func(within time.Duration, what string) {
			t.Helper()
			time.Sleep(within)
			synctest.Wait()
			for name, at := range s.groups {
				for ten, log := range s.logs {
					if got := at.position(ten); int(got) != len(log) {
						t.Errorf("%s: %s is at %d of %d", what, name, got, len(log))
					}
				}
			}
		}
		time.Sleep(time.Minute)
		for _, ten := range all {
			s.append(ten, 2)
			settled(1100*time.Millisecond, "one at a time")
			time.Sleep(10 * time.Second)
		}
		s.append(all[0], 1)
		time.Sleep(1100 * time.Millisecond)
		for _, ten := range all {
			s.append(ten, 1)
			settled(300*time.Millisecond, "one soon after another")
		}
		s.append(all[0], 1)
		s.mu.Lock()
		s.changed[all[0]], s.changes = 0, s.changes-1
		s.mu.Unlock()
		settled(5*time.Minute+2*time.Second, "what was not counted")
	})
}

// Shards that a node gets are compared as a whole, whatever has changed meanwhile.
func TestLookoutTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, all := newSeveral(3), tenants(20)
		stop := s.follow(t, "first")
		time.Sleep(time.Minute)
		s.follow(t, "second")
		time.Sleep(time.Minute)
		stop()
		for _, ten := range all {
			s.append(ten, 2)
		}
		time.Sleep(5 * time.Second)
		for name, at := range s.groups {
			for _, ten := range all {
				if at.position(ten) != 2 {
					t.Errorf("%s is at %d of 2", name, at.position(ten))
				}
			}
		}
	})
}

// A log that is taken back while its next events are being handled, or cannot be, is
// seen to be so when that is over.
func TestLookoutSeesAgain(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w, ten := newWorld(), tenants(1)[0]
			f, _ := w.follow(t, FollowerConfig{Handle: OneByOne(func(ctx context.Context, b Batch) error {
				if b.To() > 10 {
					time.Sleep(slow)
					return errors.New("not these")
				}
				return w.moving(ctx, b)
			})})
			f.Notify(ten, w.append(ten, 10))
			time.Sleep(time.Second)
			f.Notify(ten, w.append(ten, 2))
			time.Sleep(time.Second)
			w.cut(ten, 7)
			time.Sleep(10 * time.Second)
			if w.position(ten) != 7 || f.Stats().TakenBack != 1 {
				t.Errorf("at %d of 7, %d logs were taken back", w.position(ten), f.Stats().TakenBack)
			}
		})
	}
}
