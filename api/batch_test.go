package api_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

type batchAnswer struct {
	Results []struct {
		Index, Status, Version int
		ID                     string
		Problem                struct {
			Code   string
			Errors []struct{ Pointer, Code string }
		}
	}
}

func (b batchAnswer) String() string {
	var parts []string
	for _, r := range b.Results {
		s := strconv.Itoa(r.Status)
		if r.Problem.Code != "" {
			s += " " + r.Problem.Code
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// TestLargeBatchesEndTheirTurns sends more large batches than are carried out at a time,
// which end in all sorts of ways. One whose turn did not end would stop all that follow.
func TestLargeBatchesEndTheirTurns(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	large := strings.Repeat(" ", 20<<10)
	for range runtime.GOMAXPROCS(0) {
		ann.Post("/contacts/batch", `{"operations":`+large).Want(http.StatusBadRequest)
		ann.Post("/contacts/batch", `{"operations":[],`+large+`"x":1}`).Want(http.StatusBadRequest)
		ann.Post("/contacts/batch", `{"operations":[{"op":"fly"}]`+large+`}`).Want(http.StatusMultiStatus)
	}
	var wait sync.WaitGroup
	for i := range 4 * runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			client := []apitest.Client{ann, bob}[i%2]
			client.Post("/contacts/batch", `{"operations":[{"op":"create","data":{"last_name":"Large"}}]`+large+`}`).Want(http.StatusOK)
		})
	}
	wait.Wait()
}

func TestBatch(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testBatch)
}

func testBatch(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	foreign := bob.Post("/contacts", `{"first_name":"Bob"}`).Want(http.StatusCreated).ID()
	chosen := "con_01940a5f8d3b7c1e9f423a6b8c"
	ada := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).ID()
	op := func(name, id, more string) string { return `{"op":"` + name + `","id":"` + id + `"` + more + `}` }

	var got batchAnswer
	ann.Post("/contacts/batch", `{"operations":[`+strings.Join([]string{
		`{"op":"create","data":{"first_name":"Eve","emails":[{"address":"eve@example.org"}]}}`,
		op("update", ada, `,"data":{"last_name":"L"}`),
		op("update", ada, `,"if_match":2,"data":{"job_title":"A"}`),
		op("update", ada, `,"if_match":1,"data":{"job_title":"B"}`),
		op("update", ada, `,"data":{"naem":"B"}`),
		op("change_lifecycle", ada, `,"data":{"lifecycle":"x"}`),
		op("delete", foreign, ``),
		op("delete", chosen, ``),
		op("fly", ada, ``),
		`{"op":"create","data":{"first_name":"Eva","emails":[{"address":"eve@example.org"}]}}`,
		op("delete", ada, ``),
		op("restore", ada, ``),
	}, ",")+`]}`).Want(http.StatusMultiStatus).Into(&got)
	want := "201, 200, 200, 412 version_conflict, 400 unknown_member, 422 unknown_value, 404 not_found, 404 not_found, 422 unknown_value, 409 duplicate, 200, 200"
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p := got.Results[4].Problem.Errors; len(p) != 1 || p[0].Pointer != "/naem" {
		t.Errorf("the problem is at %+v", p)
	}
	ann.Get("/contacts/"+ada).Want(http.StatusOK, `"version":5`, `"job_title":"A"`)

	// All or none.
	two := `{"atomic":true,"operations":[` + op("update", ada, `,"data":{"last_name":"X"}`) + `,{"op":"create","data":{%s}}]}`
	ann.Post("/contacts/batch", fmt.Sprintf(two, `"emails":[{"address":"eve@example.org"}]`)).
		WantProblem(http.StatusConflict, "duplicate")
	ann.Post("/contacts/batch", fmt.Sprintf(two, `"first_name":1`)).
		WantProblem(http.StatusUnprocessableEntity, "wrong_type", "/operations/1/data/first_name wrong_type")
	ann.Get("/contacts/"+ada).Want(http.StatusOK, `"last_name":"L"`)
	ann.Post("/contacts/batch", fmt.Sprintf(two, `"first_name":"New"`)).Want(http.StatusOK).Into(&got)
	if got.String() != "200, 201" {
		t.Errorf("all or none: %s", got)
	}

	// A batch can be repeated.
	key := ann.With("Idempotency-Key", "b")
	body := `{"operations":[{"op":"create","data":{"first_name":"R1"}},{"op":"create","data":{"first_name":"R2"}}]}`
	first := key.Post("/contacts/batch", body).Want(http.StatusOK)
	if again := key.Post("/contacts/batch", body).Want(http.StatusOK).WantHeader("Idempotent-Replayed", "true"); again.Body != first.Body {
		t.Errorf("first %s\nagain %s", first.Body, again.Body)
	}
	key.Post("/contacts/batch", strings.Replace(body, "R1", "R3", 1)).WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")

	// Limits.
	many := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`{"op":"create","data":{"first_name":"N"}},`, n), ",")
	}
	ann.Post("/contacts/batch", `{"operations":[`+many(1000)+`]}`).Want(http.StatusOK)
	ann.Post("/contacts/batch", `{"operations":[`+many(1001)+`]}`).WantProblem(http.StatusUnprocessableEntity, "too_many", "/operations too_many")
	ann.Post("/contacts/batch", `{"atomic":true,"operations":[`+many(101)+`]}`).WantProblem(http.StatusUnprocessableEntity, "too_many", "/operations too_many")
	ann.Post("/contacts/batch", `{"operations":[]}`).WantProblem(http.StatusUnprocessableEntity, "too_few", "/operations too_few")
	ann.Get("/contacts?count=exact&limit=1&first_name=N").Want(http.StatusOK, `"count":1000`)

	ann.Post("/contacts/batch_get", `{"ids":["`+foreign+`","`+ada+`"]}`).Want(http.StatusOK, `"missing":["`+foreign+`"]`, `"id":"`+ada+`"`)
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testUpsert)
}

