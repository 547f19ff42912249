package postgres_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/embedded"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/wall"
)

//go:embed testdata/bench.sql
var benchSQL string

// BenchmarkAppend measures how many events of about 500 bytes can be appended
// per second, in turns with the same through message-db and with a bare insert,
// all on the same durable server. An iteration is one turn of each. What counts
// are the ratios.
func BenchmarkAppend(b *testing.B) {
	s := newBenchServer(b)
	for _, c := range []struct {
		clients, tenants int
		with             string
	}{
		{clients: 1, tenants: 1},
		{clients: 64, tenants: 64},
		{clients: 64, tenants: 1},
		{clients: 256, tenants: 256},
		{clients: 1, tenants: 1, with: "everything"},
		{clients: 64, tenants: 64, with: "everything"},
	} {
		b.Run(fmt.Sprintf("clients=%d/tenants=%d/%s", c.clients, c.tenants, c.with), func(b *testing.B) {
			measure(b, c.clients, []contender{
				{"store", s.appendTo(c.tenants, c.with != "")},
				{"messagedb", s.writeMessage(c.tenants * 16)}, // a category is only a part of a tenant
				{"bare", s.insert},
			})
		})
	}
}

// benchServer is a durable server with everything that is to be measured.
type benchServer struct {
	store   *postgres.Store
	app     *pgxpool.Pool
	tenants []domain.TenantID
}

func newBenchServer(b *testing.B) *benchServer {
	b.Helper()
	dir := b.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // as root, the server runs as somebody else
		b.Fatal(err)
	}
	server, err := embedded.Start(b.Context(), embedded.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Stop(context.Background()) }) //nolint:errcheck // its data goes away anyway
	root := keys.NewRoot([keys.RootSize]byte{1})
	if err := migrations.Up(b.Context(), server.URL(), root); err != nil {
		b.Fatal(err)
	}
	admin, err := pgxpool.New(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Exec(b.Context(), benchSQL); err != nil {
		b.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig(strings.Replace(server.URL(), embedded.Superuser+"@", "bench_app@", 1))
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = 64
	s := &benchServer{}
	if s.app, err = pgxpool.NewWithConfig(b.Context(), cfg); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.app.Close)
	w, err := wall.Open(b.Context(), wall.Config{URL: server.URL(), Root: root, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Close)
	s.store = postgres.New(postgres.Config{Wall: w})
	for range 256 {
		id := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
		if err := w.Outside(b.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(b.Context(), tx, id, postgres.Here) }); err != nil {
			b.Fatal(err)
		}
		s.tenants = append(s.tenants, id)
	}
	return s
}

var (
	benchData = json.RawMessage(`{"name":"` + strings.Repeat("x", 380) + `"}`)
	benchMeta = json.RawMessage(`{"actor":{"kind":"user","id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"},"command_id":"0190a1b2-1111-7222-8333-444455556666"}`)
)

// appendTo makes new streams in some tenants, if told so with an idempotency
// key, two claims and a reference each.
func (s *benchServer) appendTo(tenants int, everything bool) func(ctx context.Context, client int) error {
	return func(ctx context.Context, client int) error {
		t := s.tenants[client%tenants]
		stream := eventstore.StreamID{Tenant: t, Kind: "contact", ID: uuid.Must(uuid.NewV7())}
		c := eventstore.Command{ID: uuid.Must(uuid.NewV7()), Writes: []eventstore.Write{{
			Stream: stream,
			Events: []eventstore.Event{{ID: uuid.Must(uuid.NewV7()), Type: "contact.created", Schema: 1, Data: benchData, Meta: benchMeta}},
		}}}
		if everything {
			c.Hash = stream.ID[:]
			c.Checks = []eventstore.Check{{Stream: eventstore.StreamID{Tenant: t, Kind: "company", ID: stream.ID}}}
			for _, scope := range []string{"contact.email", "contact.phone"} {
				c.Claim = append(c.Claim, eventstore.Claim{Scope: scope, Key: stream.ID.String(), Stream: stream})
			}
		}
		return s.store.Append(ctx, t, c)[0].Err
	}
}

