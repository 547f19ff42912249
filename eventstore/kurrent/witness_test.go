package kurrent_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/storetest"
)

// TestShipsWhatIsMissingBefore has two nodes write to one stream, of which the
// first does not come to ship.
func TestShipsWhatIsMissingBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, a, b := h.stream(), h.node(), h.node()
	only(&h.server.Faults)
	late := eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 2)}}
	a.strand(late)
	h.server.Faults.Clear()
	b.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 2, 1)}})
	if n := len(b.history(s)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	// Whoever was late finds out that it is done.
	if r := a.appendFor(10*time.Second, late); r.Err != nil || !r.Receipt.Repeated || r.Receipt.First != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestNothingIsDecidedWhileAway makes sure that an engine that does not do its work
// makes no backlog, also if it answers whatever else it is asked.
func TestNothingIsDecidedWhileAway(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*esdbtest.Fault{
		"stopped": nil, "denies": &esdbtest.Deny, "is too busy": &esdbtest.ResourceExhausted, "has no quorum": &esdbtest.Aborted,
		"writes, and cannot say so": new(esdbtest.Aborted.AfterWrite()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			n := h.node()
			n.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 1)}})
			if fault == nil {
				h.server.Stop()
			} else {
				h.server.Faults.Always(esdbtest.Append, *fault)
			}
			s := h.stream()
			for range 20 {
				r := n.appendFor(50*time.Millisecond, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}})
				conflict := (*eventstore.Conflict)(nil)
				if !errors.Is(r.Err, eventstore.ErrUnavailable) && !errors.As(r.Err, &conflict) && !errors.Is(r.Err, context.DeadlineExceeded) {
					t.Fatalf("got %+v", r)
				}
			}
			if head, err := n.Head(t.Context(), h.tenant); head > 2 || err != nil { // one, which found out
				t.Errorf("%d events were decided, %v", head, err)
			}
			h.server.Faults.Clear()
			if fault == nil {
				if err := h.server.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			n.comesBack()
		})
	}
}

// comesBack waits until commands are taken again.
func (n *node) comesBack() {
	n.house.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		r := n.appendFor(5*time.Second, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(n.house.stream(), 0, 1)}})
		if r.Err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // it was asked a moment ago
	}
	n.house.Error("no command is taken any more")
}

// TestServerTakesLess has a server that takes smaller appends than it was said to:
// what fits one by one goes one by one, what does not is decided once and never
// again.
func TestServerTakesLess(t *testing.T) {
	t.Parallel()
	h := newHouse(t, esdbtest.WithMaxAppendSize(64<<10))
	n := h.node()
	s := h.stream()
	large := func(size, count int, at eventstore.Version) eventstore.Command {
		w := write(s, at, count)
		for i := range w.Events {
			w.Events[i].Data = bytes.Repeat([]byte("x"), size)
		}
		return eventstore.Command{ID: newID(), Writes: []eventstore.Write{w}}
	}
	n.do(large(20<<10, 10, 0))
	if got := len(n.history(s)); got != 10 {
		t.Errorf("%d events, want 10", got)
	}
	if r := n.appendFor(5*time.Second, large(100<<10, 1, 10)); !errors.Is(r.Err, eventstore.ErrUnavailable) {
		t.Errorf("got %+v", r)
	}
	if r := n.appendFor(5*time.Second, large(100<<10, 1, 11)); !errors.Is(r.Err, eventstore.ErrTooLarge) {
		t.Errorf("got %+v, want it to be refused before it is decided", r)
	}
}

