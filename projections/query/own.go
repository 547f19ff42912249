package query

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Fields of the tenants' own have no column in the table of their records. Their values are
// in one narrow table, crm.own_values, with a row for each value and a column for each
// way in which values are compared. A filter looks one up by the ID of the record; an order
// follows an index of that table, and looks up the records.

// OwnValue is a column of crm.own_values.
type OwnValue string

// The columns: what a value is as text, as an address, as a number (exact ones in units of
// 1/10000, truth as 0 and 1), as a moment, and as a list of texts. The last one says only
// that there is a value.
const (
	OwnText   OwnValue = "txt"
	OwnMail   OwnValue = "mail"
	OwnNumber OwnValue = "num"
	OwnMoment OwnValue = "at"
	OwnList   OwnValue = "list"
	OwnAny    OwnValue = "field"
)

// The types of columns that only fields of the tenants' own have.
var (
	// OwnBool is true or false, kept as 1 or 0.
	OwnBool = scalar("bigint", "true or false", "tf", equalOps, func(s string) (int64, bool) {
		return map[string]int64{"true": 1}[s], s == "true" || s == "false"
	}, func(n int64) string { return strconv.FormatBool(n == 1) }).withoutOrder()

	// OwnDate is a date, kept as its midnight in UTC.
	OwnDate = scalar("timestamptz", "a date, YYYY-MM-DD", "", orderOps, readDate, formatDate)

	// URL is the address of a page.
	URL = textual("an address of the web", func(s string) (string, bool) {
		u, err := domain.ParseURL(s)
		return string(u), err == nil
	}, readPart).withoutOrder()

	// OwnID is an ID of a record or a member, kept as text.
	OwnID = scalar("text", "an id", "", equalOps, func(s string) (string, bool) {
		id, err := domain.ParseID(s)
		return id.String(), err == nil
	}, func(s string) string { return s }).withoutOrder()

	// OwnLong is text that is too long to be compared.
	OwnLong = scalar("text", "a text", "", []Op{IsNull}, readText, func(s string) string { return s }).withoutOrder()
)

// withoutOrder returns the type of values whose order means nothing, or that are too long
// for a cursor.
func (t Type) withoutOrder() Type {
	t.orderless = true
	return t
}

// Options is a list of words of a fixed vocabulary.
func Options(vocabulary ...string) Type { return array(Enum(vocabulary...), arrayOps) }

// ownColumn is where the values of a field of a tenant's own are.
type ownColumn struct {
	field string // in crm.own_values
	value OwnValue
}

// lookUp returns the value that a row has, as an expression of SQL.
func (o *ownColumn) lookUp(table string) string {
	return "(select own." + string(o.value) + " from crm.own_values own where own.tenant_id = $1 and own.of_table = '" + table +
		"' and own.of_ver = ver and own.of_id = id and own.field = '" + o.field + "')"
}

// among returns the values of all rows, as a table and a condition of SQL.
func (o *ownColumn) among(table string) string {
	return "crm.own_values where tenant_id = $1 and of_table = '" + table + "' and field = '" + o.field + "'"
}

// Own describes what clients may name of a field of a tenant's own: custom.policy_no, or a
// part of it. The key must be one that cannot be anything else in SQL; see own.IsKey.
func Own(name, key string, value OwnValue, of Type) Column {
	return Column{
		Name: name, Type: of, Nullable: true, Of: []string{"custom." + key}, own: &ownColumn{key, value},
		Sortable: !of.isArray() && !of.orderless,
	}
}

// Owning returns the columns with those of fields of a tenant's own, and the members among
// them that records are found in by q. They are for queries of those who may name the
// columns they are made of; see [Columns.Base].
func (c *Columns) Owning(columns []Column, searched ...string) *Columns {
	more := *c
	more.base = c.Base()
	more.columns = maps.Clone(c.columns)
	for _, col := range columns {
		col.SQL = col.own.lookUp(c.table)
		more.columns[col.Name] = &col
	}
	more.search = append(slices.Clip(c.search), searched...)
	return &more
}

// Base returns the columns without those of fields of a tenant's own.
func (c *Columns) Base() *Columns {
	if c.base != nil {
		return c.base
	}
	return c
}

// LeadsOwn reports whether the page begins among records that have a value in the field of a
// tenant's own by which the list is sorted. Those that have none come after them: if
// there is room left, they are to be got with [Page.SelectOwnless].
func (p Page) LeadsOwn() bool {
	return p.keys[0].Column.own != nil && (p.after == nil || p.after[0] != nil)
}

