package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
)

// givers are the ways to give a command to a record.
var givers = map[string]func(*racer, apitest.Client, operation) apitest.Response{
	"route": func(r *racer, c apitest.Client, op operation) apitest.Response { return r.give(c, op, "") },
	"door": func(r *racer, c apitest.Client, op operation) apitest.Response {
		return c.Post("/commands", fmt.Sprintf(`{"type":"%s","id":"%s","data":%s}`, op.Command, r.id, orEmpty(r.body(op))))
	},
}

func orEmpty(body string) string {
	if body == "" {
		return "{}"
	}
	return body
}

// newRacer makes a record for a command, with a word in its texts.
func newRacer(m matrix, ops map[string]operation, op operation, word string) *racer {
	r := &racer{matrix: m, prefix: prefixOf(op), ops: ops}
	r.id = domain.ID{Prefix: r.prefix, UUID: uuid.Must(uuid.NewV7())}.String()
	i := slices.IndexFunc(commands.All, func(k commands.AnyPolicy) bool { return k.Prefix() == r.prefix })
	if commands.All[i].NamedBy() != "" { // there is one of each
		r.id = m.mine.ids[r.prefix]
		return r
	}
	unique := word + strings.ReplaceAll(r.id, "_", "") // others have the word as well
	body := filled(recipe(m.t, commands.All[i]), unique, m.mine.ids)
	m.mine.Post("/"+collections[r.prefix], `{"id":"`+r.id+`",`+body[1:]).Want(http.StatusCreated)
	return r
}

// sameAnswer checks that a repetition is answered as the first time.
func sameAnswer(t *testing.T, what string, first, again apitest.Response) {
	t.Helper()
	if again.Status != first.Status || again.Body != first.Body {
		t.Errorf("%s: %d %s\nat first: %d %s", what, again.Status, again.Body, first.Status, first.Body)
	}
	for _, name := range []string{"Etag", "Event-Position", "Location", "Command-Id"} {
		if a, b := first.Header.Get(name), again.Header.Get(name); a != b {
			t.Errorf("%s: %s is %q, and was %q", what, name, b, a)
		}
	}
	if again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s is not said to be repeated", what)
	}
}

// TestEveryCommandIsRepeated gives each command of each kind twice under keys,
// of which the second often finds nothing to do, and repeats both when the
// record has become another one: the answers are those of the first time. When
// the record was purged, they tell nothing of it.
func TestEveryCommandIsRepeated(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	m := matrix{t: t, mine: furnish(t, ann, "mine"), tried: map[string]int{}}
	ops := map[string]operation{}
	for _, op := range operations(t, s) {
		ops[op.ID] = op
	}
	nothing, purged := 0, 0
	for _, op := range ops {
		if op.Method == http.MethodGet || triedElsewhere(op) || !strings.HasSuffix(op.Path, "/{id}") && !strings.Contains(op.Path, "/{id}/") {
			continue
		}
		for way, give := range givers {
			r := newRacer(m, ops, op, canary)
			kind, action, _ := strings.Cut(op.ID, ".")
			record := "/" + collections[r.prefix] + "/" + r.id
			if action == "restore" || action == "purge" {
				ann.Delete(record).Want(http.StatusOK)
			}
			var firsts []apitest.Response
			for n := range 2 {
				firsts = append(firsts, give(r, ann.With("Idempotency-Key", fmt.Sprint(way, r.id, n)), op))
			}
			if a, b := firsts[0], firsts[1]; a.Status < 400 && b.Status < 400 && a.Header.Get("Etag") == b.Header.Get("Etag") {
				nothing++
			}
			for other, body := range map[string]string{"rename": `{"name":"Other ` + r.id + `"}`, "add_tags": `{"tags":["later"]}`, "assign_owner": `{}`} {
				if o, ok := ops[kind+"."+other]; ok {
					r.give(ann, o, body)
				}
			}
			repeat := func() (again []apitest.Response) {
				for n := range firsts {
					again = append(again, give(r, ann.With("Idempotency-Key", fmt.Sprint(way, r.id, n)), op))
				}
				return again
			}
			for n, again := range repeat() {
				if what := fmt.Sprint(op.ID, " by ", way, ", ", n); firsts[n].Status < 400 {
					sameAnswer(t, what, firsts[n], again)
				} else if again.Status >= 500 {
					t.Errorf("%s: %d %s", what, again.Status, again.Body)
				}
			}
			if _, ok := ops[kind+".purge"]; !ok {
				continue
			}
			ann.Delete(record)
			ann.Post(record+"/purge", "")
			ann.Get(record).Want(http.StatusNotFound)
			purged++
			for n, again := range repeat() {
				want := []int{http.StatusGone}
				if firsts[n].Status >= 400 {
					want = []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
				} else if action == "purge" {
					want = []int{http.StatusNoContent}
				}
				if !slices.Contains(want, again.Status) || strings.Contains(again.Body, canary) {
					t.Errorf("%s by %s, %d, of a purged record: %d %s", op.ID, way, n, again.Status, again.Body)
				}
			}
		}
	}
	if nothing < 15 || purged < 60 {
		t.Errorf("%d found nothing to do, %d were purged", nothing, purged)
	}
}

