package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// counted counts the events that are read from streams.
type counted struct {
	eventstore.Store
	n atomic.Int64
}

func (c *counted) ReadStream(ctx context.Context, s eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		for e, err := range c.Store.ReadStream(ctx, s, after) {
			c.n.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

// take returns how many were read since it was last called.
func (c *counted) take() int { return int(c.n.Swap(0)) }

const manyEvents = 2000

// long returns a widget with a long history in the log of a new tenant, read models that
// count what they read, and the events.
func long(t testing.TB, f *fixture) (*Models, *counted, eventstore.StreamID, []eventstore.Recorded) {
	t.Helper()
	s := newWidget(f.newTenant())
	events := []streamEvent{{s, widgetCreated{Name: "first"}}}
	for i := 2; i <= manyEvents; i++ {
		var of any = widgetRenamed{Name: fmt.Sprint("name <", i, ">")}
		if i%500 == 0 {
			of = widgetTagged{Tags: []string{fmt.Sprint("t", i)}}
		}
		events = append(events, streamEvent{s, of})
	}
	f.log.fill(s.Tenant, events)
	store := &counted{Store: f.log}
	return f.another(t, func(c *Config) { c.Store = store }), store, s, f.log.all(s.Tenant)
}

// kept returns how many snapshots there are of a stream.
func (f *fixture) kept(t testing.TB, s eventstore.StreamID) (n int) {
	t.Helper()
	if err := f.log.super.QueryRow(t.Context(), `select count(*) from crm.snapshot where stream_id = $1`, s.ID).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What a page of a history costs, or a look into the past, does not grow with how long
// the history is, once somebody has looked. Nothing else about them changes.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, store, s, log := long(t, f)
	const most = 50 + eventstore.SnapshotEvery + 1
	places := []eventstore.Version{1, 2, 51, 199, 200, 201, 202, 1000, 1001, 1777, 1951}
	history := func(m *Models, from eventstore.Version) []Entry {
		t.Helper()
		entries, err := m.History(t.Context(), sees(s.Tenant), widgets, s.ID, from, from+49)
		if err != nil || len(entries) != 50 {
			t.Fatalf("from %d: %d entries, %v", from, len(entries), err)
		}
		return entries
	}
	asOf := func(m *Models, at Moment) []byte {
		t.Helper()
		doc, err := m.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, at)
		if err != nil {
			t.Fatalf("as of %+v: %v", at, err)
		}
		return doc.JSON
	}
	want := map[eventstore.Version][]Entry{}
	past := map[eventstore.Version][]byte{}
	for _, v := range places {
		cold := f.another(t, func(c *Config) { c.Build = fmt.Sprint("another one ", v) }) // has no snapshot yet
		want[v], past[v] = history(cold, v), asOf(cold, Moment{Position: log[v-1].Position})
	}
	f.project(t, s.Tenant, manyEvents)
	history(m, manyEvents-49) // the first who looks makes snapshots
	if n := f.kept(t, s); n != manyEvents/eventstore.SnapshotEvery {
		t.Errorf("%d snapshots of %d events", n, manyEvents)
	}
	store.take()
	for _, v := range places {
		for _, m := range []*Models{m, f.another(t, func(c *Config) { c.Store = store })} {
			if diff := cmp.Diff(want[v], history(m, v)); diff != "" {
				t.Errorf("from %d (-want +got):\n%s", v, diff)
			}
			if n := store.take(); n > most {
				t.Errorf("a page from version %d reads %d events", v, n)
			}
			for _, at := range []Moment{{Position: log[v-1].Position}} {
				if got := asOf(m, at); !bytes.Equal(got, past[v]) {
					t.Errorf("as of %d: %s\nwant %s", v, got, past[v])
				}
				if n := store.take(); n > eventstore.SnapshotEvery+2 {
					t.Errorf("as of version %d reads %d events", v, n)
				}
			}
		}
	}
	if got := asOf(m, Moment{Time: log[manyEvents-1].Time}); !bytes.Contains(got, []byte(`"version":2000`)) {
		t.Errorf("as of a time: %s", got)
	}
}

// Whoever keeps the rows up to date keeps snapshots as well.
func TestProjectorKeepsSnapshots(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, _, s, _ := long(t, f)
	f.project(t, s.Tenant, 150)
	if n := f.kept(t, s); n != manyEvents/eventstore.SnapshotEvery {
		t.Errorf("%d snapshots of %d events", n, manyEvents)
	}
}

// damage makes all snapshots of a stream wrong, so that whoever believes one shows it.
func (f *fixture) damage(t *testing.T, s eventstore.StreamID, set string) {
	t.Helper()
	if _, err := f.log.super.Exec(t.Context(), `update crm.snapshot set `+set+` where stream_id = $1`, s.ID); err != nil {
		t.Fatal(err)
	}
}

const wrongName = `state = regexp_replace(convert_from(state, 'utf8'), '"name":"[^"]*"', '"name":"wrong"')::bytea`

// A snapshot is believed if it is of this definition and of this log, and otherwise not.
func TestWhatSnapshotsAreBelieved(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, _, s, log := long(t, f)
	asOf := func(m *Models) string {
		t.Helper()
		doc, err := m.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, Moment{Position: log[999].Position})
		if err != nil {
			t.Fatal(err)
		}
		return string(doc.JSON)
	}
	right := asOf(m)
	f.damage(t, s, wrongName)
	if asOf(m) == right {
		t.Fatal("the snapshot was not used at all")
	}
	if got := asOf(f.another(t, func(c *Config) { c.Build = "newer" })); got != right {
		t.Errorf("one of another build was believed: %s", got)
	}
	if f.damage(t, s, wrongName); asOf(m) != right {
		t.Error("those of another build were not removed when a build made its own")
	}
	f.damage(t, s, wrongName+", event_id = gen_random_uuid()")
	if got := asOf(m); got != right {
		t.Errorf("one of another log was believed: %s", got)
	}
	if got := asOf(m); got != right {
		t.Errorf("it was not put right: %s", got)
	}
	f.damage(t, s, "state = 'no JSON'")
	if got := asOf(m); got != right {
		t.Errorf("one that cannot be read was believed: %s", got)
	}
	f.damage(t, s, `state = '{"version":7}'`)
	if got := asOf(m); got != right {
		t.Errorf("one of another version was believed: %s", got)
	}
}

