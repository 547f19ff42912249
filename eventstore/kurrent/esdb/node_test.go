package esdb

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// follower is a node that says who the leader is.
func follower(leader func() string) *stub {
	return &stub{
		append: func(ss streams.Streams_AppendServer) error {
			ss.SetTrailer(notLeaderTrailer(leader()))
			return status.Error(codes.NotFound, "Leader info available")
		},
		read: func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error {
			ss.SetTrailer(notLeaderTrailer(leader()))
			return status.Error(codes.NotFound, "Leader info available")
		},
	}
}

func willing(t *testing.T, n *atomic.Int32) *stub {
	t.Helper()
	return &stub{
		append: func(ss streams.Streams_AppendServer) error {
			n.Add(1)
			proposed(t, ss)
			return success(ss, 0, 1)
		},
		read: func(r *streams.ReadReq, ss streams.Streams_ReadServer) error {
			n.Add(1)
			if r.GetOptions().GetSubscription() == nil {
				return ss.Send(notFound())
			}
			return errors.Join(sendAll(ss, confirmed(), caughtUp()), hold(ss))
		},
	}
}

func TestFollowsTheLeader(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	leader := serve(t, willing(t, &calls))
	c := client(t, Config{}, serve(t, follower(func() string { return leader })))
	ctx := within(t, 10*time.Second)
	for range 3 {
		if _, err := c.Append(ctx, "s", NoStream, []Event{event("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ping(ctx); err != nil || calls.Load() != 4 || c.current.addr != leader || len(c.nodes) != 1 {
		t.Error(err, calls.Load(), len(c.nodes))
	}
}

// TestNobodyLeads: an election that does not end is no reason to spin, or to
// wait longer than the caller does.
func TestNobodyLeads(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]string{"nobody": "", "each other": "other", "itself": "self"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			var a, b *stub
			say := func(self, other **stub) func() string {
				return func() string {
					asked.Add(1)
					return map[string]string{"": ":0", "other": (*other).addr, "self": (*self).addr}[who]
				}
			}
			a, b = follower(nil), follower(nil)
			*a, *b = *follower(say(&a, &b)), *follower(say(&b, &a))
			serve(t, b)
			c := client(t, Config{}, serve(t, a))
			err := c.Ping(within(t, 500*time.Millisecond))
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotLeader) || asked.Load() > 30 {
				t.Error(err, asked.Load())
			}
		})
	}
}

// TestGossip: the leader is found through whichever node answers first, and
// looked for again when it is gone. Searches are shared.
func TestGossip(t *testing.T) {
	t.Parallel()
	var calls1, calls2, gossips atomic.Int32
	var leader atomic.Pointer[string]
	n1, n2, seed := willing(t, &calls1), willing(t, &calls2), &stub{}
	serve(t, n1)
	serve(t, n2)
	members := func() ([]*gossip.MemberInfo, error) {
		gossips.Add(1)
		dead := member(t, n1.addr, gossip.MemberInfo_Leader)
		dead.IsAlive = false
		ms := []*gossip.MemberInfo{dead, {}, {HttpEndPoint: &gossip.EndPoint{Address: "x", Port: 70000}, IsAlive: true}}
		for _, n := range []*stub{n1, n2} {
			state := gossip.MemberInfo_Follower
			if n.addr == *leader.Load() {
				state = gossip.MemberInfo_Leader
			}
			ms = append(ms, member(t, n.addr, state))
		}
		return ms, nil
	}
	n1.members, n2.members, seed.members = members, members, members
	none := ""
	leader.Store(&none)
	c := client(t, Config{Discover: true}, serve(t, seed), "127.0.0.1:1")
	var many sync.WaitGroup
	vain := within(t, 300*time.Millisecond)
	for range 50 {
		many.Go(func() {
			if err := c.Ping(vain); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Error("found a leader where there is none:", err)
			}
		})
	}
	many.Wait()
	if n := gossips.Load(); n > 12 { // every 50 ms at most, and what is cut off at the end
		t.Error(n, "searches")
	}
	leader.Store(&n1.addr)
	ctx := within(t, 10*time.Second)
	before := gossips.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := c.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if calls1.Load() != 50 || gossips.Load() > before+3 {
		t.Error(calls1.Load(), gossips.Load()-before)
	}
	moved := make(chan error, 1)
	on2 := make(chan struct{})
	go func() { // a subscription moves, too
		caught := 0
		moved <- c.Subscribe(ctx, Position{}, Filter{}, func(context.Context, Message) error {
			if caught++; caught == 1 {
				close(on2)
				return nil
			}
			return errEnough
		})
	}()
	<-on2
	leader.Store(&n2.addr)
	was := n1.append
	n1.append = func(streams.Streams_AppendServer) error { return unavailable() }
	defer func() { n1.append = was }()
	if _, err := c.Append(ctx, "s", NoStream, []Event{event("x")}); err != nil || calls2.Load() == 0 {
		t.Error(err, calls2.Load())
	}
	if err := <-moved; !errors.Is(err, errEnough) {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.addr != n2.addr || len(c.nodes) != 1 {
		t.Error(c.current.addr, len(c.nodes))
	}
}

// TestClose ends everything that is under way, from wherever, and leaves
// nothing.
func TestClose(t *testing.T) { //nolint:paralleltest // it counts goroutines
	addr := serve(t, &stub{
		append:  func(ss streams.Streams_AppendServer) error { <-ss.Context().Done(); return ss.Context().Err() },
		read:    func(_ *streams.ReadReq, ss streams.Streams_ReadServer) error { return hold(ss) },
		members: func() ([]*gossip.MemberInfo, error) { return nil, nil },
	})
	before := runtime.NumGoroutine()
	for _, cfg := range []Config{
		{Seeds: []string{addr}},
		{Seeds: []string{addr}, Discover: true},
		{Seeds: []string{"192.0.2.1:1", "192.0.2.2:1"}},
		{Seeds: []string{"127.0.0.1:1"}},
	} {
		for range 5 {
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			started := make(chan struct{}, 100)
			for range 20 {
				for _, call := range []func() error{
					func() error { return c.Ping(t.Context()) },
					func() error {
						_, err := c.Append(t.Context(), "s", 0, []Event{event("x")})
						return err
					},
					func() error {
						return c.Subscribe(t.Context(), Position{}, Filter{}, func(context.Context, Message) error { return nil })
					},
				} {
					wg.Go(func() {
						started <- struct{}{}
						if err := call(); !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
					})
				}
			}
			for range 30 {
				<-started
			}
			wg.Go(func() { _ = c.Close() })
			_ = c.Close()
			wg.Wait()
			if err := c.Ping(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	}
	settled(t, before)
}
