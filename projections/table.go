package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Table is a read model with one row for each record of a kind. What a row
// says follows from the events of its record and from nothing else. It is
// immutable.
type Table[R any] struct {
	name     string // of the table and the collection, such as "deals"
	kind     string // of the records, such as "deal"
	prefix   string // of their IDs
	known    map[string]bool
	on       map[string]func(*R, eventstore.Recorded) error
	base     func(*R) *Row
	columns  []column[R]
	words    []words[R]          // that records are found by
	custom   func(*R) own.Values // nil if records have no fields of the tenant's own
	members  []string            // of the JSON of a row
	refers   []mentioner
	own      []int // where a row has the values of fields of the tenant's own; nil if nowhere
	events   map[string]reflect.Type
	revision int // see [revision]
	event    func(eventstore.Recorded) (viewer.Event, error)
	of       func(state any) (R, bool) // the row that a state is shown as, but for what it begins with
	query    *query.Columns
	sql      statements
}

// Event is an event of type E, as a table sees it.
type Event[E any] struct {
	eventstore.Recorded
	Data E
}

// part is a part of the description of a table.
type part[R any] interface{ addTo(*Table[R]) }

// handler says what one type of event does to a row.
type handler[R any] struct {
	event string
	apply func(*R, eventstore.Recorded) error
}

func (h handler[R]) addTo(t *Table[R]) {
	if !t.known[h.event] {
		panic(fmt.Sprintf("projections: %s handles %q, which is no event of a %s", t.name, h.event, t.kind))
	}
	if t.on[h.event] != nil {
		panic(fmt.Sprintf("projections: %s handles %q twice", t.name, h.event))
	}
	t.on[h.event] = h.apply
}

// on says what an event of type E does to a row. It must not look at anything
// but its arguments, because it will be asked again: for the past, and when the
// table is built again.
func on[R any, E interface{ EventType() string }](f func(*R, Event[E])) part[R] {
	var zero E
	return handler[R]{zero.EventType(), func(r *R, rec eventstore.Recorded) error {
		e := Event[E]{Recorded: rec}
		if err := content.As(&e.Data, rec); err != nil {
			return err
		}
		f(r, e)
		return nil
	}}
}

// aggregate is what a table needs to know of a kind of record.
type aggregate interface {
	Name() string
	Prefix() string
	Events() []string
}

// row is a pointer to an R that begins with a [Row].
type row[R any] interface {
	*R
	base() *Row
}

// table describes a table: its name, the kind of record that it shows, its
// columns, and what each event does to a row. It panics if that contradicts
// itself.
func table[R any, P row[R]](name string, of aggregate, parts ...part[R]) *Table[R] {
	t := &Table[R]{
		name: name, kind: of.Name(), prefix: of.Prefix(),
		known: make(map[string]bool), on: make(map[string]func(*R, eventstore.Recorded) error),
		base: func(r *R) *Row { return P(r).base() },
	}
	for _, e := range of.Events() {
		t.known[e] = true
	}
	common(t)
	for _, p := range parts {
		p.addTo(t)
	}
	t.members = members(reflect.TypeFor[R]())
	t.refers, t.own = mentioners(reflect.TypeFor[R]()), ownIndex(reflect.TypeFor[R]())
	t.query = query.NewColumns(name, t.queryColumns()...).Searching(t.searched()...)
	t.sql = compose(t.name, t.columns)
	return t
}

// Name returns the name of the collection, such as "deals".
func (t *Table[R]) Name() string { return t.name }

// Kind returns the name of the kind of record that it shows, such as "deal".
func (t *Table[R]) Kind() string { return t.kind }

// Prefix returns the prefix of the records' IDs, such as "deal".
func (t *Table[R]) Prefix() string { return t.prefix }

// Columns returns what clients may name in queries.
func (t *Table[R]) Columns() *query.Columns { return t.query }

// Members returns the members of the JSON of a record.
func (t *Table[R]) Members() []string { return t.members }

