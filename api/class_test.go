package api

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/projections"
)

func allTables() map[string]projections.Projection {
	tables := map[string]projections.Projection{}
	for _, t := range projections.All {
		tables[t.Kind()] = t
	}
	return tables
}

// Every value in every event and row has a class.
func TestEverythingHasAClass(t *testing.T) {
	t.Parallel()
	for _, k := range commands.All {
		if err := unclassified(k, allTables()[k.Kind()]); err != nil {
			t.Error(err)
		}
	}
}

// oneEvent is a kind with one event only, and oneRow a table of rows of a type.
type (
	oneEvent struct {
		commands.AnyPolicy

		event reflect.Type
	}
	oneRow struct {
		projections.Projection

		row reflect.Type
	}
)

func (r oneRow) Row() reflect.Type { return r.row }
func (e oneEvent) EventTypes() map[string]reflect.Type {
	return map[string]reflect.Type{"company.renamed": e.event}
}

// What has no class is named, with its line, wherever it is.
func TestWhatHasNoClassIsNamed(t *testing.T) {
	t.Parallel()
	type (
		renamed struct {
			To string `json:"to"`
		}
		nested struct {
			All map[string][]*renamed `json:"all"`
		}
		aboutNobody struct {
			Text string `json:"text" class:"personal" of:"parent_id"`
		}
		aboutNothing struct {
			Text string `json:"text" class:"personal" of:"name"`
		}
		token struct {
			Token string `json:"token" class:"secret"`
		}
		row struct {
			projections.Company
			token
			Note string `json:"note"`
		}
	)
	good := reflect.TypeFor[projections.Company]()
	for _, tt := range []struct {
		event, row reflect.Type
		want       string
	}{
		{reflect.TypeFor[company.ParentSet](), good, ""},
		{reflect.TypeFor[aboutNobody](), good, ""}, // a member of the record
		{reflect.TypeFor[renamed](), good, "the kind company: api.renamed.To has no class"},
		{reflect.TypeFor[nested](), good, "the kind company: api.nested.All has no class"},
		{reflect.TypeFor[aboutNothing](), good, `api.aboutNothing.Text is of:"name"`},
		{reflect.TypeFor[company.ParentSet](), reflect.TypeFor[row](), "api.row.Note has no class"},
		{reflect.TypeFor[company.ParentSet](), reflect.TypeFor[row](), "api.token.Token is secret"},
		{reflect.TypeFor[token](), good, "api.token.Token is secret"},
	} {
		err := unclassified(oneEvent{commands.Companies, tt.event}, oneRow{projections.Companies, tt.row})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s, %s: %v", tt.event, tt.row, err)
		}
	}
}

// The class of a member of a record, and of an event, can be asked for by name.
func TestClassOfAMember(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, event, member string
		want                domain.Class
		of                  string
	}{
		{"contact", "", "id", domain.Internal, ""},
		{"contact", "", "created_by", domain.Internal, ""},
		{"contact", "", "deleted_at", domain.Internal, ""},
		{"contact", "", "owner_id", domain.Internal, ""},
		{"contact", "", "tags", domain.Internal, ""},
		{"contact", "", "external_ids", domain.Personal, domain.Self},
		{"contact", "", "emails", domain.Personal, domain.Self},
		{"contact", "", "birth_date", domain.Personal, domain.Self},
		{"contact", "", "do_not_call", domain.Internal, ""},
		{"deal", "", "amount", domain.Internal, ""},
		{"deal", "", "lost_reason", domain.Personal, "primary_contact_id"},
		{"deal", "", "contacts", domain.Personal, "contact_id"},
		{"task", "", "outcome", domain.Personal, "related"},
		{"deal", "deal.lost", "reason", domain.Personal, "primary_contact_id"},
		{"task", "task.completed", "outcome", domain.Personal, "related"},
		{"pipeline", "pipeline.renamed", "name", domain.Internal, ""},
	} {
		of := allTables()[tt.kind].Row()
		if tt.event != "" {
			of = eventType(t, tt.kind, tt.event)
		}
		if c, ok := domain.ClassOf(of, tt.member); !ok || c.Class != tt.want || c.Of != tt.of {
			t.Errorf("%s of %s%s: %+v", tt.member, tt.kind, tt.event, c)
		}
	}
	// What changed has the class of the field, although the event says only its name.
	for _, k := range commands.All {
		updated := k.EventTypes()[k.Kind()+".updated"]
		if updated == nil {
			continue
		}
		classes := map[string]domain.Class{}
		for _, c := range domain.Classes(updated) {
			classes[c.Path] = c.Class
		}
		if k.Kind() == "contact" && classes["/changes/emails/old/*/address"] != domain.Personal {
			t.Errorf("an e-mail address that was changed: %v", classes)
		}
		if classes["/changes/external_ids/new/*"] != domain.Personal || classes["/changes/tags/old/*"] != domain.Internal {
			t.Errorf("%s: %v", k.Kind(), classes)
		}
	}
}

