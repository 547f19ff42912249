package postgres

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// column is an array for the database. pgx asks for each element as an any;
// pointers to elements that say their value go into one without a copy of the
// element being made, which is half the cost of a large batch.
type column[T id | number | text | note | blob] []T

// Dimensions implements [pgtype.ArrayGetter].
func (c column[T]) Dimensions() []pgtype.ArrayDimension {
	if len(c) == 0 {
		return []pgtype.ArrayDimension{} // an empty array, and not null
	}
	return []pgtype.ArrayDimension{{Length: int32(len(c)), LowerBound: 1}}
}

// Index implements [pgtype.ArrayGetter].
func (c column[T]) Index(i int) any { return &c[i] }

// IndexType implements [pgtype.ArrayGetter].
func (column[T]) IndexType() any { return new(T) }

type (
	id     uuid.UUID
	number int32
	text   string
	note   string // "" is null
	blob   []byte // nil is null
)

// UUIDValue implements [pgtype.UUIDValuer].
func (v *id) UUIDValue() (pgtype.UUID, error) { return pgtype.UUID{Bytes: *v, Valid: true}, nil }

// Int64Value implements [pgtype.Int64Valuer].
func (v *number) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*v), Valid: true}, nil
}

// TextValue implements [pgtype.TextValuer].
func (v *text) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: string(*v), Valid: true}, nil
}

// TextValue implements [pgtype.TextValuer].
func (v *note) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: string(*v), Valid: *v != ""}, nil
}

// BytesValue implements [pgtype.BytesValuer].
func (v *blob) BytesValue() ([]byte, error) { return *v, nil }
