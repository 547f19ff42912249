package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/transfer"
)

// TestThereAndBack moves a log to and fro while its tenant writes and another one
// does too.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant(postgres.Here), w.tenant(postgres.Here)
	a.grow(70) // more than two pages
	b.grow(10)
	stopA, stopB := a.keepWriting(), b.keepWriting()
	for range 2 {
		for _, to := range []string{postgres.InKurrent, postgres.Here} {
			res := w.move(a.id, to)
			if at := w.place(a.id); at.Engine != to || at.Sealed || res.Events > at.Head {
				t.Fatalf("the log is at %+v after %+v", at, res)
			}
		}
	}
	stopA()
	stopB()
	a.check()
	b.check()
	if a.refused == 0 || b.refused > 0 {
		t.Errorf("%d and %d commands were refused", a.refused, b.refused)
	}
	if _, events, _ := b.kept(); events > 0 || w.place(b.id).Engine != postgres.Here {
		t.Errorf("the other tenant has %d events in the event store, and is at %+v", events, w.place(b.id))
	}
	// A move without writers says the same of both, and copies what was not there.
	one, two := w.move(a.id, postgres.InKurrent), w.move(a.id, postgres.Here)
	if one.Digest != two.Digest || one.Events != two.Events || one.Copied >= one.Events || two.Copied > 0 || !w.move(a.id, postgres.Here).Was {
		t.Errorf("got %+v and %+v", one, two)
	}
	a.grow(3)
	a.check()
}

// point is where a move can end: at the nth report of a stage, before the log is
// sealed or then.
type point struct {
	stage  transfer.Stage
	sealed bool
	nth    int
}

// TestKilled ends a move at every step, in the orderly way or by taking its
// connection away, and does it again. Whatever is copied while the log is sealed
// was written at the last moment.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, to := range []string{postgres.InKurrent, postgres.Here} {
		for _, orderly := range []bool{true, false} {
			t.Run(fmt.Sprintf("to %s, orderly %v", to, orderly), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				from := map[string]string{postgres.Here: postgres.InKurrent, postgres.InKurrent: postgres.Here}[to]
				a := w.tenant(from)
				a.grow(70)
				for _, at := range []point{
					{transfer.Copying, false, 0},
					{transfer.Copying, false, 1},
					{transfer.Verifying, false, 0},
					{transfer.Verifying, false, 1},
					{transfer.Paused, false, 0},
					{transfer.Copying, true, 0},
					{transfer.Verifying, true, 0},
					{transfer.Switched, true, 0},
				} {
					a.killAt(to, at, orderly)
				}
				w.move(a.id, to)
				if at := w.place(a.id); at.Engine != to || at.Sealed {
					t.Errorf("the log is at %+v", at)
				}
				a.grow(2)
				a.check()
			})
		}
	}
}

// killAt moves the log, and ends that at a point.
func (t *tenant) killAt(to string, end point, orderly bool) {
	t.w.Helper()
	ctx, cancel := context.WithCancel(t.w.Context())
	defer cancel()
	by, conn := t.w.connect()
	reached, sealed := false, false
	seen := make(map[transfer.Stage]int)
	_, err := t.w.transfer(func(_ domain.TenantID, p transfer.Progress) {
		if p.Stage == transfer.Paused {
			t.grow(1)
		}
		if p.Stage == end.stage && sealed == end.sealed && seen[p.Stage] == end.nth && !reached {
			reached = true
			cancel()
			if !orderly {
				if err := conn.Close(context.Background()); err != nil {
					t.w.Error(err)
				}
			}
		}
		seen[p.Stage]++
		if p.Stage == transfer.Paused {
			sealed = true
			clear(seen)
		}
	}).Move(ctx, by, t.id, to)
	at := t.w.place(t.id)
	if !reached || (err == nil) != (orderly && end.stage == transfer.Switched) {
		t.w.Fatalf("%+v: reached %v, %v", end, reached, err)
	}
	if orderly && at.Sealed || !orderly && at.Sealed != (sealed && end.stage != transfer.Paused) {
		t.w.Fatalf("%+v: the log is at %+v", end, at)
	}
	if switched := end.stage == transfer.Switched; switched != (at.Engine == to) {
		t.w.Fatalf("%+v: the log is at %+v", end, at)
	}
	if !at.Sealed {
		t.grow(1)
	}
}

