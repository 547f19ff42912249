package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestVerbatim stores and shows text as it came: JSON is not for pages.
func TestVerbatim(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	c := server.Tenant()
	const name, second = "Roof & Sons <GmbH>", "A & B > C"
	made := c.Post("/companies", `{"name":"`+name+`"}`).Want(http.StatusCreated, name)
	path := made.Path()
	c.Patch(path, `{"name":"`+second+`"}`).Want(http.StatusOK, second)
	for _, what := range []string{
		path, path + "/history", path + "/events", path + "?as_of=1",
		"/companies?fields=name", "/companies", "/events",
	} {
		r := c.Get(what).Want(http.StatusOK)
		if !strings.Contains(r.Body, name) && !strings.Contains(r.Body, second) || strings.Contains(r.Body, `\u0026`) {
			t.Errorf("%s: %s", what, r.Body)
		}
	}
	c.With("Accept", "application/x-ndjson").Get("/events").Want(http.StatusOK, name, second)
	events, err := server.Store.Read(t.Context(), c.Tenant, 0, 10)
	if err != nil || len(events) != 2 {
		t.Fatal(events, err)
	}
	for _, e := range events {
		if strings.Contains(string(e.Data), `\u00`) {
			t.Errorf("stored %s", e.Data)
		}
	}
}
