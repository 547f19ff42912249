package projections

import "github.com/rowhouse/rowhouse/domain/list"

// List is a row of [Lists].
type List struct {
	Row
	list.Fields
	list.Content
}

// Lists lists the lists of a tenant.
var Lists = records[List]("lists", list.Aggregate)
