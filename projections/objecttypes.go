package projections

import "github.com/rowhouse/rowhouse/domain/objecttype"

// ObjectType is a row of [ObjectTypes].
type ObjectType struct {
	Row
	objecttype.ObjectType
}

// ObjectTypes lists the kinds of records that have fields of the tenant's own.
var ObjectTypes = table("object_types", objecttype.Aggregate,
	state(objecttype.Aggregate, func(t *ObjectType) *objecttype.ObjectType { return &t.ObjectType }),
	fieldColumns[ObjectType]{},
)
