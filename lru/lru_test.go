package lru_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/lru"
)

// What was not used for the longest time goes first, and what is in the cache never takes
// more than there is room for.
func TestBudget(t *testing.T) {
	t.Parallel()
	const budget = 10_000
	c := lru.New[int, string](budget)
	for i := range 100 {
		c.Put(i, strings.Repeat("x", 800))
		c.Get(0)
		if s := c.Stats(); s.Bytes > budget {
			t.Fatalf("%d bytes after %d", s.Bytes, i+1)
		}
	}
	s := c.Stats()
	if s.Entries < 8 || s.Entries > 10 || s.Hits != 100 || s.Misses != 0 {
		t.Errorf("%+v", s)
	}
	for i := range 100 {
		_, ok := c.Peek(i)
		if kept := i == 0 || i > 100-s.Entries; ok != kept {
			t.Errorf("%d is there: %t", i, ok)
		}
	}
	if _, ok := c.Get(1); ok || c.Stats().Misses != 1 {
		t.Error("a miss does not count")
	}
}

// Another value for a key takes the place of the one before, whatever their sizes.
func TestReplace(t *testing.T) {
	t.Parallel()
	c := lru.New[string, string](1000)
	c.Put("a", strings.Repeat("x", 500))
	full := c.Stats().Bytes
	c.Put("a", "x")
	if s := c.Stats(); s.Entries != 1 || s.Bytes != full-499 {
		t.Errorf("%+v, and it was %d", s, full)
	}
	c.Put("a", strings.Repeat("x", 5000))
	if s := c.Stats(); s != (lru.Stats{}) {
		t.Errorf("something too large: %+v", s)
	}
	c.Put("a", "1")
	c.Put("b", "2")
	c.RemoveIf(func(k string) bool { return k == "a" })
	if v, ok := c.Get("b"); v != "2" || !ok || c.Stats().Entries != 1 {
		t.Errorf("%q, %t", v, ok)
	}
	c.Remove("b")
	c.Remove("b")
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNone(t *testing.T) {
	t.Parallel()
	c := lru.New[int, int](0)
	c.Put(1, 1)
	if _, ok := c.Get(1); ok {
		t.Error("there is no room")
	}
}

func TestConcurrently(t *testing.T) {
	t.Parallel()
	c := lru.New[int, string](5000)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				c.Put(i%50, strconv.Itoa(w))
				c.Get(i % 50)
				c.RemoveIf(func(k int) bool { return k == i%7 })
			}
		})
	}
	wg.Wait()
	c.RemoveIf(func(int) bool { return true })
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

// A value is as large as all that it holds.
func TestSize(t *testing.T) {
	t.Parallel()
	type leaf struct{ text string }
	type tree struct {
		leaves []leaf
		more   *tree
		any    any
		byName map[string]string
		ids    [][16]byte
	}
	kilo := strings.Repeat("x", 1000)
	for name, v := range map[string]any{
		"text":      kilo,
		"bytes":     []byte(kilo),
		"leaf":      leaf{kilo},
		"leaves":    tree{leaves: []leaf{{kilo[:500]}, {kilo[:500]}}},
		"pointer":   &tree{more: &tree{leaves: []leaf{{kilo}}}},
		"interface": tree{any: kilo},
		"map":       tree{byName: map[string]string{"a": kilo}},
		"ids":       tree{ids: make([][16]byte, 63)},
	} {
		if n := lru.Size(v); n < 1000 || n > 1400 {
			t.Errorf("%s: %d", name, n)
		}
	}
	if n := lru.Size(nil); n != 0 {
		t.Error(n)
	}
}
