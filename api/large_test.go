package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestLargeHistory pages through what happened to a deal that has grown with
// each event: no page is much larger than it must be, and none leaves a gap.
func TestLargeHistory(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testLargeHistory)
}

func testLargeHistory(t *testing.T, s *apitest.Server) {
	c := s.Tenant()
	w := furnish(t, c, "large")
	deal := "/deals/" + w.ids["deal"]
	for i := 0; i < 120; i += 60 {
		ops := make([]string, 60)
		for k := range ops {
			ops[k] = fmt.Sprintf(`{"op":"add_line_item","id":"%s","data":{"description":"%s","qty":"%d","unit_price":{"amount":"1","currency":"EUR"}}}`,
				w.ids["deal"], strings.Repeat("x", 450), i+k+1)
		}
		c.Post("/deals/batch", `{"atomic":true,"operations":[`+strings.Join(ops, ",")+`]}`).Want(http.StatusOK)
	}
	for _, list := range []string{"/history", "/events"} {
		last, pages, cursor := 0, 0, ""
		for more := true; more; pages++ {
			var page struct {
				Data []struct {
					Version int
					Stream  struct{ Version int }
				}
				Next *string `json:"next_cursor"`
			}
			r := c.Get(deal + list + "?limit=500" + cursor).Want(http.StatusOK).Into(&page)
			if len(r.Body) > 3<<20 {
				t.Errorf("a page of %s has %d bytes", list, len(r.Body))
			}
			for _, e := range page.Data {
				if last++; max(e.Version, e.Stream.Version) != last {
					t.Fatalf("%s: version %d comes after %d", list, max(e.Version, e.Stream.Version), last-1)
				}
			}
			if more = page.Next != nil; more {
				cursor = "&cursor=" + *page.Next
			}
		}
		if last != 121 || list == "/history" && pages < 3 {
			t.Errorf("%s has %d entries on %d pages", list, last, pages)
		}
	}
}

// TestLargeFound asks for more records than an answer has room for.
func TestLargeFound(t *testing.T) {
	t.Parallel()
	c := apitest.New(t).Tenant()
	about := c.Post("/contacts", `{"last_name":"Large"}`).Want(http.StatusCreated).ID()
	note := `{"body":"` + strings.Repeat("\U0001f9f1", 60_000) + `","related":[{"type":"contact","id":"` + about + `"}]}`
	ids := []string{}
	for range 60 {
		ids = append(ids, c.Post("/notes", note).Want(http.StatusCreated).ID())
	}
	got := 0
	for asked := 0; len(ids) > 0 && asked < 5; asked++ {
		body, err := json.Marshal(map[string]any{"ids": ids})
		if err != nil {
			t.Fatal(err)
		}
		var found struct {
			Data          []struct{ ID string }
			Missing, Left []string
		}
		r := c.Post("/notes/batch_get", string(body)).Want(http.StatusOK).Into(&found)
		if len(r.Body) > 16<<20 || len(found.Missing) > 0 || len(found.Data) == 0 {
			t.Errorf("%d bytes, %d missing, %d found", len(r.Body), len(found.Missing), len(found.Data))
		}
		if asked == 0 && len(found.Left) == 0 {
			t.Errorf("%d bytes, and nothing is left", len(r.Body))
		}
		got, ids = got+len(found.Data), found.Left
	}
	if got != 60 {
		t.Errorf("found %d", got)
	}
}
