package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// send sends a request that a client does not make by itself.
func send(t *testing.T, r *http.Request) (status int, header http.Header, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// TestHeadersOfAll tries with each operation what must not be overlooked in the
// headers of a request.
func TestHeadersOfAll(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	m := matrix{t: t, mine: furnish(t, ann, "mine")}
	before := head(t, s, m.mine)
	for _, op := range operations(t, s) {
		path, body := m.path(op, m.mine.ids), m.body(op)
		try := func(what string, status int, code string, change func(*http.Request)) http.Header {
			t.Helper()
			r := ann.Request(op.Method, path, body)
			change(r)
			got, header, answer := send(t, r)
			if got != status || !strings.Contains(answer, `"`+code+`"`) {
				t.Errorf("%s with %s: %d %s, want %d %s", op.ID, what, got, answer, status, code)
			}
			return header
		}
		add := func(name, value string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Add(name, value) }
		}
		try("two credentials", 400, "repeated_header", add("Authorization", ann.Bearer()))
		try("two credentials", 400, "repeated_header", add("Authorization", "Bearer x"))
		if body == "" {
			try("a body", 400, "unexpected_body", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
			})
			try("a body of unknown length", 400, "unexpected_body", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), -1
			})
			continue
		}
		try("two types", 400, "repeated_header", add("Content-Type", "application/json"))
		try("no type", 415, "unsupported_media_type", func(r *http.Request) { r.Header.Del("Content-Type") })
		for _, media := range []string{"text/plain", "application/json; charset=latin1", "application/json, text/plain", "json", "application/jsonx", "multipart/form-data; boundary=x"} {
			h := try(media, 415, "unsupported_media_type", func(r *http.Request) { r.Header.Set("Content-Type", media) })
			if !strings.Contains(h.Get("Accept"), "application/json") {
				t.Errorf("%s with %s: Accept is %q", op.ID, media, h.Get("Accept"))
			}
		}
		for _, coding := range []string{"gzip", "GZIP", "br", "identity, gzip", "x"} {
			h := try(coding, 415, "unsupported_content_coding", add("Content-Encoding", coding))
			if h.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s with %s: Accept-Encoding is %q", op.ID, coding, h.Get("Accept-Encoding"))
			}
		}
		try("two lines of codings", 415, "unsupported_content_coding", func(r *http.Request) {
			r.Header["Content-Encoding"] = []string{"identity", "deflate"}
		})
	}
	if after := head(t, s, m.mine); after != before {
		t.Errorf("what was refused wrote events %d to %d", before+1, after)
	}
	// What is well said in another way is taken.
	for _, media := range []string{"application/json", "Application/JSON", `application/json; charset=utf-8`, `application/json;charset="UTF-8"`, "application/json; Charset=Utf-8; x=y"} {
		ann.With("Content-Type", media).With("Content-Encoding", "Identity").Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	}
	// Nobody gets far without credentials, however large the body is.
	for _, path := range []string{"/v1/auth/login", "/v1/setup"} {
		s.Nobody().Post(path, `{"email":"`+strings.Repeat("x", 16<<10)+`"}`).WantProblem(http.StatusRequestEntityTooLarge, "too_large")
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write([]byte(`{"name":"Acme"}`)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	ann.With("Content-Encoding", "gzip").Post("/companies", zipped.String()).WantProblem(http.StatusUnsupportedMediaType, "unsupported_content_coding")
}

// TestCursorsOfAll takes the cursors of all lists to all others: each is good
// where it comes from, and nowhere else is it told from one that was made up.
func TestCursorsOfAll(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	worlds := []world{furnish(t, ann, "one"), furnish(t, ann, "two"), furnish(t, bob, "three")}
	m := matrix{t: t}
	type place struct {
		op     operation
		w      world
		path   string
		cursor string
	}
	var places []place
	for _, op := range operations(t, s) {
		if op.Method != http.MethodGet || !op.takes("cursor") || strings.Contains(op.Path, "{org_id}") {
			continue
		}
		// Those of contacts and tasks stand for those of all kinds: every cursor is taken
		// to every list, which would grow with the square of the kinds.
		if p := prefixOf(op); p != "" && p != "con" && p != "task" && op.ID != "lists.members" {
			continue
		}
		for i, w := range worlds {
			if i == 1 && !strings.Contains(op.Path, "{id}") {
				continue // the same list as that of the first
			}
			if strings.Contains(op.Path, "{id}") { // so that there is more than one page
				w.Post("/"+collections[prefixOf(op)]+"/"+w.ids[prefixOf(op)]+"/add_tags", `{"tags":["a"]}`)
				w.Post("/"+collections[prefixOf(op)]+"/"+w.ids[prefixOf(op)]+"/add_stage", `{"key":"more","name":"More","kind":"open"}`)
			}
			p := place{op: op, w: w, path: m.path(op, w.ids) + "?limit=1"}
			if op.ID == "lists.members" {
				other := w.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).ID()
				w.Post("/lists/"+w.ids["list"]+"/add_members", `{"members":["`+w.ids["con"]+`","`+other+`"]}`).Want(http.StatusOK)
			}
			if op.ID == "api_key.list" {
				w.Post("/api_keys", `{"name":"another"}`).Want(http.StatusCreated)
			}
			var page struct {
				Next *string `json:"next_cursor"`
			}
			w.Get(p.path).Want(http.StatusOK).Into(&page)
			if page.Next == nil {
				t.Errorf("%s ends on its first page", op.ID)
				continue
			}
			p.cursor = *page.Next
			places = append(places, p)
		}
	}
	if len(places) < 20 {
		t.Fatalf("only %d lists", len(places))
	}
	for _, to := range places {
		ask := func(cursor string) string {
			return varying.ReplaceAllString(to.w.Get(to.path+"&cursor="+url.QueryEscape(cursor)).WantProblem(http.StatusBadRequest, "invalid_cursor").Body, "…")
		}
		to.w.Get(to.path + "&cursor=" + to.cursor).Want(http.StatusOK)
		made := ask("AAAA")
		for _, from := range places {
			if from.cursor != to.cursor && (from.path != to.path || from.w.Tenant != to.w.Tenant) {
				if got := ask(from.cursor); got != made {
					t.Errorf("a cursor of %s at %s: %s\none that was made up: %s", from.path, to.path, got, made)
				}
			}
		}
		for _, guess := range []string{"1", "0", "-1", to.cursor[:len(to.cursor)-1], to.cursor + "A", " "} {
			ask(guess)
		}
	}
}

