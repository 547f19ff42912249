package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a server that gives one answer after another, and the last one for
// ever.
type answers struct {
	t    *testing.T
	list []reply
	seen []*http.Request
	body []string
}

// reply is an answer, or the reason why there is none.
type reply struct {
	status  int
	body    string
	headers []string // names and values in turn
	err     error
}

func says(status int, body string, headers ...string) reply {
	return reply{status: status, body: body, headers: headers}
}

func dies(op string) reply {
	return reply{err: &net.OpError{Op: op, Err: errors.New("connection refused")}}
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	a.seen, a.body = append(a.seen, r), append(a.body, string(body))
	next := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	h := http.Header{}
	for i := 0; i < len(next.headers); i += 2 {
		h.Set(next.headers[i], next.headers[i+1])
	}
	return &http.Response{StatusCode: next.status, Header: h, Body: io.NopCloser(strings.NewReader(next.body))}, next.err
}

// ask asks once, in a bubble of its own time, and returns how long it took.
func ask(t *testing.T, r Request, wait time.Duration, list ...reply) (a *answers, got Answer, out map[string]any, took time.Duration, err error) {
	t.Helper()
	a = &answers{t: t, list: list}
	synctest.Test(t, func(t *testing.T) {
		c, err2 := New(Config{URL: "http://server.example/v1/", Bearer: "crmk_x", Wait: wait, Transport: a})
		if err2 != nil {
			t.Fatal(err2)
		}
		begin := time.Now()
		got, err = c.Do(t.Context(), r, &out)
		took = time.Since(begin)
	})
	return a, got, out, took, err
}

func TestRequest(t *testing.T) {
	t.Parallel()
	a, got, out, _, err := ask(t, Request{Method: "POST", Path: "/v1/x", Key: "k", Body: map[string]int{"a": 1}}, 0,
		says(201, `{"id":"con_1"}`, "Event-Position", "18", "Idempotent-Replayed", "true"))
	if err != nil || out["id"] != "con_1" || got.Position != 18 || !got.Replayed || got.Status != 201 {
		t.Errorf("%v %v %v", err, out, got)
	}
	r := a.seen[0]
	if r.URL.String() != "http://server.example/v1/x" || a.body[0] != `{"a":1}` {
		t.Errorf("%s %s", r.URL, a.body[0])
	}
	for name, want := range map[string]string{"Authorization": "Bearer crmk_x", "Idempotency-Key": "k", "Content-Type": "application/json", "User-Agent": "rowhouse"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	ok := says(200, `{}`)
	get, post, keyed := Request{Method: "GET"}, Request{Method: "POST", Body: 1}, Request{Method: "POST", Body: 1, Key: "k"}
	for name, test := range map[string]struct {
		request  Request
		answers  []reply
		attempts int
		fails    bool
		atLeast  time.Duration
	}{
		"no server yet":                      {post, []reply{dies("dial"), dies("dial"), ok}, 3, false, 0},
		"answer lost, with a key":            {keyed, []reply{dies("read"), ok}, 2, false, 0},
		"answer lost, idempotent":            {get, []reply{dies("read"), ok}, 2, false, 0},
		"answer lost, without a key":         {post, []reply{dies("read"), ok}, 1, true, 0},
		"unavailable":                        {post, []reply{says(503, `{"status":503}`), ok}, 2, false, 0},
		"too many":                           {post, []reply{says(429, "", "Retry-After", "7"), ok}, 2, false, 7 * time.Second},
		"gateway, with a key":                {keyed, []reply{says(502, "<html>"), ok}, 2, false, 0},
		"gateway, without a key":             {post, []reply{says(502, "<html>"), ok}, 1, true, 0},
		"in flight":                          {keyed, []reply{says(409, `{}`, "Retry-After", "1"), ok}, 2, false, time.Second},
		"conflict":                           {keyed, []reply{says(409, `{"code":"duplicate"}`), ok}, 1, true, 0},
		"a fault is not for waiting":         {keyed, []reply{says(500, `{}`), ok}, 1, true, 0},
		"refused":                            {get, []reply{says(422, `{}`), ok}, 1, true, 0},
		"redirect":                           {get, []reply{says(301, ``, "Location", "http://elsewhere.example"), ok}, 1, true, 0},
		"no JSON":                            {get, []reply{says(200, `<html>`), ok}, 1, true, 0},
		"away for longer than one waits":     {get, []reply{dies("dial")}, 0, true, 0},
		"asks to wait longer than one waits": {get, []reply{says(503, "", "Retry-After", "3000")}, 1, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const wait = time.Minute
			a, _, _, took, err := ask(t, test.request, wait, test.answers...)
			if (err != nil) != test.fails {
				t.Errorf("error: %v", err)
			}
			if n := len(a.seen); test.attempts > 0 && n != test.attempts || test.attempts == 0 && (n < 10 || n > 60) {
				t.Errorf("%d attempts", n)
			}
			if took < test.atLeast || took > wait {
				t.Errorf("took %v", took)
			}
			for _, body := range a.body {
				if body != a.body[0] {
					t.Error("the body changed")
				}
			}
		})
	}
}