// TestDifferent has somebody else write to the target.
func TestDifferent(t *testing.T) {
	t.Parallel()
	foreign := func(w *world, s eventstore.StreamID) {
		w.server.AppendForeign(name(s), esdbtest.Event{Type: "thing.forged", Data: []byte(`{}`), Meta: []byte(`{}`)})
	}
	for what, tamper := range map[string]struct {
		before func(*world, *tenant)
		during func(*world, eventstore.StreamID)
	}{
		"a stream goes on":    {during: foreign},
		"a stream is another": {before: func(w *world, a *tenant) { foreign(w, a.some()) }},
		"an event has other bytes": {before: func(w *world, a *tenant) {
			e := a.first()
			w.server.AppendForeign(name(e.Stream), esdbtest.Event{ID: e.ID, Type: e.Type, Data: []byte(`{"forged":1}`), Meta: envelope(e)})
		}},
		"an event has another type": {before: func(w *world, a *tenant) {
			e := a.first()
			w.server.AppendForeign(name(e.Stream), esdbtest.Event{ID: e.ID, Type: "thing.forged", Data: e.Data, Meta: envelope(e)})
		}},
		"an event has another time": {before: func(w *world, a *tenant) {
			e := a.first()
			e.Time = e.Time.Add(time.Microsecond)
			w.server.AppendForeign(name(e.Stream), esdbtest.Event{ID: e.ID, Type: e.Type, Data: e.Data, Meta: envelope(e)})
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newQuietWorld(t)
			a := w.tenant(postgres.Here)
			a.grow(50)
			if tamper.before != nil {
				tamper.before(w, a)
			}
			var once sync.Once
			by, _ := w.connect()
			_, err := w.transfer(func(_ domain.TenantID, p transfer.Progress) {
				if p.Stage == transfer.Copying && tamper.during != nil {
					once.Do(func() { tamper.during(w, a.some()) })
				}
			}).Move(t.Context(), by, a.id, postgres.InKurrent)
			if at := w.place(a.id); err == nil || at.Engine != postgres.Here || at.Sealed {
				t.Errorf("the log is at %+v after %v", at, err)
			}
			t.Log(err)
			a.grow(3)
			a.check()
		})
	}
}

// TestDifferentHere is TestDifferent for a log that comes to PostgreSQL, where only
// an administrator can forge anything.
func TestDifferentHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant(postgres.InKurrent)
	a.grow(20)
	forge := `insert into es.event select tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, '{}', '{}'
		from es.entry where tenant_id = $1 and pos = 1`
	if _, err := w.db.Superuser(t).Exec(t.Context(), forge, a.id.UUID); err != nil {
		t.Fatal(err)
	}
	by, _ := w.connect()
	_, err := w.transfer(nil).Move(t.Context(), by, a.id, postgres.Here)
	if d, ok := errors.AsType[*transfer.Difference](err); !ok || d.Position != 1 {
		t.Errorf("got %v", err)
	}
	if at := w.place(a.id); at.Engine != postgres.InKurrent || at.Sealed {
		t.Errorf("the log is at %+v", at)
	}
	a.grow(3)
	a.check()
}

// TestAway takes the event store away, for a moment while a log is copied, and for
// longer than a tenant can wait while it is sealed.
func TestAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant(postgres.Here)
	a.grow(40)
	by, _ := w.connect()
	stop := func() { w.server.Stop() }
	back := func() {
		if err := w.server.Restart(); err != nil {
			t.Error(err)
		}
	}
	var once sync.Once
	_, err := transfer.New(transfer.Config{
		Here: w.here, There: w.there, Rest: rest, Page: page, MaxPause: 300 * time.Millisecond,
		Progress: func(_ domain.TenantID, p transfer.Progress) {
			switch p.Stage {
			case transfer.Copying:
				once.Do(func() { stop(); time.AfterFunc(200*time.Millisecond, back) })
			case transfer.Paused:
				a.grow(1)
				stop()
			}
		},
	}).Move(t.Context(), by, a.id, postgres.InKurrent)
	if at := w.place(a.id); err == nil || at.Engine != postgres.Here || at.Sealed {
		t.Errorf("the log is at %+v after %v", at, err)
	}
	a.grow(1)
	back()
	w.move(a.id, postgres.InKurrent)
	a.check()
}

