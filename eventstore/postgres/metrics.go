package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/eventstore"
)

// metrics is what the store counts. Nothing of it names a tenant.
type metrics struct {
	commands prometheus.Histogram
	seconds  prometheus.Histogram
	resent   prometheus.Counter
	panics   prometheus.Counter
	results  *prometheus.CounterVec
	recorded prometheus.Counter // the most common of the results
	repeated prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commands: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rowhouse_append_batch_commands", Help: "Commands that shared a transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rowhouse_append_batch_seconds", Help: "How long a batch took until it was on disk.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15),
		}),
		resent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rowhouse_append_batches_resent_total", Help: "Batches that were sent again because the database was away.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rowhouse_append_panics_total", Help: "Batches that ended with a panic, which is a mistake in the program.",
		}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rowhouse_append_commands_total", Help: "Commands by what became of them.",
		}, []string{"result"}),
	}
	m.recorded, m.repeated = m.results.WithLabelValues("recorded"), m.results.WithLabelValues("repeated")
	if reg != nil {
		reg.MustRegister(m.commands, m.seconds, m.resent, m.panics, m.results)
	}
	return m
}

// observe counts a batch.
func (m *metrics) observe(commands int, took time.Duration) {
	m.commands.Observe(float64(commands))
	m.seconds.Observe(took.Seconds())
}

// count counts a result.
func (m *metrics) count(r *eventstore.Result) {
	switch {
	case r.Err != nil:
		m.results.WithLabelValues(kindOf(r.Err)).Inc()
	case r.Receipt.Repeated:
		m.repeated.Inc()
	default:
		m.recorded.Inc()
	}
}

// kindOf returns the label of a refusal or fault.
func kindOf(err error) string {
	if _, ok := errors.AsType[*eventstore.Conflict](err); ok {
		return "conflict"
	}
	if _, ok := errors.AsType[*eventstore.Claimed](err); ok {
		return "claimed"
	}
	for label, target := range map[string]error{
		"reused": eventstore.ErrReused, "unknown_tenant": eventstore.ErrUnknownTenant,
		"sealed": eventstore.ErrSealed, "unavailable": eventstore.ErrUnavailable,
		"cancelled": context.Canceled, "late": context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return label
		}
	}
	return "fault"
}