// A purge leaves no snapshot, whoever was about to keep one, and another tenant sees none.
func TestSnapshotsBehindTheWall(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, _, s, log := long(t, f)
	f.project(t, s.Tenant, manyEvents)
	if _, err := m.History(t.Context(), sees(s.Tenant), widgets, s.ID, 1000, 1010); err != nil {
		t.Fatal(err)
	}
	snap, ok := m.snapshots.Last(t.Context(), s, m.forms["widgets"], eventstore.Until{})
	if !ok || snap.Version < 800 || snap.Event != log[snap.Version-1].ID || snap.Position != log[snap.Version-1].Position || !snap.Time.Equal(log[snap.Version-1].Time) {
		t.Fatalf("%t, %+v", ok, snap)
	}
	other := s
	other.Tenant = f.newTenant()
	if _, ok := m.snapshots.Last(t.Context(), other, m.forms["widgets"], eventstore.Until{}); ok {
		t.Error("another tenant sees a snapshot")
	}
	f.log.record(s, widgetPurged{})
	m.snapshots.Keep(t.Context(), s, eventstore.Form{Name: "state"}, snap)
	before := f.kept(t, s)
	if _, ok := m.snapshots.Last(t.Context(), s, eventstore.Form{Name: "state"}, eventstore.Until{}); ok || before == 0 {
		t.Errorf("one was kept of a record that was purged already; there are %d", before)
	}
	f.project(t, s.Tenant, 100)
	m.snapshots.Keep(t.Context(), s, m.forms["widgets"], snap)
	if n := f.kept(t, s); n != 0 {
		t.Errorf("a purge leaves %d", n)
	}
	if _, err := m.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, Moment{Position: 5}); !errors.Is(err, domain.NotFound) {
		t.Errorf("as of before the purge: %v", err)
	}
}

// A purge waits for whoever is keeping a snapshot at that moment, and removes it.
func TestPurgeWaitsForSnapshots(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, _, s, _ := long(t, f)
	f.project(t, s.Tenant, manyEvents)
	tx, err := f.log.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), `select pg_advisory_xact_lock_shared(`+lockSnapshots+`)`, s.Tenant.UUID, s.ID)
	if err == nil {
		_, err = tx.Exec(t.Context(), `insert into crm.snapshot select $1, $2, 'widget', 'state', '', 1, $3, 1, now(), '{}'`, s.Tenant.UUID, s.ID, uuid.New())
	}
	if err != nil {
		t.Fatal(err)
	}
	f.log.record(s, widgetPurged{})
	done := make(chan error)
	go func() { done <- catchUp(t.Context(), m, s.Tenant, 100) }()
	for waiting := false; !waiting; {
		select {
		case err := <-done:
			t.Fatalf("the purge did not wait: %v", err)
		default:
		}
		if err := tx.QueryRow(t.Context(), `select exists (select from pg_locks where locktype = 'advisory' and not granted)`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := f.kept(t, s); n != 0 {
		t.Errorf("a purge leaves %d", n)
	}
}

// BenchmarkLongHistory measures what the reads of a record of 5,000 events take.
func BenchmarkLongHistory(b *testing.B) {
	f := setup(b)
	s := newWidget(f.newTenant())
	events := []streamEvent{{s, widgetCreated{Name: "first"}}}
	for i := range 4999 {
		events = append(events, streamEvent{s, widgetRenamed{Name: fmt.Sprint("name ", i)}})
	}
	f.log.fill(s.Tenant, events)
	f.project(b, s.Tenant, 1000)
	if _, err := f.History(b.Context(), sees(s.Tenant), widgets, s.ID, 4950, 5000); err != nil {
		b.Fatal(err)
	}
	for _, page := range []eventstore.Version{1, 2500, 4951} {
		b.Run(fmt.Sprintf("history from=%d", page), func(b *testing.B) {
			for b.Loop() {
				if e, err := f.History(b.Context(), sees(s.Tenant), widgets, s.ID, page, page+49); err != nil || len(e) != 50 {
					b.Fatal(err)
				}
			}
		})
	}
	for _, at := range []eventstore.Position{100, 2599, 4999} {
		b.Run(fmt.Sprintf("as of=%d", at), func(b *testing.B) {
			for b.Loop() {
				if _, err := f.AsOf(b.Context(), sees(s.Tenant), widgets, s.ID, Moment{Position: at}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
