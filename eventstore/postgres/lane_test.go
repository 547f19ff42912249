package postgres

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

func newTestLane() *lane { return newLane(recorder{metrics: newMetrics(nil)}) }

// put puts a command into the queue of its tenant.
func (l *lane) put(t *testing.T, tenant domain.TenantID, c eventstore.Command) *entry {
	t.Helper()
	e, err := newEntry(tenant, &c)
	if err != nil {
		t.Fatal(err)
	}
	e.result, e.call = new(eventstore.Result), &call{left: 1, answered: make(chan struct{})}
	l.enqueue(tenant, []*entry{&e})
	return &e
}

func tenant(n byte) domain.TenantID { return domain.TenantID{UUID: uuid.UUID{15: n}} }

// on makes a command that writes n events to a stream.
func on(tenant domain.TenantID, stream byte, n int) eventstore.Command {
	return eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{
		Stream: eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: uuid.UUID{15: stream}}, Events: make([]eventstore.Event, n),
	}}}
}

// taken takes a batch, and returns the places its entries have in all.
func (l *lane) taken(all []*entry) (places []int) {
	l.take()
	for _, e := range l.batch.entries {
		places = append(places, slices.Index(all, e))
	}
	slices.Sort(places)
	return places
}

func TestTakeIsFair(t *testing.T) {
	t.Parallel()
	l := newTestLane()
	big := tenant(0)
	for i := range 1000 {
		c := on(big, 0, 1)
		c.Writes[0].Stream.ID = uuid.UUID{14: byte(i / 256), 15: byte(i)}
		l.put(t, big, c)
	}
	var small []*entry
	for n := byte(1); n <= 100; n++ {
		small = append(small, l.put(t, tenant(n), on(tenant(n), 1, 1)))
	}
	l.take()
	if len(l.batch.entries) != batchCommands {
		t.Errorf("the batch has %d commands", len(l.batch.entries))
	}
	for i, e := range small {
		if !slices.Contains(l.batch.entries, e) {
			t.Errorf("tenant %d has to wait for the big one", i+1)
		}
	}
}

// TestTakeSharesBatches puts the many commands of one call into the queue of a tenant, and
// after them one of somebody else of the same tenant.
func TestTakeSharesBatches(t *testing.T) {
	t.Parallel()
	l, a := newTestLane(), tenant(1)
	whole := &call{left: 200, answered: make(chan struct{})}
	for i := range 200 {
		l.put(t, a, on(a, byte(i), 1)).call = whole
	}
	late := l.put(t, a, on(a, 250, 1))
	after := l.put(t, a, on(a, 199, 1)) // about what the call comes to at its end
	var sizes []int
	for range 4 {
		l.take()
		sizes = append(sizes, len(l.batch.entries))
		if has := slices.Contains(l.batch.entries, late); has != (len(sizes) == 1) {
			t.Errorf("batch %d has the command of somebody else: %t", len(sizes), has)
		}
		if slices.Contains(l.batch.entries, after) && len(sizes) < 4 {
			t.Errorf("batch %d has what comes after the end of the call", len(sizes))
		}
	}
	if want := []int{batchShare + 1, batchShare, batchShare, 200 - 3*batchShare}; !slices.Equal(sizes, want) {
		t.Errorf("the batches have %v commands, want %v", sizes, want)
	}
	if l.take(); !slices.Equal(l.batch.entries, []*entry{after}) || len(l.queues) > 0 {
		t.Errorf("at the end %d commands are left", len(l.batch.entries))
	}
}

