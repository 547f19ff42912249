package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

// Inputs that once came out wrong are in testdata/cases, each as steps against a
// tenant that is empty. Its README says what is right and why, and what the
// members of a step mean.
const casesDir = "testdata/cases"

type caseStep struct {
	Send    string            `json:"send"`
	Body    json.RawMessage   `json:"body"` // JSON; or a text: as it is, or the bytes of the file behind an @
	Headers map[string]string `json:"headers"`
	Needs   string            `json:"needs"` // a name without which the step is left out

	Import string   `json:"import"` // a kind of record
	File   string   `json:"file"`
	Args   []string `json:"args"`

	Status     []int    `json:"status"`
	OrStatus   []int    `json:"or_status"` // other good ones, after which nothing else is checked
	Has        any      `json:"has"`       // what the answer contains
	List       []string `json:"list"`      // the names of the records that a list has
	First      any      `json:"first"`     // what the first record of a list contains
	OrEmpty    bool     `json:"or_empty"`
	Lacks      string   `json:"lacks"` // a text that must not be in the answer
	HasPointer string   `json:"has_pointer"`
	Save       string   `json:"save"` // the name for the ID in the answer
	SaveFirst  string   `json:"save_first"`
	SaveCursor string   `json:"save_cursor"`
}

// They share a server, and a tenant that must see nothing of any of them.
func TestCases(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	other := server.Tenant()
	files, err := filepath.Glob(filepath.Join(casesDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Steps []caseStep `json:"steps"`
			}
			dec := json.NewDecoder(bytes.NewReader(data))
			if err := dec.Decode(&c); err != nil || len(c.Steps) == 0 {
				t.Fatal("no steps", err)
			}
			r := &caseRun{t: t, url: server.URL, client: server.Tenant().In(t), saved: map[string]string{}}
			if wrong := r.do(c.Steps); wrong != "" {
				t.Error(wrong)
			}
			sawNothing(t, other.In(t))
		})
	}
}

// sawNothing checks that a tenant has nothing.
func sawNothing(t *testing.T, other apitest.Client) {
	t.Helper()
	for _, collection := range []string{"companies", "contacts", "deals", "events", "pipelines", "tasks"} {
		var page struct{ Data []json.RawMessage }
		if other.Get("/" + collection).Want(http.StatusOK).Into(&page); len(page.Data) > 0 {
			t.Errorf("another tenant sees %s", collection)
		}
	}
}

// caseRun is a tenant of its own for one case.
type caseRun struct {
	t      *testing.T
	url    string // of the server
	client apitest.Client
	saved  map[string]string
	key    string
}

// do takes the steps of a case, and returns what came out wrong, or nothing.
func (r *caseRun) do(steps []caseStep) (wrong string) {
	r.t.Helper()
	for _, step := range steps {
		switch {
		case step.Needs != "" && r.saved[step.Needs] == "":
			continue
		case step.Import != "":
			r.load(step)
		default:
			wrong = r.send(step)
		}
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// load runs the importer. Whether rows are refused is for the next steps to see.
func (r *caseRun) load(step caseStep) {
	r.t.Helper()
	if r.key == "" {
		var k struct{ Key string }
		r.client.Post("/api_keys", `{"name":"import","role":"`+string(access.Admin)+`"}`).Want(http.StatusCreated).Into(&k)
		r.key = k.Key
	}
	data, err := os.ReadFile(filepath.Join(casesDir, step.File))
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(r.t.TempDir(), step.File) // beside which the importer writes
	if err := os.WriteFile(file, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	args := append([]string{"import", "--server", r.url, "--key", r.key, "--object", step.Import}, step.Args...)
	var out bytes.Buffer
	err = run(r.t.Context(), append(args, file), &out, &out)
	r.t.Logf("%v\n%s", err, &out)
	r.client.Get("/events?limit=1") // to know how far the log has come
}

// send makes a request, and returns what is wrong with the answer, or nothing.
func (r *caseRun) send(step caseStep) (wrong string) {
	r.t.Helper()
	method, path, _ := strings.Cut(r.fill(step.Send), " ")
	c := r.client
	for _, name := range slices.Sorted(maps.Keys(step.Headers)) {
		c = c.With(name, r.fill(step.Headers[name]))
	}
	res := c.Do(method, path, r.body(step.Body))
	what := step.Send + ": "
	if slices.Contains(step.OrStatus, res.Status) {
		return ""
	}
	good := slices.Contains(step.Status, res.Status) || step.Status == nil && (res.Status/100 == 2 || step.Lacks != "" && res.Status < 500)
	if !good {
		return what + http.StatusText(res.Status) + " " + res.Body
	}
	var answer any
	if err := json.Unmarshal([]byte(res.Body), &answer); err != nil && res.Body != "" {
		return what + "no JSON: " + res.Body
	}
	if step.Lacks != "" && strings.Contains(res.Body, step.Lacks) {
		return what + "has " + step.Lacks + ": " + res.Body
	}
	if step.Has != nil && !contains(answer, step.Has) {
		return what + "lacks something: " + res.Body
	}
	if step.HasPointer != "" && !contains(member(answer, "errors"), []any{map[string]any{"pointer": step.HasPointer}}) {
		return what + "no error at " + step.HasPointer + ": " + res.Body
	}
	r.save(step.Save, member(answer, "id"))
	r.save(step.SaveCursor, member(answer, "next_cursor"))
	records, _ := member(answer, "data").([]any)
	if step.SaveFirst != "" && len(records) > 0 {
		r.save(step.SaveFirst, member(records[0], "id"))
	}
	if step.First != nil && (len(records) > 0 || !step.OrEmpty) && (len(records) == 0 || !contains(records[0], step.First)) {
		return what + "another record is first: " + res.Body
	}
	if step.List != nil {
		var got, want []string
		for _, rec := range records {
			id, _ := member(rec, "id").(string)
			got = append(got, id)
		}
		for _, name := range step.List {
			want = append(want, r.saved[name])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return what + "other records: " + res.Body
		}
	}
	return ""
}

func (r *caseRun) save(name string, v any) {
	if text, ok := v.(string); ok && name != "" {
		r.saved[name] = text
	}
}

// fill puts in what was saved under names.
func (r *caseRun) fill(text string) string {
	for name, value := range r.saved {
		text = strings.ReplaceAll(text, "{"+name+"}", url.QueryEscape(value))
	}
	return text
}

func (r *caseRun) body(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil || len(raw) == 0 {
		return r.fill(string(raw))
	}
	file, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return r.fill(text)
	}
	data, err := os.ReadFile(filepath.Join(casesDir, file))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func member(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

// contains reports whether JSON has what is wanted: of an object at least these
// members, of an array these items in any order.
func contains(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		for name, w := range want {
			ok = ok && contains(m[name], w)
		}
		return ok
	case []any:
		items, _ := got.([]any)
		rest := slices.Clone(items)
		for _, w := range want {
			i := slices.IndexFunc(rest, func(item any) bool { return contains(item, w) })
			if i < 0 {
				return false
			}
			rest = slices.Delete(rest, i, i+1)
		}
		return true
	}
	return got == want
}
