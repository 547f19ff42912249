package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// contract is the document as a program reads it that was never told anything
// else about the API.
type contract struct {
	Paths      map[string]map[string]struct{ Responses map[string]any }
	Components struct{ Schemas, Responses map[string]any }
}

// TestAnswersConform checks answers against what the document says of them.
func TestAnswersConform(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	w := furnish(t, s.Tenant(), "word")
	w.Patch("/deals/"+w.ids["deal"], `{"close_date":"2026-12-31","probability":60,"tags":["a"]}`).Want(http.StatusOK)
	w.Post("/deals/"+w.ids["deal"]+"/add_line_item", `{"description":"Tiles","qty":"2","unit_price":{"amount":"9.90","currency":"EUR"}}`).Want(http.StatusOK)
	w.Delete("/companies/" + w.ids["cmp"]).Want(http.StatusOK)
	var c contract
	s.Nobody().Get("/v1/openapi.json").Want(http.StatusOK).Into(&c)
	for _, op := range operations(t, s) {
		if op.Method != http.MethodGet || strings.HasSuffix(op.Path, "/stream") {
			continue
		}
		r := w.Do(op.Method, matrix{}.path(op, w.ids), "")
		if r.Header.Get("Content-Type") != "application/json" && r.Status == http.StatusOK {
			continue
		}
		var v any
		r.Into(&v)
		answers := c.Paths[op.Path]["get"].Responses
		response := answers[strconv.Itoa(r.Status)]
		if response == nil && r.Status >= http.StatusBadRequest {
			response = answers["default"]
		}
		if response == nil {
			t.Errorf("%s may not answer %d", op.ID, r.Status)
			continue
		}
		for _, wrong := range c.check(c.schemaOf(response), v, "") {
			t.Errorf("%s answers with %d: %s", op.ID, r.Status, wrong)
		}
	}
}

func (c contract) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	ref, _ := m["$ref"].(string)
	if name, ok := strings.CutPrefix(ref, "#/components/schemas/"); ok {
		return c.resolve(c.Components.Schemas[name])
	}
	if name, ok := strings.CutPrefix(ref, "#/components/responses/"); ok {
		return c.resolve(c.Components.Responses[name])
	}
	return m
}

func (c contract) schemaOf(response any) any {
	content, _ := c.resolve(response)["content"].(map[string]any)
	for media, body := range content {
		if strings.HasSuffix(media, "json") && !strings.Contains(media, "ndjson") {
			return body.(map[string]any)["schema"]
		}
	}
	return nil
}

// check says in what a value is not what the schema says.
func (c contract) check(schema, v any, at string) (wrong []string) {
	s := c.resolve(schema)
	types := fmt.Sprint(s["type"]) // one, or a list of them
	is := map[bool]string{true: "boolean"}[v == true || v == false]
	switch v := v.(type) {
	case nil:
		is = "null"
	case string:
		is = "string"
	case float64:
		is = "number"
		if types != "number" && v == float64(int64(v)) {
			is = "integer"
		}
	case []any:
		is = "array"
		for i, item := range v {
			wrong = append(wrong, c.check(s["items"], item, fmt.Sprint(at, "/", i))...)
		}
	case map[string]any:
		is = "object"
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				wrong = append(wrong, fmt.Sprint(at, "/", name, " is missing"))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			more := s["additionalProperties"]
			if p, ok := properties[name]; ok {
				more = p
			}
			if more == false {
				wrong = append(wrong, at+"/"+name+" is unknown")
			} else if _, ok := more.(map[string]any); ok {
				wrong = append(wrong, c.check(more, v[name], at+"/"+name)...)
			}
		}
	}
	if s["type"] != nil && !slices.Contains(strings.Fields(strings.Trim(types, "[]")), is) {
		wrong = append(wrong, at+" is "+is+", not "+types)
	}
	return wrong
}
