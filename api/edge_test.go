package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// newEdge returns an edge around a handler, and where it logs to.
func newEdge(t *testing.T, serve func(*exchange) error) (http.Handler, *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	log, metrics := new(bytes.Buffer), prometheus.NewRegistry()
	s := &Server{Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: metrics, Now: time.Now, NewID: uuid.New}
	op := describe(http.MethodPost, "/things/{id}", everybody, "Things", "thing.do", "", "", []part{func(op *operation) { op.serve = serve }})
	h, err := s.edge(op.handler())
	if err != nil {
		t.Fatal(err)
	}
	return h, log, metrics
}

func ask(h http.Handler, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/things/secret", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPanic(t *testing.T) {
	t.Parallel()
	h, log, metrics := newEdge(t, func(*exchange) error { panic("what ada@example.org said") })
	w := ask(h)
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusInternalServerError || p.RequestID == "" || p.Code != "internal" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if both := log.String() + w.Body.String(); strings.Contains(both, "ada@example.org") || !strings.Contains(log.String(), p.RequestID) || !strings.Contains(log.String(), "edge_test.go") {
		t.Errorf("logged %s", log)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log names a record: %s", log)
	}
	families, err := metrics.Gather()
	if err != nil || len(families) != 1 || !strings.Contains(families[0].String(), `value:"/things/{id}"`) || !strings.Contains(families[0].String(), `value:"5xx"`) {
		t.Errorf("counted %v, %v", families, err)
	}
}

// What goes wrong in the middle of an answer must not look like the end of it.
func TestPanicLate(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func() error{
		"panic": func() error { panic("!") },
		"fault": func() error { return errors.New("x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _, _ := newEdge(t, func(x *exchange) error {
				_, _ = x.Write([]byte("half of"))
				return end()
			})
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("ended with %v", err)
				}
			}()
			ask(h)
		})
	}
}

// Probes come every few seconds, and say the same for years.
func TestQuiet(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		h, log, _ := newEdge(t, func(x *exchange) error {
			x.op.quiet = quiet
			return x.answerText("ready")
		})
		if ask(h); strings.Contains(log.String(), "msg=request") == quiet {
			t.Errorf("quiet: %t, logged %s", quiet, log)
		}
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	h, log, _ := newEdge(t, func(*exchange) error { return errors.New("password is secret123") })
	w := ask(h, "X-Request-Id", "my-request_1.0")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret123") ||
		!strings.Contains(log.String(), "my-request_1.0") || w.Header().Get("X-Request-Id") != "my-request_1.0" {
		t.Errorf("answered %d %s, logged %s", w.Code, w.Body, log)
	}
	for _, id := range []string{"short", strings.Repeat("x", 65), "with space", "new\nline", `quote"quote`} {
		if got := ask(h, "X-Request-Id", id).Header().Get("X-Request-Id"); got == id || uuid.Validate(got) != nil {
			t.Errorf("%q became %q", id, got)
		}
	}
}

// wrongAt returns mistakes at so many places.
func wrongAt(n int) (all []error) {
	for i := range n {
		all = append(all, domain.Check(false, "/"+strconv.Itoa(i), "required", ""))
	}
	return all
}

func TestProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
		errors int
	}{
		{"one refusal", domain.Conflict.Refusef("busy", "try again"), 409, "busy", 0},
		{"one about the input", domain.Check(false, "/a", "required", "is required"), 422, "required", 1},
		{"several", errors.Join(domain.Check(false, "/a", "required", ""), domain.Check(false, "/b", "too_long", "")), 422, "validation_failed", 2},
		{"what cannot be read goes first", errors.Join(domain.Check(false, "/a", "required", ""), badParameter("b", "unknown_parameter", "")), 400, "unknown_parameter", 1},
		{"the same twice", errors.Join(domain.Check(false, "/a", "required", "is"), domain.Check(false, "/a", "required", "was")), 422, "required", 1},
		{"required, and wrong", errors.Join(domain.Check(false, "/a", "required", ""), domain.Check(false, "/a", "too_long", "")), 422, "too_long", 1},
		{"wrong, and required", errors.Join(domain.Check(false, "/a", "too_long", ""), domain.Check(false, "/a", "required", "")), 422, "too_long", 1},
		{"wrong in two ways", errors.Join(domain.Check(false, "/a", "too_long", ""), domain.Check(false, "/a", "bad", "")), 422, "validation_failed", 2},
		{"wrapped", fmt.Errorf("x: %w", domain.NotFound.Refusef("", "")), 404, "not_found", 0},
		{"more than are shown, of several kinds", errors.Join(append(wrongAt(50), badParameter("b", "bad", ""))...), 400, "bad", 1},
		{"a fault", errors.New("x"), 500, "internal", 0},
		{"a kind that nobody knows", domain.Reason("odd").Refusef("", ""), 500, "internal", 0},
		{"a store that takes no more", eventstore.ErrTooLarge, 413, "too_large", 0},
		{"a store that is closed", fmt.Errorf("x: %w", eventstore.ErrClosed), 503, "unavailable", 0},
		{"a statement that took too long", fmt.Errorf("x: %w", &pgconn.PgError{Code: "57014"}), 503, "unavailable", 0},
		{"a database that stops", fmt.Errorf("x: %w", &pgconn.PgError{Code: "57P01"}), 503, "storage_unavailable", 0},
		{"a statement that is wrong", &pgconn.PgError{Code: "42P01"}, 500, "internal", 0},
		{"a body that is too large", &http.MaxBytesError{Limit: 1}, 413, "too_large", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, isFault := problemOf(tt.err, "id")
			if p.Status != tt.status || p.Code != tt.code || len(p.Errors) != tt.errors || p.More != strings.HasPrefix(tt.name, "more") || isFault != (tt.status == 500) {
				t.Errorf("got %+v, %v", p, isFault)
			}
		})
	}
	p, _ := problemOf(&domain.Error{Reason: domain.Conflict, Code: "duplicate", Pointer: "/" + strings.Repeat("é", 1000), Data: map[string]any{"existing_id": "con_1"}}, "id")
	b, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(b), `"existing_id":"con_1"`) || len(b) > 1000 || !json.Valid(b) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestBell wakes those who listen, and forgets them.
func TestBell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newListeners()
		one, other := domain.TenantID{UUID: uuid.New()}, domain.TenantID{UUID: uuid.New()}
		leave, leaveToo := b.add(one), b.add(one)
		var woken atomic.Int32
		for range 2 {
			news := b.next(one)
			go func() { <-news; woken.Add(1) }()
		}
		b.tell(other)
		synctest.Wait()
		if n := woken.Load(); n != 0 {
			t.Errorf("%d were woken for nothing", n)
		}
		b.tell(one)
		synctest.Wait()
		if n := woken.Load(); n != 2 {
			t.Errorf("%d were woken", n)
		}
		leave()
		leaveToo()
		if len(b.of) != 0 {
			t.Error("those who left are remembered")
		}
	})
}
