package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// TestEnginesAgree asks two backends for the same, of which each keeps its logs
// in another engine: all answers are the same, and so is what they come to in the
// end, in every read model, history and feed.
func TestEnginesAgree(t *testing.T) {
	t.Parallel()
	here, there := apitest.On(t, postgres.Here), apitest.On(t, postgres.InKurrent)
	if diff := cmp.Diff(transcript(here.Home()), transcript(there.Home())); diff != "" {
		t.Error(diff)
	}
	for _, collection := range []string{"contacts", "companies", "pipelines", "deals", "tasks"} {
		if strings.Contains(there.Home().Get("/"+collection).Want(http.StatusOK).Body, `"data":[]`) {
			t.Errorf("there are no %s to compare", collection)
		}
	}
	if diff := cmp.Diff(everyCommand(t, here), everyCommand(t, there)); diff != "" {
		t.Error(diff)
	}
}

// everyCommand gives each command to a record of its own, and the same again under
// the same key, and returns what a backend answers, and what there is in the end.
func everyCommand(t *testing.T, s *apitest.Server) []string {
	t.Helper()
	w := writer{ids: map[string]string{}, names: map[string]string{}, many: map[string]int{}}
	m := matrix{t: t, mine: furnish(t, s.Tenant(), "mine")}
	c := m.mine.Client
	given := map[string]bool{}
	for i, op := range operations(t, s) {
		if op.Method == http.MethodGet || triedElsewhere(op) || !strings.HasSuffix(op.Path, "/{id}") && !strings.Contains(op.Path, "/{id}/") {
			continue
		}
		kind := slices.IndexFunc(commands.All, func(k commands.AnyPolicy) bool { return k.Prefix() == prefixOf(op) })
		path := "/" + collections[prefixOf(op)]
		id := m.mine.ids[prefixOf(op)]
		if commands.All[kind].NamedBy() == "" {
			id = c.Post(path, filled(recipe(t, commands.All[kind]), fmt.Sprintf("given%d", i), m.mine.ids)).Want(http.StatusCreated).ID()
		}
		path += "/" + id
		if _, action, _ := strings.Cut(op.ID, "."); action == "restore" || action == "purge" {
			c.Delete(path).Want(http.StatusOK)
		}
		given[prefixOf(op)] = true
		for range 2 {
			w.note(op.ID, c.With("Idempotency-Key", fmt.Sprint("given", i)).Do(op.Method, m.path(op, map[string]string{"ten": m.mine.ids["ten"], prefixOf(op): id}), m.body(op)))
		}
		w.note(op.ID+", history", c.Get(path+"/history"))
	}
	for _, k := range commands.All {
		if !given[k.Prefix()] && !slices.ContainsFunc(operations(t, s), func(op operation) bool { return prefixOf(op) == k.Prefix() && triedElsewhere(op) }) {
			t.Errorf("no command was given to a record of the kind %s", k.Kind())
		}
		w.note(k.Kind(), c.Get("/"+collections[k.Prefix()]+"?deleted=include&limit=500&sort=created_at")) // some IDs follow from that of the tenant
	}
	w.note("events", c.Get("/events?limit=5000"))
	return w.said
}

// writer writes down what a backend answers, with names for IDs in the order in which
// they appear, and without times.
type writer struct {
	said       []string
	names, ids map[string]string // of an ID, and the other way round
	many       map[string]int    // IDs, by prefix
}

func (w *writer) note(asked string, got apitest.Response) {
	text := anID.ReplaceAllStringFunc(fmt.Sprintf("%s\n%d %s", asked, got.Status, got.Body), func(id string) string {
		if w.names[id] == "" {
			kind, _, _ := strings.Cut(id, "_")
			w.many[kind]++
			w.names[id] = fmt.Sprintf("%s_%d", kind, w.many[kind])
			w.ids[w.names[id]] = id
		}
		return w.names[id]
	})
	text = anInstant.ReplaceAllString(aUUID.ReplaceAllString(text, "UUID"), "TIME")
	w.said = append(w.said, aCursor.ReplaceAllString(text, `"next_cursor":"…"`))
}

// transcript returns what a backend answers to many requests.
func transcript(c apitest.Client) []string {
	w := writer{ids: map[string]string{}, names: map[string]string{}, many: map[string]int{}}
	for _, r := range requests {
		method, path, body, as := r[0], r[1], r[2], c
		for i := 3; i < len(r); i += 2 {
			as = as.With(r[i], r[i+1])
		}
		for name, id := range w.ids {
			path, body = strings.ReplaceAll(path, "{"+name+"}", id), strings.ReplaceAll(body, "{"+name+"}", id)
		}
		w.note(method+" "+path, as.Do(method, path, body))
	}
	return w.said
}

