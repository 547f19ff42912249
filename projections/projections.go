// Package projections keeps the read models: tables that follow from the log,
// and that can be thrown away and built again at any time. Clients read them as
// they are; nobody decides anything by them.
//
// Each kind of record has one file, with the row that people see. What an event does
// to the state of a record, it does to the row. That is pure: what a row says depends on
// the events of its record and on nothing else, so the same code makes the row
// of today, the row as of last March, and the differences between the two.
//
// The package does not know who may see what, nor what HTTP is.
package projections

import (
	"iter"
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
)

// All lists every table. This is the index of what can be looked at.
var All = []Projection{
	Companies,
	Contacts,
	Deals,
	Leads,
	Notes,
	Pipelines,
	Products,
	Tasks,
}

// Projection is a [Table] of whatever rows.
type Projection interface {
	Name() string            // of the table and the collection, such as "deals"
	Kind() string            // of the records, such as "deal"
	Prefix() string          // of their IDs
	Columns() *query.Columns // what queries may name
	Row() reflect.Type       // of what clients see of a record

	statements() statements
	changes(tenant domain.TenantID, ver int, c *cache) changes

	// replay returns the row, as an entry of the table, that events make of
	// another one. It is nil in the beginning, and if there are no events then.
	replay(before any, events []eventstore.Recorded) (after any, err error)

	// steps yields the JSON of the row after each of some events that come after
	// another row: nil if the record is purged then. It ends with the first error.
	steps(before any, events []eventstore.Recorded) iter.Seq2[[]byte, error]

	// show returns what clients see of an entry, and false if they see nothing.
	show(entry any) (Document, bool)

	// parse returns the entry that a document is of.
	parse(doc []byte) (entry any, err error)
}

// A Document is a record as clients see it.
type Document struct {
	JSON     []byte // must not be changed
	Version  eventstore.Version
	Position eventstore.Position // of the event that made it so
	Deleted  bool
}

// noSuchRecord refuses the ID of a record that is not there, or not any more, or
// not in this tenant.
func noSuchRecord() error { return domain.NotFound.Refusef("", "no such record") }
