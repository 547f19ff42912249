package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestFeed(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testFeed)
}

func testFeed(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	acme := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
	ann.Patch(acme.Path(), `{"industry":"x"}`).Want(http.StatusOK)

	var page struct {
		Data []struct {
			ID, Type string
			Position int64
			Stream   struct {
				ID, Kind string
				Version  int
			}
			Actor   struct{ Kind, ID string }
			Command string `json:"command_id"`
			Request string `json:"correlation_id"`
		}
		LastPosition int64 `json:"last_position"`
		End          bool
	}
	ann.Get("/events").Want(http.StatusOK).WantHeader("Event-Position", "3").Into(&page)
	if len(page.Data) != 3 || page.LastPosition != 3 || !page.End {
		t.Fatalf("feed: %+v", page)
	}
	e := page.Data[0]
	if e.Type != "company.created" || e.Position != 1 || e.Stream.ID != acme.ID() || e.Stream.Kind != "company" || e.Stream.Version != 1 ||
		!strings.HasPrefix(e.ID, "evt_") || e.Actor.Kind != "user" ||
		e.Command != acme.Header.Get("Command-Id") || e.Request != acme.Header.Get("X-Request-Id") {
		t.Errorf("the first event is %+v", e)
	}
	ann.Get("/events?limit=2").Want(http.StatusOK).Into(&page)
	if page.LastPosition != 2 || page.End {
		t.Errorf("the first two: %+v", page)
	}
	ann.Get("/events?types=company.*&after=1").Want(http.StatusOK, `"company.updated"`, `"last_position":3`)
	if r := ann.Get("/events?types=contact.created"); strings.Contains(r.Body, "company") {
		t.Errorf("more than was asked for: %s", r.Body)
	}
	for _, types := range []string{"*.created", "a,,b", strings.Repeat("a,", 60)} {
		ann.Get("/events?types="+types).WantProblem(http.StatusUnprocessableEntity, "bad_value", "types bad_value")
	}

	lines := strings.Split(strings.TrimSpace(ann.With("Accept", "application/x-ndjson").Get("/events").
		Want(http.StatusOK).WantHeader("Content-Type", "application/x-ndjson").Body), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d lines", len(lines))
	}
	bob.Get("/events").Want(http.StatusOK, `"data":[]`, `"last_position":0`)
	ann.Key(access.ReadOnly).Get("/events").Want(http.StatusOK)
}

// follow reads a stream of events until it ends, and sends what it reads.
func follow(t *testing.T, c apitest.Client, path string) <-chan string {
	t.Helper()
	res, err := http.DefaultClient.Do(c.Request(http.MethodGet, path, "")) //nolint:bodyclose // by whoever reads it
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer res.Body.Close() //nolint:errcheck // it was read to the end
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	return lines
}

// expect waits for a line of a stream.
func expect(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the stream ended before %q", want)
			}
			if line == want {
				return
			}
		case <-timeout:
			t.Fatalf("no %q", want)
		}
	}
}

// ends waits for the end of a stream.
func ends(t *testing.T, lines <-chan string) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-lines:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("the stream goes on")
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testStream)
}

func testStream(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	all := follow(t, ann, "/events/stream")
	expect(t, all, "id: 1")
	expect(t, all, "event: company.created")

	// It tells at once what comes, and of nobody else.
	bob.Post("/companies", `{"name":"Other"}`).Want(http.StatusCreated)
	start := time.Now()
	ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
	expect(t, all, "id: 2")
	expect(t, all, "event: contact.created")
	if took := time.Since(start); took > 900*time.Millisecond { // or it only looks now and then
		t.Errorf("an event took %v to arrive", took)
	}

	// Whoever comes back goes on where they were, and sees what they asked for.
	expect(t, follow(t, ann.With("Last-Event-Id", "1"), "/events/stream?after=0"), "id: 2")
	some := follow(t, ann, "/events/stream?types=deal.*")
	expect(t, some, "id: 0")
	ann.With("Last-Event-Id", "x").Get("/events/stream").WantProblem(http.StatusBadRequest, "invalid_position")

	// Whoever may not listen any more is not told any more.
	key := ann.Key(access.ReadOnly)
	keys := struct{ Data []struct{ ID string } }{}
	ann.Get("/api_keys").Want(http.StatusOK).Into(&keys)
	cut := follow(t, key, "/events/stream")
	expect(t, cut, "id: 2")
	if r := ann.Delete("/api_keys/" + keys.Data[0].ID); r.Status != http.StatusNoContent {
		t.Fatal(r.Status, r.Body)
	}
	ends(t, cut)

	close(s.Close)
	ends(t, all)
	ends(t, some)
}
