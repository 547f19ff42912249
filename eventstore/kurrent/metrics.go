package kurrent

import "github.com/prometheus/client_golang/prometheus"

// metrics are what a store counts. None tells tenants apart.
type metrics struct {
	shipped  prometheus.Counter
	healed   prometheus.Counter
	strange  prometheus.Counter
	deleted  prometheus.Counter
	pending  prometheus.Gauge
	oldest   prometheus.Gauge
	watching prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "rowhouse_kurrent_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "rowhouse_kurrent_" + name, Help: help})
	}
	m := &metrics{
		shipped:  counter("shipped_events_total", "Events appended to the event store."),
		healed:   counter("healed_events_total", "Events shipped for somebody who did not come to it."),
		strange:  counter("strange_events_total", "Events seen in the event store that are not as they were decided, or that nobody decided."),
		deleted:  counter("deleted_streams_total", "Streams of tenants that were deleted for good, as seen in the event store."),
		pending:  gauge("pending_events", "Events that were decided and not yet seen in the event store. Only the node that watches says so."),
		oldest:   gauge("pending_oldest_seconds", "For how long the oldest of them has been pending."),
		watching: gauge("watching", "1 if this node watches the event store."),
	}
	if r != nil {
		r.MustRegister(m.shipped, m.healed, m.strange, m.deleted, m.pending, m.oldest, m.watching)
	}
	return m
}
