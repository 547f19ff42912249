package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// A key names one request, whichever door it comes through: another one under it
// is refused as a whole, and nothing of it is done.
func TestKeyOfAnyRequest(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testKeyOfAnyRequest)
}

func testKeyOfAnyRequest(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	ann.Post("/companies", `{"name":"There","domains":["there.example"]}`).Want(http.StatusCreated)
	type request struct{ path, body string }
	ok := `{"op":"create","data":{"name":"A"}}`
	bad := `{"op":"delete","id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`
	requests := []request{
		{"/companies", `{"name":"A"}`},
		{"/companies/batch", `{"operations":[` + ok + `]}`},
		{"/companies/batch", `{"operations":[` + ok + `,` + ok + `]}`},
		{"/companies/batch", `{"operations":[` + ok + `,` + bad + `]}`},
		{"/companies/batch", `{"operations":[` + bad + `,` + ok + `]}`},
		{"/companies/batch", `{"atomic":true,"operations":[` + ok + `]}`},
		{"/contacts/batch", `{"operations":[{"op":"create","data":{"first_name":"A"}}]}`},
		{"/commands", `{"type":"company.create","data":{"name":"A"}}`},
		{"/companies/upsert", `{"match_on":["domains"],"data":{"name":"A","domains":["there.example"]}}`},
		{"/companies/batch", `{"operations":[{"op":"upsert","match_on":["domains"],"data":{"name":"A","domains":["there.example"]}}]}`},
	}
	for i, first := range requests {
		for j, second := range requests {
			key := ann.With("Idempotency-Key", fmt.Sprintf("%d-%d", i, j))
			a := key.Post(first.path, first.body)
			if a.Status >= 300 {
				t.Fatalf("%d: %d %s", i, a.Status, a.Body)
			}
			before := len(ann.Get("/events").Want(http.StatusOK).Body)
			switch b := key.Post(second.path, second.body); {
			case i == j && (b.Status != a.Status || b.Body != a.Body && !strings.Contains(first.body, bad)):
				t.Errorf("%d again: %d %s", i, b.Status, b.Body)
			case i != j:
				b.WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")
			}
			if after := len(ann.Get("/events").Want(http.StatusOK).Body); after != before {
				t.Errorf("%d, then %d: something was done", i, j)
			}
		}
	}

	// What did nothing leaves the key free.
	key := ann.With("Idempotency-Key", "free")
	key.Post("/companies/batch", `{"operations":[`+bad+`]}`).Want(http.StatusMultiStatus)
	key.Post("/companies/batch", `{"operations":[`+ok+`]}`).Want(http.StatusOK)
}

// What is beside the data of a command is kept, or refused where it cannot be.
func TestBesideTheData(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	made := ann.Post("/companies", `{"name":"Acme","domains":["acme.example"]}`).Want(http.StatusCreated)
	id, own := made.ID(), `"data":{"name":"X","domains":["acme.example"]}`
	for _, c := range []struct{ op, want string }{
		{`"op":"create","id":"` + id + `","data":{"name":"X"}`, "422 not_applicable /id"},
		{`"op":"create","if_match":1,"data":{"name":"X"}`, "422 not_applicable /if_match"},
		{`"op":"create","match_on":["domains"],"data":{"name":"X"}`, "422 not_applicable /match_on"},
		{`"op":"create","lists":"add","data":{"name":"X"}`, "422 not_a_patch /lists"},
		{`"op":"update","id":"` + id + `","match_on":["domains"],` + own, "422 not_applicable /match_on"},
		{`"op":"delete","id":"` + id + `","match_on":["domains"]`, "422 not_applicable /match_on"},
		{`"op":"delete","id":"` + id + `","if_match":7`, "412 version_conflict "},
		{`"op":"upsert","id":"` + id + `","match_on":["domains"],` + own, "422 not_applicable /id"},
		{`"op":"upsert","if_match":7,"match_on":["domains"],` + own, "412 version_conflict "},
		{`"op":"upsert","if_match":1,"match_on":["domains"],"data":{"name":"X","domains":["new.example"]}`, "412 version_conflict "},
	} {
		var got batchAnswer
		r := ann.Post("/companies/batch", `{"operations":[{`+c.op+`}]}`).Want(http.StatusMultiStatus).Into(&got)
		one := got.Results[0]
		place := ""
		if len(one.Problem.Errors) > 0 {
			place = one.Problem.Errors[0].Pointer
		}
		if is := fmt.Sprintf("%d %s %s", one.Status, one.Problem.Code, place); is != c.want {
			t.Errorf("%s: %s\n%s", c.op, is, r.Body)
		}
		if strings.HasPrefix(c.want, "422") {
			ann.Post("/companies/batch", `{"atomic":true,"operations":[{`+c.op+`}]}`).
				WantProblem(http.StatusUnprocessableEntity, one.Problem.Code, "/operations/0"+place+" "+one.Problem.Code)
		}
	}
	ann.Get(made.Path()).Want(http.StatusOK, `"version":1`)
	ann.Get("/companies?count=exact").Want(http.StatusOK, `"count":1,`)

	upsert := `{"match_on":["domains"],` + own + `}`
	ann.With("If-Match", `"7"`).Post("/companies/upsert", upsert).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	ann.With("If-None-Match", `*`).Post("/companies/upsert", upsert).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	ann.With("If-Match", `*`).Post("/companies/upsert", strings.ReplaceAll(upsert, "acme", "other")).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	ann.With("If-Match", `"1"`).Post("/companies/upsert", upsert).Want(http.StatusOK).WantHeader("ETag", `"2"`)
	ann.With("If-None-Match", `*`).Post("/companies/upsert", strings.ReplaceAll(upsert, "acme", "other")).Want(http.StatusCreated)

	ann.Post("/commands", `{"type":"company.create","id":"`+id+`","data":{"name":"X"}}`).WantProblem(http.StatusUnprocessableEntity, "not_applicable", "/id not_applicable")
	tagged := ann.With("If-Match", `"1"`)
	tagged.Post("/commands", `{"type":"company.create","data":{"name":"X"}}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	tagged.Post("/companies", `{"name":"X"}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	tagged.Post("/companies/batch", `{"operations":[{"op":"delete","id":"`+id+`"}]}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	ann.With("If-Match", `*`).Post("/companies", `{"name":"Y"}`).Want(http.StatusCreated)
}
