package api_test

import (
	"cmp"
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
			kind != "search" && // which takes that of each kind
			!strings.Contains(op.Description, "Takes the permission `") {
			t.Errorf("%s can be asked by anybody in the tenant", op.ID)
		}
		if op.Responses["default"] == nil {
			t.Errorf("%s cannot be refused", op.ID)
		}
	}

	s.Nobody().Get("/v1/meta").Want(http.StatusOK, `"version":"test"`, `"engine":"`+apitest.Engine()+`"`)
	s.Nobody().Get("/livez").Want(http.StatusOK)
	s.Nobody().Get("/readyz").Want(http.StatusOK)
}

// TestPages checks the pages that people read: each stands for itself, its links lead
// somewhere, and a search finds what is in them.
func TestPages(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	pages, ids := map[string]string{}, map[string]bool{}
	read := func(path string) {
		page := s.Nobody().Get(path).Want(http.StatusOK).WantHeader("Content-Type", "text/html; charset=utf-8")
		if policy := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy: %s", policy)
		}
		if found := regexp.MustCompile(`<script|<img|<link|@import|url\(|(src|href)="(https?:)?//`).FindString(page.Body); found != "" {
			t.Errorf("%s loads something: %s", path, found)
		}
		pages[path] = page.Body
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
			id := path + "#" + m[1]
			if ids[id] {
				t.Errorf("two things are %s", id)
			}
			ids[id] = true
		}
	}
	links := regexp.MustCompile(`href="([^"#]*)(#[^"]+)?"`)
	read("/docs")
	read("/docs/search?q=another+STAGE")
	for _, m := range links.FindAllStringSubmatch(pages["/docs"], -1) {
		if pages[m[1]] == "" && strings.HasPrefix(m[1], "/docs/") {
			read(m[1])
		}
	}
	for path, body := range pages {
		for _, m := range links.FindAllStringSubmatch(body, -1) {
			if to := cmp.Or(m[1], path); m[1] != "/v1/openapi.json" && (pages[to] == "" || m[2] != "" && !ids[to+m[2]]) {
				t.Errorf("a link on %s leads nowhere: %s", path, m[0])
			}
		}
	}
	for _, op := range operations(t, s) {
		if !ids["/docs/"+strings.ReplaceAll(strings.ToLower(op.Tags[0]), " ", "_")+"#"+op.ID] {
			t.Errorf("%s is not on the page of its group", op.ID)
		}
	}
	if !ids["/docs#not_found"] || !strings.Contains(pages["/docs/search?q=another+STAGE"], "/docs/deals#deals.move_stage") {
		t.Error("something is not to be found")
	}
	for _, words := range []string{"", "no+such+words", "%3Cscript%3E"} {
		s.Nobody().Get("/docs/search?q="+words).Want(http.StatusOK, "Nothing found")
	}
	s.Nobody().Get("/docs/nothing").WantProblem(http.StatusNotFound, "no_such_group")
}

// Files are compressed for those who say that they can read that, and known again in
// either form.
func TestCompressed(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	for _, path := range []string{"/v1/openapi.json", "/docs", "/docs/deals"} {
		plain := s.Nobody().With("Accept-Encoding", "identity").Get(path).Want(http.StatusOK)
		for accept, small := range map[string]bool{
			"gzip": true, "br, GZIP;q=0.1": true, "deflate, gzip;q=1.0, *;q=0.5": true, "x-gzip": true,
			"br": false, "gzip;q=0": false, "gzip; q=0.0, br": false, "identity": false,
		} {
			c := s.Nobody().With("Accept-Encoding", accept)
			r := c.Get(path).Want(http.StatusOK).WantHeader("Vary", "Accept-Encoding")
			tag := r.Header.Get("ETag")
			if got := r.Header.Get("Content-Encoding") == "gzip"; got != small || small == (tag == plain.Header.Get("ETag")) || small != (len(r.Body) < len(plain.Body)/2) {
				t.Errorf("%s with %q: %v, %s, %d of %d bytes", path, accept, got, tag, len(r.Body), len(plain.Body))
			}
			c.With("If-None-Match", tag).Get(path).Want(http.StatusNotModified)
			c.With("If-None-Match", `"x"`).Get(path).Want(http.StatusOK)
		}
	}
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
