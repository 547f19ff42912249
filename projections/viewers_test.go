package projections

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// What the database has in each column of each kind is what a filter finds in the
// state of the record: whoever sees a record in lists may give commands to it, and
// the other way round.
func TestViewersSeeTheSame(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	run := commands.NewRunner(commands.Config{Store: f.log, NewID: uuid.New, Cache: 1 << 20})
	for _, p := range All {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			life := lifeOf(t, p.Kind())
			for _, n := range []int{1, len(life)} {
				tenant := f.newTenant()
				s := eventstore.StreamID{Tenant: tenant, Kind: p.Kind(), ID: uuid.UUID{15: 1}}
				f.log.record(s, life[:n]...)
				f.project(t, tenant, 100)
				l := glance{t, f, run, p, s}
				for name := range p.Columns().All() {
					l.at(name)
				}
				doc, _, err := f.Get(t.Context(), sees(tenant), p, s.ID)
				if err != nil {
					t.Fatal(err)
				}
				p.(interface{ sayWhatTheyFollowFrom(*testing.T, []byte) }).sayWhatTheyFollowFrom(t, doc.JSON)
			}
		})
	}
}

// glance is a look at one record by viewers with all kinds of rules.
type glance struct {
	*testing.T

	f   *fixture
	run *commands.Runner
	p   Projection
	s   eventstore.StreamID
}

// at looks by rules about a column.
func (l glance) at(name string) {
	parsed, err := l.p.Columns().Text(name + " is null")
	if err != nil {
		l.Fatal(err)
	}
	leaf := parsed.(query.Leaf)
	if leaf.Column.Stored {
		if err := query.Decidable(leaf); err == nil {
			l.Errorf("%s can be in a rule, and is not known before a record is stored", name)
		}
		return
	}
	doc, _, err := l.f.Get(l.Context(), sees(l.s.Tenant), l.p, l.s.ID)
	if err != nil {
		l.Fatal(err)
	}
	row, err := l.p.parse(doc.JSON)
	if err != nil {
		l.Fatal(err)
	}
	has := query.Filter(leaf)
	switch v := l.p.values(row)(leaf.Column).(type) {
	case nil:
	case []string:
		if len(v) > 0 {
			has = query.Leaf{Column: leaf.Column, Op: query.Has, Values: []any{v[len(v)-1]}}
		}
	case []uuid.UUID:
		if len(v) > 0 {
			has = query.Leaf{Column: leaf.Column, Op: query.Has, Values: []any{v[len(v)-1]}}
		}
	default:
		has = query.Leaf{Column: leaf.Column, Op: query.Eq, Values: []any{v}}
	}
	l.by(has.String(), true)
	l.by(query.Not{Filter: has}.String(), false)
}

// by looks by one rule, in all ways there are.
func (l glance) by(rule string, want bool) {
	v := viewer.New(Kinds(All), l.s.Tenant, domain.Actor{Kind: "user", ID: id("usr", 9)}, viewer.Role{l.p.Kind(): {
		Actions: map[string]string{viewer.Read: rule}, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.Full, domain.Personal: viewer.Full},
	}})
	ways := map[string]bool{}
	_, _, err := l.f.Get(l.Context(), v, l.p, l.s.ID)
	ways["get"] = err == nil
	rules, err := v.Of(l.p)
	if err != nil {
		l.Fatalf("%s: %v", rule, err)
	}
	q, err := query.ParseJSON([]byte(`{"deleted":"include","count":"exact"}`), rules.Columns())
	if err != nil {
		l.Fatal(err)
	}
	page, err := l.f.List(l.Context(), v, l.p, q)
	if err != nil {
		l.Fatalf("%s: %v", rule, err)
	}
	ways["list"], ways["count"] = len(page.Documents) == 1, *page.Count == 1
	q.AsOf.Position = 1
	if page, err = l.f.List(l.Context(), v, l.p, q); err != nil {
		l.Fatalf("%s: %v", rule, err)
	}
	ways["list as of"], ways["count as of"] = len(page.Documents) == 1, *page.Count == 1
	var events []eventstore.Recorded
	for e, err := range l.f.log.ReadStream(l.Context(), l.s, 0) {
		if err != nil {
			l.Fatal(err)
		}
		events = append(events, e)
	}
	_, err = l.f.View(l.Context(), v, l.p, l.s.ID, 0, events)
	ways["answer of a command"] = err == nil
	_, err = l.f.AsOf(l.Context(), v, l.p, l.s.ID, Moment{Position: 1})
	ways["as of"] = err == nil
	entries, err := l.f.History(l.Context(), v, l.p, l.s.ID, 1, 100)
	ways["history"] = err == nil && len(entries) > 0
	seen, err := l.run.Sees(l.Context(), v, l.s)
	if err != nil {
		l.Fatal(err)
	}
	ways["commands"] = seen[l.s]
	for way, got := range ways {
		if got != want {
			l.Errorf("by the rule %s, %s sees it is %t", rule, way, got)
		}
	}
}

