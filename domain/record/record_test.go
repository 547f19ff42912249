package record_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/record"
)

// A parcel is a kind of record with one of everything: it exists here only.
type parcel struct{ record.Base[fields] }

type fields struct {
	Label  string            `json:"label" minLength:"1" maxLength:"20"`
	Mark   string            `json:"mark,omitzero" maxLength:"20"`
	Weight *int              `json:"weight,omitzero" minimum:"0"`
	Fragil bool              `json:"fragile"`
	Price  domain.Money      `json:"price,omitzero"`
	Notes  map[string]string `json:"notes,omitzero"`
	Stops  []stop            `json:"stops,omitzero" maxItems:"3"`
	Inside domain.ID         `json:"inside_id,omitzero" prefix:"par"`
	record.Common
}

type stop struct {
	City string `json:"city" minLength:"1"`
}

func (fields) KindName() string { return "parcel" }

func (f fields) Normal() fields {
	return f
}

func (f fields) Check() error {
	return domain.Check(f.Label != f.Mark, "/mark", "same", "must not be the label again")
}

func (f fields) References() []domain.Ref {
	if f.Inside.IsZero() {
		return nil
	}
	return []domain.Ref{{Kind: "parcel", ID: f.Inside, Pointer: "/inside_id"}}
}

func (f fields) Claims() []domain.Claim {
	return []domain.Claim{{Scope: "parcel.label", Key: f.Label, Pointer: "/label", Optional: true}}
}

func (fields) Form() any { return create{} }

type create struct {
	fields

	Duplicate bool `json:"allow_duplicate,omitzero"`
}

func (c create) References(p parcel, o domain.Origin) []domain.Ref { return p.Needs(c.fields, o) }

func (c create) Decide(p parcel, o domain.Origin) ([]domain.Event[parcel], error) {
	return record.Make(&p, o, c.fields)
}

type marked struct {
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
}

func (marked) EventType() string { return "parcel.marked" }
func (e marked) Apply(p *parcel) { p.Fields.Mark = e.To }

func (*parcel) Own() record.Own[parcel, fields] {
	return record.Own[parcel, fields]{
		"mark": func(from, to fields) domain.Event[parcel] { return marked{from.Mark, to.Mark} },
	}
}

// Guard keeps what is fragile from getting heavy.
func (p *parcel) Guard(_ any, to fields, _ domain.Origin) error {
	if p.Fields.Fragil && to.Weight != nil && *to.Weight > 100 {
		return domain.StateConflict("fragile", "weigh")
	}
	return nil
}

type (
	events        = []domain.Event[parcel]
	created       = record.Created[parcel, fields, *parcel]
	updated       = record.Updated[parcel, fields, *parcel]
	ownerAssigned = record.OwnerAssigned[parcel, fields, *parcel]
	tagsChanged   = record.TagsChanged[parcel, fields, *parcel]
	deleted       = record.Deleted[parcel, fields, *parcel]
	restored      = record.Restored[parcel, fields, *parcel]
	purged        = record.Purged[parcel, fields, *parcel]
	update        = record.Update[parcel, fields, *parcel]
	assignOwner   = record.AssignOwner[parcel, fields, *parcel]
	addTags       = record.AddTags[parcel, fields, *parcel]
	removeTags    = record.RemoveTags[parcel, fields, *parcel]
	del           = record.Delete[parcel, fields, *parcel]
	restore       = record.Restore[parcel, fields, *parcel]
	version       = record.RestoreVersion[parcel, fields, *parcel]
	purge         = record.Purge[parcel, fields, *parcel]
)

var parcels = record.Describe[parcel, fields]("par", created{}, marked{})

func patch(text string) (u update) {
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		panic(err)
	}
	return u
}

func change(name, from, to string) updated {
	return updated{Changes: map[string]record.Change{name: {Old: json.RawMessage(from), New: json.RawMessage(to)}}}
}

func id(prefix string, n byte) domain.ID { return domain.ID{Prefix: prefix, UUID: uuid.UUID{15: n}} }

