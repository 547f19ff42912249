package esdbtest_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// BenchmarkAppend is what the double takes, with its client in the same
// process: 64 appenders on one connection, a stream each.
func BenchmarkAppend(b *testing.B) {
	for _, watchers := range []int{0, 1} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) {
			s := esdbtest.Start(b)
			w := dial(b, s)
			for range watchers {
				subscription := w.open(query("$all", 0, live, byPrefix(1000, 5, "s-")))
				receives(subscription, 2)
				go func() {
					for {
						if _, err := subscription.Recv(); err != nil {
							return
						}
					}
				}()
			}
			e := event("a")
			e.Data = make([]byte, 300)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var appenders sync.WaitGroup
			for i := range 64 {
				appenders.Go(func() {
					e := e
					for n := int64(0); left.Add(-1) >= 0; n++ {
						e.ID = uuid.New()
						if got := w.append(fmt.Sprintf("s-%d", i), n-1, e); got != fmt.Sprintf("ok %d", n) {
							b.Error(got)
							return
						}
					}
				})
			}
			appenders.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}
