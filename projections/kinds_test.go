package projections

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/objecttype"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/domain/pipeline"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/eventstore"
)

var golden = flag.Bool("golden", false, "write testdata anew")

func id(prefix string, n byte) domain.ID { return domain.ID{Prefix: prefix, UUID: uuid.UUID{15: n}} }

var (
	noon      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	shared    = record.Common{OwnerID: id("usr", 1), Tags: []string{"vip"}, ExternalIDs: record.ExternalIDs{"hubspot": "501"}}
	euros     = domain.Money{Amount: "1250.00", Currency: "EUR"}
	line      = deal.LineItem{ID: 1, Line: deal.Line{Description: "Tiles", Quantity: "2", UnitPrice: euros}}
	leadStage = domain.Stage{Key: "lead", Name: "Lead", Kind: domain.StageOpen, Probability: 10}
	won       = domain.Stage{Key: "won", Name: "Won", Kind: domain.StageWon, Probability: 100}
)

func changes1(field, value string) map[string]record.Change {
	return map[string]record.Change{field: {Old: json.RawMessage("null"), New: json.RawMessage(value)}}
}

// lives has, for each kind, every event that can happen to a record.
var lives = map[string][]any{
	"contact": {
		contact.Created{Fields: contact.Fields{
			FirstName: "Ada", LastName: "Lovelace", Lifecycle: contact.Lead, Common: shared, BirthDate: "1985-12-10", Language: "en-GB",
			Emails:    []contact.EmailAddress{{Address: "a@x.example", Kind: "home"}, {Address: "Ada@X.example", Primary: true}},
			Phones:    []contact.PhoneNumber{{Number: "+4930123456", Primary: true}},
			Addresses: []domain.Address{{City: "London", Country: "GB"}},
		}},
		contact.Updated{Changes: changes1("job_title", `"Head of <Analysis>"`)},
		contact.OwnerAssigned{From: id("usr", 1), To: id("usr", 2)},
		contact.TagsChanged{Added: []string{"new"}},
		contact.CompanyLinked{CompanyID: id("cmp", 3)},
		contact.CompanyUnlinked{CompanyID: id("cmp", 3)},
		contact.LifecycleChanged{From: contact.Lead, To: contact.Customer},
		contact.Deleted{},
		contact.Restored{},
		contact.CompanyLinked{CompanyID: id("cmp", 4)},
	},
	"company": {
		company.Created{Fields: company.Fields{
			Name: "Acme", Domains: []domain.Hostname{"acme.example"}, Industry: "Retail", EmployeeCount: new(0),
			AnnualRevenue: euros, Phone: "+4930123456", Kind: company.Customer, Common: shared,
		}},
		company.Updated{Changes: changes1("employee_count", `250`)},
		company.Updated{Changes: changes1("custom.policy_no", `"A-1"`)},
		company.Updated{Changes: changes1("custom.price", `{"amount":"5.00","currency":"EUR"}`)},
		company.Updated{Changes: changes1("custom.policy_no", `null`)},
		company.OwnerAssigned{To: id("usr", 2)},
		company.TagsChanged{Removed: []string{"vip"}},
		company.ParentSet{To: id("cmp", 9)},
		company.Deleted{},
		company.Restored{},
	},
	"pipeline": {
		pipeline.Created{Name: "Sales", Stages: []domain.Stage{leadStage, won}},
		pipeline.Renamed{Name: "Sales, Europe"},
		pipeline.StageAdded{Stage: domain.Stage{Key: "lost", Name: "Lost", Kind: domain.StageLost}},
		pipeline.StageAdded{Stage: domain.Stage{Key: "offer", Name: "Offer", Kind: domain.StageOpen, AllowedFrom: []string{"lead"}}, Before: "won"},
		pipeline.StageUpdated{Stage: domain.Stage{Key: "lost", Name: "Gone", Kind: domain.StageLost}},
		pipeline.StagesReordered{Keys: []string{"offer", "lead", "lost", "won"}},
		pipeline.StageArchived{Key: "lead", MoveTo: "offer"},
		pipeline.Archived{},
	},
	"deal": {
		deal.Opened{
			Fields:     deal.Fields{Name: "Roof", CompanyID: id("cmp", 3), PrimaryContactID: id("con", 5), CloseDate: "2026-12-31", Common: shared},
			PipelineID: id("pip", 1), StageKey: "lead", Probability: 10, At: noon,
		},
		deal.Updated{Changes: changes1("probability", `60`)},
		deal.OwnerAssigned{To: id("usr", 2)},
		deal.TagsChanged{Removed: []string{"vip"}},
		deal.AmountChanged{To: euros},
		deal.LineItemAdded{Item: line, Amount: domain.Money{Amount: "2500.00", Currency: "EUR"}},
		deal.LineItemUpdated{Item: line, Amount: domain.Money{Amount: "2600.00", Currency: "EUR"}},
		deal.LineItemRemoved{ID: 1},
		deal.LineItemAdded{Item: line, Amount: domain.Money{Amount: "2500.0001", Currency: "EUR"}},
		deal.ContactAdded{Link: deal.Link{ContactID: id("con", 5), Label: "decision_maker"}},
		deal.ContactAdded{Link: deal.Link{ContactID: id("con", 6)}},
		deal.ContactRemoved{ContactID: id("con", 6)},
		deal.StageChanged{From: "lead", To: "offer", Probability: 40, At: noon.Add(time.Hour)},
		deal.StageReplaced{From: "offer", To: "quote", Probability: 30},
		deal.PipelineChanged{To: id("pip", 2), ToStage: "lost", Probability: 20, At: noon.Add(2 * time.Hour)},
		deal.Lost{Reason: "price", At: noon.Add(3 * time.Hour)},
		deal.Reopened{From: "lost", To: "offer", Probability: 40, At: noon.Add(4 * time.Hour)},
		deal.Deleted{},
		deal.Restored{},
		deal.StageChanged{From: "offer", To: "won", Probability: 100, At: noon.Add(5 * time.Hour)},
		deal.Won{At: noon.Add(5 * time.Hour)},
	},
	"object_type": {
		objecttype.Defined{Key: "contact"},
		objecttype.FieldAdded{Field: own.Field{Key: "policy_no", Type: own.Text, Class: domain.Personal}},
		objecttype.FieldAdded{Field: own.Field{Key: "tier", Type: own.Select, Class: domain.Internal, Options: []own.Option{{Key: "gold", Label: "Gold"}}}},
		objecttype.FieldUpdated{Field: own.Field{Key: "policy_no", Type: own.Text, Label: "Policy", Class: domain.Personal, Searchable: true}},
		objecttype.FieldArchived{Key: "policy_no"},
		objecttype.OptionAdded{Key: "tier", Option: own.Option{Key: "tin"}},
		objecttype.OptionArchived{Key: "tier", Option: "gold"},
		objecttype.FieldRestored{Key: "policy_no"},
	},
	"task": {
		task.Created{Fields: task.Fields{Title: "Call Ada", Kind: "call", Priority: "high", DueAt: &noon, Related: record.RelatedTo{{Type: "deal", ID: id("deal", 7)}}, Common: shared}},
		task.Updated{Changes: changes1("remind_at", `"2026-03-01T11:00:00Z"`)},
		task.OwnerAssigned{To: id("usr", 2)},
		task.TagsChanged{Removed: []string{"vip"}},
		task.Assigned{To: id("usr", 3)},
		task.Rescheduled{To: new(noon.Add(24 * time.Hour))},
		task.Started{},
		task.Reminded{RemindAt: noon},
		task.BecameOverdue{DueAt: noon},
		task.Cancelled{},
		task.Reopened{},
		task.Deleted{},
		task.Restored{},
		task.Completed{By: task.Complete{Outcome: "Wants an offer"}},
	},
}

