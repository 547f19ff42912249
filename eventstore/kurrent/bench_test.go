package kurrent_test

import (
	"context"
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
	"github.com/rowhouse/rowhouse/migrations/dbtest"
)

// BenchmarkAppend appends commands of one event to new streams of 64 tenants, and
// beside that the same events with nothing but the client, in turns, so that
// whatever else the machine does befalls both. What counts is the ratio
// (x-bare): the double answers faster than any server that keeps its log on disk.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(map[int]string{1: "1 client", 16: "16 clients", 64: "64 clients"}[clients], func(b *testing.B) {
			h := newBench(b)
			var ours, bare tally
			for b.Loop() {
				const turn = 300 * time.Millisecond
				ours.add(b, turn, clients, h.ours)
				bare.add(b, turn, clients, h.bare)
			}
			b.ReportMetric(ours.rate(), "ours/s")
			b.ReportMetric(bare.rate(), "bare/s")
			b.ReportMetric(ours.rate()/bare.rate(), "x-bare")
		})
	}
}

// bench is what the benchmarks work on.
type bench struct {
	*testing.B

	store   *kurrent.Store
	client  *esdb.Client
	tenants []domain.TenantID
}

func newBench(b *testing.B) *bench {
	b.Helper()
	w := dbtest.New(b)
	url := realServer()
	if url == "" {
		url = esdbtest.Start(b).URL()
	}
	client := dial(b, url)
	store := kurrent.New(kurrent.Config{Ledger: postgres.NewLedger(postgres.Config{Wall: w}), Events: client})
	witness(b, w, store, "node")
	tenants := make([]domain.TenantID, 64)
	for i := range tenants {
		tenants[i] = newTenant(b, w)
	}
	return &bench{b, store, client, tenants}
}

func (b *bench) ours(ctx context.Context, client int) error {
	tenant := b.tenants[client%len(b.tenants)]
	s := eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: newID()}
	return b.store.Append(ctx, tenant, eventstore.Command{ID: newID(), Writes: []eventstore.Write{write(s, 0, 1)}})[0].Err
}

func (b *bench) bare(ctx context.Context, client int) error {
	tenant := b.tenants[client%len(b.tenants)]
	s := eventstore.StreamID{Tenant: tenant, Kind: "bare", ID: newID()}
	e := kurrent.Encode(&eventstore.Recorded{Event: write(s, 0, 1).Events[0], Stream: s, Position: 1, Time: time.Now()})
	_, err := b.client.Append(ctx, "bare-"+s.ID.String(), esdb.NoStream, []esdb.Event{e})
	return err
}

// tally counts what was done in which time.
type tally struct {
	n    int64
	time time.Duration
}

func (t *tally) rate() float64 { return float64(t.n) / t.time.Seconds() }

// add has clients do something for a turn. A benchmark in which it fails has
// nothing to tell, so it ends.
func (t *tally) add(b *testing.B, turn time.Duration, clients int, do func(context.Context, int) error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), turn)
	defer cancel()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := do(context.WithoutCancel(ctx), i); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	t.n, t.time = t.n+n.Load(), t.time+time.Since(began)
}