// TestGaps has events of a stream be pending on both sides of one that is not.
func TestGaps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.node()
	s := h.stream()
	only(&h.server.Faults)
	for v := range eventstore.Version(3) {
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		by := a
		asking.Go(func() {
			by.Append(ctx, h.tenant, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, v, 1)}})
		})
		for pending := 0; pending <= int(v); { // until it is decided; it cannot be kept
			entries, err := a.ledger.PendingOf(t.Context(), s, 10)
			if err != nil {
				t.Fatal(err)
			}
			pending = len(entries)
		}
		cancel()
		asking.Wait()
		a = h.node() // which knows of nothing
	}
	h.server.Faults.Clear()
	entries, err := a.ledger.PendingOf(t.Context(), s, 10)
	if err != nil {
		t.Fatal(err)
	}
	second := entries[1]
	seen := postgres.Sighting{Stream: s, Version: 2, Position: second.Position, Event: second.ID, Hash: postgres.HashOf(second.Data, second.Meta)}
	if strange, err := a.ledger.Witness(t.Context(), "test", "", "x", []postgres.Sighting{seen}); err != nil || len(strange) > 0 {
		t.Fatalf("%v, %v", strange, err)
	}
	// The second is in the engine, which only then can have the first.
	for i, e := range []eventstore.Recorded{entries[0].Recorded, second.Recorded} {
		if _, err := a.client.Append(t.Context(), nameOf(s), int64(i)-1, []esdb.Event{kurrent.Encode(&e)}); err != nil {
			t.Fatal(err)
		}
	}
	a.watch("node")
	a.settled()
	if got := len(a.history(s)); got != 3 || len(h.server.Events(nameOf(s))) != 3 {
		t.Errorf("%d events, want 3", got)
	}
}

// TestWitnessReports has somebody else write to the engine, or change what the
// ledger knows.
func TestWitnessReports(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	s := h.stream()
	n.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}})
	there := h.server.Events(nameOf(s))[0]
	other := h.stream()
	forged := there
	forged.ID = newID()
	h.server.AppendForeign(nameOf(other), forged)                                 // looks like ours, and nobody decided it
	h.server.AppendForeign(nameOf(other), esdbtest.Event{ID: newID(), Type: "x"}) // does not
	h.server.AppendForeign("somebody-elses", esdbtest.Event{ID: newID(), Type: "x"})
	another := other
	another.Tenant = domain.TenantID{UUID: newID()} // of another installation
	h.server.AppendForeign(nameOf(another), forged)

	out := &output{}
	seen := kurrent.New(kurrent.Config{Ledger: n.ledger, Events: n.client, Log: slog.New(slog.NewTextHandler(out, nil))})
	m := &node{seen, h, n.ledger, n.client}
	m.watch("node")
	m.settled()
	out.wait(t, "not as it was decided", "written by somebody else")
	if strings.Contains(out.text.String(), another.Tenant.String()) {
		t.Error("the log tells of another installation's tenant")
	}

	// The forged stream takes no events of ours, and that is a fault: neither in the
	// place of the forged ones, nor behind them.
	for at := range eventstore.Version(4) {
		r := h.node().appendFor(time.Second, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(other, at, 1)}})
		if r.Err == nil || errors.Is(r.Err, eventstore.ErrUnavailable) {
			t.Errorf("at %d got %+v", at, r)
		}
	}
	if got := len(h.server.Events(nameOf(other))); got != 2 {
		t.Errorf("the forged stream has %d events now", got)
	}
}

// output is a log that can be waited for.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) wait(t *testing.T, words ...string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) { // nobody tells
		o.mu.Lock()
		text := o.text.String()
		o.mu.Unlock()
		found := 0
		for _, w := range words {
			if strings.Contains(text, w) {
				found++
			}
		}
		if found == len(words) {
			return
		}
	}
	t.Errorf("the log does not say %q:\n%s", words, &o.text)
}

// TestWitnessKeepsWhatDiffers makes sure that the data stay in PostgreSQL if the
// engine has other bytes than were decided.
func TestWitnessKeepsWhatDiffers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	s := h.stream()
	only(&h.server.Faults)
	c := eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}}
	n.strand(c)
	h.server.Faults.Clear()
	// Somebody ships it with one byte changed, under its own ID.
	entry, err := n.ledger.PendingOf(t.Context(), s, 1)
	if err != nil || len(entry) != 1 {
		t.Fatalf("%d pending, %v", len(entry), err)
	}
	e := entry[0].Recorded
	e.Data = []byte(`{"name":"x"}`)
	made := kurrent.Encode(&e)
	if _, err := n.client.Append(t.Context(), nameOf(s), esdb.NoStream, []esdb.Event{made}); err != nil {
		t.Fatal(err)
	}
	out := &output{}
	seen := kurrent.New(kurrent.Config{Ledger: n.ledger, Events: n.client, Log: slog.New(slog.NewTextHandler(out, nil))})
	(&node{seen, h, n.ledger, n.client}).watch("node")
	out.wait(t, "not as it was decided")
	if left, _, err := n.ledger.Backlog(t.Context()); left != 1 || err != nil {
		t.Errorf("%d pending, %v", left, err)
	}
	if log := n.log(); len(log) != 1 || string(log[0].Data) != string(c.Writes[0].Events[0].Data) {
		t.Errorf("read %s", log[0].Data)
	}
}

