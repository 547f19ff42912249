package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/viewer"
)

// A search finds live records of all kinds, the best first, and says what matched.
func TestSearch(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, other := s.Tenant(), s.Tenant()
	exact := ann.Post("/contacts", `{"first_name":"Ada","last_name":"Byron","emails":[{"address":"augusta@king.example"}],"phones":[{"number":"+43 664 7654321"}]}`).Want(http.StatusCreated).ID()
	begins := ann.Post("/contacts", `{"first_name":"Adalbert","last_name":"Byron"}`).Want(http.StatusCreated).ID()
	company := ann.Post("/companies", `{"name":"Byron & König","domains":["king.example"]}`).Want(http.StatusCreated).ID()
	gone := ann.Post("/contacts", `{"first_name":"Ada","last_name":"Gone"}`).Want(http.StatusCreated).ID()
	ann.Delete("/contacts/" + gone).Want(http.StatusOK)
	other.Post("/contacts", `{"first_name":"Ada","last_name":"Byron"}`).Want(http.StatusCreated)

	type answer struct {
		Data []struct {
			Kind    string
			More    bool
			Records []struct {
				Matched []string
				Record  struct{ ID string }
			}
		}
		Position int
	}
	search := func(c apitest.Client, params string) string {
		t.Helper()
		var a answer
		c.Get("/search?" + params).Want(http.StatusOK).Into(&a)
		var groups []string
		for _, g := range a.Data {
			text := []string{g.Kind + ":"}
			for _, r := range g.Records {
				name := map[string]string{exact: "exact", begins: "begins", company: "company", gone: "gone"}[r.Record.ID]
				text = append(text, name+"("+strings.Join(r.Matched, ",")+")")
			}
			if g.More {
				text = append(text, "and more")
			}
			groups = append(groups, strings.Join(text, " "))
		}
		return strings.Join(groups, "; ")
	}
	for params, want := range map[string]string{
		"q=ada":                 "contact: exact(first_name) begins(first_name)",
		"q=ADA+byr":             "contact: exact(first_name,last_name) begins(first_name,last_name)",
		"q=ada&limit=1":         "contact: exact(first_name) and more",
		"q=byron&kinds=company": "company: company(name)",
		"q=konig":               "company: company(name)",
		"q=king.example":        "company: company(domains); contact: exact(emails)",
		"q=0664+765":            "contact: exact(phones)",
		"q=4321":                "contact: exact(phones)",
		"q=nobody":              "",
	} {
		if got := search(ann, params); got != want {
			t.Errorf("%s: %s\nwant %s", params, got, want)
		}
	}
	if got := search(s.Tenant(), "q=ada"); got != "" {
		t.Errorf("another tenant finds %s", got)
	}
	for params, pointer := range map[string]string{"": "q", "q=": "q", "q=%25": "q", "q=a&kinds=x": "kinds", "q=a&limit=0": "limit", "q=" + strings.Repeat("x", 257): "q", "q=" + url.QueryEscape("\x00"): "q"} {
		r := ann.Get("/search?" + params)
		if r.Status != http.StatusUnprocessableEntity && r.Status != http.StatusBadRequest || !strings.Contains(r.Body, `"parameter":"`+pointer+`"`) {
			t.Errorf("%s: %d %s", params, r.Status, r.Body)
		}
	}

	// Whoever does not see a member finds nothing by it, and nobody finds what a rule
	// keeps from them.
	role := everyRight()
	contacts := role["contact"]
	contacts.Members = map[string]viewer.Access{"phones": viewer.Hidden, "emails": viewer.Masked}
	for action := range contacts.Actions {
		contacts.Actions[action] = "last_name = Byron and not id in (" + begins + ")"
	}
	role["contact"] = contacts
	delete(role, "company")
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	for params, want := range map[string]string{
		"q=ada":          "contact: exact(first_name)",
		"q=0664+765":     "",
		"q=king.example": "",
		"q=byron":        "contact: exact(last_name)",
		"q=gone":         "",
	} {
		if got := search(bob, params); got != want {
			t.Errorf("with less rights %s: %s\nwant %s", params, got, want)
		}
		if got := bob.Get("/contacts?" + params).Want(http.StatusOK); (want == "") != strings.Contains(got.Body, `"data":[]`) {
			t.Errorf("with less rights the list with %s: %s", params, got.Body)
		}
	}
}