// selectOwn is [Page.Select] for records that have a value in the field by which the list is
// sorted: it follows the index of the values, and looks each record up by its key before
// it is asked for anything. Otherwise the planner may take the index of some other column of
// live records for as good.
func (p Page) selectOwn(a *Args, columns, from string, limit int) string {
	k, rest := p.keys[0], p.keys[1:]
	led, place, further := string(k.Column.own.value), p.query.ledBy(k.Column, a), "one.ver = led.of_ver"
	switch {
	case p.after == nil:
	case len(rest) == 1 && uniform(p.keys):
		place += " and (" + led + ", of_id)" + sign(k) + "(" + k.Column.one(a, p.after[0]) + ", " + rest[0].Column.one(a, p.after[1]) + ")"
	default:
		value := k.Column.one(a, p.after[0])
		place += " and " + led + strings.TrimRight(sign(k), " ") + "= " + value
		further += " and (led.value" + sign(k) + value + " or " + beyond(rest, p.after[1:], a) + ")"
	}
	order := []string{"led.value" + strings.TrimSuffix(direction(k), " nulls last")}
	for i, r := range rest {
		name := "page." + key(i+1)
		if r.Column == p.query.columns.id {
			name = "led.of_id"
		}
		order = append(order, name+direction(r))
	}
	return "select page.* from (select of_id, of_ver, " + led + " as value from " + k.Column.own.among(p.query.columns.table) + " and " + led + " is not null and " + place +
		") as led cross join lateral (select " + columns + p.sortColumnsBut("led.value") + " from (select * from " + from + " and id = led.of_id offset 0) as one where " +
		p.ownCondition(a, further) + " limit 1) as page order by " + strings.Join(order, ", ") + " limit " + strconv.Itoa(limit)
}

// SelectOwnless is [Page.Select] for records without a value in the field of a tenant's own by
// which the list is sorted.
func (p Page) SelectOwnless(a *Args, columns, from string, limit int) string {
	rest, place := p, "true"
	if rest.keys = p.keys[1:]; p.after != nil && p.after[0] == nil {
		place = beyond(rest.keys, p.after[1:], a)
	}
	return "select " + columns + p.sortColumns() + " from " + from + " and " + p.ownCondition(a, p.keys[0].Column.SQL+" is null and "+place) +
		" order by " + rest.OrderBy() + " limit " + strconv.Itoa(limit)
}

// ownCondition returns the conditions of the list, and one more.
func (p Page) ownCondition(a *Args, more string) string {
	all := append(p.query.conditions(a), more)
	if d := p.query.Deleted.conditions(); len(d) == 1 {
		all = append(d, all...)
	}
	return strings.Join(all, " and ")
}

// ledBy returns those of the conditions of the list that are about the values that it is in
// the order of, as conditions on these.
func (q Query) ledBy(c *Column, a *Args) string {
	all := []string{"true"}
	for _, f := range conjuncts(nil, q.Filter) {
		if leaf, ok := f.(Leaf); ok && leaf.Column.own != nil && *leaf.Column.own == *c.own && leaf.indexed() {
			leaf.Column = &Column{Name: leaf.Column.Name, SQL: string(c.own.value), Type: leaf.Column.Type}
			all = append(all, leaf.SQL(a))
		}
	}
	return strings.Join(all, " and ")
}

// sortColumnsBut is sortColumns with another expression for the first key.
func (p Page) sortColumnsBut(first string) string {
	var b strings.Builder
	for i, k := range p.keys {
		expression := k.Column.SQL
		if i == 0 {
			expression = first
		}
		b.WriteString(", " + expression + " as " + key(i))
	}
	return b.String()
}

// ownProbe returns from where, and by which condition, an index of crm.own_values answers a
// condition.
func (f Leaf) ownProbe(table string, a *Args) string {
	o := f.Column.own
	plain := f
	plain.Column = &Column{Name: f.Column.Name, SQL: string(o.value), Type: f.Column.Type}
	return o.among(table) + " and " + plain.SQL(a) + plain.order()
}

// ownIndexed reports whether an index of crm.own_values answers a condition that an index
// of a column would answer.
func (f Leaf) ownIndexed() bool {
	v := f.Column.own.value
	return v != OwnAny && v != OwnList && (f.Op != IsNull || f.Values[0] == false)
}

// AsksOwn reports whether the list is filtered or sorted by fields of a tenant's own.
func (q Query) AsksOwn() bool {
	return slices.ContainsFunc(q.Sort, func(k Key) bool { return k.Column.own != nil }) || q.Filter != nil && asksOwn(q.Filter)
}

func asksOwn(f Filter) bool {
	switch f := f.(type) {
	case And:
		return slices.ContainsFunc(f, asksOwn)
	case Or:
		return slices.ContainsFunc(f, asksOwn)
	case Not:
		return asksOwn(f.Filter)
	case Leaf:
		return f.Column.own != nil
	}
	return false
}