// TestPatchInside changes a part of each object in a record, through each door
// that takes a patch.
func TestPatchInside(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	w := furnish(t, ann, "inside")
	for _, kind := range []struct{ prefix, member string }{{"cmp", "annual_revenue"}, {"deal", "amount"}} {
		id, path := w.ids[kind.prefix], "/"+collections[kind.prefix]
		name := map[string]string{"cmp": "company", "deal": "deal"}[kind.prefix]
		ann.Patch(path+"/"+id, `{"`+kind.member+`":{"amount":"4.00","currency":"EUR"},"external_ids":{"a":"1 `+name+`","b":"2 `+name+`"}}`).Want(http.StatusOK)
		n := 0
		for door, send := range map[string]func(data string) apitest.Response{
			"PATCH": func(data string) apitest.Response { return ann.Patch(path+"/"+id, data) },
			"the merge patch type": func(data string) apitest.Response {
				return ann.With("Content-Type", "application/merge-patch+json").Patch(path+"/"+id, data)
			},
			"commands": func(data string) apitest.Response {
				return ann.Post("/commands", `{"type":"`+name+`.update","id":"`+id+`","data":`+data+`}`)
			},
			"batch": func(data string) apitest.Response {
				return ann.Post(path+"/batch", `{"operations":[{"op":"update","id":"`+id+`","data":`+data+`}]}`)
			},
			"atomic batch": func(data string) apitest.Response {
				return ann.Post(path+"/batch", `{"atomic":true,"operations":[{"op":"update","id":"`+id+`","data":`+data+`}]}`)
			},
		} {
			n++
			amount := fmt.Sprintf("%d.50", n)
			send(`{"` + kind.member + `":{"amount":"` + amount + `"},"external_ids":{"c":"` + door + `"}}`).Want(http.StatusOK)
			ann.Get(path+"/"+id).Want(http.StatusOK, `"`+kind.member+`":{"amount":"`+amount+`","currency":"EUR"}`, `"a":"1 `+name+`"`, `"b":"2 `+name+`"`, `"c":"`+door+`"`)
			send(`{"external_ids":{"c":null}}`).Want(http.StatusOK)
			if got := ann.Get(path + "/" + id).Want(http.StatusOK).Body; strings.Contains(got, `"c":`) {
				t.Errorf("null takes nothing away through %s: %s", door, got)
			}
			for patch, want := range map[string]string{
				`{"amount":null}`:     "/amount required",
				`{"currency":null}`:   "/currency required",
				`{"amount":"x"}`:      "/amount invalid_decimal",
				`{"amount":1}`:        "/amount wrong_type",
				`{"sum":"1"}`:         "/sum unknown_member",
				`{"currency":"EURO"}`: "/currency too_long",
			} {
				r := send(`{"` + kind.member + `":` + patch + `}`)
				member, code, _ := strings.Cut(want, " ")
				if !strings.Contains(r.Body, "/"+kind.member+member+`"`) || !strings.Contains(r.Body, `"`+code+`"`) {
					t.Errorf("%s of %s: %d %s", patch, door, r.Status, r.Body)
				}
			}
		}
		ann.Patch(path+"/"+id, `{"`+kind.member+`":null}`).Want(http.StatusOK)
		ann.Patch(path+"/"+id, `{"`+kind.member+`":{"amount":"1"}}`).WantProblem(http.StatusUnprocessableEntity, "required", "/"+kind.member+"/currency required")
	}
	up := `{"match_on":["external_ids"],"data":{"external_ids":{"a":"1 company"},"annual_revenue":{"currency":"USD","amount":"3"}}}`
	ann.Post("/companies/upsert", up).Want(http.StatusOK, `"amount":"3.00","currency":"USD"`)
	up = `{"match_on":["external_ids"],"data":{"external_ids":{"a":"1 company"},"annual_revenue":{"amount":"5"}}}`
	ann.Post("/companies/upsert", up).Want(http.StatusOK, `"amount":"5.00","currency":"USD"`)
}

