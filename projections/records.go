package projections

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// records describes the table of a kind of record. Its rows, of the type R, embed
// [Row], the fields of the kind, and what else of its state is shown: each struct
// that R embeds is embedded in the state S as well. What an event does to the
// state, it does to the row; there is nothing to write down for it.
//
// Members of R that lists can filter and sort by are columns without a word (see
// [fieldColumns]); the parts are those that are not, or not like that.
func records[R, S any, F record.Fields[F], K record.Kind[S, F], P row[R]](name string, agg record.Aggregate[S, F, K], parts ...part[R]) *Table[R] {
	fold := newFold[R](agg)
	common := func(r *R) *record.Common { return agg.Common(fold.fields(r)) }
	all := append(all[R](parts),
		reference("owner_id", "usr", func(r *R) domain.ID { return common(r).OwnerID }),
		texts("tags", query.Tag, func(r *R) []string { return foldedTags(common(r).Tags) }),
		texts("external_ids", query.ExternalID, func(r *R) []string { return externalIDs(common(r).ExternalIDs) }),
		fieldColumns[R]{},
		ownValues[R](func(r *R) own.Values { return common(r).Custom }),
		shownAs[R](fold.row), telling[R](eventsOf(agg.Aggregate)), recorded[R](agg.EventTypes()),
		everyEvent[R](agg.Events(), func(r *R, e eventstore.Recorded) error { return fold.apply(P(r).base(), r, e) }),
	)
	return table[R, P](name, agg, all...)
}

// all returns parts that more can be added to.
func all[R any](parts []part[R]) []part[R] { return slices.Clip(parts) }

// everyEvent says what each event of a kind does to a row.
func everyEvent[R any](events []string, apply func(*R, eventstore.Recorded) error) part[R] {
	var hs parts[R]
	for _, e := range events {
		hs = append(hs, handler[R]{e, apply})
	}
	return hs
}

// shownAs says as which row a state is shown, but for what the row begins with.
type shownAs[R any] func(state any) (R, bool)

func (f shownAs[R]) addTo(t *Table[R]) { t.of = f }

// recorded says of which types the events are, by their names.
type recorded[R any] map[string]reflect.Type

func (types recorded[R]) addTo(t *Table[R]) { t.events = types }

// telling says what the types of events say of their data.
type telling[R any] func(eventstore.Recorded) (viewer.Event, error)

func (f telling[R]) addTo(t *Table[R]) { t.event = f }

func eventsOf[S any](agg *domain.Aggregate[S]) func(eventstore.Recorded) (viewer.Event, error) {
	return func(e eventstore.Recorded) (told viewer.Event, err error) {
		event, err := content.Decode(agg, e)
		if err != nil {
			return told, err
		}
		if t, ok := event.(domain.Toucher); ok {
			told.Touched = t.Touches()
		}
		if c, ok := event.(domain.Chooser); ok && len(c.Chose()) > 0 {
			told.Chose = c.Chose()[0].Prefix
		}
		told.Class = func(member string) domain.Class {
			c, _ := domain.ClassOf(reflect.TypeOf(event), member)
			return c.Class
		}
		return told, nil
	}
}

// state lets each event of a kind that is no record do to the row what it does to
// the state, all of which is shown.
func state[R, S any](agg *domain.Aggregate[S], of func(*R) *S) part[R] {
	return parts[R]{
		everyEvent(agg.Events(), func(r *R, e eventstore.Recorded) error {
			return content.Apply(agg, of(r), e)
		}),
		telling[R](eventsOf(agg)), recorded[R](agg.EventTypes()),
		shownAs[R](func(state any) (r R, ok bool) {
			s, ok := state.(*S)
			if ok {
				*of(&r) = *s
			}
			return r, ok
		}),
	}
}

// parts is several of them.
type parts[R any] []part[R]

func (ps parts[R]) addTo(t *Table[R]) {
	for _, p := range ps {
		p.addTo(t)
	}
}

