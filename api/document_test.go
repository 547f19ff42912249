package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// linter is what the document must have no errors for.
const linter = "@redocly/cli@2.77.0"

// TestDocument checks what a program finds out about the API, and what people
// read about it.
func TestDocument(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	doc := s.Nobody().Get("/v1/openapi.json").Want(http.StatusOK, `"openapi":"3.1.0"`).WantHeader("Content-Type", "application/json")
	s.Nobody().With("If-None-Match", doc.Header.Get("ETag")).Get("/v1/openapi.json").Want(http.StatusNotModified)
	for _, op := range operations(t, s) {
		if op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s is not described", op.ID)
		}
		if _, kind, ok := strings.Cut(op.Path, "/tenants/{tenant_id}/"); ok && op.Method == http.MethodGet && kind != "api_keys" &&
			!strings.Contains(op.Description, "Takes the permission `") {
			t.Errorf("%s can be asked by anybody in the tenant", op.ID)
		}
		refused := false
		for status := range op.Responses {
			refused = refused || status[0] == '4'
		}
		if !refused {
			t.Errorf("%s cannot be refused", op.ID)
		}
	}

	page := s.Nobody().Get("/docs").Want(http.StatusOK, `id="deals.win"`, "Move a deal to another stage", `id="not_found"`).
		WantHeader("Content-Type", "text/html; charset=utf-8")
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	if found := regexp.MustCompile(`<script|<img|<link|@import|url\(|(src|href)="(https?:)?//`).FindString(page.Body); found != "" {
		t.Errorf("the page loads something: %s", found)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
		if ids[m[1]] {
			t.Errorf("two things have the id %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads nowhere: #%s", m[1])
		}
	}
	s.Nobody().Get("/v1/meta").Want(http.StatusOK, `"version":"test"`, `"engine":"`+apitest.Engine()+`"`)
	s.Nobody().Get("/livez").Want(http.StatusOK)
	s.Nobody().Get("/readyz").Want(http.StatusOK)
}

// TestExamples sends the example of every body. What it refers to may not be
// there, but it must be in order.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	m := matrix{t: t, mine: furnish(t, s.Tenant(), "word")}
	for _, op := range operations(t, s) {
		c, ok := op.Body.Content["application/json"]
		if !ok || op.ID == "setup.complete" || op.ID == "auth.login" {
			continue
		}
		if c.Example == nil {
			t.Errorf("%s has no example", op.ID)
			continue
		}
		if prefixOf(op) == "pip" { // what one example does to it another one could not bear
			m.mine.ids["pip"] = m.mine.Post("/pipelines", `{"name":"`+op.ID+`","stages":`+salesStages+`}`).Want(http.StatusCreated).ID()
		}
		r := m.mine.Do(op.Method, m.path(op, m.mine.ids), m.body(op))
		if r.Status == http.StatusBadRequest || r.Status == http.StatusUnprocessableEntity && !strings.Contains(r.Body, "reference_not_found") && !strings.Contains(r.Body, "circular") {
			t.Errorf("%s refuses its example: %s\n%s", op.ID, m.body(op), r.Body)
		}
	}
}

// TestDocumentLint runs a public linter, where there is one to be had.
func TestDocumentLint(t *testing.T) {
	t.Parallel()
	npx, err := exec.LookPath("npx")
	if err != nil || testing.Short() {
		t.Skip("there is no npx here, or no time")
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	doc := apitest.New(t).Nobody().Get("/v1/openapi.json").Want(http.StatusOK).Body
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), npx, "--yes", linter, "lint", "--format=json", file).Output()
	var report struct {
		Totals *struct {
			Errors int `json:"errors"`
		} `json:"totals"`
		Problems []struct {
			Message  string `json:"message"`
			Severity string `json:"severity"`
		} `json:"problems"`
	}
	if json.Unmarshal(out, &report) != nil || report.Totals == nil {
		t.Skipf("the linter cannot be had here: %v", err)
	}
	for _, p := range report.Problems {
		t.Logf("%s: %s", p.Severity, p.Message)
	}
	if report.Totals.Errors > 0 {
		t.Errorf("%d errors", report.Totals.Errors)
	}
}
