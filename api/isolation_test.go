package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// TestIsolation tries every operation of the document with what belongs to
// another tenant, in every place that takes an ID, a cursor or a key: nothing of
// the other tenant is told, and nothing changes there. It fails if there is an
// operation that it does not reach. That each engine keeps tenants apart is in storetest.
func TestIsolation(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	mine, theirs := furnish(t, ann, "mine"), furnish(t, s.Tenant(), canary)
	before := head(t, s, theirs)
	m := matrix{
		t: t, mine: mine, theirs: theirs, spare: furnish(t, ann, "spare"), nobodys: world{Client: ann, ids: map[string]string{}},
		tried: map[string]int{},
	}
	for prefix := range mine.ids {
		m.nobodys.ids[prefix] = domain.ID{Prefix: prefix, UUID: uuid.New()}.String()
	}
	ops := operations(t, s)
	for _, op := range ops {
		m.try(op)
	}
	for _, op := range ops {
		if m.tried[op.ID] == 0 {
			t.Errorf("%s was not tried", op.ID)
		}
	}
	if after := head(t, s, theirs); after != before {
		t.Errorf("the log of the other tenant grew from %d to %d", before, after)
	}
	theirs.Get("/contacts?q="+canary).Want(http.StatusOK, canary) // or nothing was tested
}

func head(t *testing.T, s *apitest.Server, w world) eventstore.Position {
	t.Helper()
	p, err := s.Store.Head(t.Context(), w.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// operation is what the document says about one.
type operation struct {
	ID          string `json:"operationId"`
	Command     string `json:"x-command"`
	Summary     string
	Description string
	Tags        []string
	Responses   map[string]any
	Security    []any
	Parameters  []parameter
	Body        body `json:"requestBody"`

	Method, Path string
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

type body struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema  *schema
		Example any
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Pattern    string
	Properties map[string]*schema
	Items      *schema
}

func (op operation) takes(name string) bool {
	for _, p := range op.Parameters {
		if p.Name == name {
			return true
		}
	}
	return false
}

// schemas are those of the document that operations was last asked for.
type document struct {
	Paths      map[string]map[string]operation
	Security   []any // of operations that do not say it
	Components struct {
		Schemas       map[string]*schema
		Parameters    map[string]parameter
		RequestBodies map[string]body
	}
}

func operations(t *testing.T, s *apitest.Server) (all []operation) {
	t.Helper()
	var doc document
	s.Nobody().Get("/v1/openapi.json").Want(http.StatusOK).Into(&doc)
	for path, item := range doc.Paths {
		for method, op := range item {
			op.Method, op.Path = strings.ToUpper(method), path
			for i, p := range op.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					op.Parameters[i] = doc.Components.Parameters[name]
				}
			}
			if name, ok := strings.CutPrefix(op.Body.Ref, "#/components/requestBodies/"); ok {
				op.Body.Content = maps.Clone(doc.Components.RequestBodies[name].Content)
			}
			if op.Security == nil {
				op.Security = doc.Security
			}
			if c, ok := op.Body.Content["application/json"]; ok {
				c.Schema = doc.resolve(c.Schema, 0)
				op.Body.Content["application/json"] = c
			}
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.ID, b.ID) })
	if len(all) < 60 {
		t.Fatalf("the document has %d operations only", len(all))
	}
	return all
}

// resolve puts what references lead to in their place.
func (d document) resolve(s *schema, depth int) *schema {
	if s == nil || depth > 8 {
		return nil
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.resolve(d.Components.Schemas[name], depth+1)
	}
	whole := &schema{Pattern: s.Pattern, Items: d.resolve(s.Items, depth+1), Properties: map[string]*schema{}}
	for name, p := range s.Properties {
		whole.Properties[name] = d.resolve(p, depth+1)
	}
	return whole
}

// matrix is the operations on one side, and what belongs to others on the other.
type matrix struct {
	t            *testing.T
	mine, theirs world
	nobodys      world // IDs that nobody has
	spare        world // of mine, to be done anything with
	tried        map[string]int
}