func TestRecord(t *testing.T) {
	t.Parallel()
	ann, bob, box, bin := id("usr", 1), id("usr", 2), id("par", 3), id("par", 4)
	found := map[domain.ID]any{box: new(domain.Fold(events{created{fields{Label: "box"}}}...)), bin: new(domain.Fold(events{created{fields{Label: "bin"}}, deleted{}}...))}
	books := created{fields{
		Label: "books", Price: domain.Money{Amount: "5.00", Currency: "EUR"}, Notes: map[string]string{"a": "1", "b": "2"},
		Common: record.Common{Tags: []string{"new", "paper"}},
	}}
	in := func(more ...domain.Event[parcel]) events { return append(events{books}, more...) }

	domaintest.Run(t, parcels, []domaintest.Case[parcel]{
		{Name: "a record is created", When: create{fields: books.Fields}, Then: events{books}},
		{Name: "tags are a set", When: create{fields: fields{Label: "x", Common: record.Common{Tags: []string{"b", "a", "b"}}}}, Then: events{created{fields{Label: "x", Common: record.Common{Tags: []string{"a", "b"}}}}}},
		{Name: "who makes it owns it", As: domain.Origin{Actor: domain.Actor{ID: ann}}, When: create{fields: fields{Label: "x"}}, Then: events{created{fields{Label: "x", Common: record.Common{OwnerID: ann}}}}},
		{Name: "unless it is a machine", As: domain.Origin{Actor: domain.Actor{ID: id("key", 1)}}, When: create{fields: fields{Label: "x"}}, Then: events{created{fields{Label: "x"}}}},
		{Name: "once only", Given: in(), When: create{fields: books.Fields}, Err: domain.Conflict, Code: "already_exists"},
		{Name: "and not again after it was purged", Given: in(deleted{}, purged{}), When: create{fields: books.Fields}, Err: domain.Conflict, Code: "already_exists"},
		{Name: "what is missing is refused", When: create{}, Err: domain.Invalid, At: "/label"},
		{Name: "rules are kept", When: create{fields: fields{Label: "x", Mark: "x"}}, Err: domain.Invalid, At: "/mark"},
		{Name: "an external ID has to be one", When: create{fields: fields{Label: "x", Common: record.Common{ExternalIDs: map[string]string{"a/b": ""}}}}, Err: domain.Invalid, At: "/external_ids/a~1b"},

		{Name: "a patch changes what it names", Given: in(), When: patch(`{"label":"more books","fragile":true}`), Then: events{updated{Changes: map[string]record.Change{
			"label": {Old: json.RawMessage(`"books"`), New: json.RawMessage(`"more books"`)}, "fragile": {Old: json.RawMessage(`false`), New: json.RawMessage(`true`)},
		}}}},
		{Name: "a patch that changes nothing is no event", Given: in(), When: patch(`{"label":"books","price":{"amount":"5"},"tags":["paper","new"],"stops":[],"weight":null}`)},
		{Name: "null takes away", Given: in(), When: patch(`{"price":null}`), Then: events{change("price", `{"amount":"5.00","currency":"EUR"}`, `null`)}},
		{Name: "but not what is required", Given: in(), When: patch(`{"label":null}`), Err: domain.Invalid, At: "/label"},
		{Name: "objects are merged", Given: in(), When: patch(`{"notes":{"a":null,"c":"3"}}`), Then: events{change("notes", `{"a":"1","b":"2"}`, `{"b":"2","c":"3"}`)}},
		{Name: "lists are replaced", Given: in(change("stops", `null`, `[{"city":"Bonn"}]`)), When: patch(`{"stops":[{"city":"Ulm"}]}`), Then: events{change("stops", `[{"city":"Bonn"}]`, `[{"city":"Ulm"}]`)}},
		{Name: "zero is a value", Given: in(), When: patch(`{"weight":0}`), Then: events{change("weight", `null`, `0`)}},
		{Name: "unknown members are malformed", Given: in(), When: patch(`{"labl":"x"}`), Err: domain.Malformed, Code: "unknown_member", At: "/labl"},
		{Name: "also further in", Given: in(), When: patch(`{"stops":[{"city":"Ulm","x":1}]}`), Err: domain.Malformed, At: "/stops/0/x"},
		{Name: "types are checked", Given: in(), When: patch(`{"price":{"amount":7}}`), Err: domain.Invalid, At: "/price/amount"},
		{Name: "shapes are checked", Given: in(), When: patch(`{"stops":[{"city":"a"},{"city":""}]}`), Err: domain.Invalid, At: "/stops/1/city"},
		{Name: "the state has a say", Given: in(change("fragile", `false`, `true`)), When: patch(`{"weight":101}`), Err: domain.Conflict, Code: "state_conflict"},
		{Name: "allow_duplicate is no field", Given: in(), When: patch(`{"label":"x","allow_duplicate":true}`), Then: events{change("label", `"books"`, `"x"`)}},

		{Name: "a field can have an event of its own", Given: in(), When: patch(`{"mark":"m","label":"x"}`), Then: events{change("label", `"books"`, `"x"`), marked{"", "m"}}},
		{Name: "as the owner has", Given: in(), When: patch(`{"owner_id":"` + bob.String() + `"}`), Then: events{ownerAssigned{To: bob}}},
		{Name: "by either door", Given: in(), When: assignOwner{bob}, Then: events{ownerAssigned{To: bob}}},
		{Name: "the owner is a user", Given: in(), When: assignOwner{box}, Err: domain.Invalid, At: "/owner_id"},
		{Name: "there may be no owner", Given: in(ownerAssigned{To: bob}), When: assignOwner{}, Then: events{ownerAssigned{From: bob}}},
		{Name: "and tags have", Given: in(), When: patch(`{"tags":["old","paper"]}`), Then: events{tagsChanged{Added: []string{"old"}, Removed: []string{"new"}}}},
		{Name: "tags are added", Given: in(), When: addTags{[]string{"new", "x"}}, Then: events{tagsChanged{Added: []string{"x"}}}},
		{Name: "tags are removed", Given: in(), When: removeTags{[]string{"new", "x"}}, Then: events{tagsChanged{Removed: []string{"new"}}}},
		{Name: "tags that are there already change nothing", Given: in(), When: addTags{[]string{"new"}}},

		{Name: "a reference must be there", When: create{fields: fields{Label: "x", Inside: id("par", 9)}}, Err: domain.Invalid, Code: "reference_not_found", At: "/inside_id"},
		{Name: "and live", Given: in(), Found: found, When: patch(`{"inside_id":"` + bin.String() + `"}`), Err: domain.Invalid, Code: "reference_not_found", At: "/inside_id"},
		{Name: "and then it is made", Given: in(), Found: found, When: patch(`{"inside_id":"` + box.String() + `"}`), Then: events{change("inside_id", `null`, `"`+box.String()+`"`)}},
		{Name: "what was referred to may go away", Given: in(change("inside_id", `null`, `"`+bin.String()+`"`)), When: patch(`{"label":"x"}`), Then: events{change("label", `"books"`, `"x"`)}},

		{Name: "a record is deleted", Given: in(), When: del{}, Then: events{deleted{}}},
		{Name: "a deleted record is left alone", Given: in(deleted{}), When: patch(`{"label":"x"}`), Err: domain.Conflict, Code: "deleted"},
		{Name: "also if nothing would change", Given: in(deleted{}), When: patch(`{}`), Err: domain.Conflict, Code: "deleted"},
		{Name: "and not deleted again", Given: in(deleted{}), When: del{}, Err: domain.Conflict, Code: "deleted"},
		{Name: "but it can be restored", Given: in(deleted{}), When: restore{}, Then: events{restored{}}},
		{Name: "what is live has nothing to be restored", Given: in(), When: restore{}},
		{Name: "only what is deleted is purged", Given: in(), When: purge{}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "and then it is gone", Given: in(deleted{}), When: purge{}, Then: events{purged{}}},
		{Name: "for changes", Given: in(deleted{}, purged{}), When: patch(`{"label":"x"}`), Err: domain.NotFound},
		{Name: "for good", Given: in(deleted{}, purged{}), When: restore{}, Err: domain.NotFound},
		{Name: "twice is once", Given: in(deleted{}, purged{}), When: purge{}, Err: domain.NotFound},
		{Name: "what never was cannot be changed", When: patch(`{"inside_id":"` + bin.String() + `","x":1}`), Err: domain.NotFound},
		{Name: "or deleted", When: del{}, Err: domain.NotFound},
		{Name: "or restored", When: restore{}, Err: domain.NotFound},
		{Name: "or taken back", When: version{1}, Err: domain.NotFound},

		{
			Name: "a record can go back", Given: in(change("label", `"books"`, `"x"`), marked{"", "m"}, tagsChanged{Removed: []string{"new"}}, restored{}), When: version{2},
			Then: events{updated{Changes: map[string]record.Change{}, RestoredFrom: 2}, marked{"m", ""}, tagsChanged{Added: []string{"new"}}},
		},
		{Name: "also further", Given: in(change("label", `"books"`, `"x"`)), When: version{1}, Then: events{updated{Changes: map[string]record.Change{"label": {Old: json.RawMessage(`"x"`), New: json.RawMessage(`"books"`)}}, RestoredFrom: 1}}},
		{Name: "to where it is is no change", Given: in(), When: version{1}},
		{Name: "but not into the future", Given: in(), When: version{2}, Err: domain.Invalid, At: "/version"},
		{Name: "and not before the beginning", Given: in(), When: version{0}, Err: domain.Invalid, At: "/version"},
		{Name: "nor to what is no more", Given: in(change("inside_id", `null`, `"`+bin.String()+`"`), change("inside_id", `"`+bin.String()+`"`, `null`)), Found: found, When: version{2}, Err: domain.Invalid, Code: "reference_not_found", At: "/inside_id"},
		{
			Name: "what was let in once is no reason to refuse another change", Given: events{created{fields{Label: "\u200b", Price: domain.Money{Amount: "5", Currency: "ZZZ"}}}},
			When: patch(`{"fragile":true}`), Then: events{change("fragile", `false`, `true`)},
		},
		{Name: "but it is not let in again", Given: events{created{fields{Label: "\u200b"}}}, When: patch(`{"label":"\u3164"}`), Err: domain.Invalid, At: "/label"},
		{
			Name: "and stays in its form", Given: events{created{fields{Label: "e\u0301", Common: record.Common{Tags: []string{"VIP", "vip"}}}}},
			When: patch(`{"fragile":true}`), Then: events{change("fragile", `false`, `true`)},
		},
		{Name: "a tag that is there in another case is no new one", Given: in(), When: addTags{Tags: []string{"NEW"}}},
		{Name: "and goes in each case", Given: in(), When: removeTags{Tags: []string{"NEW"}}, Then: events{tagsChanged{Removed: []string{"new"}}}},
	})
}

