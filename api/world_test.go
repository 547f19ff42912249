package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// canary is in every text of the tenant that nobody else may see.
const canary = "kanarienvogel"

// world is a tenant with a record of each kind.
type world struct {
	apitest.Client

	ids     map[string]string // of a record, by the prefix of its ID
	cursors map[string]string // of the list, by collection
}

// collections has the path of each kind, by the prefix of its IDs.
var collections = map[string]string{"cmp": "companies", "con": "contacts", "deal": "deals", "pip": "pipelines", "task": "tasks"}

// furnish makes a record of each kind, with a word in its texts, and another one
// so that lists go on.
func furnish(t *testing.T, c apitest.Client, word string) world {
	t.Helper()
	w := world{Client: c, ids: map[string]string{}, cursors: map[string]string{}}
	for _, r := range []struct{ prefix, body string }{
		{"cmp", `{"name":"%s","domains":["%s.example"],"industry":"%s","tags":["%s"],"external_ids":{"%s":"%s"}}`},
		{"con", `{"first_name":"%s","last_name":"%s","emails":[{"address":"%s@example.org"}],"job_title":"%s","tags":["%s"],"company_id":"{cmp}"}`},
		{"pip", `{"name":"%s","stages":[{"key":"lead","name":"%s","kind":"open","probability":10},{"key":"offer","name":"Offer","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`},
		{"deal", `{"name":"%s","source":"%s","pipeline_id":"{pip}","company_id":"{cmp}","primary_contact_id":"{con}","amount":{"amount":"10","currency":"EUR"}}`},
		{"task", `{"title":"%s","related":[{"type":"deal","id":"{deal}"}]}`},
	} {
		body := strings.ReplaceAll(r.body, "%s", word)
		for prefix, id := range w.ids {
			body = strings.ReplaceAll(body, "{"+prefix+"}", id)
		}
		w.ids[r.prefix] = c.Post("/"+collections[r.prefix], body).Want(http.StatusCreated).ID()
		c.Post("/"+collections[r.prefix], strings.ReplaceAll(body, word, word+"2")).Want(http.StatusCreated)
		var page struct {
			Next string `json:"next_cursor"`
		}
		c.Get("/" + collections[r.prefix] + "?limit=1").Want(http.StatusOK).Into(&page)
		w.cursors[collections[r.prefix]] = page.Next
	}
	w.ids["key"] = c.Post("/api_keys", `{"name":"`+word+`"}`).Want(http.StatusCreated).ID()
	w.ids["ten"] = c.Tenant.String()
	return w
}
