package esdb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// TestOutages: 300 callers, each with its own deadline, through 5 outages. Each
// call ends by then, all works again afterwards, and nothing is left over.
func TestOutages(t *testing.T) { //nolint:paralleltest // it counts goroutines, and time
	const callers, deadline = 300, 400 * time.Millisecond
	server := esdbtest.Start(t)
	c := connect(t, server.URL())
	ctx := within(t, 120*time.Second)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var slowest, failed, calls, recovered, late atomic.Int64
	watch, done := context.WithCancel(ctx)
	defer done()
	go func() { // how late anything is on this machine, whatever it does
		tick := time.NewTimer(0)
		for last := time.Now(); watch.Err() == nil; last = time.Now() {
			tick.Reset(deadline / 10)
			<-tick.C
			raise(&late, time.Since(last)-deadline/10)
		}
	}()
	call := func() {
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		start := time.Now()
		_, err := c.Append(ctx, "s-"+uuid.NewString(), NoStream, []Event{event("x")})
		raise(&slowest, time.Since(start))
		calls.Add(1)
		if err != nil {
			failed.Add(1)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
	}
	for round := range 5 {
		var wg sync.WaitGroup
		ended := make(chan struct{}, 3*callers)
		for range callers {
			wg.Go(func() {
				for range 3 { // some before, some in the outage, some after
					call()
					ended <- struct{}{}
				}
			})
		}
		for range callers / 2 {
			<-ended
		}
		server.Stop()
		if round%2 == 0 { // else everybody waits until the server is back
			wg.Wait()
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Ping(ctx); err != nil {
			t.Fatal("no recovery in round", round, err)
		}
		raise(&recovered, time.Since(start))
		wg.Wait()
	}
	done()
	t.Logf("slowest call %v of %v allowed (timers up to %v late), %d of %d failed, recovered within %v, goroutines %d -> %d",
		time.Duration(slowest.Load()), deadline, time.Duration(late.Load()), failed.Load(), calls.Load(),
		time.Duration(recovered.Load()), before, runtime.NumGoroutine())
	if slack := max(time.Second, 20*time.Duration(late.Load())); time.Duration(slowest.Load()) > deadline+slack {
		t.Error("a caller waited beyond its deadline:", time.Duration(slowest.Load()))
	}
	settled(t, before+2)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestAppendIsWhole: however connections break, a stream has all events of an
// append or none.
func TestAppendIsWhole(t *testing.T) {
	t.Parallel()
	const events, drops = 30, 100
	server := esdbtest.Start(t)
	c, ctx := connect(t, server.URL()), within(t, 60*time.Second)
	writing, stop := context.WithCancel(ctx)
	progress := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for writing.Err() == nil {
				batch := make([]Event, events)
				for i := range batch {
					batch[i] = event("x")
				}
				done, err := c.Append(ctx, "s-"+uuid.NewString(), NoStream, batch)
				if err != nil || done.Revision != events-1 {
					t.Error(done, err)
				}
				signal(progress)
			}
		})
	}
	for range drops {
		<-progress
		server.DropConnections()
	}
	stop()
	wg.Wait()
	for _, s := range server.Streams() {
		if n := len(server.Events(s)); n != events {
			t.Errorf("%s has %d of %d events", s, n, events)
		}
	}
	t.Log(len(server.Streams()), "appends")
}

func raise(highest *atomic.Int64, d time.Duration) {
	for was := highest.Load(); int64(d) > was && !highest.CompareAndSwap(was, int64(d)); was = highest.Load() {
	}
}

// write appends events to streams of its own until the context ends, and says
// which were acknowledged, in order.
func write(ctx context.Context, t *testing.T, c *Client, streams int) func() int {
	t.Helper()
	var wg sync.WaitGroup
	var written atomic.Int64
	for s := range streams {
		wg.Go(func() {
			at := NoStream
			for n := 0; ctx.Err() == nil; n++ {
				e := event(strconv.Itoa(n))
				if _, err := c.Append(context.WithoutCancel(ctx), fmt.Sprintf("w-%d", s), at, []Event{e}); err != nil {
					t.Errorf("stream %d at %d: %v", s, at, err)
					return
				}
				at++
				written.Add(1)
			}
		})
	}
	return func() int {
		wg.Wait()
		return int(written.Load())
	}
}

// complete checks that a subscription hands over all events of streams w-0 … in
// order, each once, while trouble does its worst.
func complete(t *testing.T, writer, reader *Client, trouble func(round int)) {
	t.Helper()
	const streams, rounds = 4, 8
	ctx := within(t, 90*time.Second)
	writing, stop := context.WithCancel(ctx)
	written := write(writing, t, writer, streams)
	total := make(chan int, 1)
	progress := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for round := range rounds {
			for range 3 + rand.N(20) {
				select {
				case <-progress:
				case <-ctx.Done():
				}
			}
			trouble(round)
		}
		stop()
		total <- written() + 1
		if _, err := writer.Append(ctx, "w-end", NoStream, []Event{event("x")}); err != nil {
			t.Error(err)
		}
	})
	next := map[string]uint64{}
	seen, want := 0, -1
	var at Position
	err := reader.Subscribe(ctx, Position{}, Filter{Prefixes: []string{"w-"}}, func(_ context.Context, m Message) error {
		for _, e := range m.Events {
			if e.Revision != next[e.Stream] || !e.Position.After(at) {
				t.Errorf("%s: %d at %v, after %d at %v", e.Stream, e.Revision, e.Position, next[e.Stream], at)
			}
			next[e.Stream]++
			at = e.Position
			seen++
		}
		select {
		case want = <-total:
		default:
			signal(progress)
		}
		if seen == want {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || seen == 0 {
		t.Error(err, seen, want)
	}
	t.Logf("%d events", seen)
}

func TestSubscriptionSurvives(t *testing.T) {
	t.Parallel()
	t.Run("dropped connections and restarts", func(t *testing.T) {
		t.Parallel()
		server := esdbtest.Start(t, esdbtest.WithSystemEvents())
		c := connect(t, server.URL())
		complete(t, c, c, func(round int) {
			switch round % 4 {
			case 0:
				server.DropConnections()
			case 1:
				server.Stop()
				if err := server.Restart(); err != nil {
					t.Error(err)
				}
			case 2:
				server.Faults.Next(esdbtest.Subscribe, esdbtest.Unavailable, esdbtest.Drop.AfterMessages(2), esdbtest.Aborted.AfterMessages(5))
				server.DropConnections()
			case 3:
				server.Faults.Next(esdbtest.Append, esdbtest.Drop.AfterWrite(), esdbtest.Drop)
			}
		})
	})
	for name, seeds := range map[string]func(*esdbtest.Cluster) string{
		"elections": func(cl *esdbtest.Cluster) string { return cl.URL() },
		"elections, from one seed": func(cl *esdbtest.Cluster) string {
			return strings.Replace(cl.Nodes[1].URL(), "esdb://", "esdb+discover://", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := esdbtest.StartCluster(t, 3, esdbtest.WithRefusingFollowers(), esdbtest.WithSystemEvents())
			c := connect(t, seeds(cluster))
			complete(t, c, connect(t, seeds(cluster)), func(round int) {
				old := cluster.Leader()
				cluster.Elect((round + 1) % 3)
				if round%2 == 0 && old != cluster.Nodes[1] { // the one seed stays
					old.Stop()
					if err := old.Restart(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