// What is to be found is found however many records have the same words that are deleted,
// or not for whoever asks, and nothing is said of these.
func TestSearchInACrowd(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	batch := func(ops []string) (ids []string) {
		var answer struct{ Results []struct{ ID string } }
		ann.Post("/contacts/batch", `{"operations":[`+strings.Join(ops, ",")+`]}`).Want(http.StatusOK).Into(&answer)
		for _, r := range answer.Results {
			ids = append(ids, r.ID)
		}
		return ids
	}
	creates := slices.Repeat([]string{`{"op":"create","data":{"first_name":"Crowd","last_name":"Other"}}`}, 250)
	others := batch(creates)
	own := ann.Post("/contacts", `{"first_name":"Crowd","last_name":"Byron"}`).Want(http.StatusCreated).ID()
	role := everyRight()
	contacts := role["contact"]
	for action := range contacts.Actions {
		contacts.Actions[action] = "last_name = Byron"
	}
	role["contact"] = contacts
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	findsOne := func(who string, c apitest.Client) {
		t.Helper()
		for _, q := range []string{"crowd", "cro"} {
			var answer struct {
				Data []struct {
					More    bool
					Records []struct{ Record struct{ ID string } }
				}
			}
			c.Get("/search?q=" + q).Want(http.StatusOK).Into(&answer)
			if len(answer.Data) != 1 || answer.Data[0].More || len(answer.Data[0].Records) != 1 || answer.Data[0].Records[0].Record.ID != own {
				t.Errorf("%s finds by %s: %+v", who, q, answer)
			}
		}
	}
	findsOne("who sees one", bob)
	remove := make([]string, len(others))
	for i, id := range others {
		remove[i] = `{"op":"delete","id":"` + id + `"}`
	}
	batch(remove)
	findsOne("who sees all, but for what is deleted,", ann)
}

// Whatever a text is like, the record is there, and is found by its first word.
func TestSearchOfWildTexts(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	contact := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).ID()
	for i, text := range []string{
		strings.Repeat("x", 90_000), strings.Repeat("a.", 45_000), strings.Repeat("\U0001F600.", 45_000), strings.Repeat("山田太郎", 20_000),
		strings.Repeat("\u0301", 45_000), "'':*&|!() <-> ''", strings.Repeat("+4366412345678901234567890 ", 3000), strings.Repeat("é@ü.x--.", 9000),
	} {
		body := `{"body":"first` + strconv.Itoa(i) + ` ` + text + `","related":[{"type":"contact","id":"` + contact + `"}]}`
		note := ann.Post("/notes", body).Want(http.StatusCreated).ID()
		ann.Get("/notes?q=first"+strconv.Itoa(i)).Want(http.StatusOK, note)
	}
	for _, q := range []string{"'", "a'b", `a\b`, "a:*", "a & b", "!a", "a|b", "(a", "<->", "a <-> b", `"`, "\u200d", "😀", "a\u0301", "\u0301", strings.Repeat("é.", 80)} {
		for _, path := range []string{"/notes?q=", "/search?q=", "/contacts?filter=" + url.QueryEscape(`first_name contains `)} {
			value := q
			if strings.Contains(path, "filter") {
				value = strconv.Quote(q)
			}
			if r := ann.Get(path + url.QueryEscape(value)); r.Status >= 500 {
				t.Errorf("%s%q: %d %s", path, q, r.Status, r.Body)
			}
		}
	}
}
