package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Limits of a filter.
const (
	maxDepth  = 5       // groups within one another
	maxLeaves = 50      // conditions
	maxValues = 500     // values in a list
	maxText   = 4 << 10 // bytes of a filter as text, and of a text value
)

// Filter is a condition on records: an [And], an [Or], a [Not] or a [Leaf].
//
// A condition holds or it does not; there is no third answer. A value that is
// null is equal to nothing, less or greater than nothing and contains nothing.
// So it is not equal to, and not in, whatever it is compared with, and a [Not]
// always turns what its condition does not hold for into what it holds for.
type Filter interface {
	// String returns the condition in the text form, which [Columns.Text] reads.
	String() string

	// SQL returns the condition as SQL that can be joined to others by "and",
	// and adds its values to the arguments.
	SQL(*Args) string

	size() (depth, leaves int)
}

// And holds if all of its conditions hold. There is at least one.
type And []Filter

// Or holds if any of its conditions holds. There is at least one.
type Or []Filter

// Not holds if its condition does not.
type Not struct{ Filter }

// Leaf is a condition on one column. Its values are what the type of the column
// makes of what was written, and as many as the operator takes. IsNull takes
// true, or false to turn it around.
type Leaf struct {
	Column *Column
	Op     Op
	Values []any
}

func (f And) String() string { return join(f, " and ", grouped) }
func (f Or) String() string  { return join(f, " or ", grouped) }
func (f Not) String() string { return "not " + grouped(f.Filter) }

func (f Leaf) String() string {
	if f.Op == IsNull {
		return f.Column.Name + map[any]string{true: " is null", false: " is not null"}[f.Values[0]]
	}
	o, written := operators[f.Op], make([]string, len(f.Values))
	for i, v := range f.Values {
		written[i] = quote(f.Column.Type.write(v))
	}
	list := strings.Join(written, ", ")
	if o.list {
		list = "(" + list + ")"
	}
	return f.Column.Name + " " + o.text + " " + list
}

// SQL implements [Filter].
func (f And) SQL(a *Args) string { return "(" + join(f, " and ", a.sql) + ")" }

// SQL implements [Filter].
func (f Or) SQL(a *Args) string { return "(" + join(f, " or ", a.sql) + ")" }

// SQL implements [Filter]. A leaf may answer that it does not know, which counts
// as false. It is enough to say so here: "and" and "or" make no true of it.
func (f Not) SQL(a *Args) string { return "(" + f.Filter.SQL(a) + ") is not true" }

// SQL implements [Filter].
func (f Leaf) SQL(a *Args) string { return operators[f.Op].sql(f.Column, a, f.Values) }

func (f And) size() (depth, leaves int) { return size(f...) }
func (f Or) size() (depth, leaves int)  { return size(f...) }
func (f Not) size() (depth, leaves int) { return size(f.Filter) }
func (Leaf) size() (depth, leaves int)  { return 0, 1 }

func size(group ...Filter) (depth, leaves int) {
	for _, f := range group {
		d, l := f.size()
		depth, leaves = max(depth, d), leaves+l
	}
	return depth + 1, leaves
}

func join(group []Filter, sep string, each func(Filter) string) string {
	parts := make([]string, len(group))
	for i, f := range group {
		parts[i] = each(f)
	}
	return strings.Join(parts, sep)
}

func grouped(f Filter) string {
	if _, leaf := f.(Leaf); leaf {
		return f.String()
	}
	return "(" + f.String() + ")"
}

// group is [And] or [Or].
type group interface {
	~[]Filter
	Filter
}

// one returns the only condition of a group that has no more, or else the group.
func one[G group](fs G) Filter {
	if len(fs) == 1 {
		return fs[0]
	}
	return fs
}

// literal is a value as a client wrote it.
type literal struct {
	text string
	bare bool // not a string but another JSON literal
}

// leaf makes a condition of what a client wrote. The pointers of its refusals
// are /field, /op and /value.
func (c *Columns) leaf(field string, op Op, written []literal) (Filter, error) {
	col, ok := c.find(field)
	if !ok {
		return nil, refuse(domain.Invalid, "unknown_field", "/field", "is not a field to filter by")
	}
	if !slices.Contains(col.Type.ops, op) {
		return nil, refuse(domain.Invalid, "bad_operator", "/op", "is not among those of the field: "+names(col.Type.ops))
	}
	list, typ := operators[op].list, col.Type
	if op == IsNull {
		typ = Bool
	}
	if n := len(written); n < 1 || n > maxValues || !list && n > 1 {
		return nil, refuse(domain.Invalid, "bad_value", "/value", "is not one value, or a list of up to "+strconv.Itoa(maxValues)+" where the operator takes a list")
	}
	leaf := Leaf{col, op, make([]any, len(written))}
	if op == Contains || op == StartsWith {
		typ.read = func(s string) (any, bool) { return typ.part(s) }
	}
	for i, w := range written {
		if leaf.Values[i], ok = typ.parse(w); !ok {
			pointer := "/value"
			if list {
				pointer += "/" + strconv.Itoa(i)
			}
			return nil, refuse(domain.Invalid, "bad_value", pointer, "is not "+typ.expects)
		}
	}
	return leaf, nil
}

// parse reads a literal.
func (t Type) parse(w literal) (any, bool) {
	if w.bare && (w.text == "" || !strings.Contains(t.bare, w.text[:1])) {
		return nil, false
	}
	return t.read(w.text)
}

// bounded refuses a filter that is too large.
func bounded(f Filter, pointer string) error {
	switch depth, leaves := f.size(); {
	case depth > maxDepth:
		return tooDeep(pointer)
	case leaves > maxLeaves:
		return tooLarge(pointer)
	}
	return nil
}

func tooDeep(pointer string) error {
	return refuse(domain.Invalid, "filter_too_deep", pointer, "has groups more than "+strconv.Itoa(maxDepth)+" deep")
}

func tooLarge(pointer string) error {
	return refuse(domain.Invalid, "filter_too_large", pointer, "has more than "+strconv.Itoa(maxLeaves)+" conditions, or is longer than "+strconv.Itoa(maxText)+" bytes")
}

func names[S ~string](ops []S) string {
	s := make([]string, len(ops))
	for i, op := range ops {
		s[i] = string(op)
	}
	return strings.Join(s, ", ")
}

func refuse(reason domain.Reason, code, pointer, detail string) error {
	return &domain.Error{Reason: reason, Code: code, Pointer: pointer, Detail: detail}
}