func (s *benchServer) writeMessage(categories int) func(ctx context.Context, client int) error {
	return func(ctx context.Context, client int) error {
		stream := fmt.Sprintf("contact%d-%s", client%categories, uuid.Must(uuid.NewV7()))
		_, err := s.app.Exec(ctx, `select write_message($1, $2, 'contact.created', $3, $4, -1)`,
			uuid.Must(uuid.NewV7()).String(), stream, string(benchData), string(benchMeta))
		return err
	}
}

func (s *benchServer) insert(ctx context.Context, client int) error {
	_, err := s.app.Exec(ctx, `insert into bare (tenant_id, pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta)
		values ($1, nextval('bare_pos'), 'contact', $2, 1, $3, 'contact.created', 1, now(), $4, $5)`,
		[16]byte(s.tenants[client%len(s.tenants)].UUID), [16]byte(uuid.Must(uuid.NewV7())), [16]byte(uuid.Must(uuid.NewV7())), []byte(benchData), []byte(benchMeta))
	return err
}

// contender is one way to append.
type contender struct {
	name string
	op   func(ctx context.Context, client int) error
}

// measure lets contenders work in turns, and reports the median turn of each.
func measure(b *testing.B, clients int, all []contender) {
	b.Helper()
	const length = 100 * time.Millisecond
	rates := make([][]float64, len(all))
	var slow []time.Duration
	for b.Loop() {
		for i, c := range all {
			n, took := turn(b, clients, length, c.op)
			rates[i] = append(rates[i], n)
			if i == 0 {
				slow = append(slow, took)
			}
		}
	}
	ours := middle(rates[0])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours, "commands/s")
	b.ReportMetric(float64(middle(slow).Microseconds())/1000, "p99-ms")
	for i, c := range all[1:] {
		b.ReportMetric(ours/middle(rates[i+1]), "x-"+c.name)
	}
}

func middle[T float64 | time.Duration](all []T) T { slices.Sort(all); return all[len(all)/2] }

// turn lets clients work for a while, and returns how much they did per second
// and how long one in a hundred took.
func turn(b *testing.B, clients int, length time.Duration, op func(ctx context.Context, client int) error) (rate float64, p99 time.Duration) {
	b.Helper()
	took := make([][]time.Duration, clients)
	start := time.Now()
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for last := start; last.Sub(start) < length; {
				if err := op(b.Context(), client); err != nil {
					b.Error(strconv.Itoa(client), err)
					return
				}
				now := time.Now()
				took[client] = append(took[client], now.Sub(last))
				last = now
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	each := slices.Concat(took...)
	slices.Sort(each)
	if len(each) == 0 {
		b.FailNow()
	}
	return float64(len(each)) / elapsed.Seconds(), each[len(each)*99/100]
}

// BenchmarkRead reads a tenant's log in pages, as those who follow it do, and
// the tail of a stream, as those who decide do.
func BenchmarkRead(b *testing.B) {
	s := newBenchServer(b)
	tenant := s.tenants[0]
	op := s.appendTo(1, false)
	turn(b, 64, 500*time.Millisecond, op)
	b.Run("page", func(b *testing.B) {
		n, after := 0, eventstore.Position(0)
		for b.Loop() {
			events, err := s.store.Read(b.Context(), tenant, after, 500)
			if err != nil {
				b.Fatal(err)
			}
			n, after = n+len(events), after+eventstore.Position(len(events))
			if len(events) < 500 {
				after = 0
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("tail", func(b *testing.B) {
		events, err := s.store.Read(b.Context(), tenant, 0, 100)
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			for _, err := range s.store.ReadStream(b.Context(), events[i%len(events)].Stream, 0) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