func testUpsert(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	bob.Post("/contacts", `{"emails":[{"address":"ada@example.org"}]}`).Want(http.StatusCreated)
	ada := func(more string) string {
		return `{"match_on":["emails"],"data":{"emails":[{"address":"ada@example.org"}]` + more + `}}`
	}
	made := ann.Post("/contacts/upsert", ada(`,"first_name":"Ada"`)).Want(http.StatusCreated, `"first_name":"Ada"`)
	ann.Post("/contacts/upsert", strings.ReplaceAll(ada(`,"job_title":"A"`), "ada@", "ADA@")).Want(http.StatusOK, made.ID(), `"first_name":"Ada"`, `"job_title":"A"`)
	ann.Post("/contacts/upsert", ada(`,"naem":"A"`)).WantProblem(http.StatusBadRequest, "unknown_member", "/data/naem unknown_member")
	ann.Post("/contacts/upsert", `{"match_on":["first_name"],"data":{"first_name":"Ada"}}`).WantProblem(http.StatusUnprocessableEntity, "unknown_match")
	ann.Post("/contacts/upsert", `{"match_on":["external_ids"],"data":{"first_name":"Ada"}}`).WantProblem(http.StatusUnprocessableEntity, "nothing_to_match")

	eve := ann.Post("/contacts", `{"first_name":"Eve","external_ids":{"hubspot":"7"}}`).Want(http.StatusCreated).ID()
	ann.Post("/contacts/upsert", `{"match_on":["external_ids"],"data":{"external_ids":{"hubspot":"7"},"last_name":"E"}}`).Want(http.StatusOK, eve, `"first_name":"Eve"`)
	ann.Post("/contacts/upsert", `{"match_on":["external_ids","emails"],"data":{"external_ids":{"hubspot":"7"},"emails":[{"address":"ada@example.org"}]}}`).
		WantProblem(http.StatusConflict, "several_matches").Want(http.StatusConflict, eve, made.ID())

	pip := ann.Post("/pipelines", `{"name":"Sales","stages":`+salesStages+`}`).Want(http.StatusCreated).ID()
	deal := `{"match_on":["external_ids"],"data":{"name":"Roof","pipeline_id":"` + pip + `","external_ids":{"erp":"1"}}}`
	ann.Post("/deals/upsert", deal).Want(http.StatusCreated)
	ann.Post("/deals/upsert", strings.Replace(deal, "Roof", "New roof", 1)).Want(http.StatusOK, `"New roof"`)
	own := `{"match_on":["domains"],"data":{"id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6","name":"Own","domains":["own.example"]}}`
	ann.Post("/companies/upsert", own).Want(http.StatusCreated, "cmp_01jh2xk3v8e4t9p5w7y0z2b4d6")
	ann.Post("/companies/upsert", own).Want(http.StatusOK, "cmp_01jh2xk3v8e4t9p5w7y0z2b4d6")

	// A repetition does what was done, whatever has happened since.
	key := ann.With("Idempotency-Key", "u")
	first := key.Post("/companies/upsert", `{"match_on":["domains"],"data":{"name":"Acme","domains":["acme.example"]}}`).Want(http.StatusCreated)
	if again := key.Post("/companies/upsert", `{"match_on":["domains"],"data":{"name":"Acme","domains":["acme.example"]}}`).Want(http.StatusCreated); again.Body != first.Body {
		t.Errorf("first %s\nagain %s", first.Body, again.Body)
	}
	ann.Patch("/companies/"+first.ID(), `{"domains":null}`).Want(http.StatusOK)
	key.Post("/companies/upsert", `{"match_on":["domains"],"data":{"name":"Acme","domains":["acme.example"]}}`).
		Want(http.StatusCreated, first.ID()).WantHeader("Idempotent-Replayed", "true")

	// Of many at once, one makes it and the others find it.
	var wg sync.WaitGroup
	var made201 atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			r := ann.Post("/contacts/upsert", fmt.Sprintf(`{"match_on":["external_ids"],"data":{"first_name":"%d","external_ids":{"erp":"9"}}}`, i))
			if r.Status == http.StatusCreated {
				made201.Add(1)
			} else if r.Status != http.StatusOK && !strings.Contains(r.Body, `"busy"`) {
				t.Errorf("one of many: %d %s", r.Status, r.Body)
			}
		})
	}
	wg.Wait()
	if n := made201.Load(); n != 1 {
		t.Errorf("%d were made", n)
	}

	// Many of one in a batch, half of which find what the others made.
	var got batchAnswer
	item := `{"op":"upsert","match_on":["domains"],"data":{"name":"X","domains":["x.example"]}}`
	ann.Post("/companies/batch", `{"operations":[`+item+`,`+item+`]}`).Want(http.StatusOK).Into(&got)
	if got.String() != "201, 200" || got.Results[0].ID != got.Results[1].ID {
		t.Errorf("twice the same in a batch: %+v", got)
	}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	made := ann.Post("/commands", `{"type":"company.create","data":{"name":"Acme"}}`).Want(http.StatusCreated, `"name":"Acme"`)
	id := made.ID()
	ann.Post("/commands", `{"type":"company.update","id":"`+id+`","data":{"industry":"x"}}`).Want(http.StatusOK, `"industry":"x"`).WantHeader("ETag", `"2"`)
	ann.With("If-Match", `"1"`).Post("/commands", `{"type":"company.delete","id":"`+id+`"}`).Want(http.StatusPreconditionFailed)
	ann.Post("/commands", `{"type":"company.delete","id":"`+id+`"}`).Want(http.StatusOK, `"deleted_at":"`)
	ann.Post("/commands", `{"type":"company.update","id":"`+id+`","data":{"name":1}}`).WantProblem(http.StatusUnprocessableEntity, "wrong_type", "/data/name wrong_type")
	for _, typ := range []string{"company.fly", "plane.create", "company", ""} {
		ann.Post("/commands", `{"type":"`+typ+`","id":"`+id+`"}`).WantProblem(http.StatusUnprocessableEntity, "unknown_value", "/type unknown_value")
	}
}
