package main

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/lru"
)

// Metrics tell of caches, and of no tenant.
func TestCacheMetrics(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	r.MustRegister(caches{"rows": func() lru.Stats { return lru.Stats{Entries: 1, Bytes: 2, Hits: 3, Misses: 4} }})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		if l := m.GetLabel(); len(l) != 1 || l[0].GetName() != "cache" || l[0].GetValue() != "rows" {
			t.Errorf("%s has the labels %v", f.GetName(), l)
		}
	}
	want := map[string]float64{"rowhouse_cache_bytes": 2, "rowhouse_cache_entries": 1, "rowhouse_cache_hits_total": 3, "rowhouse_cache_misses_total": 4}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
