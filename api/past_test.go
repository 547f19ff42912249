package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// seen is a list that somebody got.
type seen struct {
	ask      string
	data     string
	position int64
}

// contacts reads a list of contacts to its end, by pages of so many, as of a position unless
// that is 0, and returns what is in it. It is false if the pages are of several positions.
func contacts(c apitest.Client, ask string, limit int, at int64) (all seen, one bool) {
	all.ask, one = ask, true
	var data []json.RawMessage
	for cursor, first := "", true; first || cursor != ""; first = false {
		path := fmt.Sprintf("/contacts?limit=%d&%s", limit, ask)
		if at > 0 {
			path += fmt.Sprintf("&as_of=%d", at)
		}
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		var page struct {
			Data     []json.RawMessage
			Next     string `json:"next_cursor"`
			Position int64
			Count    *int
		}
		c.Get(path).Want(http.StatusOK).Into(&page)
		one = one && (first || page.Position == all.position)
		all.position, cursor = page.Position, page.Next
		data = append(data, page.Data...)
		if page.Count != nil && cursor == "" {
			data = append(data, json.RawMessage(fmt.Sprint("count ", *page.Count)))
		}
	}
	for _, d := range data {
		all.data += string(d) + "\n"
	}
	return all, one
}

// What a list was at a position, it is as of that position: filtered, sorted, counted and
// page by page, while records are made, changed, deleted, restored and purged.
func TestListsOfThePast(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testListsOfThePast)
}

func testListsOfThePast(t *testing.T, s *apitest.Server) {
	ann, bob := s.Tenant(), s.Tenant()
	bob.Post("/contacts", `{"first_name":"Bob","last_name":"Zulu","tags":["red"]}`).Want(http.StatusCreated)
	const writers, enough = 2, 20
	var ids [writers][]string
	for w := range writers {
		for i := range 8 {
			body := fmt.Sprintf(`{"first_name":"Ada %d","last_name":"%c","emails":[{"address":"a%d.%d@ada.example"}],"tags":["red","t%d"]}`, i, 'A'+i%3, w, i, i%2)
			ids[w] = append(ids[w], ann.Post("/contacts", body).Want(http.StatusCreated).ID())
		}
	}
	queries := []string{
		"sort=last_name", "sort=last_name,-updated_at", "sort=-job_title&deleted=include", "deleted=only", "sort=-created_at&q=ada",
		"filter=" + url.QueryEscape("tags has red and last_name >= B"), "last_name=C&count=exact",
		"filter=" + url.QueryEscape("job_title contains eng or not last_name = a") + "&sort=first_name",
		"q=" + url.QueryEscape("ada.example") + "&deleted=include&count=exact", "job_title=Engineer&sort=-last_name",
	}
	var recorded []seen
	var working sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		working.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				at := r.IntN(len(ids[w]))
				path := "/contacts/" + ids[w][at]
				switch r.IntN(8) {
				case 0:
					ids[w] = append(ids[w], ann.Post("/contacts", fmt.Sprintf(`{"first_name":"Ada new %d","last_name":"%c"}`, i, 'A'+i%4)).Want(http.StatusCreated).ID())
				case 1:
					ann.Delete(path)
				case 2, 3:
					ann.Post(path+"/restore", "")
				default:
					words := []string{`"Engineer"`, `"engineering"`, `"Poet"`, "null"}
					ann.Patch(path, fmt.Sprintf(`{"job_title":%s,"last_name":"%c","tags":[%s]}`, words[r.IntN(4)], 'A'+r.IntN(4), []string{`"red"`, `"blue"`, ""}[r.IntN(3)]))
				}
			}
		})
	}
	for i := 0; len(recorded) < enough; i++ {
		if got, one := contacts(ann, queries[i%len(queries)], 500, 0); one {
			recorded = append(recorded, got)
		}
	}
	close(done)
	working.Wait()
	for _, ask := range queries {
		got, _ := contacts(ann, ask, 500, 0)
		recorded = append(recorded, got)
	}
	for _, then := range recorded {
		if got, one := contacts(ann, then.ask, 7, then.position); got != then || !one {
			t.Fatalf("%s as of %d:\n%s\nit was:\n%s", then.ask, then.position, got.data, then.data)
		}
	}
	// What is purged is not in the past either.
	victim := ids[0][0]
	ann.Post("/contacts/"+victim+"/restore", "")
	ann.Delete("/contacts/" + victim).Want(http.StatusOK)
	purged := ann.Post("/contacts/"+victim+"/purge", "").Want(http.StatusNoContent)
	now := ann.With("Min-Position", purged.Header.Get("Event-Position"))
	for _, then := range recorded {
		if got, _ := contacts(now, then.ask, 500, then.position); strings.Contains(got.data, victim) {
			t.Fatalf("%s as of %d shows a record that was purged", then.ask, then.position)
		}
	}
	ann.Get("/contacts?"+queries[0]+"&as_of=1000000").WantProblem(http.StatusConflict, "position_ahead", "as_of position_ahead")
}

