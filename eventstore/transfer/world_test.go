package transfer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
	"github.com/rowhouse/rowhouse/eventstore/placement"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/transfer"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// hurry is how much faster than ours the clock of the nodes is, so that they
// forget sooner where a log was.
const hurry = 20

// rest is how long a log must stay sealed then.
const rest = 5 * placement.Memory / 4 / hurry

// page is how many events are moved in one step: few, so that a log of several pages
// is soon written.
const page = 100

// world is an installation with both engines, two nodes that serve and one who
// moves logs.
type world struct {
	testing.TB

	db      *dbtest.DB
	server  *esdbtest.Server
	tracker postgres.Tracker
	nodes   []*placement.Store
	here    *postgres.Store
	there   *kurrent.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := newQuietWorld(t)
	w.watch()
	return w
}

// newQuietWorld is a world without a witness, who would report what the test does.
func newQuietWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, db: dbtest.Open(t), server: esdbtest.Start(t)}
	w.tracker = postgres.NewTracker(w.db.Wall)
	w.here, w.there = w.engines()
	began := time.Now()
	for range 2 {
		here, there := w.engines()
		node, err := placement.New(placement.Config{
			Engines: map[string]eventstore.Store{postgres.Here: here, postgres.InKurrent: there}, Default: postgres.Here,
			Where: w.tracker.Where, Now: func() time.Time { return began.Add(hurry * time.Since(began)) },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, node)
	}
	return w
}

// engines returns what a process has.
func (w *world) engines() (*postgres.Store, *kurrent.Store) {
	w.Helper()
	cfg, err := esdb.Parse(w.server.URL())
	if err != nil {
		w.Fatal(err)
	}
	client, err := esdb.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := client.Close(); err != nil {
			w.Error(err)
		}
	})
	ledger := postgres.NewLedger(postgres.Config{Wall: w.db.Wall})
	return postgres.New(postgres.Config{Wall: w.db.Wall}), kurrent.New(kurrent.Config{Ledger: ledger, Events: client, Log: w.logger()})
}

// logger fails the test when an operator would have to be alarmed.
func (w *world) logger() *slog.Logger { return slog.New(alarm{slog.DiscardHandler, w}) }

type alarm struct {
	slog.Handler

	w *world
}

func (alarm) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (a alarm) Handle(_ context.Context, r slog.Record) error {
	a.w.Errorf("logged: %s", r.Message)
	return nil
}

func (w *world) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		kurrent.NewWitness(kurrent.WitnessConfig{
			Store: w.there, Tracker: w.tracker, Owner: "node", TTL: 300 * time.Millisecond, Overdue: 50 * time.Millisecond, Every: 20 * time.Millisecond,
		}).Run(ctx)
	})
	w.Cleanup(func() { cancel(); running.Wait() })
}

// connect returns a connection that may move logs.
func (w *world) connect() (*postgres.Mover, *pgx.Conn) {
	w.Helper()
	conn := w.db.Superuser(w)
	m, err := postgres.NewMover(w.Context(), conn)
	if err != nil {
		w.Fatal(err)
	}
	return m, conn
}

func (w *world) transfer(report func(domain.TenantID, transfer.Progress)) *transfer.Transfer {
	return transfer.New(transfer.Config{Here: w.here, There: w.there, Rest: rest, Page: page, Progress: report})
}

// move moves a log, and must.
func (w *world) move(t domain.TenantID, to string) transfer.Result {
	w.Helper()
	by, _ := w.connect()
	res, err := w.transfer(nil).Move(w.Context(), by, t, to)
	if err != nil {
		w.Fatalf("move to %s: %v", to, err)
	}
	return res
}

