package query

import (
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Page is the part of a list that comes after a cursor, or its beginning. It
// may be used by several goroutines at the same time.
type Page struct {
	query  Query
	keys   []Key // ends with the ID
	after  []any // the values of the keys in the row before, if there is one
	signer Signer
	scope  []byte
}

// Page binds a query to the tenant whose records it reads, and checks its
// cursor. What it refuses is malformed, with the code invalid_cursor, whether the
// cursor belongs to another list or was made up.
func (q Query) Page(s Signer, tenant domain.TenantID) (Page, error) {
	p := Page{query: q, keys: q.keys(), signer: s}
	p.scope = p.scopeOf(tenant)
	if q.Cursor == "" {
		return p, nil
	}
	var err error
	p.after, err = p.open()
	return p, err
}

// keys returns what the list is sorted by. It ends with the ID, after which there
// is nothing left to order; if that was not asked for, it runs in the direction
// of the key before it, so that one index can serve both.
func (q Query) keys() []Key {
	last := Key{Column: q.columns.id}
	for i, k := range q.Sort {
		if k.Column == last.Column {
			return q.Sort[:i+1]
		}
		last.Descending = k.Descending
	}
	return append(slices.Clip(q.Sort), last)
}

// Where returns the condition of [Query.Where], and that a record comes after
// the cursor.
func (p Page) Where(a *Args) string {
	where := p.query.Where(a)
	if p.after != nil {
		where += " and " + after(p.keys, p.after, a)
	}
	return where
}

// OrderBy returns what to order by.
func (p Page) OrderBy() string {
	return p.list(func(k Key) string {
		switch {
		case !k.Descending:
			return k.Column.order() // nulls last is the default
		case k.Column.Nullable:
			return k.Column.order() + " desc nulls last"
		default:
			return k.Column.order() + " desc" // as an index can be read backwards
		}
	})
}

// SortColumns returns the columns to select for [Page.Place].
func (p Page) SortColumns() string {
	return p.list(func(k Key) string { return k.Column.order() })
}

func (p Page) list(each func(Key) string) string {
	parts := make([]string, len(p.keys))
	for i, k := range p.keys {
		parts[i] = each(k)
	}
	return strings.Join(parts, ", ")
}

// Place returns targets to scan the sort columns of a row into, one after the
// other, that take nulls. The last of them is the record's ID.
func (p Page) Place() []any {
	targets := make([]any, len(p.keys))
	for i, k := range p.keys {
		targets[i] = k.Column.Type.target()
	}
	return targets
}

// after returns the condition that a row comes after one with these values.
// Nulls come last, so nothing but another null comes after a null.
func after(keys []Key, values []any, a *Args) string {
	if uniform(keys) {
		return afterRow(keys, values, a)
	}
	k, v := keys[0], values[0]
	col, beyond := k.Column.order(), beyond(k)
	switch {
	case v == nil:
		return "(" + col + " is null and " + after(keys[1:], values[1:], a) + ")"
	case k.Column.Nullable:
		value := k.Column.one(a, v)
		return "(" + col + beyond + value + " or " + col + " is null or (" +
			col + " = " + value + " and " + after(keys[1:], values[1:], a) + "))"
	default:
		// The first condition follows from the second, but an index can start there.
		value := k.Column.one(a, v)
		return "(" + col + strings.TrimRight(beyond, " ") + "= " + value + " and (" +
			col + beyond + value + " or " + after(keys[1:], values[1:], a) + "))"
	}
}

// afterRow compares rows, which an index can answer by itself.
func afterRow(keys []Key, values []any, a *Args) string {
	columns, marks := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		columns[i], marks[i] = k.Column.order(), k.Column.one(a, values[i])
	}
	if len(keys) == 1 {
		return columns[0] + beyond(keys[0]) + marks[0]
	}
	return "(" + strings.Join(columns, ", ") + ")" + beyond(keys[0]) + "(" + strings.Join(marks, ", ") + ")"
}

// uniform reports whether rows can be compared as such: all in one direction,
// and without nulls.
func uniform(keys []Key) bool {
	for _, k := range keys {
		if k.Column.Nullable || k.Descending != keys[0].Descending {
			return false
		}
	}
	return true
}

func beyond(k Key) string {
	if k.Descending {
		return " < "
	}
	return " > "
}
