package bus_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// far is a broker that takes everything, a millisecond after it was asked.
type far struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (*far) Close() error { return nil }
func (*far) Topic(s eventstore.StreamID, eventType string) string {
	return bus.Subject("rowhouse", s, eventType)
}

func (f *far) Publish(_ string, messages ...*message.Message) error {
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left -= len(messages); f.left == 0 {
		close(f.done)
	}
	return nil
}

// BenchmarkBus publishes the log of one tenant to a broker that is a millisecond
// away. An operation is an event.
func BenchmarkBus(b *testing.B) {
	for _, records := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(records, "records"), func(b *testing.B) {
			w := dbtest.New(b)
			tenant := domain.TenantID{UUID: uuid.Must(uuid.NewV7())}
			err := w.Outside(b.Context(), wall.Access, func(tx wall.Tx) error { return postgres.CreateTenant(b.Context(), tx, tenant, postgres.Here) })
			if err != nil {
				b.Fatal(err)
			}
			store := postgres.New(postgres.Config{Wall: w})
			fill(b, store, tenant, records, b.N)
			target := &far{left: b.N, done: make(chan struct{})}
			out := bus.New(bus.Config{
				Wall: w, Store: store, Tracker: postgres.NewTracker(w), Name: "far", Target: target, Owner: "node",
				Prefixes: feed.Prefixes{"deal": "deal"}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			ctx, cancel := context.WithCancel(b.Context())
			var running sync.WaitGroup
			b.ResetTimer()
			running.Go(func() { out.Run(ctx) })
			select {
			case <-target.done:
			case <-time.After(time.Minute):
				b.Error("the broker did not get all events in a minute")
			}
			b.StopTimer()
			cancel()
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// fill records n events, of so many records in turn.
func fill(b *testing.B, store eventstore.Store, tenant domain.TenantID, records, n int) {
	b.Helper()
	ids, at := make([]uuid.UUID, records), make([]eventstore.Version, records)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	for done := 0; done < n; {
		cmd := eventstore.Command{ID: uuid.Must(uuid.NewV7())}
		for ; len(cmd.Writes) < min(records, 500) && done < n; done++ {
			k := done % records
			cmd.Writes = append(cmd.Writes, eventstore.Write{
				Stream: eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: ids[k]}, At: at[k],
				Events: []eventstore.Event{{
					ID: uuid.Must(uuid.NewV7()), Type: "deal.amount_changed", Schema: 1, Data: []byte(`{"amount":{"amount":"12500.00","currency":"EUR"}}`),
					Meta: []byte(`{"actor":{"kind":"system"},"command_id":"01a1fe10-a4a2-7ef7-bb7d-79c543de4e4f"}`),
				}},
			})
			at[k]++
		}
		if r := store.Append(b.Context(), tenant, cmd)[0]; r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}