func (w *world) place(t domain.TenantID) postgres.Place {
	w.Helper()
	by, _ := w.connect()
	at, err := by.Place(w.Context(), t)
	if err != nil {
		w.Fatal(err)
	}
	return at
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// tenant is a tenant whose log we know.
type tenant struct {
	w  *world
	id domain.TenantID

	mu      sync.Mutex
	streams []eventstore.StreamID
	at      map[eventstore.StreamID]eventstore.Version
	events  map[eventstore.Position]eventstore.Event
	refused int
	numbers int64 // how many were given out
}

func (w *world) tenant(engine string) *tenant {
	w.Helper()
	t := &tenant{w: w, id: domain.TenantID{UUID: newID()}, at: make(map[eventstore.StreamID]eventstore.Version), events: make(map[eventstore.Position]eventstore.Event)}
	err := w.db.Wall.Outside(w.Context(), wall.Access, func(tx wall.Tx) error {
		return postgres.CreateTenant(w.Context(), tx, t.id, engine)
	})
	if err != nil {
		w.Fatal(err)
	}
	return t
}

var kinds = []string{"contact", "company", "deal", "stock_item"}

// command adds to an old stream and to a new one, with data that are JSON, and
// others that are not.
func (t *tenant) command(n int) eventstore.Command {
	event := func() eventstore.Event {
		id := newID()
		e := eventstore.Event{ID: id, Type: "thing.changed", Schema: 1 + n%3, Data: fmt.Appendf(nil, `{ "of": "%s",  "n":%d}`, t.id, n), Meta: []byte(`{"actor":{"kind":"system"},"x":1.0}`)}
		if n%5 == 0 {
			e.Type, e.Data, e.Meta = "thing.sealed", append([]byte{0, 1, 255}, t.id.UUID[:]...), []byte("not json")
		}
		return e
	}
	c := eventstore.Command{ID: newID(), Hash: []byte("hash")}
	fresh := eventstore.StreamID{Tenant: t.id, Kind: kinds[n%len(kinds)], ID: newID()}
	c.Writes = append(c.Writes, eventstore.Write{Stream: fresh, Events: []eventstore.Event{event(), event()}})
	c.Claim = append(c.Claim, eventstore.Claim{Scope: "name", Key: fresh.ID.String(), Stream: fresh})
	c.Writes[0].Events[0].Data = []byte(`{"number":0}`)
	c.Numbers = []eventstore.Number{{Series: "invoice", At: len(`{"number":`)}}
	if len(t.streams) > 0 {
		old := t.streams[n*7%len(t.streams)]
		c.Writes = append(c.Writes, eventstore.Write{Stream: old, At: t.at[old], Events: []eventstore.Event{event()}})
	}
	return c
}

// write appends a command at a node, and sees at another one that it can be read
// there. It reports whether the command was recorded; if not, it was refused
// because the log is moving.
func (t *tenant) write(ctx context.Context, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.command(n)
	const turn = 50 // in which the other node only reads, and may not notice what moves
	r := t.w.nodes[n/turn%len(t.w.nodes)].Append(ctx, t.id, c)[0]
	if errors.Is(r.Err, eventstore.ErrSealed) {
		t.refused++
		for _, node := range t.w.nodes { // which remembers where the log is, and reads as if nothing were
			if got, err := node.Read(ctx, t.id, eventstore.Position(len(t.events))-1, 2); err != nil || len(got) != 1 {
				t.w.Errorf("%d events are at the end of a log that is moving, %v", len(got), err)
			}
		}
		return false
	}
	if r.Err != nil {
		t.w.Errorf("append: %v", r.Err)
		return false
	}
	if t.numbers++; !slices.Equal(r.Numbers, []int64{t.numbers}) {
		t.w.Errorf("number %v was given out, want %d", r.Numbers, t.numbers)
	}
	c = eventstore.WithNumbers(c, r.Numbers)
	at := r.Receipt.First
	for _, w := range c.Writes {
		for _, e := range w.Events {
			if _, there := t.events[at]; there {
				t.w.Errorf("position %d was given twice", at)
			}
			t.events[at] = e
			at++
		}
		if t.at[w.Stream] == 0 {
			t.streams = append(t.streams, w.Stream)
		}
		t.at[w.Stream] += eventstore.Version(len(w.Events))
	}
	got, err := t.w.nodes[(n/turn+1)%len(t.w.nodes)].Read(ctx, t.id, r.Receipt.Last-1, 1)
	if err != nil || len(got) != 1 {
		t.w.Errorf("position %d cannot be read at the other node: %d events, %v", r.Receipt.Last, len(got), err)
	}
	return true
}

// grow makes n commands, which must be recorded.
func (t *tenant) grow(n int) {
	t.w.Helper()
	for i := range n {
		if !t.write(t.w.Context(), i) {
			t.w.Fatal("the log takes no events")
		}
	}
}

// keepWriting writes until the returned function is called.
func (t *tenant) keepWriting() (stop func()) {
	ctx, cancel := context.WithCancel(t.w.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			t.write(context.WithoutCancel(ctx), n)
			time.Sleep(5 * time.Millisecond) // not as fast as can be: the log must not outgrow the test
		}
	})
	return func() { cancel(); running.Wait() }
}

