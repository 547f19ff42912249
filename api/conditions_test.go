package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestIfMatch(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testIfMatch)
}

func testIfMatch(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	made := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
	ada, id := made.Path(), made.ID()
	ann.With("If-Match", `"1"`).Patch(ada, `{"last_name":"Lovelace"}`).Want(http.StatusOK).WantHeader("ETag", `"2"`)
	ann.With("If-Match", `"1"`).Patch(ada, `{"last_name":"Byron"}`).
		WantProblem(http.StatusPreconditionFailed, "version_conflict").Want(http.StatusPreconditionFailed, `"current_version":2`, `"changed_fields":["last_name"]`)
	ann.With("If-Match", `"9"`).Patch(ada, `{"last_name":"Byron"}`).Want(http.StatusPreconditionFailed)
	ann.With("If-Match", `*`).Patch(ada, `{"job_title":"Analyst"}`).Want(http.StatusOK).WantHeader("ETag", `"3"`)
	for _, tag := range []string{`W/"3"`, `"x"`, `"03"`, `"-3"`, `""`, `"99999999999"`, `"1", W/"3"`, `"*"`, `"1,3"`} {
		ann.With("If-Match", tag).Patch(ada, `{"last_name":"Byron"}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	}
	for tag, changed := range map[string]string{
		`"1", "9"`: `["job_title","last_name"]`, `"9","1","2"`: `["job_title"]`, `W/"1"`: `["job_title","last_name"]`, `"x", W/"2"`: `["job_title"]`, `"9"`: `[]`,
	} {
		ann.With("If-Match", tag).Patch(ada, `{"last_name":"Byron"}`).Want(http.StatusPreconditionFailed, `"changed_fields":`+changed, `"current_version":3`)
	}
	for _, tag := range []string{`*`, `"3"`, `W/"3"`, `"x", "3"`} {
		ann.With("If-None-Match", tag).Patch(ada, `{"last_name":"Byron"}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
		ann.With("If-None-Match", tag).Delete(ada).WantProblem(http.StatusPreconditionFailed, "version_conflict")
		ann.With("If-None-Match", tag).Post("/commands", `{"type":"contact.update","id":"`+id+`","data":{"last_name":"Byron"}}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	}
	ann.With("If-None-Match", `"2", "x"`).Patch(ada, `{"job_title":"Analyst"}`).Want(http.StatusOK).WantHeader("ETag", `"3"`)
	ann.With("If-None-Match", `3`).Patch(ada, `{}`).WantProblem(http.StatusBadRequest, "invalid_etag")
	ann.With("Authorization", strings.Replace(ann.Bearer(), " ", "   ", 1)).Get(ada).Want(http.StatusOK)
	for _, path := range []string{"/docs", "/v1/openapi.json"} {
		file := ann.Get(path).Want(http.StatusOK)
		ann.With("If-Match", `"x"`).Get(path).WantProblem(http.StatusPreconditionFailed, "version_conflict")
		ann.With("If-Match", file.Header.Get("ETag")).Get(path).Want(http.StatusOK)
	}
	for _, tag := range []string{`3`, ``, `,`, `*, "3"`, `w/"3"`, `"3`, `3"`, `"3" "4"`, `"a b"`, `W/ "3"`, `'3'`, `"3";x`} {
		ann.With("If-Match", tag).Patch(ada, `{"last_name":"Byron"}`).WantProblem(http.StatusBadRequest, "invalid_etag", "If-Match invalid_etag")
	}
	twice := ann.Also("If-Match", `"2"`).Also("If-Match", `"x"`)
	twice.Patch(ada, `{"last_name":"Byron"}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	for _, c := range []apitest.Client{
		ann.With("If-Match", `"3","4"`), ann.With("If-Match", ` , "a,b" ,"1" , "3"`), ann.Also("If-Match", `W/"1"`).Also("If-Match", `"3"`), ann.With("If-Match", " * "),
	} {
		c.Patch(ada, `{"job_title":"Analyst"}`).Want(http.StatusOK).WantHeader("ETag", `"3"`) // which changes nothing
		c.Get(ada).Want(http.StatusOK)
	}
	ann.With("If-Match", `W/"3"`).Get(ada).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	for _, c := range []apitest.Client{ann.With("Min-Position", "-1"), ann.Also("Min-Position", "1").Also("Min-Position", "1"), ann.Also("Min-Position", "")} {
		c.Get(ada).WantProblem(http.StatusBadRequest, "invalid_position")
	}

	disjoint := ann.With("If-Match", `"2"`).With("Prefer", "return=minimal, merge=disjoint")
	disjoint.Patch(ada, `{"job_title":"x"}`).Want(http.StatusPreconditionFailed)
	disjoint.Patch(ada, `{"last_name":"Byron"}`).Want(http.StatusOK, `"Byron"`, `"Analyst"`)

	// What was purged is not told of, whatever the caller has seen of it.
	gone := ann.Post("/contacts", `{"first_name":"Eve"}`).Want(http.StatusCreated)
	ann.Delete(gone.Path()).Want(http.StatusOK)
	ann.Post(gone.Path()+"/purge", "").Want(http.StatusNoContent)
	for _, c := range []apitest.Client{ann, ann.With("If-Match", `"1"`), ann.With("If-Match", `"3"`), ann.With("If-None-Match", "*"), ann.With("If-Match", "*")} {
		c.Patch(gone.Path(), `{"last_name":"x"}`).WantProblem(http.StatusNotFound, "not_found")
		c.Post(gone.Path()+"/purge", "").WantProblem(http.StatusNotFound, "not_found")
	}
	if r := ann.Post("/contacts/batch", `{"operations":[{"op":"update","id":"`+gone.ID()+`","if_match":1,"data":{"last_name":"x"}}]}`).Want(http.StatusMultiStatus, `"status":404`); strings.Contains(r.Body, "version") {
		t.Error(r.Body)
	}

	// Of many who have seen the same, one gets through.
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 8 {
		wg.Go(func() {
			r := ann.With("If-Match", `"4"`).Patch(ada, `{"last_name":"`+strconv.Itoa(i)+`"}`)
			mu.Lock()
			got[r.Status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[http.StatusOK] != 1 || got[http.StatusPreconditionFailed] != 7 {
		t.Errorf("answers: %v", got)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testIdempotencyKey)
}

func testIdempotencyKey(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	other := ann.Key("admin")
	with := func(c apitest.Client, key string) apitest.Client { return c.With("Idempotency-Key", key) }

	first := with(ann, "k").Post("/contacts", `{"first_name":"Ada","last_name":"L"}`).Want(http.StatusCreated)
	ada := first.Path()
	again := with(ann, "k").Post("/contacts", `{ "last_name": "L", "first_name": "Ada" }`).Want(http.StatusCreated).
		WantHeader("Idempotent-Replayed", "true").WantHeader("ETag", `"1"`).WantHeader("Location", ada)
	if again.Body != first.Body || again.Header.Get("Command-Id") != first.Header.Get("Command-Id") {
		t.Errorf("first %s\nagain %s", first.Body, again.Body)
	}
	with(ann, "k").Post("/contacts", `{"first_name":"Eve"}`).WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")
	with(ann, "k").Delete(ada).WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")

	eve := ann.Post("/contacts", `{"first_name":"Eve"}`).Want(http.StatusCreated).Path()
	with(ann, "d").Delete(eve).Want(http.StatusOK)
	with(ann, "d").Delete(ada).WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")
	with(ann, "d").Post(eve+"/restore", "").WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")

	// The same key of somebody else is another key.
	if id := with(bob, "k").Post("/contacts", `{"first_name":"Ada","last_name":"L"}`).Want(http.StatusCreated).ID(); id == first.ID() {
		t.Error("the key of one tenant was good in another")
	}
	if id := with(other, "k").Post("/contacts", `{"first_name":"Ada","last_name":"L"}`).Want(http.StatusCreated).ID(); id == first.ID() {
		t.Error("the key of one caller was good for another")
	}

	// What was done since does not change the answer.
	patched := with(ann, "p").Patch(ada, `{"job_title":"A"}`).Want(http.StatusOK)
	ann.Patch(ada, `{"job_title":"B"}`).Want(http.StatusOK)
	if again := with(ann, "p").Patch(ada, `{"job_title":"A"}`).Want(http.StatusOK); again.Body != patched.Body {
		t.Errorf("first %s\nagain %s", patched.Body, again.Body)
	}
	ann.Get(ada).Want(http.StatusOK, `"job_title":"B"`, `"version":3`)
	if again := with(ann, "k").Post("/contacts", `{"first_name":"Ada","last_name":"L"}`).Want(http.StatusCreated); again.Body != first.Body {
		t.Errorf("first %s\nagain %s", first.Body, again.Body)
	}

	for _, key := range []string{strings.Repeat("k", 256), "a\tb", "é"} {
		with(ann, key).Post("/contacts", `{"first_name":"x"}`).WantProblem(http.StatusBadRequest, "invalid_key", "Idempotency-Key invalid_key")
	}
	with(ann, strings.Repeat("k", 255)).Post("/contacts", `{"first_name":"x"}`).Want(http.StatusCreated)

	// Many at once have one effect.
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for range 8 {
		wg.Go(func() {
			id := with(ann, "once").Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated).ID()
			mu.Lock()
			ids[id]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("made %v", ids)
	}
}

func TestMinPosition(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testMinPosition)
}

func testMinPosition(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	for range 20 {
		r := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
		ann.With("Min-Position", r.Header.Get("Event-Position")).Get("/companies?count=exact").Want(http.StatusOK, r.ID())
	}
	ann.With("Min-Position", "1000").Get("/companies").WantProblem(http.StatusConflict, "position_ahead", "Min-Position position_ahead").
		Want(http.StatusConflict, `"head":20`)
	for _, p := range []string{"20.0", "2e1", "-0"} {
		ann.With("Min-Position", p).Get("/companies").Want(http.StatusOK)
	}
	for _, p := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		ann.With("Min-Position", p).Get("/companies").WantProblem(http.StatusBadRequest, "invalid_position")
	}
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testAsOf)
}

func testAsOf(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	made := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
	then := ann.Patch(made.Path(), `{"first_name":"Augusta"}`).Want(http.StatusOK)
	var v struct {
		UpdatedAt string `json:"updated_at"`
	}
	then.Into(&v)
	ann.Delete(made.Path()).Want(http.StatusOK)
	for as, want := range map[string]string{"1": made.Body, "2": then.Body, v.UpdatedAt: then.Body} {
		if got := ann.Get(made.Path() + "?as_of=" + as).Want(http.StatusOK); got.Body != want {
			t.Errorf("as of %s: %s\nit was: %s", as, got.Body, want)
		}
	}
	ann.Get(made.Path()+"?as_of=2020-01-01T00:00:00Z").WantProblem(http.StatusNotFound, "not_found")
	for _, as := range []string{"yesterday", "0", "-1", "2020-01-01"} {
		ann.Get(made.Path()+"?as_of="+as).WantProblem(http.StatusUnprocessableEntity, "bad_value", "as_of bad_value")
	}

	ann.Post(made.Path()+"/restore", "").Want(http.StatusOK)
	ann.Post(made.Path()+"/restore_version", `{"version":1}`).Want(http.StatusOK, `"first_name":"Ada"`)
	var history struct {
		Data []struct {
			Type    string
			Version int
			Actor   struct{ Kind string }
			Changes []struct {
				Field    string
				Old, New any
			}
		}
		Next *string `json:"next_cursor"`
	}
	ann.Get(made.Path() + "/history?limit=2").Want(http.StatusOK).Into(&history)
	if len(history.Data) != 2 || history.Next == nil {
		t.Fatalf("history: %+v", history)
	}
	if e := history.Data[1]; e.Type != "contact.updated" || e.Actor.Kind != "user" || len(e.Changes) != 1 || e.Changes[0].Old != "Ada" || e.Changes[0].New != "Augusta" {
		t.Errorf("the second event is %+v", e)
	}
	ann.Get(made.Path()+"/history?cursor="+*history.Next).Want(http.StatusOK, `"contact.deleted"`, `"contact.restored"`, `"next_cursor":null`)
	ann.Get(made.Path()+"/events?limit=1").Want(http.StatusOK, `"contact.created"`, `"schema_version":1`).Into(&history)
	ann.Get(made.Path()+"/events?cursor="+*history.Next).Want(http.StatusOK, `"contact.updated"`)
	for _, cursor := range []string{"x", "0", "-1", "99999999999", *history.Next} {
		ann.Get(made.Path()+"/history?cursor="+cursor).WantProblem(http.StatusBadRequest, "invalid_cursor")
	}
}
