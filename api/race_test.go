package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// common are the commands that every command is raced with, where the kind has
// them, each with other data than its example as well, so that it changes
// something one time and nothing the next.
var common = []struct{ action, body string }{
	{"update", ""},
	{"add_tags", ""},
	{"remove_tags", ""},
	{"assign_owner", `{}`},
	{"assign_owner", ""},
	{"assign", `{}`},
	{"delete", ""},
	{"restore", ""},
	{"restore_version", ""},
}

// A racer gives commands to one record.
type racer struct {
	matrix

	prefix, id string
	ops        map[string]operation // by their IDs
}

// give gives a command to the record.
func (r *racer) give(c apitest.Client, op operation, body string) apitest.Response {
	ids := map[string]string{"ten": r.mine.ids["ten"], r.prefix: r.id}
	return c.Do(op.Method, r.path(op, ids), cmp.Or(body, r.body(op)))
}

// TestRaces lets clients give commands to one record at the same time: each
// command of each kind races itself and those that all kinds have. Whatever
// happens, each client is answered, and each answer shows the record as it was
// at the version that the answer names. On the event store contacts are enough: it
// knows streams, and no kinds.
func TestRaces(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testRaces)
}

func testRaces(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	m := matrix{t: t, mine: furnish(t, ann, "mine"), tried: map[string]int{}}
	ops := map[string]operation{}
	for _, op := range operations(t, s) {
		ops[op.ID] = op
	}
	raced, least := 0, 40
	only := func(operation) bool { return true }
	if s.Double != nil {
		least, only = 10, func(op operation) bool { return prefixOf(op) == "con" }
	}
	for _, op := range ops {
		if op.Method == http.MethodGet || triedElsewhere(op) || !only(op) || !strings.HasSuffix(op.Path, "/{id}") && !strings.Contains(op.Path, "/{id}/") {
			continue
		}
		raced++
		newRacer(m, ops, op, "mine").race(ann, op)
	}
	if raced < least {
		t.Errorf("%d commands were raced", raced)
	}
}

func (r *racer) race(ann apitest.Client, op operation) {
	kind, _, _ := strings.Cut(op.ID, ".")
	const clients, each = 4, 5
	answers := make([][]apitest.Response, clients)
	var g sync.WaitGroup
	for n := range clients {
		g.Go(func() {
			c := ann.Forgetful()
			for i := range each {
				other := common[(n*3+i)%len(common)]
				if n%2 == 1 {
					other = common[(len(common)-1-i+n)%len(common)]
				}
				var res apitest.Response
				if o, ok := r.ops[kind+"."+other.action]; ok && i%2 == n/2 {
					res = r.give(c, o, other.body)
				} else {
					res = r.give(c, op, "")
				}
				answers[n] = append(answers[n], res)
			}
		})
	}
	g.Wait()
	r.agree(ann, op, answers)
}

// agree checks what clients were answered, each in its order.
func (r *racer) agree(ann apitest.Client, op operation, answers [][]apitest.Response) {
	type state struct {
		Version  int `json:"version"`
		Position int `json:"position"`
	}
	shown, purged := map[int]string{}, false
	for n, list := range answers {
		last := state{}
		for _, res := range list {
			switch {
			case res.Status >= 500:
				r.t.Errorf("%s: client %d: %d %s", op.ID, n, res.Status, res.Body)
			case res.Status >= 400 && !slices.Contains([]int{404, 409, 410, 412, 422}, res.Status):
				r.t.Errorf("%s: client %d: %d %s", op.ID, n, res.Status, res.Body)
			case res.Status != http.StatusOK:
				purged = purged || res.Status == http.StatusNoContent
				continue
			}
			var at state
			if json.Unmarshal([]byte(res.Body), &at) != nil || res.Header.Get("Etag") != fmt.Sprintf(`"%d"`, at.Version) {
				continue
			}
			if at.Version < last.Version || at.Position < last.Position {
				r.t.Errorf("%s: client %d saw %+v after %+v", op.ID, n, at, last)
			}
			last = at
			if body, ok := shown[at.Version]; ok && body != res.Body {
				r.t.Errorf("%s: version %d is\n%s, and\n%s", op.ID, at.Version, body, res.Body)
			}
			shown[at.Version] = res.Body
		}
	}
	for _, body := range shown {
		var at state
		if err := json.Unmarshal([]byte(body), &at); err != nil {
			r.t.Fatal(err)
		}
		then := ann.Get(fmt.Sprintf("/%s/%s?as_of=%d", collections[r.prefix], r.id, at.Position))
		if purged && then.Status == http.StatusNotFound {
			continue
		}
		if then.Status != http.StatusOK || then.Body != body {
			r.t.Errorf("%s: version %d was shown as\n%s, and was\n%s", op.ID, at.Version, body, then.Body)
		}
	}
}
