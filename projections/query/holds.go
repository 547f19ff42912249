package query

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Values returns what a record has in a column: nil, a string, an int64, a bool,
// a [time.Time], a [uuid.UUID], or a slice of strings or of UUIDs. It is what the
// database has there.
type Values func(*Column) any

// Decidable refuses a filter that [Holds] cannot decide as the database does: one
// on a column that is not known outside of it (see [Column.Stored]), that orders
// texts, whose order is that of the database, or that looks for a part of a text,
// whose case the database folds.
func Decidable(f Filter) error {
	switch f := f.(type) {
	case And:
		return decidable(f)
	case Or:
		return decidable(f)
	case Not:
		return Decidable(f.Filter)
	case Leaf:
		switch {
		case f.Column.Stored:
			return refuse(domain.Invalid, "not_decidable", "/field", "is not known before a record is stored: "+f.Column.Name)
		case f.Op == Contains || f.Op == StartsWith,
			f.Column.Type.sql == "text" && slices.Contains([]Op{Lt, Lte, Gt, Gte}, f.Op):
			return refuse(domain.Invalid, "not_decidable", "/op", "is not among those that a rule can have for this field: "+f.Column.Name)
		}
	}
	return nil
}

func decidable(group []Filter) error {
	for _, f := range group {
		if err := Decidable(f); err != nil {
			return err
		}
	}
	return nil
}

// Holds reports whether a record meets a filter that is [Decidable]: exactly if the
// database finds it by [Filter.SQL].
func Holds(f Filter, of Values) bool {
	switch f := f.(type) {
	case And:
		return !slices.ContainsFunc(f, func(f Filter) bool { return !Holds(f, of) })
	case Or:
		return slices.ContainsFunc(f, func(f Filter) bool { return Holds(f, of) })
	case Not:
		return !Holds(f.Filter, of)
	case Leaf:
		switch v := of(f.Column).(type) {
		case []string:
			return holdsArray(f, v)
		case []uuid.UUID:
			return holdsArray(f, v)
		default:
			return holdsScalar(f, v)
		}
	}
	return false
}

func holdsScalar(f Leaf, v any) bool {
	if f.Column.Type.isArray() {
		return holdsArray(f, []string(nil)) // a null array is the same as an empty one
	}
	if f.Op == IsNull {
		return (v == nil) == f.Values[0]
	}
	equal := slices.ContainsFunc(f.Values, func(w any) bool { return v != nil && compareValues(v, w) == 0 })
	switch f.Op {
	case Eq, In:
		return equal
	case Ne, Nin:
		return !equal
	}
	if v == nil {
		return false
	}
	c := compareValues(v, f.Values[0])
	switch f.Op {
	case Lt:
		return c < 0
	case Lte:
		return c <= 0
	case Gt:
		return c > 0
	case Gte:
		return c >= 0
	}
	return false
}

func holdsArray[T comparable](f Leaf, v []T) bool {
	overlap := slices.ContainsFunc(v, func(e T) bool { return slices.Contains(f.Values, any(e)) })
	switch f.Op {
	case IsNull:
		return (len(v) == 0) == f.Values[0]
	case None:
		return !overlap
	case Has, Any:
		return overlap
	}
	return false
}

// compareValues compares two values of one column.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		return cmp.Compare(a, b.(string)) //nolint:forcetypeassert // the type of the column has read it
	case int64:
		return cmp.Compare(a, b.(int64)) //nolint:forcetypeassert // likewise
	case bool:
		if a == b {
			return 0
		}
		return 1 // truth values have no order: there is no operator that asks for it
	case time.Time:
		return a.Compare(b.(time.Time)) //nolint:forcetypeassert // likewise
	case uuid.UUID:
		other := b.(uuid.UUID) //nolint:forcetypeassert // likewise
		return bytes.Compare(a[:], other[:])
	}
	return 1
}