// TestUpsertNamesTheMistake puts a mistake in each member of the data.
func TestUpsertNamesTheMistake(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	m := matrix{t: t, mine: furnish(t, ann, "mine")}
	tried := 0
	for _, op := range operations(t, s) {
		if !strings.HasSuffix(op.ID, ".create") || prefixOf(op) == "" {
			continue
		}
		path := "/" + collections[prefixOf(op)] + "/upsert"
		if r := ann.Post(path, `{"match_on":["external_ids"],"data":{"external_ids":{"a":"b"}}}`); r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed {
			continue // pipelines and others that nobody finds by what they have
		}
		for member := range op.Body.Content["application/json"].Schema.Properties {
			example, _ := m.example(op).(map[string]any)
			example[member] = []any{[]any{1}} // which is nothing, anywhere
			body := encode(t, map[string]any{"match_on": []string{"external_ids"}, "data": example})
			r := ann.Post(path, body).Want(http.StatusUnprocessableEntity)
			if !strings.Contains(r.Body, `"pointer":"/data/`+member) || strings.Contains(r.Body, "nothing_to_match") {
				t.Errorf("%s with a wrong %s: %s", path, member, r.Body)
			}
			tried++
		}
	}
	if tried < 30 {
		t.Errorf("only %d members", tried)
	}
	ann.Post("/contacts/upsert", `{"match_on":["birth_date"],"data":{"birth_date":"1972-13-01"}}`).
		WantProblem(http.StatusUnprocessableEntity, "validation_failed", "/data/birth_date invalid_date", "/match_on unknown_match")
}