func eventType(t *testing.T, kind, event string) reflect.Type {
	t.Helper()
	for _, k := range commands.All {
		if k.Kind() == kind {
			return k.EventTypes()[event]
		}
	}
	t.Fatalf("no kind %s", kind)
	return nil
}

// A person who was forgotten leaves null in the place of what was said of them. Every
// event of every kind can be decoded and folded all the same.
func TestForgottenValuesCanBeDecoded(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, k := range commands.All {
		text, err := os.ReadFile("../domain/" + strings.ReplaceAll(k.Kind(), "_", "") + "/testdata/events.json")
		if err != nil {
			t.Fatal(err)
		}
		var examples map[string]map[string]json.RawMessage // by event and version
		if err := json.Unmarshal(text, &examples); err != nil {
			t.Fatal(err)
		}
		for name, of := range k.EventTypes() {
			for version, example := range examples[name] {
				for _, path := range ofPersons(of) {
					var data any
					if err := json.Unmarshal(example, &data); err != nil {
						t.Fatal(err)
					}
					if !forget(data, strings.Split(path, "/")[1:]) {
						continue
					}
					tried++
					if err := decodes(of, version, data); err != nil {
						t.Errorf("%s without %s: %v", name, path, err)
					}
				}
			}
		}
	}
	if tried < 30 {
		t.Errorf("tried %d values only", tried)
	}
}

// ofPersons returns the paths of the personal values of a type, and of all that holds
// nothing else.
func ofPersons(t reflect.Type) (paths []string) {
	all := domain.Classes(t)
	for _, c := range all {
		for path := c.Path; path != ""; path = path[:strings.LastIndex(path, "/")] {
			mixed := slices.ContainsFunc(all, func(c domain.Classified) bool {
				return (c.Path + "/")[:min(len(path), len(c.Path))+1] == path+"/" && c.Class != domain.Personal
			})
			if path == "/changes" || path[:strings.LastIndex(path, "/")] == "/changes" {
				break // the old value and the new one are forgotten each by itself
			}
			if !mixed && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// forget puts null at a path, and reports whether anything was there.
func forget(v any, path []string) (found bool) {
	step, last := path[0], len(path) == 1
	switch of := v.(type) {
	case map[string]any:
		for name, value := range of {
			switch {
			case step != "*" && step != name:
			case last:
				of[name], found = nil, true
			default:
				found = forget(value, path[1:]) || found
			}
		}
	case []any:
		for i := range of {
			if last {
				of[i], found = nil, true
			} else {
				found = forget(of[i], path[1:]) || found
			}
		}
	}
	return found
}

// decodes decodes an event and folds it into the state that it is for.
func decodes(of reflect.Type, version string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	schema, err := strconv.Atoi(version)
	if err != nil {
		return err
	}
	event := reflect.New(of)
	if err := domain.Decode(event.Interface(), schema, text); err != nil {
		return err
	}
	apply := event.MethodByName("Apply")
	apply.Call([]reflect.Value{reflect.New(apply.Type().In(0).Elem())})
	return nil
}

// The document says the class of each member that a line in Go has one for.
func TestClassesInTheDocument(t *testing.T) {
	t.Parallel()
	s := newSchemas()
	for _, tt := range []struct {
		of     reflect.Type
		member string
		want   string
	}{
		{reflect.TypeFor[projections.Contact](), "emails", `"x-data-class":"personal"`},
		{reflect.TypeFor[projections.Contact](), "version", `"x-data-class":"internal"`},
		{reflect.TypeFor[projections.Contact](), "created_by", `"x-data-class":"internal"`},
		{reflect.TypeFor[projections.Lead](), "utm", `"x-data-class":"personal"`},
		{reflect.TypeFor[projections.Deal](), "line_items", `"x-data-class":"personal"`},
	} {
		for what, schema := range map[string]any{"whole": s.resolve(s.of(tt.of)).Properties[tt.member], "patch": s.partial(tt.of).Properties[tt.member]} {
			text, err := json.Marshal(schema)
			if err != nil || !strings.Contains(string(text), tt.want) {
				t.Errorf("%s of %s, %s: %s %v", tt.member, tt.of, what, text, err)
			}
		}
	}
	text, err := json.Marshal(s.resolve(s.of(reflect.TypeFor[domain.Address]())))
	if err != nil || strings.Contains(string(text), classExtension) {
		t.Errorf("a type has a class by itself: %s %v", text, err)
	}
}