func TestEndOfContext(t *testing.T) {
	t.Parallel()
	a := &answers{t: t, list: []reply{dies("dial")}}
	synctest.Test(t, func(t *testing.T) {
		var told int
		c, err := New(Config{URL: "https://server.example", Wait: time.Hour, Transport: a, OnWait: func(error, time.Duration) { told++ }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := c.Me(ctx); err == nil {
			t.Error("no error")
		}
		if took := time.Since(begin); took != 10*time.Second || told < 5 {
			t.Errorf("took %v, told %d times", took, told)
		}
	})
}

func TestProblem(t *testing.T) {
	t.Parallel()
	_, _, _, _, err := ask(t, Request{Method: "POST", Key: "k"}, 0, says(409,
		`{"status":409,"code":"duplicate","detail":"belongs to another record","existing_id":"con_2","request_id":"r1","errors":[{"pointer":"/emails/0/address","code":"duplicate","detail":"is taken"}]}`))
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Status != 409 || p.ExistingID != "con_2" || len(p.Errors) != 1 || !IsStatus(err, 409) || IsStatus(err, 404) {
		t.Fatalf("%+v", err)
	}
	for _, part := range []string{"409", "duplicate", "belongs to another record", "/emails/0/address is taken", "r1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %s", part, err)
		}
	}
}

func TestBatchAnswers(t *testing.T) {
	t.Parallel()
	ops := []Operation{{Op: "delete", ID: "con_1"}, {Op: "delete", ID: "con_2"}}
	for body, fails := range map[string]bool{
		`{"results":[{"index":0,"status":200},{"index":1,"status":409,"problem":{"code":"x"}}]}`: false,
		`{"results":[{"index":1,"status":200},{"index":0,"status":200}]}`:                        false,
		`{"results":[{"index":0,"status":200}]}`:                                                 true,
		`{"results":[{"index":0,"status":200},{"index":0,"status":200}]}`:                        true,
		`{"results":[{"index":0,"status":200},{"index":2,"status":200}]}`:                        true,
		`{}`: true,
	} {
		c, err := New(Config{URL: "http://server.example", Transport: &answers{t: t, list: []reply{says(200, body)}}})
		if err != nil {
			t.Fatal(err)
		}
		results, _, err := c.Tenant("ten_1").Batch(t.Context(), "contacts", "", ops)
		if (err != nil) != fails {
			t.Errorf("%s: %v", body, err)
		}
		for i, r := range results {
			if r.Index != i || (r.Status == 409) != (r.Problem != nil) || r.Problem != nil && r.Problem.Status != 409 {
				t.Errorf("%s: %+v", body, r)
			}
		}
	}
}

func TestListGoesThroughPages(t *testing.T) {
	t.Parallel()
	a := &answers{t: t, list: []reply{
		says(200, `{"data":[{"id":1},{"id":2}],"next_cursor":"c"}`), says(200, `{"data":[{"id":3}],"next_cursor":null}`),
	}}
	c, err := New(Config{URL: "http://server.example", Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range c.Tenant("ten_1").List(t.Context(), "contacts", nil) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 3 || a.seen[1].URL.String() != "http://server.example/v1/tenants/ten_1/contacts?cursor=c&limit=500" {
		t.Errorf("%d records, %s", n, a.seen[1].URL)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://127.0.0.1:8080": true, "https://crm.example/": true, "http://h/v1": true, "http://h/base/v1/": true,
		"127.0.0.1:8080": false, "ftp://h": false, "": false, "http://": false, "http://u:p@h": false, "http://h?x=1": false, "http://h/%zz": false,
	} {
		c, err := New(Config{URL: url})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if err == nil && strings.HasSuffix(c.URL(), "/v1") {
			t.Errorf("%q: %s", url, c.URL())
		}
	}
	if _, err := New(Config{URL: "http://h", Bearer: "a b"}); err == nil {
		t.Error("a key with a blank")
	}
}