// check compares the log with what was recorded, as both nodes see it.
func (t *tenant) check() {
	t.w.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, node := range t.w.nodes {
		n := 0
		for after := eventstore.Position(0); ; {
			page, err := node.Read(t.w.Context(), t.id, after, 300)
			if err != nil {
				t.w.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				if after++; e.Position != after {
					t.w.Fatalf("node %d: position %d where %d should be", i, e.Position, after)
				}
				if diff := cmp.Diff(t.events[after], e.Event); diff != "" {
					t.w.Fatalf("node %d: position %d: %s", i, after, diff)
				}
				n++
			}
		}
		if n != len(t.events) {
			t.w.Errorf("node %d: %d events, want %d", i, n, len(t.events))
		}
		for s, version := range t.at {
			var got eventstore.Version
			for e, err := range node.ReadStream(t.w.Context(), s, 0) {
				if err != nil {
					t.w.Fatal(err)
				}
				got = e.Version
			}
			if got != version {
				t.w.Errorf("node %d: a stream ends at version %d, want %d", i, got, version)
			}
		}
	}
}

// prefix is what the names of a tenant's streams begin with.
func (t *tenant) prefix() string { return fmt.Sprintf("%x-", t.id.UUID[:]) }

// kept returns a digest of what the event store has of a tenant, how many events
// that is, and how many bytes of data.
func (t *tenant) kept() (digest string, events, size int) {
	sum := sha256.New()
	for _, e := range t.w.server.Log() {
		if strings.HasPrefix(e.Stream, t.prefix()) {
			fmt.Fprintln(sum, e.Stream, e.Number, e.ID, e.Type, string(e.Data), string(e.Meta)) //nolint:errcheck // a hash takes everything
			events++
			size += len(e.Data) + len(e.Meta)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), events, size
}

// name is what the event store calls a stream.
func name(s eventstore.StreamID) string {
	return fmt.Sprintf("%x-%s-%s", s.Tenant.UUID[:], s.Kind, s.ID)
}

// some returns one of the streams of a tenant that has several events.
func (t *tenant) some() eventstore.StreamID {
	i := slices.IndexFunc(t.streams, func(s eventstore.StreamID) bool { return t.at[s] > 2 })
	return t.streams[i]
}

// first returns the first event of a log, which is in PostgreSQL.
func (t *tenant) first() eventstore.Recorded {
	t.w.Helper()
	events, err := t.w.here.Read(t.w.Context(), t.id, 0, 1)
	if err != nil || len(events) == 0 {
		t.w.Fatalf("%d events, %v", len(events), err)
	}
	return events[0]
}

// envelope is the metadata of an event as the event store has them.
func envelope(e eventstore.Recorded) []byte {
	b, err := json.Marshal(map[string]any{"position": e.Position, "recorded_at": e.Time, "schema": e.Schema, "meta_bytes": []byte(e.Meta)})
	if err != nil {
		panic(err) // there is nothing in it that cannot be encoded
	}
	return b
}
