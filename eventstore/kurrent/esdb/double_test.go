package esdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// connect returns a client of a connection string.
func connect(t *testing.T, url string, change ...func(*Config)) *Client {
	t.Helper()
	cfg, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&cfg)
	}
	return client(t, cfg)
}

// TestRoundTrip goes through what a stream can go through.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	server := esdbtest.Start(t, esdbtest.WithSystemEvents())
	c, ctx := connect(t, server.URL()), within(t, 20*time.Second)
	last := func(want int64, wanted error) {
		t.Helper()
		if n, err := c.LastRevision(ctx, "a-1"); n != want || !errors.Is(err, wanted) {
			t.Errorf("at %d, %v instead of %d, %v", n, err, want, wanted)
		}
	}
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if v, err := c.ServerVersion(ctx); v != "24.10.14" || err != nil {
		t.Error(v, err)
	}
	last(NoStream, nil)
	events := []Event{event(`{"n":0}`), event(`{"n":1}`), {ID: uuid.New(), Type: "raw", Data: []byte{0, 255}}}
	first, err := c.Append(ctx, "a-1", NoStream, events)
	if err != nil || first.Revision != 2 {
		t.Fatal(first, err)
	}
	var read []Recorded
	for r, err := range c.ReadStream(ctx, "a-1", 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Stream != "a-1" || r.Revision != uint64(len(read)) || r.Time.IsZero() {
			t.Error(r)
		}
		read = append(read, r)
	}
	same := func(e Event, r Recorded) bool {
		return r.ID == e.ID && r.Type == e.Type && r.JSON == e.JSON && string(r.Data) == string(e.Data) && string(r.Meta) == string(e.Meta)
	}
	if len(read) != 3 || !same(events[0], read[0]) || !same(events[1], read[1]) || !same(events[2], read[2]) {
		t.Error(read)
	}
	if _, err := c.Append(ctx, "a-1", 2, []Event{event("x")}); err != nil {
		t.Error(err)
	}
	if again, err := c.Append(ctx, "a-1", NoStream, events); err != nil || again != first {
		t.Error("the same append again:", again, err)
	}
	_, err = c.Append(ctx, "a-1", 1, []Event{event("x")})
	if conflict, ok := errors.AsType[*Conflict](err); !ok || *conflict != (Conflict{Stream: "a-1", Expected: 1, Actual: 3}) {
		t.Error(err)
	}
	_, err = c.Append(ctx, "none", 1, []Event{event("x")})
	if conflict, ok := errors.AsType[*Conflict](err); !ok || conflict.Actual != NoStream {
		t.Error(err)
	}
	last(3, nil)
	if err := errors.Join(c.Delete(ctx, "a-1")); err != nil {
		t.Error(err)
	}
	last(NoStream, nil)
	if err := c.Tombstone(ctx, "a-1"); err != nil {
		t.Error(err)
	}
	if err := c.Tombstone(ctx, "a-1"); err != nil {
		t.Error("again:", err)
	}
	last(NoStream, ErrDeleted)
	if _, err := c.Append(ctx, "a-1", NoStream, []Event{event("x")}); !errors.Is(err, ErrDeleted) {
		t.Error(err)
	}
	if err := c.Delete(ctx, "never"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	server := esdbtest.Start(t, esdbtest.WithSystemEvents())
	c, ctx := connect(t, server.URL()), within(t, 20*time.Second)
	var positions []Position
	for i := range 30 {
		done, err := c.Append(ctx, fmt.Sprintf("%s-%d", []string{"t1", "t10", "t2"}[i%3], i), NoStream, []Event{event("x")})
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, done.Position)
	}
	for _, test := range []struct {
		after  int
		filter Filter
		limit  int
		want   []int
	}{
		{-1, Filter{Prefixes: []string{"t1-"}}, 4, []int{0, 3, 6, 9}},
		{3, Filter{Prefixes: []string{"t1-"}}, 2, []int{6, 9}},
		{24, Filter{Prefixes: []string{"t1-", "t2-"}}, 0, []int{26, 27, 29}},
		{25, Filter{}, 0, []int{26, 27, 28, 29}},
		{20, Filter{Regex: "^t10-"}, 2, []int{22, 25}},
	} {
		var after Position
		if test.after >= 0 {
			after = positions[test.after]
		}
		var got []int
		for r, err := range c.ReadAll(ctx, after, test.filter, test.limit) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, slices.Index(positions, r.Position))
		}
		if !slices.Equal(got, test.want) {
			t.Error(test, got)
		}
	}
}

// TestAmbiguousCommit: the write is made and the answer is not what it should
// be. The caller gets the answer all the same, and there is one write.
func TestAmbiguousCommit(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]esdbtest.Fault{
		"dropped": esdbtest.Drop, "aborted": esdbtest.Aborted, "unavailable": esdbtest.Unavailable, "not leader": esdbtest.NotLeader,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := esdbtest.Start(t)
			c, ctx := connect(t, server.URL()), within(t, 20*time.Second)
			if _, err := c.Append(ctx, "s", NoStream, []Event{event("x")}); err != nil {
				t.Fatal(err)
			}
			server.Faults.Next(esdbtest.Append, fault.AfterWrite(), fault, fault.AfterWrite())
			done, err := c.Append(ctx, "s", 0, []Event{event("a"), event("b")})
			if err != nil || done.Revision != 2 || len(server.Events("s")) != 3 || server.Calls(esdbtest.Append) != 5 {
				t.Error(done, err, len(server.Events("s")), server.Calls(esdbtest.Append))
			}
		})
	}
}