// TestIntegersByValue writes integers in all ways that JSON has, wherever one is
// taken.
func TestIntegersByValue(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	w := furnish(t, ann, "whole")
	for _, n := range []string{"40", "40.0", "40.00", "4e1", "4E+1", "400e-1", "0.4e2", "40" + strings.Repeat("0", 500) + "e-500"} {
		ann.Post("/companies", `{"name":"a","employee_count":`+n+`}`).Want(http.StatusCreated, `"employee_count":40,`)
		ann.Patch("/companies/"+w.ids["cmp"], `{"employee_count":`+n+`}`).Want(http.StatusOK, `"employee_count":40,`)
		ann.Post("/commands", `{"type":"company.update","id":"`+w.ids["cmp"]+`","data":{"employee_count":`+n+`}}`).Want(http.StatusOK, `"employee_count":40,`)
		ann.Post("/companies/batch", `{"operations":[{"op":"create","data":{"name":"a","employee_count":`+n+`}}]}`).Want(http.StatusOK)
		ann.Post("/companies/query", `{"limit":`+n+`,"filter":{"field":"employee_count","op":"eq","value":`+n+`}}`).Want(http.StatusOK, `"employee_count":40,`)
		if len(n) < 100 {
			q := url.QueryEscape(n)
			ann.Get("/companies?employee_count="+q+"&limit="+q).Want(http.StatusOK, `"employee_count":40,`)
			ann.Get("/events?limit=" + q + "&after=0.0").Want(http.StatusOK)
			ann.Get("/companies?filter="+url.QueryEscape("employee_count = "+n)).Want(http.StatusOK, `"employee_count":40,`)
		}
	}
	ann.Patch("/deals/"+w.ids["deal"], `{"probability":-0.0}`).Want(http.StatusOK, `"probability":0,`)
	ann.Post("/companies", `{"name":"a","employee_count":-0}`).Want(http.StatusCreated, `"employee_count":0,`)
	ann.Post("/deals/"+w.ids["deal"]+"/restore_version", `{"version":1e0}`).Want(http.StatusOK)
	ann.Post("/pipelines/"+w.ids["pip"]+"/update_stage", `{"key":"lead","probability":3e1,"sla_seconds":6.0e1}`).Want(http.StatusOK, `"probability":30`, `"sla_seconds":60`)
	for _, n := range []string{"40.5", "1e-1", "4e99", "1e999999999", "-1e999999999", "1e99999999999999999999", "9223372036854775808.0"} {
		ann.Post("/companies", `{"name":"a","employee_count":`+n+`}`).WantProblem(http.StatusUnprocessableEntity, "wrong_type", "/employee_count wrong_type")
	}
	// However it is written, it is the same request.
	again := ann.With("Idempotency-Key", "n")
	first := again.Post("/companies", `{"name":"a","employee_count":40.0}`).Want(http.StatusCreated)
	if r := again.Post("/companies", `{"name":"a","employee_count":4e1}`).Want(http.StatusCreated); r.Body != first.Body {
		t.Errorf("first %s\nagain %s", first.Body, r.Body)
	}
}

