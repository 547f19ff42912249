package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestPurged removes a record of each kind for good, and looks through every
// door that shows what happened: there are its events, without a gap, and nothing
// of what was in them.
func TestPurged(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testPurged)
}

func testPurged(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	m := matrix{t: t, mine: furnish(t, ann, "mine"), tried: map[string]int{}}
	ops := map[string]operation{}
	for _, op := range operations(t, s) {
		ops[op.ID] = op
	}
	kinds := 0
	for _, op := range ops {
		if !strings.HasSuffix(op.ID, ".purge") {
			continue
		}
		kinds++
		r := newRacer(m, ops, op, canary)
		path := "/" + collections[r.prefix] + "/" + r.id
		ann.Post(path+"/add_tags", `{"tags":["`+canary+`"]}`).Want(http.StatusOK)
		deleted := ann.Delete(path).Want(http.StatusOK).Header.Get("Event-Position")
		ann.Get(path+"/events").Want(http.StatusOK, canary)
		ann.Get(path+"/history").Want(http.StatusOK, canary)

		// Nobody waits for the read models here.
		now := ann.Forgetful()
		ann.Post(path+"/purge", "").Want(http.StatusNoContent)
		now.Get(path+"/events").WantProblem(http.StatusNotFound, "not_found")
		now.Get(path+"/history").WantProblem(http.StatusNotFound, "not_found")
		now.Get(path+"?as_of="+deleted).WantProblem(http.StatusNotFound, "not_found")
		ann.Get(path).WantProblem(http.StatusNotFound, "not_found")
	}
	if kinds < 4 {
		t.Fatalf("%d kinds can be purged", kinds)
	}
	for _, c := range []apitest.Client{ann, ann.With("Accept", "application/x-ndjson")} {
		for _, query := range []string{"", "?after=0&limit=5000", "?types=contact.*"} {
			if r := c.Get("/events"+query).Want(http.StatusOK, `"data":null,"withheld":true`, `.purged"`); strings.Contains(r.Body, canary) {
				t.Errorf("/events%s tells of it: %s", query, r.Body)
			}
		}
	}
	var page struct {
		Data []struct {
			Position int
			Type     string
			Withheld bool
			Data     any
		}
	}
	ann.Get("/events?limit=5000").Into(&page)
	for i, e := range page.Data {
		if e.Position != i+1 || (e.Data == nil) != e.Withheld {
			t.Errorf("event %d is %+v", i, e)
		}
	}

	lines, timeout := follow(t, ann, "/events/stream"), time.After(10*time.Second)
	for seen := 0; seen < len(page.Data); {
		select {
		case line := <-lines:
			if strings.HasPrefix(line, "data: ") {
				seen++
			}
			if strings.Contains(line, canary) {
				t.Errorf("the stream tells of it: %s", line)
			}
		case <-timeout:
			t.Fatal("the stream ends too early")
		}
	}
	close(s.Close)
	ends(t, lines)
}
