package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/api/apitest"
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
}

// transcript returns what a backend answers to many requests, with names for IDs
// in the order in which they appear, and without times.
func transcript(c apitest.Client) []string {
	var said []string
	names, ids, many := map[string]string{}, map[string]string{}, map[string]int{}
	for _, r := range requests {
		method, path, body, as := r[0], r[1], r[2], c
		for i := 3; i < len(r); i += 2 {
			as = as.With(r[i], r[i+1])
		}
		for name, id := range ids {
			path, body = strings.ReplaceAll(path, "{"+name+"}", id), strings.ReplaceAll(body, "{"+name+"}", id)
		}
		got := as.Do(method, path, body)
		text := anID.ReplaceAllStringFunc(fmt.Sprintf("%s %s\n%d %s", method, path, got.Status, got.Body), func(id string) string {
			if names[id] == "" {
				kind, _, _ := strings.Cut(id, "_")
				many[kind]++
				names[id] = fmt.Sprintf("%s_%d", kind, many[kind])
				ids[names[id]] = id
			}
			return names[id]
		})
		text = anInstant.ReplaceAllString(aUUID.ReplaceAllString(text, "UUID"), "TIME")
		said = append(said, aCursor.ReplaceAllString(text, `"next_cursor":"…"`))
	}
	return said
}

var (
	anID      = regexp.MustCompile(`\b[a-z]{3,4}_[0-9a-hjkmnp-tv-z]{26}\b`)
	anInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	aUUID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	aCursor   = regexp.MustCompile(`"next_cursor":"[^"]+"`)
)

// requests are what is asked for, one after the other. Names such as {con_3} are
// those that transcript gives to IDs.
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
