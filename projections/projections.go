// Package projections keeps the read models: tables that follow from the log,
// and that can be thrown away and built again at any time. Clients read them as
// they are; nobody decides anything by them.
//
// Each kind of record has one file, with the row that people see. What an event does
// to the state of a record, it does to the row. That is pure: what a row says depends on
// the events of its record and on nothing else, so the same code makes the row
// of today, the row as of last March, and the differences between the two.
//
// Who may see what is said by a viewer, without whom nothing can be read. The package
// does not know what HTTP is.
package projections

import (
	"iter"
	"reflect"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// All lists every table. This is the index of what can be looked at.
var All = []Projection{
	Companies,
	Contacts,
	Deals,
	Leads,
	Lists,
	Notes,
	ObjectTypes,
	Pipelines,
	Products,
	Tasks,
}

// Projection is a [Table] of whatever rows.
type Projection interface {
	Model // whose name is that of the collection as well, such as "deals"
	viewer.Kind

	Prefix() string    // of the IDs of the records
	Row() reflect.Type // of what clients see of a record

	EventNames() []string // of the types of events that happen to the records, in order

	// Event returns what the type of an event of a record says of its data.
	Event(e eventstore.Recorded) (viewer.Event, error)

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

	// values returns what an entry has in the columns.
	values(entry any) query.Values

	// match says which members of a document, of those that somebody sees, have what is
	// looked for, and how well all of them do: better ones first. It is false if they do not.
	match(doc []byte, s query.Search, sees func(member string) bool) (match, bool, error)

	// past adds entries that are not in the table to the arguments of a statement, and
	// returns what to select some columns of them from, and their terms as [query.PastTerms].
	past(tenant domain.TenantID, entries []any, columns []string, terms bool, a *query.Args) string

	// mentioning returns the members of rows, but for fields of tenants' own, that refer to
	// records.
	mentioning() []string

	// mentions returns the records that a row, of which it is given a pointer, refers to.
	mentions(row any) []mention

	// source returns what facts that follow from the rows depend on, in lines: see [definition].
	source() []string

	// parse returns the entry that a document is of.
	parse(doc []byte) (entry any, err error)
}

// Kinds returns what viewers see: the records of some tables.
func Kinds(all []Projection) viewer.Kinds {
	kinds := make(viewer.Kinds, len(all))
	for _, p := range all {
		kinds[p.Kind()] = p
	}
	return kinds
}

// A Document is a record as clients see it.
type Document struct {
	JSON     []byte // must not be changed
	Version  eventstore.Version
	Position eventstore.Position // of the event that made it so
	Deleted  bool
}

// ErrUnseen says of a record that is there that the viewer does not see it. To those
// who ask for it, it is the same as domain.NotFound.
var ErrUnseen = domain.NotFound.Refusef("not_found", "no such record")

// noSuchRecord refuses the ID of a record that is not there, or not any more, or
// not in this tenant.
func noSuchRecord() error { return domain.NotFound.Refusef("", "no such record") }
