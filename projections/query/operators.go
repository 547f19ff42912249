package query

import (
	"strconv"
	"strings"
)

// Op is what a condition says of a column.
type Op string

// The operators. In, Nin, Any and None take a list, the others one value.
const (
	Eq         Op = "eq"
	Ne         Op = "ne"
	Lt         Op = "lt"
	Lte        Op = "lte"
	Gt         Op = "gt"
	Gte        Op = "gte"
	In         Op = "in"
	Nin        Op = "nin"
	Contains   Op = "contains"    // has it somewhere, whatever the case; of an array: one of the elements does
	StartsWith Op = "starts_with" // has it in front, whatever the case; of an array: one of the elements does
	IsNull     Op = "is_null"     // of an array: has no elements
	Has        Op = "has"         // the array has the value
	Any        Op = "any"         // the array has at least one of the values
	None       Op = "none"        // the array has none of the values
)

// operator is how an operator is written: by clients as text, by us in SQL.
type operator struct {
	text string
	list bool
	sql  func(c *Column, a *Args, v []any) string
}

var operators = map[Op]operator{
	Eq:         {"=", false, compare(" = ")},
	Ne:         {"!=", false, notEqual},
	Lt:         {"<", false, compare(" < ")},
	Lte:        {"<=", false, compare(" <= ")},
	Gt:         {">", false, compare(" > ")},
	Gte:        {">=", false, compare(" >= ")},
	In:         {"in", true, in},
	Nin:        {"not in", true, notIn},
	Contains:   {"contains", false, match(contains)},
	StartsWith: {"starts_with", false, match(startsWith)},
	IsNull:     {"is null", false, isNull},
	Has:        {"has", false, has},
	Any:        {"any", true, overlaps},
	None:       {"none", true, func(c *Column, a *Args, v []any) string { return "(" + overlaps(c, a, v) + ") is not true" }},
}

func compare(sign string) func(*Column, *Args, []any) string {
	return func(c *Column, a *Args, v []any) string { return c.SQL + sign + c.one(a, v[0]) }
}

func notEqual(c *Column, a *Args, v []any) string {
	if c.Nullable {
		return c.SQL + " is distinct from " + c.one(a, v[0])
	}
	return c.SQL + " <> " + c.one(a, v[0])
}

func in(c *Column, a *Args, v []any) string { return c.SQL + " = any(" + c.many(a, v) + ")" }

func notIn(c *Column, a *Args, v []any) string {
	if c.Nullable {
		return "(" + in(c, a, v) + ") is not true"
	}
	return c.SQL + " <> all(" + c.many(a, v) + ")"
}

func isNull(c *Column, _ *Args, v []any) string {
	if c.Type.isArray() {
		return "coalesce(cardinality(" + c.SQL + "), 0)" + map[any]string{true: " = 0", false: " > 0"}[v[0]]
	}
	return c.SQL + map[any]string{true: " is null", false: " is not null"}[v[0]]
}

func has(c *Column, a *Args, v []any) string { return c.SQL + " @> array[" + c.one(a, v[0]) + "]" }

func overlaps(c *Column, a *Args, v []any) string { return c.SQL + " && " + c.many(a, v) }

// match compares text, or each element of an array of text, in each form that it can
// have.
func match(how func(text string, c *Column, a *Args, f form) string) func(*Column, *Args, []any) string {
	return func(c *Column, a *Args, v []any) string {
		text := c.SQL
		if c.Type.isArray() {
			text = "t.e"
		}
		var all []string
		for _, f := range c.Type.formsOf(v[0].(string)) {
			all = append(all, how(text, c, a, f))
		}
		condition := strings.Join(all, " or ")
		if c.Type.isArray() {
			return "exists (select from unnest(" + c.SQL + ") as t (e) where " + condition + ")"
		}
		if len(all) > 1 {
			return "(" + condition + ")"
		}
		return condition
	}
}

// The case is folded by the database on both sides, so that they always agree.
func contains(text string, c *Column, a *Args, f form) string {
	if f.pattern {
		return "crm.fold(" + text + ") ~ " + c.one(a, f.expression(false))
	}
	return "crm.fold(" + text + ") like crm.fold(" + c.one(a, anywhere(f.text)) + ")"
}

func startsWith(text string, c *Column, a *Args, f form) string {
	if f.pattern {
		return "crm.fold(" + text + ") ~ " + c.one(a, f.expression(true))
	}
	return "crm.fold(" + text + ") ^@ crm.fold(" + c.one(a, f.text) + ")"
}

// anywhere returns the pattern of LIKE for whatever contains s.
func anywhere(s string) string { return "%" + likeEscapes.Replace(s) + "%" }

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Args are the arguments of a statement, in the order of their placeholders.
// Put in what the rest of the statement needs first. The values are strings,
// int64s, bools, [uuid.UUID]s, [time.Time]s and slices of them.
type Args []any

// add adds an argument and returns its placeholder.
func (a *Args) add(v any, sqlType string) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a)) + "::" + sqlType
}

func (a *Args) sql(f Filter) string { return f.SQL(a) }
