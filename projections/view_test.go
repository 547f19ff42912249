package projections

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
)

// live records the life of a widget and projects the first few of its events.
// It returns what GET returned after each of these.
func (f *fixture) live(t *testing.T, projected int) (eventstore.StreamID, []eventstore.Recorded, [][]byte) {
	t.Helper()
	tenant := f.newTenant()
	s := newWidget(tenant)
	for _, e := range []any{
		widgetCreated{Name: "one <&>"},
		widgetTagged{Tags: []string{"a"}},
		widgetRenamed{Name: "two"},
		widgetDeleted{},
		widgetRestored{},
		widgetNoticed{},
		widgetTagged{Tags: []string{"b"}},
	} {
		f.log.record(s, e)
	}
	log := f.log.all(tenant)
	gets := [][]byte{nil}
	for i := range log[:projected] {
		b := eventstore.Batch{Tenant: tenant, From: eventstore.Checkpoint{Position: eventstore.Position(i)}, Events: log[i : i+1]}
		if err := f.handleOne(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		doc, at, err := f.Get(t.Context(), sees(tenant), widgets, s.ID)
		if err != nil || int(at) != i+1 || int(doc.Position) != i+1 {
			t.Fatalf("after %d: %+v at %d, %v", i+1, doc, at, err)
		}
		gets = append(gets, doc.JSON)
	}
	return s, log, gets
}

// The past is, to the byte, what GET returned then.
func TestAsOf(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s, log, gets := f.live(t, 7)
	for i, e := range log {
		for _, at := range []Moment{{Position: e.Position}, {Time: e.Time}} {
			doc, err := f.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, at)
			if err != nil || !bytes.Equal(doc.JSON, gets[i+1]) {
				t.Errorf("as of %+v: %s, %v\nwant %s", at, doc.JSON, err, gets[i+1])
			}
		}
	}
	for _, at := range []Moment{{Position: 0}, {Time: log[0].Time.Add(-1)}} {
		if _, err := f.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, at); !errors.Is(err, domain.NotFound) {
			t.Errorf("as of before it was: %v", err)
		}
	}
	s.Tenant = f.newTenant()
	if _, err := f.AsOf(t.Context(), sees(s.Tenant), widgets, s.ID, Moment{Position: 5}); !errors.Is(err, domain.NotFound) {
		t.Errorf("of another tenant: %v", err)
	}
}

// What a command is answered with is what GET will return, however far the read
// model and the cache are.
func TestView(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, _, gets := f.live(t, 7)
	same := func(a, b []byte) bool { return bytes.Equal(scrub(t, a), scrub(t, b)) }
	for _, projected := range []int{0, 2, 7} {
		for prior := range 8 {
			for n := range 8 - prior {
				for _, cached := range []bool{true, false} {
					s, log, _ := f.live(t, projected)
					if !cached {
						f.forgetRows()
					}
					for range 2 { // the second time the cache has it
						doc, err := f.View(t.Context(), sees(s.Tenant), widgets, s.ID, eventstore.Version(prior), log[prior:][:n])
						if prior+n == 0 && errors.Is(err, domain.NotFound) {
							continue
						}
						if err != nil || !same(doc.JSON, gets[prior+n]) || int(doc.Version) != prior+n {
							t.Fatalf("projected %d, prior %d, events %d, cached %t: %s, %v\nwant %s", projected, prior, n, cached, doc.JSON, err, gets[prior+n])
						}
					}
					// The cache now has a row of that version. It must not
					// mislead the projector.
					f.project(t, s.Tenant, 3)
					if doc, _, err := f.Get(t.Context(), sees(s.Tenant), widgets, s.ID); err != nil || !same(doc.JSON, gets[7]) {
						t.Fatalf("after prior %d, events %d, cached %t, projected to %s, %v", prior, n, cached, doc.JSON, err)
					}
				}
			}
		}
	}
}

// scrub leaves out what differs from widget to widget.
func scrub(t *testing.T, doc []byte) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatal(err)
	}
	if string(members["deleted_at"]) != "null" {
		members["deleted_at"] = json.RawMessage(`"some time"`)
	}
	for _, name := range []string{"id", "created_at", "updated_at"} {
		delete(members, name)
	}
	rest, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return rest
}