// Every event of every kind is projected, alone and together with others, to a
// row that the database takes, and that clients have always seen like that.
func TestKinds(t *testing.T) {
	t.Parallel()
	f := setup(t, func(c *Config) { c.All = All })
	for _, p := range All {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			life := lifeOf(t, p.Kind())
			missing := slices.DeleteFunc(p.EventNames(), func(name string) bool {
				return name == p.Kind()+".purged" || slices.ContainsFunc(life, func(e any) bool { return newEvent(e).Type == name })
			})
			if len(missing) > 0 {
				t.Errorf("the life of a %s lacks %q: add them to lives in projections/kinds_test.go", p.Kind(), missing)
			}
			var docs [][]byte
			for _, n := range []int{1, 100} {
				tenant := f.newTenant()
				s := eventstore.StreamID{Tenant: tenant, Kind: p.Kind(), ID: uuid.UUID{15: 1}}
				f.log.record(s, life...)
				f.project(t, tenant, n)
				f.forgetRows()
				if parked, err := f.Parked(t.Context(), tenant); err != nil || len(parked) > 0 {
					t.Fatalf("parked %+v, %v", parked, err)
				}
				doc, _, err := f.Get(t.Context(), sees(tenant), p, s.ID)
				if err != nil {
					t.Fatal(err)
				}
				then, err := f.AsOf(t.Context(), sees(s.Tenant), p, s.ID, Moment{Position: 1000})
				if diff := cmp.Diff(string(doc.JSON), string(then.JSON)); diff != "" || err != nil {
					t.Errorf("as of now (-row +fold): %s%v", diff, err)
				}
				docs = append(docs, shape(t, doc.JSON))
			}
			if diff := cmp.Diff(string(docs[0]), string(docs[1])); diff != "" {
				t.Errorf("one by one and at once (-one +at once):\n%s", diff)
			}
			compareGolden(t, p.Kind()+".json", docs[0])
		})
	}
}