var (
	anID      = regexp.MustCompile(`\b[a-z]{3,4}_[0-9a-hjkmnp-tv-z]{26}\b`)
	anInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	aUUID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	aCursor   = regexp.MustCompile(`"next_cursor":"[^"]+"`)
)

// requests are what is asked for, one after the other. Names such as {con_3} are
// those that a writer gives to IDs.
var requests = [][]string{
	{"POST", "/pipelines", `{"name":"Sales","stages":` + salesStages + `}`},
	{"POST", "/companies", `{"name":"Acme","domains":["acme.example"]}`},
	{"POST", "/companies", `{"name":"Acme 2","domains":["acme.example"]}`}, // is taken
	{"POST", "/contacts", `{"first_name":"Ada","emails":[{"address":"ada@example.org","primary":true}]}`, "Idempotency-Key", "ada"},
	{"POST", "/contacts", `{"first_name":"Ada","emails":[{"address":"ada@example.org","primary":true}]}`, "Idempotency-Key", "ada"},
	{"POST", "/contacts", `{"first_name":"Eve"}`, "Idempotency-Key", "ada"},
	{"POST", "/contacts", `{"first_name":"Eve","emails":[{"address":"ADA@example.org","primary":true}]}`},
	{"POST", "/contacts", `{"first_name":"Eve","emails":[{"address":"eve@example.org","primary":true}]}`},
	{"PATCH", "/contacts/{con_1}", `{"last_name":"Byron & Sons","tags":["x","y"]}`},
	{"PATCH", "/contacts/{con_1}", `{"last_name":"King"}`, "If-Match", `"1"`},
	{"DELETE", "/contacts/{con_1}", ""},
	{"PATCH", "/contacts/{con_2}", `{"emails":[{"address":"ada@example.org","primary":true}]}`},
	{"POST", "/contacts/{con_1}/restore", ""}, // the address is Eve's now
	{"PATCH", "/contacts/{con_2}", `{"emails":[]}`},
	{"POST", "/contacts/{con_1}/restore", ""},
	{"POST", "/deals", `{"name":"Roof","pipeline_id":"{pip_1}","company_id":"{cmp_1}","primary_contact_id":"{con_1}","amount":{"amount":"1200","currency":"EUR"}}`},
	{"POST", "/deals", `{"name":"Door","pipeline_id":"{pip_1}"}`},
	{"POST", "/deals/{deal_1}/add_line_item", `{"description":"Tiles","qty":"2","unit_price":{"amount":"9.90","currency":"EUR"}}`},
	{"POST", "/deals/{deal_1}/move_stage", `{"stage_key":"offer"}`},
	{"POST", "/deals/{deal_1}/win", ""},
	{"POST", "/deals/{deal_1}/win", ""},
	{"POST", "/deals/{deal_2}/lose", `{"reason":"price"}`},
	{"POST", "/tasks", `{"title":"Call","related":[{"type":"deal","id":"{deal_1}"}]}`},
	{"POST", "/tasks", `{"title":"Call"}`},
	{"POST", "/tasks/{task_1}/complete", `{"outcome":"Called back"}`},
	{"POST", "/contacts/batch", `{"operations":[{"op":"create","data":{"first_name":"Bob"}},{"op":"update","id":"{con_1}","data":{"job_title":"Countess"}},
		{"op":"create","data":{"emails":[{"address":"not one"}]}},{"op":"delete","id":"{con_2}"}]}`, "Idempotency-Key", "batch"},
	{"POST", "/contacts/batch", `{"atomic":true,"operations":[{"op":"create","data":{"first_name":"Carl"}},{"op":"create","data":{"first_name":"Dora"}}]}`},
	{"GET", "/contacts?limit=500", ""},
	{"GET", "/companies", ""},
	{"GET", "/pipelines", ""},
	{"GET", "/deals", ""},
	{"GET", "/deals?status=won", ""},
	{"GET", "/tasks", ""},
	{"GET", "/contacts/{con_1}/history", ""},
	{"GET", "/deals/{deal_1}/history", ""},
	{"GET", "/contacts/{con_1}?as_of=3", ""},
	{"GET", "/events?limit=500", ""},
	{"GET", "/usage", ""},
}