// Class returns the class of what is in a member: of the value that needs most care.
func (*Table[R]) Class(member string) domain.Class {
	c, _ := domain.ClassOf(reflect.TypeFor[R](), member)
	return c.Class
}

// EventNames returns the names of the types of events that happen to the records, in order.
func (t *Table[R]) EventNames() []string { return slices.Sorted(maps.Keys(t.known)) }

// Always returns the members that everybody sees who sees the record: which record it
// is, and when it was made and changed.
func (*Table[R]) Always() []string { return rowMembers() }

// Values implements [viewer.Kind].
func (t *Table[R]) Values(id uuid.UUID, state any) query.Values {
	if t.of == nil {
		return nothing
	}
	r, ok := t.of(state)
	if !ok {
		return nothing
	}
	t.base(&r).ID.UUID = id
	return t.valuesOf(&r)
}

func (t *Table[R]) values(of any) query.Values {
	e, _ := of.(*entry[R])
	if e == nil {
		return nothing
	}
	return t.valuesOf(e.row)
}

// Event implements [Projection].
func (t *Table[R]) Event(e eventstore.Recorded) (viewer.Event, error) {
	if t.event == nil {
		return viewer.Event{Class: func(string) domain.Class { return "" }}, nil
	}
	return t.event(e)
}

// nothing is what a record that is not there has.
func nothing(*query.Column) any { return nil }

func (t *Table[R]) valuesOf(r *R) query.Values {
	return func(c *query.Column) any {
		i := slices.IndexFunc(t.columns, func(own column[R]) bool { return own.value != nil && own.query.Name == c.Name })
		if i < 0 {
			return nil
		}
		return t.columns[i].value(r, c.Nullable)
	}
}

// entry is a row as it was at some version of its record. As a row follows from
// the events up to its version, an entry may be old but never wrong. It is not
// changed any more.
type entry[R any] struct {
	row   *R
	doc   []byte    // the JSON of the row; nil if the record was purged
	prior *entry[R] // that it was made from, if nobody has projected the events in between yet
}

func (e *entry[R]) version(t *Table[R]) eventstore.Version {
	if e == nil {
		return 0
	}
	return t.base(e.row).Version
}

// errOrder says that an event does not follow the one that was projected before.
var errOrder = errors.New("event does not follow the row")

// fold returns what events make of a row. There must be at least one.
func (t *Table[R]) fold(before *entry[R], events []eventstore.Recorded) (*entry[R], error) {
	return t.foldTelling(before, events, nil)
}

// foldTelling is fold. The function tell, if there is one, gets the rows before and after
// each event that leaves one: nil before the first event of a record. They must not be
// changed, and do not say yet who has made and changed the record.
func (t *Table[R]) foldTelling(before *entry[R], events []eventstore.Recorded, tell func(before *R, e eventstore.Recorded, after *R)) (_ *entry[R], err error) {
	r, err := t.begin(before, events[0])
	if err != nil {
		return nil, err
	}
	base := t.base(r)
	was := before.rowOrNil()
	for i, e := range events {
		if tell != nil && i > 0 {
			was = new(*r)
		}
		if err := t.apply(r, e); err != nil {
			return nil, &eventError{e, err}
		}
		if tell != nil && !base.purged {
			tell(was, e, r)
		}
	}
	if err := base.setActors(events); err != nil {
		return nil, &eventError{events[0], err}
	}
	if base.purged {
		return &entry[R]{row: r}, nil
	}
	doc, err := encode(r)
	return &entry[R]{row: r, doc: doc}, err
}

// rowOrNil returns the row, nil if there is none.
func (e *entry[R]) rowOrNil() *R {
	if e == nil {
		return nil
	}
	return e.row
}

// last returns the entry without those that it was made from.
func (e *entry[R]) last() *entry[R] {
	if e == nil || e.prior == nil {
		return e
	}
	return &entry[R]{row: e.row, doc: e.doc}
}

