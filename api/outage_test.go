package api_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// lines is a log that may be written to at the same time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(words string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// needNothing are the operations that can be served without the database.
var needNothing = []string{"auth.jwks", "service.docs", "service.docs_group", "service.docs_search", "service.livez", "service.meta", "service.openapi"}

// TestOutage asks for everything while the database is away: all of it is
// refused as something to ask for again, and served when the database is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, engine := range apitest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			testOutage(t, engine)
		})
	}
}

func testOutage(t *testing.T, engine string) {
	t.Helper()
	log := new(lines)
	s, link := apitest.Fragile(t, engine, log)
	owner := furnish(t, s.Tenant(), "word")
	fresh := owner.Key(access.Admin) // whom the server has not seen yet
	ops := operations(t, s)
	link.Cut()
	m := matrix{t: t, mine: owner}
	for _, op := range ops {
		for who, c := range map[string]apitest.Client{"the owner": owner.Client, "a new key": fresh, "nobody": s.Nobody()} {
			r := c.Do(op.Method, m.path(op, owner.ids), m.body(op))
			switch {
			case slices.Contains(needNothing, op.ID):
				r.Want(http.StatusOK)
			case r.Status >= http.StatusBadRequest && r.Status < http.StatusInternalServerError && who != "a new key":
				// It was refused for what it is.
			case op.ID == "me.get" && who == "the owner":
				// The server remembers them for a moment.
			case engine != postgres.Here && r.Status == http.StatusOK && op.Method != http.MethodGet && who == "the owner":
				// It changes nothing, as a log that is elsewhere can tell.
			case r.Status == http.StatusMultiStatus && !strings.Contains(r.Body, `"status":500`):
				// Each operation was refused by itself.
			default:
				r.Want(http.StatusServiceUnavailable).WantHeader("Retry-After", "1").WantHeader("Content-Type", "application/problem+json")
			}
		}
	}
	s.Nobody().Post("/v1/auth/login", `{"email":"`+apitest.Email+`","password":"`+apitest.Password+`"}`).
		WantProblem(http.StatusServiceUnavailable, "storage_unavailable")
	owner.Get("/contacts").WantProblem(http.StatusServiceUnavailable, "storage_unavailable")
	s.Nobody().Get("/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
	if told, faults := log.count("the database does not do what it is asked for"), log.count("level=ERROR"); told != 1 || faults > 0 {
		t.Errorf("told %d times, and of %d faults:\n%s", told, faults, &log.text)
	}

	link.Mend()
	s.Nobody().Get("/readyz").Want(http.StatusOK)
	owner.Get("/contacts").Want(http.StatusOK)
	owner.Post("/contacts", `{"last_name":"Byron"}`).Want(http.StatusCreated)
	fresh.Get("/contacts").Want(http.StatusOK)
	s.Home()
}
