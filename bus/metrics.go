package bus

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is told of a target, besides what its follower tells of the group
// "bus:NAME". Nothing tells tenants apart.
var (
	publishedDesc = prometheus.NewDesc("rowhouse_bus_published_total", "Events that the target has taken from this node.", []string{"target"}, nil)
	failuresDesc  = prometheus.NewDesc("rowhouse_bus_failures_total", "Attempts of this node to publish that failed.", []string{"target"}, nil)
	awayDesc      = prometheus.NewDesc("rowhouse_bus_away", "Whether the target is away, as seen from this node.", []string{"target"}, nil)
	parkedDesc    = prometheus.NewDesc("rowhouse_bus_parked_records", "Records of all tenants whose events the target does not take.", []string{"target"}, nil)
)

// Describe implements [prometheus.Collector]. It does not say what will be
// collected, because there may be several that collect the same of other targets.
func (*Bus) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector]. What the database does not tell
// soon is left out.
func (b *Bus) Collect(ch chan<- prometheus.Metric) {
	b.follower.Collect(ch)
	away := 0.0
	if b.gate.away() {
		away = 1
	}
	ch <- prometheus.MustNewConstMetric(publishedDesc, prometheus.CounterValue, float64(b.published.Load()), b.cfg.Name)
	ch <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(b.gate.failures.Load()), b.cfg.Name)
	ch <- prometheus.MustNewConstMetric(awayDesc, prometheus.GaugeValue, away, b.cfg.Name)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // collectors are given none
	defer cancel()
	if n, err := b.parking.count(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, float64(n), b.cfg.Name)
	}
}