// fold lets events change rows of the type R by the state S of their record.
type fold[R, S any, F record.Fields[F], K record.Kind[S, F]] struct {
	agg   record.Aggregate[S, F, K]
	at    []int  // of the fields, in a row
	twins []twin // each in a row and in a state
}

// A twin is a struct that is embedded in a row and in a state.
type twin struct{ row, state []int }

func newFold[R, S any, F record.Fields[F], K record.Kind[S, F]](agg record.Aggregate[S, F, K]) *fold[R, S, F, K] {
	f := &fold[R, S, F, K]{agg: agg}
	of := reflect.TypeFor[S]()
	for part := range reflect.TypeFor[R]().Fields() {
		switch {
		case !part.Anonymous || part.Type == reflect.TypeFor[Row]():
		case part.Type == reflect.TypeFor[F]():
			f.at = part.Index
		default:
			in, ok := of.FieldByName(part.Name)
			if !ok || !in.Anonymous || in.Type != part.Type {
				panic(fmt.Sprintf("projections: the rows of %s embed %s, and its state does not: embed it there", agg.Name(), part.Type))
			}
			f.twins = append(f.twins, twin{part.Index, in.Index})
		}
	}
	for part := range of.Fields() {
		shown := !part.Anonymous || !part.IsExported() || part.Type == reflect.TypeFor[record.Base[F]]()
		if !shown && !slices.ContainsFunc(f.twins, func(x twin) bool { return x.state[0] == part.Index[0] }) {
			panic(fmt.Sprintf("projections: the state of %s embeds %s, which is what clients see of it, and its rows do not: embed it in the row", agg.Name(), part.Type))
		}
	}
	if f.at == nil {
		panic(fmt.Sprintf("projections: the rows of %s do not embed its fields, %s", agg.Name(), reflect.TypeFor[F]()))
	}
	return f
}

// fields returns the fields in a row.
func (f *fold[R, S, F, K]) fields(r *R) *F {
	return reflect.ValueOf(r).Elem().FieldByIndex(f.at).Addr().Interface().(*F) //nolint:forcetypeassert // newFold has looked
}

// row returns the row that a state is shown as.
func (f *fold[R, S, F, K]) row(of any) (r R, ok bool) {
	s, ok := of.(*S)
	if ok {
		f.show(&r, s)
	}
	return r, ok
}

// show makes a row show a state.
func (f *fold[R, S, F, K]) show(r *R, s *S) {
	*f.fields(r) = *f.agg.Fields(s)
	row, state := reflect.ValueOf(r).Elem(), reflect.ValueOf(s).Elem()
	for _, x := range f.twins {
		row.FieldByIndex(x.row).Set(state.FieldByIndex(x.state))
	}
}

// apply lets an event change a row.
func (f *fold[R, S, F, K]) apply(base *Row, r *R, e eventstore.Recorded) error {
	event, err := content.Decode(f.agg.Aggregate, e)
	if err != nil {
		return err
	}
	var s S
	row, state := reflect.ValueOf(r).Elem(), reflect.ValueOf(&s).Elem()
	if e.Version > 1 {
		s = f.agg.Resume(*f.fields(r), base.DeletedAt != nil)
		for _, x := range f.twins {
			state.FieldByIndex(x.state).Set(row.FieldByIndex(x.row))
		}
	}
	domain.ApplyAt(event, &s, e.Time)
	f.show(r, &s)
	switch inBin := f.agg.InBin(&s); {
	case f.agg.Gone(&s):
		base.purge()
	case inBin && base.DeletedAt == nil:
		base.delete(e)
	case !inBin:
		base.restore()
	}
	return nil
}

// externalIDs returns what a record is called elsewhere, as system:id.
func externalIDs(ids record.ExternalIDs) (list []string) {
	for _, system := range slices.Sorted(maps.Keys(ids)) {
		list = append(list, domain.Line(system)+":"+domain.Line(ids[system]))
	}
	return list
}

// foldedTags returns tags as they are compared.
func foldedTags(tags []string) (list []string) {
	for _, t := range tags {
		list = append(list, domain.Folded(t))
	}
	return list
}