func TestClaimsFollowFromTheState(t *testing.T) {
	t.Parallel()
	books := created{fields{Label: "books", Common: record.Common{ExternalIDs: map[string]string{"hub": "7", "a": "8"}}}}
	all := []domain.Claim{
		{Scope: "parcel.label", Key: "books", Pointer: "/label", Optional: true},
		{Scope: "parcel.external_id", Key: "a\x008", Pointer: "/external_ids/a"},
		{Scope: "parcel.external_id", Key: "hub\x007", Pointer: "/external_ids/hub"},
	}
	for _, c := range []struct {
		name   string
		events events
		want   []domain.Claim
	}{
		{"nothing", nil, nil},
		{"live", events{books}, all},
		{"deleted", events{books, deleted{}}, nil},
		{"restored", events{books, deleted{}, restored{}}, all},
		{"purged", events{books, deleted{}, purged{}}, nil},
	} {
		s := domain.Fold(c.events...)
		if diff := cmp.Diff(c.want, s.Claims()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if s := domain.Fold(events{books, deleted{}, purged{}}...); strings.Contains(fmt.Sprintf("%+v", s), "books") {
		t.Errorf("something is left in the state: %+v", s)
	}
}

func TestWhatIsRecordedOfFieldsThatAreNoMore(t *testing.T) {
	t.Parallel()
	if _, err := parcels.Decode("parcel.updated", 1, []byte(`{"changes":{"colour":{"old":null,"new":"red"}}}`)); err == nil {
		t.Error("a change of a field that is not there is ignored")
	}
	if _, err := parcels.Decode("parcel.updated", 1, []byte(`{"changes":{"label":{"old":null,"new":7}}}`)); err == nil {
		t.Error("a change to what the field cannot hold is ignored")
	}
}

// Whatever is asked of a record, in whatever order: what is stored leads to the
// same state as what was decided, and a patch that was made changes nothing if
// it is made again.
func TestRecordProperties(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[a-c]{0,3}`)
	value := rapid.OneOf(rapid.Just(`null`), rapid.Custom(func(t *rapid.T) string { return `"` + text.Draw(t, "text") + `"` }),
		rapid.SampledFrom([]string{`0`, `7`, `true`, `{}`, `{"amount":"1.5","currency":"EUR"}`, `{"currency":"JPY"}`, `{"a":"1"}`, `{"a":null}`, `["b","a"]`, `[{"city":"Ulm"}]`, `"` + id("usr", 1).String() + `"`}))
	command := rapid.Custom(func(t *rapid.T) domain.Command[parcel] {
		switch rapid.IntRange(0, 9).Draw(t, "command") {
		case 0:
			return create{fields: fields{Label: text.Draw(t, "label")}}
		case 1:
			return del{}
		case 2:
			return restore{}
		case 3:
			return purge{}
		case 4:
			return addTags{rapid.SliceOfN(text, 1, 3).Draw(t, "tags")}
		case 5:
			return removeTags{rapid.SliceOfN(text, 1, 3).Draw(t, "tags")}
		case 6:
			return version{rapid.IntRange(0, 9).Draw(t, "version")}
		default:
			u := update{Patch: map[string]json.RawMessage{}}
			for _, name := range rapid.SliceOf(rapid.SampledFrom([]string{"label", "mark", "weight", "fragile", "price", "notes", "stops", "owner_id", "tags", "external_ids", "x"})).Draw(t, "names") {
				u.Patch[name] = json.RawMessage(value.Draw(t, "value"))
			}
			return u
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var log events
		var emitted, stored parcel
		decide := func(c domain.Command[parcel]) (events, error) {
			got, _, err := parcels.Decide(c, emitted, domain.Origin{}, func(r domain.Ref) (any, error) {
				if !r.ID.IsZero() || r.Version > len(log) {
					return nil, nil
				}
				return new(domain.Fold(log[:r.Version]...)), nil
			})
			return got, err
		}
		for _, c := range rapid.SliceOf(command).Draw(t, "commands") {
			if domain.CheckShape(c) != nil {
				continue
			}
			got, err := decide(c)
			if err != nil {
				if len(domain.Refusals(err)) == 0 {
					t.Fatalf("%#v: %v", c, err)
				}
				continue
			}
			for _, e := range got {
				e.Apply(&emitted)
				data, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				if err := parcels.Apply(&stored, time.Time{}, e.EventType(), 1, data); err != nil {
					t.Fatal(err)
				}
			}
			log = append(log, got...)
			if diff := cmp.Diff(emitted.Fields, stored.Fields); diff != "" {
				t.Fatalf("after %#v (-emitted +stored):\n%s", c, diff)
			}
			if u, ok := c.(update); ok {
				if again, err := decide(u); err != nil || len(again) > 0 {
					t.Fatalf("%#v again: %v, %v", u, again, err)
				}
				if err := domain.CheckShape(emitted.Fields); err != nil {
					t.Fatalf("%#v leads to %+v: %v", u, emitted.Fields, err)
				}
			}
		}
	})
}
