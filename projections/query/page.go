package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

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

	position int64 // that the list shows; 0 if that is now
}

// Page binds a query to the tenant whose records it reads, and checks its
// cursor. What it refuses is malformed, with the code invalid_cursor, whether the
// cursor belongs to another list or was made up.
func (q Query) Page(s Signer, tenant domain.TenantID) (Page, error) {
	q.tenant = tenant
	p := Page{query: q, keys: q.keys(), signer: s}
	p.scope = p.scopeOf(tenant)
	if q.Cursor == "" {
		return p, nil
	}
	var err error
	p.after, p.position, err = p.open()
	return p, err
}

// Tenant returns whose records the page has.
func (p Page) Tenant() domain.TenantID { return p.query.tenant }

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

// A placeRange is a part of what comes after the cursor, whose rows are next to one
// another in an index. No row is in two of them.
type placeRange struct{ where, orderBy string }

// ranges returns what comes after the cursor, and adds its values to the arguments.
func (p Page) ranges(a *Args) (ranges []placeRange) {
	conditions := p.query.conditions(a)
	var places []placeRange
	if p.after == nil {
		places = beginning(p.keys)
	} else {
		places = after(p.keys, p.after, a)
	}
	for _, deleted := range p.query.Deleted.conditions() {
		if deleted == gone && p.looksAtBin() {
			continue
		}
		for _, r := range places {
			r.where = strings.Join(append([]string{deleted}, append(conditions, r.where)...), " and ")
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// Select returns the statement that gets the first rows of the page: columns, and
// after them those that [Page.Place] takes. From is the table and a condition, which
// is joined to others by "and".
func (p Page) Select(a *Args, columns, from string, limit int) string {
	switch {
	case p.LeadsOwn():
		return p.selectOwn(a, columns, from, limit)
	case p.keys[0].Column.own != nil:
		return p.SelectOwnless(a, columns, from, limit)
	}
	columns += p.sortColumns()
	most := " limit " + strconv.Itoa(limit)
	var parts []string
	for _, r := range p.ranges(a) {
		parts = append(parts, "select "+columns+" from "+from+" and "+r.where+" order by "+r.orderBy+most)
	}
	if p.looksAtBin() {
		parts = append(parts, p.selectAmong(a, gone, deletedIDs(from), columns, from)+most)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "select * from ((" + strings.Join(parts, ") union all (") + ")) as page order by " + p.order(key) + most
}

// SelectAmong is [Page.Select] for records of which it is known that no others are in
// the list.
func (p Page) SelectAmong(a *Args, columns, from string, ids []uuid.UUID, limit int) string {
	all := "true"
	if conditions := p.query.Deleted.conditions(); len(conditions) == 1 {
		all = conditions[0]
	}
	columns += p.sortColumns()
	return p.selectAmong(a, all, "unnest("+a.add(ids, "uuid[]")+")", columns, from) + " limit " + strconv.Itoa(limit)
}

// selectAmong selects those of some records that come after the cursor.
func (p Page) selectAmong(a *Args, deleted, ids, columns, from string) string {
	conditions := append([]string{deleted}, p.query.conditions(a)...)
	if p.after != nil {
		conditions = append(conditions, beyond(p.keys, p.after, a))
	}
	return "select page.* from " + among(ids, columns, from, strings.Join(conditions, " and ")) + " order by " + p.order(key)
}

// looksAtBin reports whether deleted records are looked at one by one, beside others.
func (p Page) looksAtBin() bool { return p.query.few && p.query.Deleted == DeletedInclude }

// among returns what to select from to get columns of those of some records that meet a
// condition, each by a look of its own into the primary key, whatever the planner
// believes to know.
func among(ids, columns, from, condition string) string {
	return ids + " as among (key) cross join lateral (select " + columns + " from " + from +
		" and id = among.key and " + condition + " limit 1) as page"
}

// OrderBy returns the order of the list.
func (p Page) OrderBy() string {
	return p.order(func(i int) string { return p.keys[i].Column.SQL })
}

func (p Page) order(name func(i int) string) string {
	parts := make([]string, len(p.keys))
	for i, k := range p.keys {
		parts[i] = name(i) + direction(k)
	}
	return strings.Join(parts, ", ")
}

// sortColumns returns what follows the columns that are asked for.
func (p Page) sortColumns() string {
	var b strings.Builder
	for i, k := range p.keys {
		b.WriteString(", " + k.Column.SQL + " as " + key(i))
	}
	return b.String()
}

func key(i int) string { return "k" + strconv.Itoa(i+1) }

// Place returns targets to scan the sort columns of a row into, one after the
// other, that take nulls. The last of them is the record's ID.
func (p Page) Place() []any {
	targets := make([]any, len(p.keys))
	for i, k := range p.keys {
		targets[i] = k.Column.Type.target()
	}
	return targets
}

// direction returns what follows the name of a key in the order of a list.
func direction(k Key) string {
	switch {
	case !k.Descending:
		return "" // nulls last is the default
	case k.Column.Nullable:
		return " desc nulls last"
	default:
		return " desc"
	}
}

// along returns the order of rows that are all null in the first key, or none of them.
// An index has nulls at its end, so whoever reads it backwards comes to them first;
// if there are none, or no others, it makes no difference.
func along(keys []Key) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k.Column.SQL + direction(k)
	}
	if keys[0].Descending {
		parts[0] = keys[0].Column.SQL + " desc"
	}
	return strings.Join(parts, ", ")
}

// beginning returns the ranges of a list from its beginning on.
func beginning(keys []Key) []placeRange {
	k := keys[0]
	if !k.Column.Nullable || !k.Descending {
		return []placeRange{{"true", along(keys)}}
	}
	return []placeRange{{k.Column.SQL + " is not null", along(keys)}, {k.Column.SQL + " is null", along(keys)}}
}

// after returns the ranges of what comes after a row with these values. Nulls come
// last, so nothing but another null comes after a null.
func after(keys []Key, values []any, a *Args) (ranges []placeRange) {
	k, v := keys[0], values[0]
	col, order := k.Column.SQL, along(keys)
	if v == nil {
		return []placeRange{{col + " is null and " + beyond(keys[1:], values[1:], a), order}}
	}
	if uniform(keys) {
		ranges = []placeRange{{beyondRow(keys, values, a), order}}
	} else {
		value := k.Column.one(a, v)
		ranges = []placeRange{
			{col + " = " + value + " and " + beyond(keys[1:], values[1:], a), order},
			{col + sign(k) + value, order},
		}
	}
	if k.Column.Nullable {
		ranges = append(ranges, placeRange{col + " is null", order})
	}
	return ranges
}

// beyond returns the condition that a row comes after one with these values.
func beyond(keys []Key, values []any, a *Args) string {
	if uniform(keys) && !slices.ContainsFunc(keys, func(k Key) bool { return k.Column.Nullable }) {
		return beyondRow(keys, values, a)
	}
	k, v := keys[0], values[0]
	col := k.Column.SQL
	if v == nil {
		return "(" + col + " is null and " + beyond(keys[1:], values[1:], a) + ")"
	}
	value := k.Column.one(a, v)
	or := " or "
	if k.Column.Nullable {
		or += col + " is null or "
	}
	return "(" + col + sign(k) + value + or + "(" + col + " = " + value + " and " + beyond(keys[1:], values[1:], a) + "))"
}

// beyondRow compares rows, which an index can answer by itself. Rows with a null are
// not among the answers.
func beyondRow(keys []Key, values []any, a *Args) string {
	columns, marks := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		columns[i], marks[i] = k.Column.SQL, k.Column.one(a, values[i])
	}
	if len(keys) == 1 {
		return columns[0] + sign(keys[0]) + marks[0]
	}
	return "(" + strings.Join(columns, ", ") + ")" + sign(keys[0]) + "(" + strings.Join(marks, ", ") + ")"
}

// uniform reports whether rows can be compared as such: all in one direction, and
// without nulls but in the first key.
func uniform(keys []Key) bool {
	for i, k := range keys {
		if i > 0 && k.Column.Nullable || k.Descending != keys[0].Descending {
			return false
		}
	}
	return true
}

func sign(k Key) string {
	if k.Descending {
		return " < "
	}
	return " > "
}
