package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/lru"
)

// cache holds rows that were lately worked out on this node, as entries of
// their tables. It may be used concurrently.
type cache struct{ lru *lru.Cache[cacheKey, any] }

type cacheKey struct {
	table  string
	stream eventstore.StreamID
}

// newCache returns a cache for so many bytes of rows.
func newCache(budget int) *cache { return &cache{lru.New[cacheKey, any](budget)} }

func (c *cache) get(table string, s eventstore.StreamID) any {
	e, _ := c.lru.Get(cacheKey{table, s})
	return e
}

// put remembers the entry of a stream. Whichever came last is kept, since none
// is wrong.
func (c *cache) put(table string, s eventstore.StreamID, e any) {
	c.lru.Put(cacheKey{table, s}, e)
}

// forget drops the entries of a tenant.
func (c *cache) forget(tenant domain.TenantID) {
	c.lru.RemoveIf(func(k cacheKey) bool { return k.stream.Tenant == tenant })
}

// CacheStats says how full the cache of rows is.
func (m *Models) CacheStats() lru.Stats { return m.cache.lru.Stats() }