// TestTimesOfAll writes times in all ways that RFC 3339 has, wherever one is read.
func TestTimesOfAll(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	const want = `"due_at":"2027-03-01T08:00:00Z"`
	task := "/tasks/" + ann.Post("/tasks", `{"title":"Call"}`).Want(http.StatusCreated).ID()
	for _, at := range []string{
		"2027-03-01T08:00:00Z", "2027-03-01t08:00:00z", "2027-03-01 08:00:00z", "2027-03-01T08:00:00-00:00", "2027-03-01t09:30:00+01:30", "2027-03-01T08:00:00.0000000000000Z",
	} {
		ann.Post("/tasks", `{"title":"Call","due_at":"`+at+`"}`).Want(http.StatusCreated, want)
		ann.Patch(task, `{"due_at":"`+at+`"}`).Want(http.StatusOK, want)
		ann.Patch(task, `{"due_at":null}`).Want(http.StatusOK)
		ann.Post(task+"/reschedule", `{"due_at":"`+at+`"}`).Want(http.StatusOK, want)
		ann.Post("/commands", `{"type":"task.create","data":{"title":"Call","due_at":"`+at+`"}}`).Want(http.StatusCreated, want)
		ann.Post("/tasks/batch", `{"operations":[{"op":"create","data":{"title":"Call","due_at":"`+at+`"}}]}`).Want(http.StatusOK)
		ann.Get("/tasks?due_at="+url.QueryEscape(at)).Want(http.StatusOK, want)
		ann.Get("/tasks?filter="+url.QueryEscape(`due_at = "`+at+`"`)).Want(http.StatusOK, want)
		ann.Post("/tasks/query", `{"filter":{"field":"due_at","op":"in","value":["`+at+`"]}}`).Want(http.StatusOK, want)
		ann.Get(task + "?as_of=" + url.QueryEscape(strings.Replace(at, "2027", "2127", 1))).Want(http.StatusOK)
	}
	for _, at := range []string{
		"2027-03-01", "2027-03-01T08:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01", "2027-03-01T08:00:60Z", "10000-01-01T00:00:00Z", "yesterday", "",
	} {
		ann.Post("/tasks", `{"title":"Call","due_at":"`+at+`"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_time", "/due_at invalid_time")
		ann.Patch(task, `{"due_at":"`+at+`"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_time", "/due_at invalid_time")
		if len(at) > 10 {
			ann.Get("/tasks?due_at="+url.QueryEscape(at)).WantProblem(http.StatusUnprocessableEntity, "bad_value")
			ann.Get(task+"?as_of="+url.QueryEscape(at)).WantProblem(http.StatusUnprocessableEntity, "bad_value")
		}
	}
}

// TestLongSortValues sorts by each text there is, with the longest values of all
// sorts of characters, and goes on after each.
func TestLongSortValues(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	pip := furnish(t, ann, "word").ids["pip"]
	for _, c := range []string{"価", "\U0001f9f1", `\u0001`, "\u2028", `\"`, "<", "é"} {
		long := func(n int) string { return strings.Repeat(c, n) }
		for range 2 {
			ann.Post("/companies", `{"name":"`+long(300)+`","industry":"`+long(100)+`"}`)
			ann.Post("/contacts", `{"first_name":"`+long(100)+`","last_name":"`+long(100)+`","job_title":"`+long(200)+`"}`)
			ann.Post("/tasks", `{"title":"`+long(500)+`"}`)
			if r := ann.Post("/deals", `{"name":"`+long(300)+`","source":"`+long(100)+`","pipeline_id":"`+pip+`"}`); r.Status == http.StatusCreated {
				ann.Post("/deals/"+r.ID()+"/lose", `{"reason":"`+long(1000)+`"}`)
			}
		}
	}
	for path, sorts := range map[string][]string{
		"/companies": {"name", "industry", "name,industry,kind"}, "/contacts": {"first_name", "last_name", "job_title", "first_name,-last_name,job_title"},
		"/tasks": {"title", "-title", "title,kind,priority"}, "/deals": {"name", "lost_reason", "-lost_reason", "name,-lost_reason,source"}, "/pipelines": {"name"},
	} {
		for _, sort := range sorts {
			seen, cursor := map[string]bool{}, ""
			for more := true; more; {
				var page struct {
					Data []struct{ ID string }
					Next *string `json:"next_cursor"`
				}
				r := ann.Get(path + "?limit=1&sort=" + sort + cursor)
				if r.Status == http.StatusUnprocessableEntity {
					break // not everything is sorted by
				}
				r.Want(http.StatusOK).Into(&page)
				if more = page.Next != nil; more {
					cursor = "&cursor=" + *page.Next
				}
				for _, d := range page.Data {
					if seen[d.ID] {
						t.Fatalf("%s by %s shows a record twice", path, sort)
					}
					seen[d.ID] = true
				}
			}
			var all struct{ Count int }
			ann.Get(path + "?count=exact&limit=1").Want(http.StatusOK).Into(&all)
			if len(seen) != all.Count && len(seen) != 0 {
				t.Errorf("%s by %s shows %d of %d", path, sort, len(seen), all.Count)
			}
		}
	}
}

// TestAheadOfTheLog asks for what comes after the end of the log, in each way.
func TestAheadOfTheLog(t *testing.T) {
	t.Parallel()
	apitest.OnEach(t, testAheadOfTheLog)
}

func testAheadOfTheLog(t *testing.T, s *apitest.Server) {
	ann := s.Tenant()
	w := furnish(t, ann, "word")
	end := int64(head(t, s, w))
	want := fmt.Sprintf(`"head":%d`, end)
	for _, p := range []int64{end + 1, 1_000_000, 1 << 53} {
		at := strconv.FormatInt(p, 10)
		ann.Get("/events?after="+at).WantProblem(http.StatusConflict, "position_ahead", "after position_ahead").Want(http.StatusConflict, want)
		ann.With("Accept", "application/x-ndjson").Get("/events?after="+at).WantProblem(http.StatusConflict, "position_ahead")
		ann.Get("/events/stream?after="+at).WantProblem(http.StatusConflict, "position_ahead", "after position_ahead").Want(http.StatusConflict, want)
		ann.With("Last-Event-ID", at).Get("/events/stream").WantProblem(http.StatusConflict, "position_ahead", "Last-Event-ID position_ahead")
		ann.Get("/deals/"+w.ids["deal"]+"?as_of="+at).WantProblem(http.StatusConflict, "position_ahead", "as_of position_ahead")
		for _, op := range operations(t, s) {
			if op.takes("Min-Position") {
				ann.With("Min-Position", at).Do(op.Method, matrix{}.path(op, w.ids), matrix{t: t, mine: w}.body(op)).
					WantProblem(http.StatusConflict, "position_ahead", "Min-Position position_ahead").Want(http.StatusConflict, want)
			}
		}
	}
	var page struct{ Head, LastPosition json.Number }
	ann.Get(fmt.Sprint("/events?after=", end)).Want(http.StatusOK, want, `"end":true`).Into(&page)
}

// TestNoneMatch compares entity tags weakly, in lists, wherever there are some.
func TestNoneMatch(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	w := furnish(t, ann, "word")
	tried := 0
	for _, op := range operations(t, s) {
		if op.Method != http.MethodGet || !op.takes("If-None-Match") {
			continue
		}
		tried++
		path := matrix{}.path(op, w.ids)
		tag := w.Get(path).Want(http.StatusOK).Header.Get("ETag")
		for _, same := range []string{tag, "W/" + tag, "*", `"x", ` + tag, `"a,b" , W/"y",, W/` + tag + ` ,`} {
			if r := w.With("If-None-Match", same).Get(path).Want(http.StatusNotModified); r.Header.Get("ETag") != tag || r.Body != "" {
				t.Errorf("%s with %s: %v %s", op.ID, same, r.Header, r.Body)
			}
		}
		w.Also("If-None-Match", `"x"`).Also("If-None-Match", "W/"+tag).Get(path).Want(http.StatusNotModified)
		for _, other := range []string{`"x"`, `W/"x"`, `"x", "y"`, `"*"`, `""`} {
			w.With("If-None-Match", other).Get(path).Want(http.StatusOK)
		}
		for _, bad := range []string{"1", `"1`, `w/"1"`, `*, "1"`, `"1" "2"`, ","} {
			w.With("If-None-Match", bad).Get(path).WantProblem(http.StatusBadRequest, "invalid_etag")
		}
	}
	if tried < 7 {
		t.Errorf("only %d operations have entity tags", tried)
	}
}
