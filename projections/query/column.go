package query

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Column is one thing that clients may name in a query.
type Column struct {
	Name     string // as clients write it, such as "amount.amount"
	SQL      string // the column of the table; if empty, the name is good for fields only
	Type     Type
	Nullable bool
	Sortable bool // values are short: a cursor has room for three texts of 500 characters

	// Of lists the members of a record that the column follows from, if it is not
	// the one that its name begins with.
	Of []string

	// Stored says that what is in the column is known only when a record is stored,
	// such as when that was. Filters that are decided before that cannot name it.
	Stored bool

	own *ownColumn // nil but for fields of a tenant's own
}

// Members returns the members of a record that the column follows from.
func (c *Column) Members() []string {
	if c.Of != nil {
		return c.Of
	}
	member, _, _ := strings.Cut(c.Name, ".")
	return []string{member}
}

// Columns is what clients may name in queries on one table. It is immutable.
type Columns struct {
	table   string
	columns map[string]*Column
	members map[string]bool
	id      *Column
	search  []string // the members that records are found in by q
	base    *Columns // without fields of a tenant's own, if there are any; see Owning
}

// deletedAt is a column that every table has beside those that it describes: a
// timestamptz, null while the record is live.
const deletedAt = "deleted_at"

// NewColumns describes a table: the collection's name, which cursors are bound
// to, and the columns. One of them must be "id", an ID that is never null and
// can be sorted by, because it makes every order total. It panics if the
// description contradicts itself, which no caller could handle.
func NewColumns(table string, columns ...Column) *Columns {
	c := &Columns{table: table, columns: make(map[string]*Column, len(columns)), members: make(map[string]bool)}
	for _, col := range columns {
		_, parameter := parameters[col.Name]
		parameter = parameter && col.SQL != "" // what is no column cannot be asked for by its name
		_, twice := c.columns[col.Name]
		if parameter || twice || !isName(col.Name) || col.Sortable && col.Type.target == nil || col.SQL != "" && col.Type.read == nil {
			panic(fmt.Sprintf("query: column %q of %s cannot be", col.Name, table))
		}
		c.columns[col.Name] = &col
		member, _, _ := strings.Cut(col.Name, ".")
		c.members[member] = true
	}
	c.id = c.columns["id"]
	if c.id == nil || c.id.Type.sql != "uuid" || c.id.Nullable || !c.id.Sortable {
		panic(fmt.Sprintf("query: %s has no id to sort by", table))
	}
	return c
}

// Searching returns the columns with the members that records are found in by q.
func (c *Columns) Searching(members ...string) *Columns {
	some := *c
	some.search = members
	return &some
}

// prefix returns that of the IDs of the records.
func (c *Columns) prefix() string { return c.id.Type.prefix }

// Only returns the columns of those who see some members of records only: nothing
// else can be named in their queries, and q looks into nothing else.
func (c *Columns) Only(sees func(member string) bool) *Columns {
	some := *c
	some.columns, some.members = make(map[string]*Column, len(c.columns)), make(map[string]bool, len(c.members))
	hidden := func(member string) bool { return !sees(member) }
	for name, col := range c.columns {
		if !slices.ContainsFunc(col.Members(), hidden) {
			some.columns[name] = col
		}
	}
	for member := range c.members {
		if sees(member) {
			some.members[member] = true
		}
	}
	some.search = slices.DeleteFunc(slices.Clone(c.search), hidden)
	return &some
}

// isName reports whether clients can write a name in the text form.
func isName(s string) bool { return isWord(s) && !strings.EqualFold(s, "not") }

// find returns the column that clients can filter by under a name.
func (c *Columns) find(name string) (*Column, bool) {
	col, ok := c.columns[name]
	return col, ok && col.SQL != ""
}

// All yields the names that clients can filter by, sorted, each with what its
// values are, in words.
func (c *Columns) All() iter.Seq2[string, string] {
	return func(yield func(name, values string) bool) {
		for _, name := range slices.Sorted(maps.Keys(c.columns)) {
			if col, ok := c.find(name); ok && !yield(name, col.Type.expects) {
				return
			}
		}
	}
}

// one adds a value of the column to the arguments and returns its placeholder.
func (c *Column) one(a *Args, v any) string { return a.add(v, c.Type.sql) }

// many does the same for a list of values, as one array.
func (c *Column) many(a *Args, v []any) string { return a.add(c.Type.slice(v), c.Type.sql+"[]") }
