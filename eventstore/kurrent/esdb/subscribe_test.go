package esdb

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/peer"
)

var errEnough = errors.New("enough")

// hold keeps a stream open until the client leaves.
func hold(ss streams.Streams_ReadServer) error {
	<-ss.Context().Done()
	return ss.Context().Err()
}

// collector gathers what a subscription hands over, until a position.
type collector struct {
	t      *testing.T
	until  uint64
	events []uint64
	late   []uint64
	last   Position
	caught int
}

func (c *collector) handle(_ context.Context, m Message) error {
	for _, e := range m.Events {
		if !e.Position.After(c.last) {
			c.late = append(c.late, e.Position.Commit)
			continue
		}
		c.last = e.Position
		c.events = append(c.events, e.Position.Commit)
	}
	if c.last.After(m.Position) {
		c.t.Errorf("message at %v has an event at %v", m.Position, c.last)
	}
	c.last = m.Position
	if m.CaughtUp {
		c.caught++
	}
	if m.Position.Commit >= c.until {
		return errEnough
	}
	return nil
}

// TestSubscribe drops the connection at every step, and repeats, reorders and
// adds what a server should not.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	var asked []uint64
	scripts := [][]*streams.ReadResp{
		{},
		{confirmed()},
		append(append([]*streams.ReadResp{confirmed()}, oddities()...), at("a-1", 0, 10), at("b-1", 0, 20)),
		{confirmed(), at("a-1", 0, 10), at("b-1", 0, 20), at("a-1", 1, 30), checkpoint(25), checkpoint(45)},
		{confirmed(), checkpoint(45), at("a-1", 2, 41), at("other", 0, 43), at("a-1", 3, 44), at("a-1", 3, 44), at("a-1", 2, 50), caughtUp(), at("a-1", 4, 49)},
		{confirmed(), at("other", 0, 55), caughtUp(), at("a-1", 3, 60), checkpoint(70)},
	}
	c := client(t, Config{}, serve(t, &stub{read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
		asked = append(asked, r.GetOptions().GetAll().GetPosition().GetCommitPosition())
		if r.GetOptions().GetSubscription() == nil || r.GetOptions().GetFilter().GetCheckpointIntervalMultiplier() != checkpointEvery {
			t.Error(r)
		}
		script := scripts[len(asked)-1]
		if err := sendAll(ss, script...); err != nil {
			return err
		}
		if len(asked) < len(scripts) {
			return unavailable()
		}
		return hold(ss)
	}}))
	got := collector{t: t, until: 70, last: Position{5, 5}}
	err := c.Subscribe(within(t, 20*time.Second), Position{5, 5}, Filter{Prefixes: []string{"a-", "b-"}}, got.handle)
	if !errors.Is(err, errEnough) || !slices.Equal(got.events, []uint64{10, 20, 30, 50, 60}) || got.caught == 0 {
		t.Error(err, got.events, got.caught)
	}
	if !slices.Equal(got.late, []uint64{41, 44}) { // behind a checkpoint; 49 is a repetition of what was late
		t.Error("late:", got.late)
	}
	if !slices.Equal(asked, []uint64{5, 5, 5, 20, 45, 50}) {
		t.Error("resumed after", asked)
	}
}

// TestSubscribeEnds: only the handler, the context and Close end it.
func TestSubscribeEnds(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := client(t, Config{}, serve(t, &stub{read: func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error {
		calls.Add(1)
		return errors.Join(sendAll(ss, confirmed(), at("s", 0, 10), caughtUp()), hold(ss))
	}}))
	for _, failure := range []error{errEnough, ErrUnavailable, ErrNotLeader, context.Canceled, ErrClosed} {
		err := c.Subscribe(within(t, 5*time.Second), Position{}, Filter{}, func(context.Context, Message) error { return failure })
		if !errors.Is(err, failure) {
			t.Error(err, failure)
		}
	}
	if calls.Load() != 5 {
		t.Error("it has gone on after an error of the handler:", calls.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Subscribe(ctx, Position{}, Filter{}, func(got context.Context, _ Message) error {
		if got != ctx {
			t.Error("not the caller's context")
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	err = c.Subscribe(within(t, 5*time.Second), Position{}, Filter{}, func(context.Context, Message) error { return c.Close() })
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestSubscribeBatches: what arrives while the handler is busy comes together,
// and no more is received than fits.
func TestSubscribeBatches(t *testing.T) {
	t.Parallel()
	const events = 400
	some, all := make(chan struct{}), make(chan struct{})
	c := client(t, Config{MaxBatch: 150}, serve(t, &stub{read: func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error {
		for i := range uint64(events) {
			m := at("s", i, 10+i)
			m.GetEvent().GetEvent().Data = make([]byte, 100<<10)
			if err := ss.Send(m); err != nil {
				return err
			}
			if i == 30 { // more than fits into what gRPC keeps
				close(some)
			}
		}
		close(all)
		return errors.Join(ss.Send(caughtUp()), hold(ss))
	}}))
	var sizes []int
	n := uint64(0)
	err := c.Subscribe(within(t, 30*time.Second), Position{}, Filter{}, func(ctx context.Context, m Message) error {
		for _, e := range m.Events {
			if e.Revision != n {
				t.Errorf("%d instead of %d", e.Revision, n)
			}
			n++
		}
		sizes = append(sizes, len(m.Events))
		if len(sizes) == 1 {
			<-some
			select {
			case <-all:
				t.Error("all was received ahead of the handler")
			case <-time.After(300 * time.Millisecond):
			}
		}
		if m.CaughtUp {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || n != events || sizes[1] < 10 || slices.Max(sizes) > 150 {
		t.Error(err, n, sizes)
	}
}

// TestSubscribeNoticesSilence: a node that takes calls and does not answer is
// given up, and one that answers, but has nothing to say, is not.
func TestSubscribeNoticesSilence(t *testing.T) {
	t.Parallel()
	var subscriptions, pings atomic.Int32
	var silent atomic.Value
	c := client(t, Config{Silence: 400 * time.Millisecond}, serve(t, &stub{read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
		if r.GetOptions().GetSubscription() == nil {
			if pings.Add(1) == 1 {
				return hold(ss)
			}
			return ss.Send(notFound())
		}
		from, _ := peer.FromContext(ss.Context())
		if subscriptions.Add(1) == 1 {
			silent.Store(from.Addr.String())
		} else {
			if from.Addr.String() == silent.Load() {
				t.Error("it stays on the connection that was silent")
			}
			_ = sendAll(ss, confirmed(), at("s", 0, 10))
		}
		return hold(ss)
	}}))
	ctx := within(t, 10*time.Second)
	ctx, cancel := context.WithCancel(ctx)
	err := c.Subscribe(ctx, Position{}, Filter{}, func(context.Context, Message) error {
		first := pings.Load()
		go func() {
			defer cancel()
			for pings.Load() < first+3 && ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
		}()
		return nil
	})
	if !errors.Is(err, context.Canceled) || subscriptions.Load() != 2 {
		t.Error(err, subscriptions.Load())
	}
}
