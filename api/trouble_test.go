package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestDiskFull asks for everything while the database has no room to store
// anything: what changes something is refused as something to ask for again, what
// does not is served, the log has one line, and all of it works when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, engine := range apitest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			testDiskFull(t, engine)
		})
	}
}

func testDiskFull(t *testing.T, engine string) {
	t.Helper()
	log := new(lines)
	s, refuse := apitest.Troubled(t, engine, log)
	owner := furnish(t, s.Tenant(), "word")
	ops := operations(t, s)
	refuse("53100")
	m := matrix{t: t, mine: owner}
	refused := 0
	for _, op := range ops {
		if op.ID == "event.stream" {
			continue // it does not end
		}
		r := owner.Do(op.Method, m.path(op, owner.ids), m.body(op))
		switch {
		case op.Method == http.MethodGet && op.ID != "service.readyz", r.Status < http.StatusInternalServerError && r.Header.Get("Retry-After") == "":
			if r.Status >= http.StatusInternalServerError {
				t.Errorf("%s = %d\n%s", op.ID, r.Status, r.Body)
			}
		default:
			refused++
			r.Want(http.StatusServiceUnavailable).WantHeader("Retry-After", "1").WantHeader("Content-Type", "application/problem+json")
		}
	}
	if refused < 20 {
		t.Errorf("%d operations were refused, of %d", refused, len(ops))
	}
	for range 100 {
		owner.Post("/contacts", `{"last_name":"Byron"}`).WantProblem(http.StatusServiceUnavailable, "storage_full")
	}
	s.Nobody().Get("/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready").Want(http.StatusServiceUnavailable, `"reason":"disk_full"`)
	if told, faults := log.count("the database does not do what it is asked for"), log.count("level=ERROR"); told != 1 || faults > 0 {
		t.Errorf("told %d times, and of %d faults:\n%s", told, faults, &log.text)
	}
	// Those who follow the log try again each second, and who watches the event store
	// every few; how often depends on the machine, and the server writes what repeats
	// once a minute.
	text := log.text.String()
	if n := strings.Count(text, "\n") - strings.Count(text, "readers of the log") - strings.Count(text, "leases could not be renewed"); n > 3 {
		t.Errorf("%d lines:\n%s", n, &log.text)
	}
	families, err := s.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, f := range families {
		for _, m := range f.GetMetric() {
			told = told || f.GetName() == "rowhouse_database_trouble" && m.GetLabel()[0].GetValue() == "disk_full" && m.GetGauge().GetValue() == 1
		}
	}
	if !told {
		t.Errorf("the metrics do not tell: %v", families)
	}

	refuse("")
	owner.Post("/contacts", `{"last_name":"Byron"}`).Want(http.StatusCreated)
	r := s.Nobody().Get("/readyz")
	for began := time.Now(); r.Status != http.StatusOK && time.Since(began) < 10*time.Second; r = s.Nobody().Get("/readyz") {
		time.Sleep(50 * time.Millisecond) // the trouble is over when nothing has told of it for a while
	}
	r.Want(http.StatusOK)
}

// TestTroubles has the database refuse changes for each reason that is not in what
// was asked for, and for one that is a fault.
func TestTroubles(t *testing.T) {
	t.Parallel()
	s, refuse := apitest.Troubled(t, "postgres", t.Output())
	c := s.Tenant()
	c.Key(access.Admin)
	made := c.Post("/contacts", `{"last_name":"Noel"}`).Want(http.StatusCreated).Path()
	for code, want := range map[string]string{
		"53100": "storage_full", "53000": "storage_overloaded", "53200": "storage_overloaded", "53300": "log_unavailable storage_overloaded", "53400": "storage_overloaded",
		"58030": "storage_failing", "25006": "storage_read_only",
		"57P01": "log_unavailable", "57P02": "log_unavailable", "57P03": "log_unavailable", "08006": "log_unavailable",
		"57014": "unavailable", "40P01": "unavailable", "40001": "unavailable",
	} {
		refuse(code)
		for name, r := range map[string]apitest.Response{
			"create": c.Post("/contacts", `{"last_name":"Byron"}`), "patch": c.Patch(made, `{"last_name":"Lovelace"}`),
			"batch":  c.Post("/contacts/batch", `{"operations":[{"op":"create","data":{"last_name":"Byron"}},{"op":"create","data":{"last_name":"Noel"}}]}`),
			"atomic": c.Post("/contacts/batch", `{"atomic":true,"operations":[{"op":"create","data":{"last_name":"Byron"}},{"op":"create","data":{"last_name":"Noel"}}]}`),
			"upsert": c.Post("/contacts/batch", `{"operations":[{"op":"upsert","match_on":["emails"],"data":{"last_name":"B","emails":[{"address":"b@example.org"}]}}]}`),
		} {
			if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "1" || !slices.ContainsFunc(strings.Fields(want), func(w string) bool { return strings.Contains(r.Body, `"code":"`+w+`"`) }) {
				t.Errorf("%s, %s: %d, want 503 %s\n%s", code, name, r.Status, want, r.Body)
			}
		}
	}
	refuse("XX001") // data_corrupted
	c.Post("/contacts", `{"last_name":"Byron"}`).WantProblem(http.StatusInternalServerError, "internal")
	refuse("")
	c.Post("/contacts", `{"last_name":"Byron"}`).Want(http.StatusCreated)
}

// TestBatchInTrouble says in the headers that some of a batch is to be sent again.
func TestBatchInTrouble(t *testing.T) {
	t.Parallel()
	s, refuse := apitest.Troubled(t, "postgres", t.Output())
	c := s.Tenant()
	body := `{"operations":[{"op":"create","data":{"last_name":"Byron"}},{"op":"create","data":{"naem":"Noel"}},{"op":"create","data":{"last_name":"Ada"}}]}`
	refuse("53100")
	c.With("Idempotency-Key", "batch").Post("/contacts/batch", body).
		Want(http.StatusMultiStatus, `"to_retry":2`, "storage_full", "unknown_member").WantHeader("Retry-After", "1").WantHeader("Results-To-Retry", "2")
	refuse("")
	r := c.With("Idempotency-Key", "batch").Post("/contacts/batch", body).Want(http.StatusMultiStatus, `"status":201`)
	if r.Header.Get("Retry-After") != "" || r.Header.Get("Results-To-Retry") != "" || strings.Contains(r.Body, "to_retry") {
		t.Errorf("there is nothing to send again: %v\n%s", r.Header, r.Body)
	}
}
