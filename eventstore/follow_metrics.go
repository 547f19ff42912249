package eventstore

import "github.com/prometheus/client_golang/prometheus"

// gauge is one figure about a follower.
type gauge struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(FollowerStats) float64
}

func newGauge(name, help string, kind prometheus.ValueType, value func(FollowerStats) float64) gauge {
	return gauge{prometheus.NewDesc("rowhouse_follower_"+name, help, []string{"group"}, nil), kind, value}
}

// gauges are all of them. None tells tenants apart.
var gauges = []gauge{
	newGauge("shards", "Shards of tenants that this node deals with.", prometheus.GaugeValue,
		func(s FollowerStats) float64 { return float64(s.Shards) }),
	newGauge("tenants_behind", "Tenants with events that were not dealt with yet.", prometheus.GaugeValue,
		func(s FollowerStats) float64 { return float64(s.Tenants) }),
	newGauge("tenants_halted", "Tenants that are behind and cannot go on until something is repaired.", prometheus.GaugeValue,
		func(s FollowerStats) float64 { return float64(s.Halted) }),
	newGauge("lag_events", "Events that were not dealt with yet.", prometheus.GaugeValue,
		func(s FollowerStats) float64 { return float64(s.Lag) }),
	newGauge("lag_seconds", "For how long the tenant has been behind that has been for longest.", prometheus.GaugeValue,
		func(s FollowerStats) float64 { return s.Oldest.Seconds() }),
	newGauge("batches_total", "Batches dealt with.", prometheus.CounterValue,
		func(s FollowerStats) float64 { return float64(s.Batches) }),
	newGauge("events_total", "Events dealt with.", prometheus.CounterValue,
		func(s FollowerStats) float64 { return float64(s.Events) }),
	newGauge("taken_back_total", "Logs that ended before what was read of them, because they were taken back to an earlier state.", prometheus.CounterValue,
		func(s FollowerStats) float64 { return float64(s.TakenBack) }),
	newGauge("faults_total", "Batches that could not be dealt with at the first attempt.", prometheus.CounterValue,
		func(s FollowerStats) float64 { return float64(s.Faults) }),
}

// Describe implements [prometheus.Collector].
func (*Follower) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges {
		ch <- g.desc
	}
}

// Collect implements [prometheus.Collector].
func (f *Follower) Collect(ch chan<- prometheus.Metric) {
	s := f.Stats()
	for _, g := range gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(s), f.cfg.Group)
	}
}