// An event that does not say what it touches is refused, and withheld, to everybody
// who may not change, or see, all members of its kind. A command that does not say so
// is not refused to them if it has nothing to do, which tells them what there is.
func TestEventsSayWhatTheyTouch(t *testing.T) {
	t.Parallel()
	for _, kind := range commands.All {
		made := ""
		switch first := lifeOf(t, kind.Kind())[0].(type) {
		case eventstore.Event:
			made = first.Type
		case interface{ EventType() string }:
			made = first.EventType()
		}
		for name, of := range kind.EventTypes() {
			if _, ok := reflect.TypeAssert[domain.Toucher](reflect.Zero(of)); !ok && name != made && !domain.IsPurge(name) {
				t.Errorf("%s does not say which members of a %s it changes: give %s a method Touches", name, kind.Kind(), of)
			}
		}
		for _, o := range kind.Offers() {
			common := o.Type.PkgPath() == reflect.TypeFor[record.Common]().PkgPath()
			_, touches := reflect.TypeAssert[domain.Toucher](reflect.Zero(o.Type))
			_, steps := reflect.TypeAssert[record.Stepper](reflect.Zero(o.Type))
			if !common && !touches && !steps && o.Name != commands.Create {
				t.Errorf("%s.%s does not say which members it changes: give %s a method Touches", kind.Kind(), o.Name, o.Type)
			}
		}
	}
}

// sayWhatTheyFollowFrom fails if a column, or what q finds, follows from a member of a
// record and does not say so: whoever does not see the member could ask for it by the
// column.
func (t *Table[R]) sayWhatTheyFollowFrom(test *testing.T, doc []byte) {
	test.Helper()
	has := func(doc []byte, c column[R]) any {
		e, err := decode[R](doc)
		if err != nil {
			test.Fatal(err)
		}
		return c.pack([]*entry[R]{e}, c.query.Nullable)
	}
	row := func(doc []byte) *R {
		e, err := decode[R](doc)
		if err != nil {
			test.Fatal(err)
		}
		return e.row
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		test.Fatal(err)
	}
	for name := range members {
		if slices.Contains(rowMembers(), name) {
			continue
		}
		rest := maps.Clone(members)
		delete(rest, name)
		less, err := json.Marshal(rest)
		if err != nil {
			test.Fatal(err)
		}
		for _, c := range t.columns {
			if c.query.Name != "" && !slices.Contains(c.query.Members(), name) && !reflect.DeepEqual(has(doc, c), has(less, c)) {
				test.Errorf("the column %s of %s follows from the member %s, and does not say so: add it to of", c.sql, t.name, name)
			}
		}
		for _, w := range t.words {
			if w.member != name && !slices.Equal(w.texts(row(doc)), w.texts(row(less))) {
				test.Errorf("the words of the member %s of %s follow from the member %s as well: searched must name it", w.member, t.name, name)
			}
		}
	}
}