// lifeOf returns every event that can happen to a record of a kind, in an order in
// which they can. Without one in lives, it is the examples of stored events: that
// which makes a record comes first, and what happens in the bin last.
func lifeOf(t *testing.T, kind string) []any {
	t.Helper()
	if life, ok := lives[kind]; ok {
		return life
	}
	data, err := os.ReadFile(filepath.Join("..", "domain", strings.ReplaceAll(kind, "_", ""), "testdata", "events.json"))
	if err != nil {
		t.Fatal(err)
	}
	var examples map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	places := []string{"created", "opened", "captured", "", "deleted", "restored", "purged"}
	place := func(eventType string) int {
		_, what, _ := strings.Cut(eventType, ".")
		if i := slices.Index(places, what); i >= 0 {
			return i
		}
		return slices.Index(places, "")
	}
	names := slices.Sorted(maps.Keys(examples))
	slices.SortStableFunc(names, func(a, b string) int { return place(a) - place(b) })
	var life []any
	for _, name := range names {
		for version, data := range examples[name] {
			schema, err := strconv.Atoi(version)
			if err != nil {
				t.Fatal(err)
			}
			if !domain.IsPurge(name) {
				life = append(life, eventstore.Event{Type: name, Schema: schema, Data: data})
			}
		}
	}
	return life
}

// shape returns a document with a line for each member, without what differs every time.
func shape(t *testing.T, doc []byte) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"created_at", "updated_at", "done_at", "reminded_at"} {
		if members[name] != nil {
			members[name] = "some time"
		}
	}
	var lines [][]byte
	for _, name := range slices.Sorted(maps.Keys(members)) {
		data, err := domain.Marshal(members[name])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Appendf(nil, "  %q: %s", name, data))
	}
	return slices.Concat([]byte("{\n"), bytes.Join(lines, []byte(",\n")), []byte("\n}\n"))
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *golden {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
		t.Errorf("%s (-want +got):\n%s%v", file, diff, err)
	}
}

// describe returns the columns that the table describes.
func (t *Table[R]) describe() (all []string) {
	names := strings.NewReplacer("bigint", "int8", "boolean", "bool")
	for _, c := range t.columns {
		typ := strings.TrimSuffix(c.array, "[]")
		if c.cast != "" {
			typ = strings.TrimPrefix(c.cast, "::")
		}
		if typ == "int" {
			typ = "int4"
		}
		text := c.sql + " " + names.Replace(typ)
		if !c.query.Nullable {
			text += " not null"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