// ask makes a request and checks that the answer tells nothing.
func (m matrix) ask(op operation, what string, c apitest.Client, path, body string, want ...int) apitest.Response {
	m.t.Helper()
	m.tried[op.ID]++
	if op.ID == "event.stream" {
		c = c.With("Last-Event-Id", "x") // it would never end
	}
	r := c.Do(op.Method, path, body)
	if strings.Contains(r.Body, canary) {
		m.t.Errorf("%s with %s tells what belongs to others:\n%s", op.ID, what, r.Body)
	}
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), canary) {
			m.t.Errorf("%s with %s tells what belongs to others in %s", op.ID, what, name)
		}
	}
	if len(want) > 0 && !slices.Contains(want, r.Status) {
		m.t.Errorf("%s with %s: %d, want one of %v\n%s", op.ID, what, r.Status, want, r.Body)
	}
	if r.Status >= 500 {
		m.t.Errorf("%s with %s: %d\n%s", op.ID, what, r.Status, r.Body)
	}
	return r
}

// varying is what answers to different requests differ in.
var varying = regexp.MustCompile(`[a-z]+_[0-9a-hjkmnp-tv-z]{26}|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// same asks with what is theirs, and with what nobody has. The answers must be
// the same, or they would tell what exists. The request is a function of the IDs.
func (m matrix) same(op operation, what string, request func(ids map[string]string) (path, body string)) {
	m.t.Helper()
	var answers []string
	for _, w := range []world{m.theirs, m.nobodys} {
		path, body := request(w.ids)
		r := m.ask(op, what, m.mine.Client, path, body)
		answers = append(answers, fmt.Sprint(r.Status, " ", r.Header.Get("Event-Position"), " ", varying.ReplaceAllString(r.Body, "…")))
	}
	if answers[0] != answers[1] {
		m.t.Errorf("%s with %s\nof theirs:  %s\nof nobody: %s", op.ID, what, answers[0], answers[1])
	}
}

func (m matrix) try(op operation) {
	own, body := m.path(op, m.spare.ids), m.body(op)
	if len(op.Security) == 0 {
		m.ask(op, "credentials, which it does not ask for", m.mine.Client, own, body)
		return
	}
	m.ask(op, "no credentials", m.mine.With("Authorization", ""), own, body, http.StatusUnauthorized)
	if strings.Contains(op.Path, "{tenant_id}") {
		m.ask(op, "their tenant", m.mine.Client, m.path(op, m.theirs.ids), body, http.StatusForbidden)
		for _, ten := range []string{m.theirs.ids["ten"], m.nobodys.ids["ten"], "x"} {
			m.ask(op, "my record in tenant "+ten, m.mine.Client, strings.Replace(own, m.mine.ids["ten"], ten, 1), body, http.StatusForbidden)
		}
	} else {
		m.ask(op, "my own credentials", m.mine.Client, own, body)
	}
	if strings.Count(op.Path, "{") > 1 {
		m.same(op, "a record", func(ids map[string]string) (string, string) {
			return strings.Replace(m.path(op, ids), ids["ten"], m.mine.ids["ten"], 1), body
		})
	}
	m.tryBody(op)
	m.tryQuery(op)
	if op.takes("Idempotency-Key") {
		m.ask(op, "a key of theirs", m.mine.With("Idempotency-Key", "theirs"), own, body)
	}
}

// tryBody puts their IDs in every place of the body that takes one.
func (m matrix) tryBody(op operation) {
	c, ok := op.Body.Content["application/json"]
	if !ok {
		return
	}
	path := m.path(op, m.mine.ids)
	for _, place := range places(c.Schema, nil) {
		prefix, _, _ := strings.Cut(strings.TrimPrefix(place.pattern, "^"), "_")
		if m.theirs.ids[prefix] == "" {
			continue // users are the same in all tenants of an organization
		}
		m.same(op, prefix+" at "+strings.Join(place.path, "/"), func(ids map[string]string) (string, string) {
			return path, encode(m.t, set(m.example(op), place.path, ids[prefix]))
		})
	}
	prefix := prefixOf(op)
	say := func(what, format string) {
		m.same(op, what, func(ids map[string]string) (string, string) {
			return path, strings.NewReplacer("{id}", ids[prefix], "{q}", canary).Replace(format)
		})
	}
	switch _, action, _ := strings.Cut(op.ID, "."); action {
	case "batch":
		for _, verb := range []string{"create", "update", "delete", "restore", "archive", "win"} {
			say(verb, `{"operations":[{"op":"`+verb+`","id":"{id}","data":{"id":"{id}"}}]}`)
			say(verb, `{"operations":[{"op":"`+verb+`","id":"{id}"}],"atomic":true}`)
		}
	case "batch_get":
		say("IDs", `{"ids":["{id}"]}`)
	case "query":
		say("an ID", `{"filter":{"or":[{"field":"id","op":"eq","value":"{id}"},{"field":"created_at","op":"gte","value":"2026-01-01"}]}}`)
		m.ask(op, "their words", m.mine.Client, path, `{"q":"`+canary+`","deleted":"include","count":"exact"}`, http.StatusOK)
		for _, cursor := range m.theirs.cursors {
			m.ask(op, "their cursor", m.mine.Client, path, `{"limit":1,"cursor":"`+cursor+`"}`, http.StatusBadRequest)
		}
	case "give":
		for _, verb := range []string{"company.delete", "contact.delete", "deal.win", "task.start", "pipeline.archive", "contact.create"} {
			for _, prefix = range []string{"cmp", "con", "deal", "task", "pip"} {
				say(verb, `{"type":"`+verb+`","id":"{id}"}`)
			}
		}
	}
}

// tryQuery puts what is theirs in every parameter.
func (m matrix) tryQuery(op operation) {
	path, prefix := m.path(op, m.mine.ids), prefixOf(op)
	if op.Method != http.MethodGet {
		return
	}
	if op.takes("cursor") {
		for _, cursor := range m.theirs.cursors {
			m.ask(op, "their cursor", m.mine.Client, path+"?limit=1&cursor="+cursor, "", http.StatusBadRequest)
		}
	}
	if op.takes("filter") {
		m.same(op, "an ID", func(ids map[string]string) (string, string) { return path + "?id=" + ids[prefix], "" })
		m.same(op, "an ID in a filter", func(ids map[string]string) (string, string) {
			return path + "?deleted=include&filter=id%3D" + ids[prefix] + "+or+version%3E0", ""
		})
		m.ask(op, "their words", m.mine.Client, path+"?deleted=include&count=exact&q="+canary, "", http.StatusOK)
	}
	if op.takes("as_of") {
		m.ask(op, "a position of theirs", m.mine.Client, path+"?as_of=12", "")
	}
	if op.ID == "event.list" {
		m.ask(op, "all types", m.mine.Client, path+"?types=*&limit=5000", "", http.StatusOK)
	}
}

// prefixOf returns the prefix of the IDs of the records that an operation is
// about.
func prefixOf(op operation) string {
	parts := strings.Split(op.Path, "/")
	for prefix, c := range collections {
		if len(parts) > 4 && parts[4] == c {
			return prefix
		}
	}
	return ""
}

// path fills the path of an operation.
func (matrix) path(op operation, ids map[string]string) string {
	return strings.NewReplacer("{tenant_id}", ids["ten"], "{key_id}", ids["key"], "{id}", ids[prefixOf(op)], "{group}", "deals",
		"{org_id}", "org_01jh2xk3v8e4t9p5w7y0z2b4d6").Replace(op.Path)
}

var typeID = regexp.MustCompile(`\b(` + strings.Join(slices.Sorted(maps.Keys(collections)), "|") + `)_[0-9a-z]{26}\b`)

// body returns the example of a body, about records of mine.
func (m matrix) body(op operation) string {
	if _, ok := op.Body.Content["application/json"]; !ok {
		return ""
	}
	return encode(m.t, m.example(op))
}

func (m matrix) example(op operation) any {
	text := encode(m.t, op.Body.Content["application/json"].Example)
	text = typeID.ReplaceAllStringFunc(text, func(id string) string {
		prefix, _, _ := strings.Cut(id, "_")
		return m.mine.ids[prefix]
	})
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		m.t.Fatal(err)
	}
	return v
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// place is a place in a body that takes an ID.
type place struct {
	path    []string
	pattern string
}

func places(s *schema, at []string) (all []place) {
	if s == nil {
		return nil
	}
	if strings.HasPrefix(s.Pattern, "^") && strings.Contains(s.Pattern, "_") {
		all = append(all, place{slices.Clone(at), s.Pattern})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		all = append(all, places(s.Properties[name], append(at, name))...)
	}
	return append(all, places(s.Items, append(at, "0"))...)
}

// set returns a JSON value with another one at a place in it.
func set(v any, path []string, to any) any {
	if len(path) == 0 {
		return to
	}
	if path[0] == "0" {
		return []any{set(nil, path[1:], to)}
	}
	m, ok := v.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m[path[0]] = set(m[path[0]], path[1:], to)
	return m
}