// begin returns a row that may be changed, as it was before an event.
func (t *Table[R]) begin(before *entry[R], e eventstore.Recorded) (*R, error) {
	r := new(R)
	switch {
	case before == nil:
		base := t.base(r)
		base.ID, base.Type = domain.ID{Prefix: t.prefix, UUID: e.Stream.ID}, t.kind
	case before.doc == nil:
		return nil, &eventError{e, errOrder} // it was purged
	default:
		if err := json.Unmarshal(before.doc, r); err != nil {
			return nil, fmt.Errorf("row: %w", err)
		}
	}
	return r, nil
}

// eventError says which event could not be projected.
type eventError struct {
	event eventstore.Recorded
	err   error
}

func (e *eventError) Error() string { return fmt.Sprintf("%s: %v", e.event.Type, e.err) }
func (e *eventError) Unwrap() error { return e.err }

// apply lets an event change a row. An event that the kind of record does not
// have is one of a newer build.
func (t *Table[R]) apply(r *R, e eventstore.Recorded) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic // and not p, which may hold what is in the event
		}
	}()
	base := t.base(r)
	if e.Version != base.Version+1 || base.purged {
		return errOrder
	}
	base.advance(e)
	if f := t.on[e.Type]; f != nil {
		return f(r, e)
	}
	if !t.known[e.Type] {
		return domain.ErrUnknownEvent
	}
	return nil
}

var errPanic = errors.New("projection panicked")

// encode returns the JSON of a row, as clients see it.
func encode(row any) ([]byte, error) {
	doc, err := domain.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("row: %w", err)
	}
	return doc, nil
}

// Row returns the type of the rows, whose JSON is what clients see of a record.
func (*Table[R]) Row() reflect.Type { return reflect.TypeFor[R]() }

func (t *Table[R]) statements() statements { return t.sql }

// upkeep implements [Model].
func (t *Table[R]) upkeep() upkeepSQL { return t.sql.upkeep }

func (t *Table[R]) replay(before any, events []eventstore.Recorded) (any, error) {
	b, _ := before.(*entry[R])
	if len(events) == 0 {
		return b, nil
	}
	after, err := t.fold(b, events)
	if err != nil {
		return nil, err
	}
	after.prior = b.last()
	return after, nil
}

func (t *Table[R]) steps(before any, events []eventstore.Recorded) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(events) == 0 {
			return
		}
		b, _ := before.(*entry[R])
		r, err := t.begin(b, events[0])
		if err != nil {
			yield(nil, err)
			return
		}
		for i, e := range events {
			doc, err := t.step(r, events[i:i+1])
			if err != nil {
				yield(nil, &eventError{e, err})
				return
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// step lets one event change a row, and returns the JSON of that: nil if the
// record is purged.
func (t *Table[R]) step(r *R, one []eventstore.Recorded) ([]byte, error) {
	if err := t.apply(r, one[0]); err != nil {
		return nil, err
	}
	base := t.base(r)
	if err := base.setActors(one); err != nil || base.purged {
		return nil, err
	}
	return encode(r)
}

func (t *Table[R]) show(of any) (Document, bool) {
	e, _ := of.(*entry[R])
	if e == nil || e.doc == nil {
		return Document{}, false
	}
	b := t.base(e.row)
	return Document{JSON: e.doc, Version: b.Version, Position: b.Position, Deleted: b.DeletedAt != nil}, true
}

func (*Table[R]) parse(doc []byte) (any, error) { return decode[R](doc) }

// members returns the names of the members of the JSON of a struct.
func members(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			names = append(names, members(f.Type)...)
		case f.IsExported() && name != "-":
			names = append(names, name)
		}
	}
	return names
}

// rowMembers returns the members that every row begins with.
func rowMembers() []string { return members(reflect.TypeFor[Row]()) }

// decode returns the row that some JSON is of.
func decode[R any](doc []byte) (*entry[R], error) {
	e := &entry[R]{row: new(R), doc: doc}
	if err := domain.UnmarshalStored(doc, e.row); err != nil {
		return nil, fmt.Errorf("row: %w", err)
	}
	return e, nil
}
