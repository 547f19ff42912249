package projections

import (
	"github.com/hashicorp/golang-lru/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// cache holds rows that were lately worked out on this node, as entries of
// their tables. It may be used concurrently.
type cache struct{ lru *lru.Cache[cacheKey, any] }

type cacheKey struct {
	table  string
	stream eventstore.StreamID
}

func newCache(size int) *cache {
	l, err := lru.New[cacheKey, any](size)
	if err != nil {
		panic(err) // only for a size of 0
	}
	return &cache{l}
}

func (c *cache) get(table string, s eventstore.StreamID) any {
	e, _ := c.lru.Get(cacheKey{table, s})
	return e
}

// put remembers the entry of a stream. Whichever came last is kept, since none
// is wrong.
func (c *cache) put(table string, s eventstore.StreamID, e any) {
	c.lru.Add(cacheKey{table, s}, e)
}

// forget drops the entries of a tenant.
func (c *cache) forget(tenant domain.TenantID) {
	for _, k := range c.lru.Keys() {
		if k.stream.Tenant == tenant {
			c.lru.Remove(k)
		}
	}
}