// A time is as good as a position, the pages of a list that began with one stay at the
// position of the first, and cursors are for one moment only.
func TestListAsOfTime(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	var made []string
	for i := range 4 {
		made = append(made, ann.Post("/tasks", fmt.Sprintf(`{"title":"Task %d"}`, i)).Want(http.StatusCreated).ID())
	}
	var v struct {
		UpdatedAt string `json:"updated_at"`
	}
	ann.Get("/tasks/" + made[3]).Want(http.StatusOK).Into(&v)
	changed := ann.Patch("/tasks/"+made[1], `{"title":"Changed"}`).Want(http.StatusOK)
	now := ann.With("Min-Position", changed.Header.Get("Event-Position"))
	for _, path := range []string{"/tasks?as_of=" + v.UpdatedAt, "/tasks?as_of=4"} {
		now.Get(path).Want(http.StatusOK, `"position":4}`, "Task 1")
	}
	now.Post("/tasks/query", `{"as_of":4,"filter":"title = \"Task 1\"","count":"exact"}`).Want(http.StatusOK, made[1], `"count":1,`)
	now.Post("/tasks/query", `{"as_of":"`+v.UpdatedAt+`","filter":"title = Changed"}`).Want(http.StatusOK, `"data":[]`)
	now.Get("/tasks?as_of=2001-01-01T00:00:00Z&count=exact").Want(http.StatusOK, `"data":[]`, `"count":0`, `"next_cursor":null`)

	var page struct {
		Next     string `json:"next_cursor"`
		Position int64
	}
	future := "/tasks?as_of=2199-01-01T00:00:00Z&limit=2&sort=title"
	now.Get(future).Want(http.StatusOK, "Changed", "Task 0").Into(&page)
	late := ann.Patch("/tasks/"+made[3], `{"title":"A late change"}`).Want(http.StatusOK)
	ann.With("Min-Position", late.Header.Get("Event-Position")).Get(future+"&cursor="+page.Next).Want(http.StatusOK, "Task 2", "Task 3", `"position":5}`)
	for _, other := range []string{"/tasks?limit=2&sort=title", "/tasks?as_of=5&limit=2&sort=title", "/tasks?as_of=2199-01-02T00:00:00Z&limit=2&sort=title"} {
		ann.Get(other+"&cursor="+page.Next).WantProblem(http.StatusBadRequest, "invalid_cursor")
	}
	for _, bad := range []string{"yesterday", "0", "-1", "2020-01-01"} {
		ann.Get("/tasks?as_of="+bad).WantProblem(http.StatusUnprocessableEntity, "bad_value", "as_of bad_value")
		ann.Post("/tasks/query", `{"as_of":"`+bad+`"}`).WantProblem(http.StatusUnprocessableEntity, "bad_value", "/as_of bad_value")
	}
	ann.Post("/tasks/query", `{"as_of":1000}`).WantProblem(http.StatusConflict, "position_ahead", "/as_of position_ahead")
}

// What was in the bin is in lists of the past as it was, although it has changed there since.
func TestBinOfThePast(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	bob.Post("/contacts", `{"first_name":"Bob"}`).Want(http.StatusCreated)
	pip := ann.Post("/pipelines", fmt.Sprintf(funnelPipeline, "Sales")).Want(http.StatusCreated)
	deal := ann.Post("/deals", `{"name":"Roof","pipeline_id":"`+pip.ID()+`","stage_key":"talk"}`).Want(http.StatusCreated)
	ann.Delete(deal.Path()).Want(http.StatusOK)
	position := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).Header.Get("Event-Position")
	archived := ann.Post(pip.Path()+"/archive_stage", `{"key":"talk","move_to":"offer"}`).Want(http.StatusOK)
	now := ann.With("Min-Position", archived.Header.Get("Event-Position"))
	now.Get("/deals?deleted=only").Want(http.StatusOK, deal.ID(), `"stage_key":"offer"`)
	for _, ask := range []string{"deleted=only", "deleted=include&stage_key=talk"} {
		now.Get("/deals?count=exact&as_of="+position+"&"+ask).Want(http.StatusOK, deal.ID(), `"stage_key":"talk"`, `"count":1`)
	}
	now.Get("/deals?as_of="+position).Want(http.StatusOK, `"data":[]`)
	if at := bob.Get("/deals?deleted=only&as_of=1").Want(http.StatusOK).Body; strings.Contains(at, deal.ID()) {
		t.Error("a deal of another tenant is seen")
	}
}
