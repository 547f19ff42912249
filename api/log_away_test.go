package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// TestEventStoreAway has the event store go away and come back: commands are
// refused as something to ask for again, what is there can be read all the time,
// and nothing of what was refused appears later.
func TestEventStoreAway(t *testing.T) {
	t.Parallel()
	s := apitest.On(t, postgres.InKurrent)
	if s.Double == nil {
		t.Skip("a real event store keeps the log, which is not ours to stop")
	}
	c, other := s.Home(), s.Tenant()
	made := c.Post("/contacts", `{"last_name":"Byron"}`).Want(http.StatusCreated).Path()
	c.Get("/contacts").Want(http.StatusOK, "Byron")

	s.Double.Stop()
	first := `{"last_name":"Decided"}`
	c.With("Idempotency-Key", "first").Post("/contacts", first).WantProblem(http.StatusServiceUnavailable, "log_unavailable").WantHeader("Retry-After", "1")
	for range 3 {
		c.Post("/contacts", `{"last_name":"Refused"}`).WantProblem(http.StatusServiceUnavailable, "log_unavailable")
		other.Post("/contacts", `{"last_name":"Refused"}`).WantProblem(http.StatusServiceUnavailable, "log_unavailable")
	}
	c.Get("/contacts").Want(http.StatusOK, "Byron")
	other.Get("/contacts").Want(http.StatusOK, `"data":[]`)
	c.Patch(made, `{"last_name":"Noel"}`).WantProblem(http.StatusServiceUnavailable, "log_unavailable")
	if r := c.Get(made + "/history"); r.Status != http.StatusOK && r.Status != http.StatusServiceUnavailable {
		r.Want(http.StatusServiceUnavailable) // it may still be pending, and then it can be read
	}
	s.Nobody().Get("/readyz").Want(http.StatusOK)

	if err := s.Double.Restart(); err != nil {
		t.Fatal(err)
	}
	again := c.With("Idempotency-Key", "first")
	r := again.Post("/contacts", first)
	for range 50 {
		if r.Status != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(200 * time.Millisecond) // as Retry-After says, but sooner
		r = again.Post("/contacts", first)
	}
	r.Want(http.StatusCreated)
	other.Post("/contacts", `{"last_name":"Lovelace"}`).Want(http.StatusCreated)
	var list struct{ Data []any }
	c.Get("/contacts").Want(http.StatusOK, "Byron", "Decided").Into(&list)
	if len(list.Data) != 2 {
		t.Errorf("%d contacts, want 2", len(list.Data))
	}
}