func TestHistory(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s, log, _ := f.live(t, 0)
	entries, err := f.History(t.Context(), sees(s.Tenant), widgets, s.ID, 0, 100)
	if err != nil || len(entries) != len(log) {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	deleted, _ := json.Marshal(log[3].Time)
	want := [][]string{
		{"name: null -> \"one <&>\"", "tags: null -> []"},
		{"tags: [] -> [\"a\"]"},
		{"name: \"one <&>\" -> \"two\""},
		{"deleted_at: null -> " + string(deleted)},
		{"deleted_at: " + string(deleted) + " -> null"},
		nil,
		{"tags: [\"a\"] -> [\"a\",\"b\"]"},
	}
	for i, e := range entries {
		var got []string
		for _, c := range e.Changes {
			got = append(got, fmt.Sprintf("%s: %s -> %s", c.Field, c.Old, c.New))
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("changes of %s (-want +got):\n%s", e.Type, diff)
		}
		if e.Type != log[i].Type || e.Position != log[i].Position || e.Actor != ann || !e.Time.Equal(log[i].Time) || e.ID.Prefix != "evt" || e.Command.Version() != 7 {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	page, err := f.History(t.Context(), sees(s.Tenant), widgets, s.ID, 3, 4)
	if diff := cmp.Diff(entries[2:4], page); diff != "" || err != nil {
		t.Errorf("versions 3 to 4 (-want +got):\n%s%v", diff, err)
	}
	if page, err := f.History(t.Context(), sees(s.Tenant), widgets, s.ID, 8, 9); err != nil || len(page) != 0 {
		t.Errorf("versions that are not there: %v, %v", page, err)
	}
}

// A list of the past folds the records that have changed since, however many were made
// since, and is refused if these are too many.
func TestListAsOfTooFar(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.cfg.Changed = 2
	tenant := f.newTenant()
	first := []eventstore.StreamID{newWidget(tenant), newWidget(tenant), newWidget(tenant)}
	for _, s := range first {
		f.log.record(s, widgetCreated{Name: "then"})
	}
	for range 5 {
		f.log.record(newWidget(tenant), widgetCreated{Name: "later"})
	}
	list := func(at int64) (Page, error) {
		f.project(t, tenant, 100)
		q, err := query.ParseJSON([]byte(fmt.Sprintf(`{"filter":"name = then","as_of":%d}`, at)), widgets.Columns())
		if err != nil {
			t.Fatal(err)
		}
		return f.List(t.Context(), sees(tenant), widgets, q)
	}
	for i, want := range []int{3, 3, 3} {
		if page, err := list(3); err != nil || len(page.Documents) != want || page.Position != 3 {
			t.Errorf("with %d records changed: %d of %d at %d, %v", i, len(page.Documents), want, page.Position, err)
		}
		f.log.record(first[i], widgetRenamed{Name: "now"})
	}
	_, err := list(3)
	if e, ok := errors.AsType[*domain.Error](err); !ok || e.Code != "as_of_too_far" || e.Pointer != "/as_of" {
		t.Errorf("with three records changed: %v", err)
	}
	if page, err := list(9); err != nil || len(page.Documents) != 2 {
		t.Errorf("as of a later moment: %d, %v", len(page.Documents), err)
	}
}

// A list of the past stops to fold when what has changed is larger than is held for it.
func TestListAsOfTooLarge(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tenant := f.newTenant()
	const many = 60
	var all []eventstore.StreamID
	for range many {
		all = append(all, newWidget(tenant))
		f.log.record(all[len(all)-1], widgetCreated{Name: strings.Repeat("x", 900)})
	}
	for _, s := range all {
		f.log.record(s, widgetRenamed{Name: "now"})
	}
	f.project(t, tenant, 500)
	for large, folded := range map[int]int{many * 2000: many, 10_000: 20} {
		store := &counted{Store: f.log}
		m := f.another(t, func(c *Config) { c.Store, c.Folded = store, large })
		q, err := query.ParseJSON([]byte(fmt.Sprintf(`{"as_of":%d}`, many)), widgets.Columns())
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.List(t.Context(), sees(tenant), widgets, q)
		e, _ := errors.AsType[*domain.Error](err)
		if refused := e != nil && e.Code == "as_of_too_far"; refused != (folded < many) || err != nil && !refused {
			t.Errorf("with room for %d bytes: %v", large, err)
		}
		if n := store.take(); folded < many && n > folded*2 {
			t.Errorf("with room for %d bytes %d events are read", large, n)
		}
	}
}