// TestSettlesWithoutWitness has nobody be allowed to read the log of the whole
// server: what was decided is found in its streams instead, a little later.
func TestSettlesWithoutWitness(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.server.Faults.Always(esdbtest.Subscribe, esdbtest.Deny)
	n := h.node()
	for range 3 {
		n.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 3), write(h.stream(), 0, 1)}})
	}
	n.watch("node")
	n.settled()
	if got := len(n.log()); got != 12 {
		t.Errorf("%d events, want 12", got)
	}
}

// TestWitnessesTakeOver has nodes come and go, while others write and the server
// drops connections: nothing stays pending, and each event is let go of once.
func TestWitnessesTakeOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	writer := h.node()
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var written atomic.Int64
	for range 4 {
		writing.Go(func() {
			for ctx.Err() == nil {
				writer.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 3)}})
				written.Add(3)
			}
		})
	}
	for i := range 6 {
		end := h.node().watch(string(rune('a' + i)))
		h.server.DropConnections()
		time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond) // a node's life
		end()
	}
	stop()
	writing.Wait()
	last := h.node()
	last.watch("last")
	last.settled()
	if log := last.log(); int64(len(log)) != written.Load() || h.server.Len() < len(log) {
		t.Errorf("%d events, want %d", len(log), written.Load())
	}
}

// TestOutages has 300 callers append while the server goes away five times: each
// is answered within its own deadline, nothing that was acknowledged is lost, and
// no goroutine stays behind.
func TestOutages(t *testing.T) {
	const callers, outages, deadline = 300, 5, 2 * time.Second // and not in parallel, so that all goroutines are its own
	h := newHouse(t)
	n := h.node()
	n.watch("node")
	n.do(eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 1)}})
	before := runtime.NumGoroutine()
	ctx, stop := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	var slowest, done atomic.Int64
	for range callers {
		calling.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				r := n.appendFor(deadline, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(h.stream(), 0, 1)}})
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took)
				}
				switch {
				case r.Err == nil:
					done.Add(1)
				case !errors.Is(r.Err, eventstore.ErrUnavailable):
					t.Error(r.Err)
				}
			}
		})
	}
	for range outages {
		time.Sleep(300 * time.Millisecond) // of work
		h.server.Stop()
		time.Sleep(200 * time.Millisecond) // of outage
		if err := h.server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	stop()
	calling.Wait()
	if took := time.Duration(slowest.Load()); took > deadline+time.Second { // a busy machine
		t.Errorf("the slowest call took %v", took)
	}
	if done.Load() == 0 {
		t.Error("nothing was recorded")
	}
	n.settled()
	if log := n.log(); int64(len(log)) < done.Load() {
		t.Errorf("%d events, and %d were acknowledged", len(log), done.Load())
	}
	for patience := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+20; time.Sleep(10 * time.Millisecond) { // until idle connections are gone
		if time.Now().After(patience) {
			t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
			break
		}
	}
	t.Logf("%d recorded, the slowest call took %v", done.Load(), time.Duration(slowest.Load()))
}

// TestTorture is the torture of the suite, with an engine whose answers get lost.
func TestTorture(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.node()
	n.watch("node")
	tenants := []domain.TenantID{h.tenant, newTenant(t, h.wall)}
	err := storetest.Torture(t.Context(), n, tenants, func(context.Context) error {
		faults := []esdbtest.Fault{
			esdbtest.Unavailable, esdbtest.Drop, esdbtest.Drop.AfterWrite(), esdbtest.Aborted.AfterWrite(), esdbtest.Unavailable.AfterWrite(), esdbtest.NotLeader,
		}
		for range 60 {
			h.server.Faults.Next(esdbtest.Append, faults[rand.IntN(len(faults))])
			h.server.Faults.Next(esdbtest.Read, esdbtest.Unavailable)
			h.server.Faults.Next(esdbtest.Subscribe, esdbtest.Drop.AfterMessages(rand.IntN(20)))
			time.Sleep(20 * time.Millisecond)
		}
		h.server.Faults.Clear()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	n.settled()
}
