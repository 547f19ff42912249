package query

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Type is what the values of a column are: how clients write them, what may be
// asked about them, and what they are in Go and in SQL. It is immutable.
type Type struct {
	expects string // for people
	sql     string // the type of one value
	ops     []Op
	prefix  string // of IDs

	orderless bool   // nobody sorts by them
	bare      string // the first letters of JSON literals that are values too; strings always are
	read      func(string) (any, bool)
	part      func(string) (string, bool) // reads a part of a value, for contains and starts_with
	forms     func(string) []form         // what columns may hold of such a part, if that is more than one thing
	number    bool                        // values are telephone numbers, whose parts are found by the digits from each one on
	write     func(any) string
	slice     func([]any) any
	target    func() any    // a new **T to scan into; nil for arrays, which have no order
	value     func(any) any // the T that a **T leads to, or nil
}

// The types of columns. A null array is the same as an empty one.
var (
	// Text is text of one line and up to 4 kB, in the order of the column's
	// collation. It is read as records keep it: see [domain.Line].
	Text = textual("text of up to 4096 bytes without NUL", readLine, readPart)

	// Int is a bigint or a smaller integer.
	Int = scalar("bigint", "an integer", digits, orderOps, readInt, formatInt)

	// Decimal is a decimal number with up to four decimals, kept as a bigint
	// in units of 1/10000.
	Decimal = scalar("bigint", "a decimal number with at most 4 decimals", digits, orderOps, readDecimal, formatDecimal)

	// Bool is true or false.
	Bool = scalar("boolean", "true or false", "tf", equalOps, readBool, strconv.FormatBool)

	// Time is a timestamptz: an RFC 3339 time, cut to microseconds, or a date,
	// which is its midnight in UTC.
	Time = scalar("timestamptz", "an RFC 3339 time or a date", "", orderOps, readTime, formatTime)

	// Date is a date, YYYY-MM-DD.
	Date = scalar("date", "a date, YYYY-MM-DD", "", orderOps, readDate, formatDate)

	// TextArray is a text[].
	TextArray = Array(Text)
)

// ID is a uuid that clients write as an ID with a prefix, such as con_01j….
func ID(prefix string) Type {
	read := func(s string) (uuid.UUID, bool) {
		id, err := domain.ParseID(s)
		return id.UUID, err == nil && id.Prefix == prefix
	}
	write := func(u uuid.UUID) string { return domain.ID{Prefix: prefix, UUID: u}.String() }
	t := scalar("uuid", "an id that begins with "+prefix+"_", "", equalOps, read, write)
	t.prefix = prefix
	return t
}

// IDArray is a uuid[] of such IDs.
func IDArray(prefix string) Type { return array(ID(prefix), arrayOps) }

// Enum is text of a fixed vocabulary.
func Enum(vocabulary ...string) Type {
	read := func(s string) (string, bool) { return s, slices.Contains(vocabulary, s) }
	expects := "one of " + strings.Join(vocabulary, ", ")
	return scalar("text", expects, "", equalOps, read, func(s string) string { return s })
}

var (
	equalOps = []Op{Eq, Ne, In, Nin, IsNull}
	orderOps = append(equalOps[:5:5], Lt, Lte, Gt, Gte)
	textOps  = append(orderOps[:9:9], Contains, StartsWith)
	arrayOps = []Op{Has, Any, None, IsNull}
)

const digits = "-0123456789"

func scalar[T any](sql, expects, bare string, ops []Op, read func(string) (T, bool), write func(T) string) Type {
	return Type{
		expects: expects, sql: sql, ops: ops, bare: bare,
		read:  func(s string) (any, bool) { return read(s) },
		write: func(v any) string { return write(v.(T)) },
		slice: func(vs []any) any {
			ts := make([]T, len(vs))
			for i, v := range vs {
				ts[i] = v.(T)
			}
			return ts
		},
		target: func() any { return new(*T) },
		value: func(target any) any {
			if v := *target.(**T); v != nil {
				return *v
			}
			return nil
		},
	}
}

func array(of Type, ops []Op) Type {
	of.ops, of.target = ops, nil
	return of
}

func (t Type) isArray() bool { return t.target == nil }

// Expects says for people what values of the type are.
func (t Type) Expects() string { return t.expects }

// HasParts reports whether a part of a value can be asked for.
func (t Type) HasParts() bool { return t.part != nil && slices.Contains(t.ops, Contains) }

// IsNumber reports whether the values are telephone numbers.
func (t Type) IsNumber() bool { return t.number }

// IsArray reports whether a column of the type has several values, or none.
func (t Type) IsArray() bool { return t.read != nil && t.isArray() }

func readInt(s string) (int64, bool) {
	if len(s) > maxText {
		return 0, false
	}
	return domain.ParseInteger(s)
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

func readBool(s string) (v, ok bool) { return s == "true", s == "true" || s == "false" }

func readDecimal(s string) (int64, bool) {
	if len(s) > maxText {
		return 0, false
	}
	d, err := domain.ParseDecimal(domain.PlainNumber(s))
	return d.Value().Shift(decimalScale).IntPart(), err == nil
}

// decimalScale is how many decimals a column of decimal numbers keeps.
const decimalScale = 4

func formatDecimal(n int64) string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u/10000, 10) + "." + strconv.FormatUint(10000+u%10000, 10)[1:]
	return sign + strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

func readTime(s string) (time.Time, bool) {
	t, err := domain.ParseTime(s)
	if err != nil {
		return readDate(s)
	}
	return t.Truncate(time.Microsecond), true
}

func formatTime(t time.Time) string { return domain.FormatTime(t) }

func readDate(s string) (time.Time, bool) {
	d, err := domain.ParseDate(s)
	return d.Time(), err == nil
}

func formatDate(t time.Time) string { return t.Format(time.DateOnly) }