// An upsert that is repeated is about the record of the first time, whoever has
// what it was found by now.
func TestUpsertIsRepeated(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testUpsertIsRepeated)
}

func testUpsertIsRepeated(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	body := `{"match_on":["emails"],"data":{"first_name":"Ada","emails":[{"address":"ada@example.org"}]}}`
	made := ann.With("Idempotency-Key", "made").Post("/contacts/upsert", body).Want(http.StatusCreated)
	same := ann.With("Idempotency-Key", "same").Post("/contacts/upsert", body).Want(http.StatusOK)
	if same.ID() != made.ID() || same.Header.Get("Etag") != `"1"` {
		t.Fatalf("%s", same.Body)
	}
	record := "/contacts/" + made.ID()
	batch := `{"operations":[{"op":"upsert","match_on":["emails"],"data":{"first_name":"Ada","emails":[{"address":"ada@example.org"}]}},{"op":"create","data":{"first_name":"Bob"}}],"atomic":%t}`
	var batches []apitest.Response
	for _, atomic := range []bool{false, true} {
		batches = append(batches, ann.With("Idempotency-Key", strconv.FormatBool(atomic)).Post("/contacts/batch", fmt.Sprintf(batch, atomic)).Want(http.StatusOK))
	}
	repeat := func() {
		t.Helper()
		sameAnswer(t, "the one that made it", made, ann.With("Idempotency-Key", "made").Post("/contacts/upsert", body))
		sameAnswer(t, "the one that found it so", same, ann.With("Idempotency-Key", "same").Post("/contacts/upsert", body))
		for i, atomic := range []bool{false, true} {
			sameAnswer(t, fmt.Sprint("batch ", atomic), batches[i], ann.With("Idempotency-Key", strconv.FormatBool(atomic)).Post("/contacts/batch", fmt.Sprintf(batch, atomic)))
		}
	}
	ann.Patch(record, `{"emails":[{"address":"other@example.org"}]}`).Want(http.StatusOK)
	repeat() // nobody has the address
	ann.Post("/contacts", `{"first_name":"Eve","emails":[{"address":"ada@example.org"}]}`).Want(http.StatusCreated)
	repeat() // somebody else has
	ann.Delete(record).Want(http.StatusOK)
	repeat()
	ann.Post(record+"/purge", "").Want(http.StatusNoContent)
	for _, key := range []string{"made", "same"} {
		if r := ann.With("Idempotency-Key", key).Post("/contacts/upsert", body).WantProblem(http.StatusGone, "purged"); strings.Contains(r.Body, "ada@") {
			t.Error(r.Body)
		}
	}
	ann.With("Idempotency-Key", "same").Post("/contacts/upsert", strings.Replace(body, "Ada", "Eve", 1)).WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")
}

// A batch that is repeated has the answer of each operation, also of those for
// one record, and of those that changed nothing.
func TestBatchIsRepeatedAsItWas(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testBatchIsRepeatedAsItWas)
}

func testBatchIsRepeatedAsItWas(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	id := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).ID()
	for _, atomic := range []bool{false, true} {
		key := ann.With("Idempotency-Key", strconv.FormatBool(atomic))
		body := fmt.Sprintf(`{"atomic":%t,"operations":[
			{"op":"update","id":"%[2]s","data":{"job_title":"%[1]t"}},
			{"op":"update","id":"%[2]s","data":{"job_title":"%[1]t"}},
			{"op":"add_tags","id":"%[2]s","data":{"tags":["%[1]t"]}},
			{"op":"create","data":{"first_name":"Bob"}},
			{"op":"update","id":"%[2]s","data":{}}]}`, atomic, id)
		first := key.Post("/contacts/batch", body).Want(http.StatusOK)
		ann.Patch("/contacts/"+id, fmt.Sprintf(`{"job_title":"then %t"}`, atomic)).Want(http.StatusOK)
		sameAnswer(t, fmt.Sprint("batch ", atomic), first, key.Post("/contacts/batch", body))
	}
}

// A refusal is not remembered: what was refused can be asked for again under its
// key, and goes through when nothing is in its way any more.
func TestRefusedIsAskedAgain(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testRefusedIsAskedAgain)
}

func testRefusedIsAskedAgain(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	ann.Post("/contacts", `{"id":"con_01jh2xk3v8e4t9p5w7y0z2b4d6","first_name":"Ada","emails":[{"address":"ada@example.org"}]}`).Want(http.StatusCreated)
	key := ann.With("Idempotency-Key", "bob")
	body := `{"first_name":"Bob","emails":[{"address":"ada@example.org"}]}`
	for range 2 {
		key.Post("/contacts", body).WantProblem(http.StatusConflict, "duplicate")
	}
	ann.Patch("/contacts/con_01jh2xk3v8e4t9p5w7y0z2b4d6", `{"emails":[]}`).Want(http.StatusOK)
	first := key.Post("/contacts", body).Want(http.StatusCreated)
	sameAnswer(t, "what went through then", first, key.Post("/contacts", body))
}