// TestTakeKeepsApart puts commands into the queue and says which of them go with
// which batch.
func TestTakeKeepsApart(t *testing.T) {
	t.Parallel()
	a := tenant(1)
	check := func(stream byte) eventstore.Command {
		return eventstore.Command{ID: uuid.New(), Checks: []eventstore.Check{{Stream: on(a, stream, 0).Writes[0].Stream}}}
	}
	writeAndCheck := func(w, c byte) eventstore.Command {
		cmd := on(a, w, 1)
		cmd.Checks = check(c).Checks
		return cmd
	}
	claim := func(stream byte, key string) eventstore.Command {
		cmd := on(a, stream, 1)
		cmd.Claim = []eventstore.Claim{{Scope: "name", Key: key, Stream: cmd.Writes[0].Stream}}
		return cmd
	}
	free := func(stream byte, key string) eventstore.Command {
		cmd := claim(stream, key)
		cmd.Claim, cmd.Free = nil, cmd.Claim
		return cmd
	}
	same := on(a, 1, 1)
	again := on(a, 2, 1)
	again.ID = same.ID
	for name, test := range map[string]struct {
		commands []eventstore.Command
		batches  [][]int
	}{
		"strangers":             {[]eventstore.Command{on(a, 1, 1), on(a, 2, 1), check(3)}, [][]int{{0, 1, 2}}},
		"write and write":       {[]eventstore.Command{on(a, 1, 1), on(a, 1, 1), on(a, 2, 1)}, [][]int{{0, 2}, {1}}},
		"write and check":       {[]eventstore.Command{on(a, 1, 1), check(1), on(a, 2, 1)}, [][]int{{0, 2}, {1}}},
		"check and write":       {[]eventstore.Command{check(1), on(a, 1, 1)}, [][]int{{0}, {1}}},
		"check and check":       {[]eventstore.Command{check(1), check(1)}, [][]int{{0, 1}}},
		"claim and claim":       {[]eventstore.Command{claim(1, "x"), claim(2, "x"), claim(3, "y")}, [][]int{{0, 2}, {1}}},
		"claim and free":        {[]eventstore.Command{claim(1, "x"), free(2, "x")}, [][]int{{0}, {1}}},
		"the same command":      {[]eventstore.Command{same, again}, [][]int{{0}, {1}}},
		"one that waits blocks": {[]eventstore.Command{on(a, 1, 1), writeAndCheck(2, 1), on(a, 2, 1), on(a, 3, 1)}, [][]int{{0, 3}, {1}, {2}}},
		"a chain":               {[]eventstore.Command{on(a, 1, 1), on(a, 1, 1), on(a, 1, 1)}, [][]int{{0}, {1}, {2}}},
		"many events":           {[]eventstore.Command{on(a, 1, 600), on(a, 2, 600), on(a, 3, 300)}, [][]int{{0}, {1, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestLane()
			var all []*entry
			for _, c := range test.commands {
				all = append(all, l.put(t, a, c))
			}
			for i, want := range test.batches {
				if got := l.taken(all); !slices.Equal(got, want) {
					t.Errorf("batch %d has %v, want %v", i, got, want)
				}
			}
			if got := l.taken(all); len(got) > 0 || len(l.queues) > 0 || len(l.turns) > 0 {
				t.Errorf("left are %v, %d queues and %d turns", got, len(l.queues), len(l.turns))
			}
		})
	}
}

// TestTakeGetsEverything puts thousands of commands that wait for one another
// into the queues of a few tenants, and takes them all out again, in order.
func TestTakeGetsEverything(t *testing.T) {
	t.Parallel()
	l := newTestLane()
	var all []*entry
	for i := range 3000 {
		a := tenant(byte(i % 3))
		all = append(all, l.put(t, a, on(a, byte(i*i%7), 1)))
	}
	next := make(map[resource]int) // the place after the last one that was taken, by stream
	for n := 0; n < len(all); n += len(l.batch.entries) {
		places := l.taken(all)
		if len(places) == 0 {
			t.Fatalf("%d of %d were never taken", len(all)-n, len(all))
		}
		for _, p := range places {
			all[p].touches(func(r resource, _ bool) {
				if r.class == aStream && p < next[r] {
					t.Fatalf("%d is taken after %d", p, next[r]-1)
				}
				next[r] = p + 1
			})
		}
	}
	if len(l.queues)+len(l.turns) > 0 {
		t.Errorf("left are %d queues and %d turns", len(l.queues), len(l.turns))
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	l := newTestLane()
	a := tenant(1)
	x, y := l.put(t, a, on(a, 1, 1)), l.put(t, a, on(a, 2, 1))
	l.withdraw(a, x.call, eventstore.ErrClosed)
	select {
	case <-x.call.answered:
	default:
		t.Error("what was withdrawn is not answered")
	}
	l.take()
	if !slices.Equal(l.batch.entries, []*entry{y}) {
		t.Errorf("%d entries are left", len(l.batch.entries))
	}
	z := l.put(t, a, on(a, 1, 1))
	l.withdraw(a, z.call, eventstore.ErrClosed)
	if len(l.queues)+len(l.turns) > 0 {
		t.Errorf("left are %d queues and %d turns", len(l.queues), len(l.turns))
	}
}

// TestPanic carries a batch that panics, because there is no wall to go through:
// who is in it gets a fault, and the lane goes on with what comes next.
func TestPanic(t *testing.T) {
	t.Parallel()
	l := newLane(recorder{cfg: Config{Log: slog.New(slog.DiscardHandler)}, metrics: newMetrics(nil)})
	for range 3 {
		c := on(tenant(1), 1, 1)
		e, err := newEntry(tenant(1), &c)
		if err != nil {
			t.Fatal(err)
		}
		e.result = new(eventstore.Result)
		l.append(t.Context(), tenant(1), []*entry{&e})
		if e.result.Err == nil || l.busy || len(l.queues) > 0 {
			t.Errorf("%v, busy: %t, queues: %d", e.result.Err, l.busy, len(l.queues))
		}
	}
}