// TestTooLarge does not move what the event store does not take.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant(postgres.Here)
	a.grow(1)
	s := eventstore.StreamID{Tenant: a.id, Kind: "deal", ID: newID()}
	large := eventstore.Event{ID: newID(), Type: "thing.grown", Schema: 1, Data: make([]byte, eventstore.MaxEventBytes-2), Meta: []byte("{}")}
	if r := w.here.Append(t.Context(), a.id, eventstore.Command{ID: newID(), Writes: []eventstore.Write{{Stream: s, Events: []eventstore.Event{large}}}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	by, _ := w.connect()
	_, err := w.transfer(nil).Move(t.Context(), by, a.id, postgres.InKurrent)
	if at := w.place(a.id); !errors.Is(err, eventstore.ErrTooLarge) || at.Engine != postgres.Here || at.Sealed {
		t.Errorf("the log is at %+v after %v", at, err)
	}
	t.Log(err)
}

// TestOnlyOne has two move the same log.
func TestOnlyOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant(postgres.Here)
	a.grow(5)
	one, _ := w.connect()
	two, _ := w.connect()
	var once sync.Once
	_, err := w.transfer(func(domain.TenantID, transfer.Progress) {
		once.Do(func() {
			if _, err := w.transfer(nil).Move(t.Context(), two, a.id, postgres.InKurrent); !errors.Is(err, transfer.ErrBusy) {
				t.Errorf("got %v", err)
			}
		})
	}).Move(t.Context(), one, a.id, postgres.InKurrent)
	if err != nil {
		t.Error(err)
	}
	if _, err := w.transfer(nil).Move(t.Context(), two, a.id, postgres.InKurrent); err != nil {
		t.Error(err)
	}
	nobody := domain.TenantID{UUID: newID()}
	if _, err := w.transfer(nil).Move(t.Context(), two, nobody, postgres.InKurrent); !errors.Is(err, eventstore.ErrUnknownTenant) {
		t.Errorf("got %v", err)
	}
}

// TestDrop deletes what a log has left behind, to the last byte.
func TestDrop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant(postgres.InKurrent), w.tenant(postgres.InKurrent)
	a.grow(30)
	b.grow(30)
	by, _ := w.connect()
	if _, err := w.transfer(nil).Drop(t.Context(), by, a.id); !errors.Is(err, transfer.ErrInUse) {
		t.Fatalf("got %v", err)
	}
	w.move(a.id, postgres.Here)
	before, _, _ := b.kept()
	for range 2 {
		if n, err := w.transfer(nil).Drop(t.Context(), by, a.id); err != nil || n != len(a.streams) {
			t.Errorf("%d streams, %v, want %d", n, err, len(a.streams))
		}
	}
	w.server.Scavenge()
	if _, events, size := a.kept(); events != len(a.streams) || size > 0 {
		t.Errorf("%d events with %d bytes are left", events, size)
	}
	if after, _, _ := b.kept(); after != before {
		t.Error("another tenant's streams have changed")
	}
	a.grow(5)
	b.grow(5)
	if _, err := w.transfer(nil).Move(t.Context(), by, a.id, postgres.InKurrent); !errors.Is(err, kurrent.ErrDropped) {
		t.Errorf("got %v", err)
	}
	if at := w.place(a.id); at.Engine != postgres.Here || at.Sealed {
		t.Errorf("the log is at %+v", at)
	}
	a.check()
	b.check()
}

// TestPurge ends a tenant.
func TestPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant(postgres.InKurrent), w.tenant(postgres.InKurrent)
	a.grow(30)
	b.grow(30)
	before, _, _ := b.kept()
	by, _ := w.connect()
	for range 2 {
		if n, err := w.transfer(nil).Purge(t.Context(), by, a.id); err != nil || n != len(a.streams) {
			t.Errorf("%d streams, %v, want %d", n, err, len(a.streams))
		}
	}
	w.server.Scavenge()
	if _, events, size := a.kept(); events != len(a.streams) || size > 0 {
		t.Errorf("%d events with %d bytes are left", events, size)
	}
	var pending int
	err := w.db.Superuser(t).QueryRow(t.Context(), `select count(*) from es.pending where tenant_id = $1`, a.id.UUID).Scan(&pending)
	if err != nil || pending > 0 {
		t.Errorf("%d events are pending, %v", pending, err)
	}
	if r := w.nodes[0].Append(t.Context(), a.id, a.command(1))[0]; !errors.Is(r.Err, eventstore.ErrSealed) {
		t.Errorf("the log takes events: %+v, and is at %+v", r, w.place(a.id))
	}
	if _, err := w.transfer(nil).Move(t.Context(), by, a.id, postgres.Here); !errors.Is(err, transfer.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if after, _, _ := b.kept(); after != before {
		t.Error("another tenant's streams have changed")
	}
	b.grow(5)
	b.check()
}

// BenchmarkMove moves a log of 12,000 events in 8,000 streams to and fro. The
// numbers are those of one direction.
func BenchmarkMove(b *testing.B) {
	for _, to := range []string{postgres.InKurrent, postgres.Here} {
		b.Run("to "+to, func(b *testing.B) {
			w := newWorld(b)
			from := map[string]string{postgres.Here: postgres.InKurrent, postgres.InKurrent: postgres.Here}[to]
			a := w.tenant(from)
			a.grow(4000)
			b.ResetTimer()
			w.move(a.id, to)
			b.ReportMetric(float64(len(a.events))/b.Elapsed().Seconds(), "events/s")
		})
	}
}
