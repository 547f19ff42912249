package query_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// row is a row of things, by column. What is not there is null.
type row map[string]any

// The values that rows and filters are made of: few, so that they meet often.
var (
	someTexts = []string{"", "a", "Ada", "ADA lovelace", "50%", "5_", `b\`, "É", "éa", "O'Neil", `"q"`}
	someInts  = []int64{-1, 0, 1, 2}
	someDays  = []string{"2026-03-01", "2026-03-02", "0001-01-01"}
	someTimes = []string{"2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"}
	stages    = []string{"open", "won", "lost"}
	someIDs   = []uuid.UUID{{15: 1}, {15: 2}, {0: 0xff}}
)

func drawRow(t *rapid.T, id uuid.UUID) row {
	r := row{
		"id":         id,
		"name":       rapid.SampledFrom(someTexts).Draw(t, "name"),
		"price":      10_000 * rapid.SampledFrom(someInts).Draw(t, "price"),
		"updated_at": instant(rapid.SampledFrom(someTimes).Draw(t, "updated_at")),
		"tags":       rapid.SliceOfN(rapid.SampledFrom(someTexts), 0, 2).Draw(t, "tags"),
	}
	optional := func(column string, draw func() any) {
		if rapid.Bool().Draw(t, column+" is there") {
			r[column] = draw()
		}
	}
	optional("nickname", func() any { return rapid.SampledFrom(someTexts).Draw(t, "nickname") })
	optional("size", func() any { return rapid.SampledFrom(someInts).Draw(t, "size") })
	optional("active", func() any { return rapid.Bool().Draw(t, "active") })
	optional("due_on", func() any { return day(rapid.SampledFrom(someDays).Draw(t, "due_on")) })
	optional("stage", func() any { return rapid.SampledFrom(stages).Draw(t, "stage") })
	optional("owner_id", func() any { return rapid.SampledFrom(someIDs).Draw(t, "owner_id") })
	optional("team_ids", func() any { return rapid.SliceOfN(rapid.SampledFrom(someIDs), 0, 2).Draw(t, "team_ids") })
	optional("deleted_at", func() any { return instant(someTimes[0]) })
	return r
}

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func day(s string) time.Time { return instant(s + "T00:00:00Z") }

// drawFilter makes up a filter in the JSON form.
func drawFilter(t *rapid.T, depth int) json.RawMessage {
	var node any
	switch kind := rapid.SampledFrom([]string{"leaf", "leaf", "and", "or", "not"}).Draw(t, "kind"); {
	case kind == "leaf" || depth == 0:
		node = drawLeaf(t)
	case kind == "not":
		node = map[string]any{"not": drawFilter(t, depth-1)}
	default:
		children := make([]json.RawMessage, rapid.IntRange(1, 3).Draw(t, "children"))
		for i := range children {
			children[i] = drawFilter(t, depth-1)
		}
		node = map[string]any{kind: children}
	}
	raw, err := json.Marshal(node)
	if err != nil {
		panic(err)
	}
	return raw
}

var (
	equalOps = []query.Op{query.Eq, query.Ne, query.In, query.Nin, query.IsNull}
	orderOps = append(slices.Clip(equalOps), query.Lt, query.Lte, query.Gt, query.Gte)
	textOps  = append(slices.Clip(orderOps), query.Contains, query.StartsWith)
	arrayOps = []query.Op{query.Has, query.Any, query.None, query.IsNull}
)

func drawLeaf(t *rapid.T) any {
	type field struct {
		ops    []query.Op
		values []any
	}
	fields := map[string]field{
		"name":         {textOps, values(someTexts)},
		"nickname":     {textOps, values(someTexts)},
		"size":         {orderOps, values(someInts)},
		"price.amount": {orderOps, []any{0, "1.0", "-1", "0.9999"}},
		"active":       {equalOps, []any{true, false}},
		"updated_at":   {orderOps, append(values(someTimes), "2026-03-01")},
		"due_on":       {orderOps, values(someDays)},
		"stage":        {equalOps, values(stages)},
		"owner_id":     {equalOps, ids("usr")},
		"id":           {equalOps, ids("thing")},
		"tags":         {append(slices.Clip(arrayOps), query.Contains, query.StartsWith), values(someTexts)},
		"team_ids":     {arrayOps, ids("team")},
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	name := rapid.SampledFrom(names).Draw(t, "field")
	op := rapid.SampledFrom(fields[name].ops).Draw(t, "op")
	one := rapid.SampledFrom(fields[name].values)
	leaf := map[string]any{"field": name, "op": op}
	switch op {
	case query.IsNull:
		leaf["value"] = rapid.Bool().Draw(t, "value")
	case query.In, query.Nin, query.Any, query.None:
		leaf["value"] = rapid.SliceOfN(one, 1, 3).Draw(t, "value")
	default:
		leaf["value"] = one.Draw(t, "value")
	}
	return leaf
}

func values[T any](ts []T) (vs []any) {
	for _, t := range ts {
		vs = append(vs, t)
	}
	return vs
}

func ids(prefix string) (vs []any) {
	for _, u := range someIDs {
		vs = append(vs, domain.ID{Prefix: prefix, UUID: u}.String())
	}
	return vs
}

// holds is what a filter means, written a second time.
func holds(f query.Filter, r row) bool {
	each := func(f query.Filter) bool { return holds(f, r) }
	switch f := f.(type) {
	case query.And:
		return !slices.ContainsFunc(f, func(f query.Filter) bool { return !each(f) })
	case query.Or:
		return slices.ContainsFunc(f, each)
	case query.Not:
		return !each(f.Filter)
	case query.Leaf:
		switch v := r[f.Column.SQL].(type) {
		case []string:
			return holdsArray(f, v)
		case []uuid.UUID:
			return holdsArray(f, v)
		default:
			return holdsScalar(f, v)
		}
	}
	panic("no such filter")
}

func holdsScalar(f query.Leaf, v any) bool {
	if f.Op == query.IsNull {
		return (v == nil) == f.Values[0].(bool)
	}
	equal := slices.ContainsFunc(f.Values, func(w any) bool { return v != nil && compare(v, w) == 0 })
	switch f.Op {
	case query.Eq, query.In:
		return equal
	case query.Ne, query.Nin, query.None:
		return !equal
	}
	if v == nil {
		return false
	}
	c := compare(v, f.Values[0])
	switch f.Op {
	case query.Lt:
		return c < 0
	case query.Lte:
		return c <= 0
	case query.Gt:
		return c > 0
	case query.Gte:
		return c >= 0
	default:
		return matches(f, v)
	}
}

func matches(f query.Leaf, v any) bool {
	s, part := strings.ToLower(v.(string)), strings.ToLower(f.Values[0].(string))
	return f.Op == query.Contains && strings.Contains(s, part) || f.Op == query.StartsWith && strings.HasPrefix(s, part)
}

func holdsArray[T comparable](f query.Leaf, v []T) bool {
	overlap := slices.ContainsFunc(v, func(e T) bool { return slices.Contains(f.Values, any(e)) })
	switch f.Op {
	case query.IsNull:
		return (len(v) == 0) == f.Values[0].(bool)
	case query.None:
		return !overlap
	case query.Has, query.Any:
		return overlap
	default:
		return slices.ContainsFunc(v, func(e T) bool { return matches(f, e) })
	}
}

func compare(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case int64:
		return cmp.Compare(a, b.(int64))
	case bool:
		rank := map[bool]int{true: 1}
		return rank[a] - rank[b.(bool)]
	case time.Time:
		return a.Compare(b.(time.Time))
	case uuid.UUID:
		c := b.(uuid.UUID)
		return bytes.Compare(a[:], c[:])
	}
	panic("no such type")
}

// before is what an order means, written a second time.
func before(keys []query.Key, a, b row) int {
	for _, k := range keys {
		v, w := a[k.Column.SQL], b[k.Column.SQL]
		switch {
		case v == nil && w == nil:
			continue
		case v == nil:
			return 1
		case w == nil:
			return -1
		}
		if c := compare(v, w); c != 0 {
			if k.Descending {
				c = -c
			}
			return c
		}
	}
	return 0
}