// TestLeaderIsFollowed: writes and reads go to the leader, also to the next.
func TestLeaderIsFollowed(t *testing.T) {
	t.Parallel()
	cluster := esdbtest.StartCluster(t, 3, esdbtest.WithRefusingFollowers())
	ctx := within(t, 20*time.Second)
	for name, url := range map[string]string{"gossip": cluster.URL(), "trailer": cluster.Nodes[2].URL()} {
		c := connect(t, url)
		for i := range 6 {
			cluster.Elect(i % 3)
			for n := range 3 {
				at := int64(n - 1)
				if _, err := c.Append(ctx, fmt.Sprintf("%s-%d", name, i), at, []Event{event("x")}); err != nil {
					t.Fatal(name, i, err)
				}
			}
			if n, err := c.LastRevision(ctx, fmt.Sprintf("%s-%d", name, i)); n != 2 || err != nil {
				t.Error(name, i, n, err)
			}
			c.mu.Lock()
			if c.current.addr != cluster.Leader().Addr() {
				t.Error("on", c.current.addr, "not", cluster.Leader().Addr())
			}
			c.mu.Unlock()
		}
	}
	// The leader that was followed is gone, and the seed leads again.
	c := connect(t, cluster.Nodes[0].URL())
	cluster.Elect(1)
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
	cluster.Elect(0)
	cluster.Nodes[1].Stop()
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// TestLeaderChangesLeaveNothing: the connection to the old leader is closed.
func TestLeaderChangesLeaveNothing(t *testing.T) { //nolint:paralleltest // it counts goroutines
	cluster := esdbtest.StartCluster(t, 3, esdbtest.WithRefusingFollowers())
	c, ctx := connect(t, cluster.URL()), within(t, 20*time.Second)
	elect := func(i int) {
		cluster.Elect(i % 3)
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	elect(0)
	before := runtime.NumGoroutine()
	for i := range 31 {
		elect(i)
	}
	settled(t, before)
}

// TestUnansweredCall: a leader that takes calls and does not answer costs one
// caller its deadline. Then gossip is asked who leads by now.
func TestUnansweredCall(t *testing.T) {
	t.Parallel()
	cluster := esdbtest.StartCluster(t, 3)
	c, ctx := connect(t, cluster.URL()), within(t, 20*time.Second)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	gate := esdbtest.NewGate()
	defer gate.Open()
	cluster.Nodes[0].Faults.Always(esdbtest.Append, gate.Hold())
	cluster.Nodes[0].Faults.Always(esdbtest.Read, gate.Hold())
	cluster.Elect(2)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	events := []Event{event("x")}
	if _, err := c.Append(short, "s", NoStream, events); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		next, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := c.Append(next, "s", NoStream, events)
		cancel()
		if err == nil {
			break
		}
		if n == 20 {
			t.Fatal("it is still with the node that does not answer:", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.addr != cluster.Nodes[2].Addr() || len(c.nodes) != 1 {
		t.Error(c.current.addr, len(c.nodes))
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	me := esdbtest.Account{Name: "rowhouse", Password: "p@ss:/?#wörd", Admin: true}
	cluster := esdbtest.StartCluster(t, 2, esdbtest.WithTLS(me, esdbtest.Account{Name: "guest", Password: "guest"}))
	server := cluster.Nodes[0]
	ctx := within(t, 20*time.Second)
	for _, url := range []string{server.URL(), cluster.URL()} {
		c := connect(t, url)
		if _, err := c.Append(ctx, "s-"+uuid.NewString(), NoStream, []Event{event("x")}); err != nil {
			t.Error(err)
		}
		for _, err := range c.ReadAll(ctx, Position{}, Filter{}, 1) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	wrong := connect(t, server.URL(), func(c *Config) { c.Password = "wrong" })
	if err := wrong.Ping(ctx); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
	nobody := connect(t, server.URL(), func(c *Config) { c.User, c.Password = "", "" })
	if err := nobody.Ping(ctx); !errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrAccessDenied) {
		t.Error(err)
	}
	guest := connect(t, server.URL(), func(c *Config) { c.User, c.Password = "guest", "guest" })
	for _, err := range guest.ReadAll(ctx, Position{}, Filter{}, 1) {
		if !errors.Is(err, ErrAccessDenied) {
			t.Error(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	stranger := connect(t, server.URL(), func(c *Config) { c.CAFile = "" })
	if err := stranger.Ping(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	careless := connect(t, server.URL(), func(c *Config) { c.CAFile, c.VerifyCert = "", false })
	if err := careless.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// TestNothingPersonalIsLogged: not even at debug level.
func TestNothingPersonalIsLogged(t *testing.T) {
	t.Parallel()
	server := esdbtest.Start(t)
	cfg, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 20*time.Second)
	if _, err := c.Append(ctx, "s-secret", NoStream, []Event{event("secret")}); err != nil {
		t.Fatal(err)
	}
	server.Faults.Next(esdbtest.Subscribe, esdbtest.Unavailable)
	if err := c.Subscribe(ctx, Position{}, Filter{}, func(context.Context, Message) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if s := log.String(); strings.Contains(s, "secret") || !strings.Contains(s, "interrupted") {
		t.Error(s)
	}
}
