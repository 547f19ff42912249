package main

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/lru"
)

// caches shows how full caches are, by their names.
type caches map[string]func() lru.Stats

var (
	cacheBytes   = cacheDesc("bytes", "Memory that a cache takes.")
	cacheEntries = cacheDesc("entries", "Records in a cache, of all tenants.")
	cacheHits    = cacheDesc("hits_total", "How often something was in a cache.")
	cacheMisses  = cacheDesc("misses_total", "How often something was not in a cache.")
)

func cacheDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("rowhouse_cache_"+name, help, []string{"cache"}, nil)
}

// Describe implements [prometheus.Collector].
func (caches) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cacheBytes, cacheEntries, cacheHits, cacheMisses} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c caches) Collect(ch chan<- prometheus.Metric) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		s := c[name]()
		ch <- prometheus.MustNewConstMetric(cacheBytes, prometheus.GaugeValue, float64(s.Bytes), name)
		ch <- prometheus.MustNewConstMetric(cacheEntries, prometheus.GaugeValue, float64(s.Entries), name)
		ch <- prometheus.MustNewConstMetric(cacheHits, prometheus.CounterValue, float64(s.Hits), name)
		ch <- prometheus.MustNewConstMetric(cacheMisses, prometheus.CounterValue, float64(s.Misses), name)
	}
}
