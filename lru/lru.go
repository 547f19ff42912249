// Package lru remembers what was used last, up to so many bytes.
package lru

import (
	"container/list"
	"sync"
)

// Cache holds values up to a number of bytes, as far as [Size] knows what they take. When
// there is no room for a new one, those go that were not used for the longest time. It
// may be used concurrently. What is in it must not be changed.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	budget int
	bytes  int
	byKey  map[K]*list.Element
	order  *list.List // of *item[K, V]; what was used last is in front
	hits   uint64
	misses uint64
}

type item[K comparable, V any] struct {
	key   K
	value V
	bytes int
}

// New returns a cache for that many bytes. One for none holds nothing.
func New[K comparable, V any](budget int) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, byKey: make(map[K]*list.Element), order: list.New()}
}

// overhead is what a value takes beside itself: its place in the order and in the map.
const overhead = 200

// Put remembers a value. A value that is larger than all there is room for is not
// remembered, and what was there under its key is not any more.
func (c *Cache[K, V]) Put(key K, value V) {
	size := Size(value) + overhead
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
	if size > c.budget {
		return
	}
	for c.bytes+size > c.budget {
		c.remove(c.order.Back())
	}
	c.byKey[key] = c.order.PushFront(&item[K, V]{key, value, size})
	c.bytes += size
}

// Get returns what is remembered under a key, and counts as a use of it.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		c.misses++
		return value, false
	}
	c.hits++
	c.order.MoveToFront(e)
	return e.Value.(*item[K, V]).value, true //nolint:forcetypeassert // there are no others
}

// Peek is Get for those who do not need the value for what it is made for: it is no use.
func (c *Cache[K, V]) Peek(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if ok {
		value = e.Value.(*item[K, V]).value //nolint:forcetypeassert // there are no others
	}
	return value, ok
}

// Remove forgets what is under a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
}

// RemoveIf forgets what is under the keys that a function picks. It looks at all of them.
func (c *Cache[K, V]) RemoveIf(picked func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.byKey {
		if picked(key) {
			c.remove(e)
		}
	}
}

func (c *Cache[K, V]) remove(e *list.Element) {
	i := e.Value.(*item[K, V]) //nolint:forcetypeassert // there are no others
	c.order.Remove(e)
	delete(c.byKey, i.key)
	c.bytes -= i.bytes
}

// Stats says how full a cache is, and what it was good for.
type Stats struct {
	Entries, Bytes int
	Hits, Misses   uint64 // since it was made
}

// Stats returns those of the cache.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Entries: len(c.byKey), Bytes: c.bytes, Hits: c.hits, Misses: c.misses}
}
