package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// TestBadInput is what bad input gets: an answer that says what is wrong and
// where, and nothing written.
func TestBadInput(t *testing.T) { //nolint:tparallel // all of them have to return before the log is looked at
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	w := furnish(t, ann, "word")
	theirs := furnish(t, bob, "word")
	before := head(t, s, w)
	const con = "/contacts"
	ada := con + "/" + w.ids["con"]
	long := strings.Repeat("x", 101)

	type bad struct {
		name, method, path, body string
		status                   int
		code                     string
		errors                   []string
	}
	all := []bad{
		{"unknown member", "POST", con, `{"first_name":"a","naem":1}`, 400, "unknown_member", []string{"/naem unknown_member"}},
		{"unknown member, far in", "POST", con, `{"emails":[{"address":"a@b.example","x":1}]}`, 400, "unknown_member", []string{"/emails/0/x unknown_member"}},
		{"another case", "POST", con, `{"First_Name":"a"}`, 400, "unknown_member", []string{"/First_Name unknown_member"}},
		{"unknown member of a patch", "PATCH", ada, `{"naem":null}`, 400, "unknown_member", []string{"/naem unknown_member"}},
		{"a member that is not to be written", "PATCH", ada, `{"version":9}`, 400, "unknown_member", []string{"/version unknown_member"}},
		{"unknown parameter", "GET", con + "?limt=1", "", 400, "unknown_parameter", []string{"limt unknown_parameter"}},
		{"unknown parameter of a command", "POST", con + "?limit=1", `{"first_name":"a"}`, 400, "unknown_parameter", []string{"limit unknown_parameter"}},
		{"a parameter twice", "GET", con + "?limit=1&limit=2", "", 400, "repeated_parameter", []string{"limit repeated_parameter"}},
		{"a broken query", "GET", con + "?limit=%zz", "", 400, "invalid_query", nil},
		{"a query with a semicolon", "GET", con + "?limit=1;x=2", "", 400, "invalid_query", nil},

		{
			"wrong types, each", "POST", con, `{"first_name":1,"tags":{},"do_not_call":"no","emails":[1]}`, 422, "validation_failed",
			[]string{"/first_name wrong_type", "/tags wrong_type", "/do_not_call wrong_type", "/emails/0 wrong_type"},
		},
		{
			"too long, and not an address", "POST", con, `{"first_name":"` + long + `","emails":[{"address":"x"}]}`, 422, "validation_failed",
			[]string{"/first_name too_long", "/emails/0/address invalid_email"},
		},
		{"missing fields", "POST", "/deals", `{}`, 422, "validation_failed", []string{"/name required", "/pipeline_id required"}},
		{"nothing to know it by", "POST", con, `{}`, 422, "required", []string{"/last_name required"}},
		{"no body where there must be one", "POST", "/deals", "", 400, "empty_body", nil},
		{"not an object", "POST", con, `[]`, 422, "wrong_type", nil},
		{"null", "POST", con, `null`, 422, "wrong_type", nil},
		{"an ID of something else", "POST", con, `{"first_name":"a","company_id":"` + w.ids["con"] + `"}`, 422, "invalid_id", []string{"/company_id invalid_id"}},
		{"an ID that is none", "POST", con, `{"first_name":"a","company_id":"x"}`, 422, "invalid_id", []string{"/company_id invalid_id"}},
		{"an own ID of something else", "POST", con, `{"id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6","first_name":"a"}`, 422, "invalid_id", []string{"/id invalid_id"}},
		{"an own ID that is in use", "POST", con, `{"id":"` + w.ids["con"] + `","first_name":"a"}`, 409, "already_exists", nil},
		{"a choice that is none", "POST", con + "/" + w.ids["con"] + "/change_lifecycle", `{"lifecycle":"x"}`, 422, "unknown_value", []string{"/lifecycle unknown_value"}},
		{"a date that is none", "PATCH", ada, `{"birth_date":"1985-02-30"}`, 422, "invalid_date", []string{"/birth_date invalid_date"}},
		{"too many", "POST", con, `{"first_name":"a","tags":["` + strings.Repeat(`a","`, 50) + `"]}`, 422, "too_many", []string{"/tags too_many"}},

		{"foreign reference", "POST", con, `{"first_name":"a","company_id":"` + theirs.ids["cmp"] + `"}`, 422, "reference_not_found", []string{"/company_id reference_not_found"}},
		{"absent reference", "POST", con, `{"first_name":"a","company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`, 422, "reference_not_found", []string{"/company_id reference_not_found"}},
		{"foreign ID", "GET", con + "/" + theirs.ids["con"], "", 404, "not_found", nil},
		{"absent ID", "GET", con + "/con_01jh2xk3v8e4t9p5w7y0z2b4d6", "", 404, "not_found", nil},
		{"ID of another kind", "GET", con + "/" + w.ids["cmp"], "", 404, "not_found", nil},
		{"ID that is none", "GET", con + "/x", "", 404, "not_found", nil},
		{"absent command", "POST", ada + "/fly", "{}", 404, "no_such_route", nil},
		{"wrong method", "PUT", ada, "{}", 405, "method_not_allowed", nil},

		{"broken JSON", "POST", con, `{"first_name":`, 400, "invalid_json", nil},
		{"JSON and more", "POST", con, `{"first_name":"a"}{}`, 400, "trailing_data", nil},
		{"a member twice", "POST", con, `{"first_name":"a","first_name":"b"}`, 400, "duplicate_member", []string{"/first_name duplicate_member"}},
		{"NUL, escaped", "POST", con, `{"first_name":"a\u0000"}`, 400, "nul_character", []string{"/first_name nul_character"}},
		{"NUL, raw", "POST", con, "{\"first_name\":\"\x00\"}", 400, "nul_character", nil},
		{"invalid UTF-8", "POST", con, "{\"first_name\":\"\xff\"}", 400, "invalid_utf8", nil},
		{"half a character", "POST", con, `{"first_name":"\ud800"}`, 400, "invalid_utf8", nil},
		{"10,000 levels", "POST", con, strings.Repeat("[", 10_000), 400, "too_deep", nil},
		{"10,000 levels in a patch", "PATCH", ada, strings.Repeat(`{"a":`, 10_000), 400, "too_deep", nil},
		{"10,000 levels in a filter", "POST", con + "/query", `{"filter":` + strings.Repeat(`{"not":`, 10_000), 400, "too_deep", nil},
		{"a body over the limit", "POST", con, `{"first_name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", nil},
		{"a batch over the limit", "POST", con + "/batch", strings.Repeat(" ", 8<<20+1), 413, "too_large", nil},
		{"a body where none is taken", "DELETE", ada, "{}", 400, "unexpected_body", nil},

		{"a number out of range", "POST", "/companies", `{"name":"a","employee_count":1e400}`, 422, "wrong_type", nil},
		{"a huge integer", "POST", "/companies", `{"name":"a","employee_count":9223372036854775808}`, 422, "wrong_type", []string{"/employee_count wrong_type"}},
		{"a negative count", "POST", "/companies", `{"name":"a","employee_count":-1}`, 422, "too_small", []string{"/employee_count too_small"}},
		{"a huge sum", "POST", "/companies", `{"name":"a","annual_revenue":{"amount":"1e999999999","currency":"EUR"}}`, 422, "invalid_decimal", []string{"/annual_revenue/amount invalid_decimal"}},
		{"a limit out of range", "GET", con + "?limit=0", "", 422, "bad_value", []string{"limit bad_value"}},
		{"a huge limit", "GET", con + "?limit=99999999999999999999", "", 422, "bad_value", nil},
		{"a version out of range", "POST", ada + "/restore_version", `{"version":0}`, 422, "too_small", []string{"/version too_small"}},
		{"a version that is not there yet", "POST", ada + "/restore_version", `{"version":77}`, 422, "reference_not_found", []string{"/version reference_not_found"}},

		{"a forged cursor", "GET", con + "?cursor=abc", "", 400, "invalid_cursor", nil},
		{"a foreign cursor", "GET", con + "?limit=1&cursor=" + theirs.cursors["contacts"], "", 400, "invalid_cursor", nil},
		{"a cursor of another list", "GET", con + "?limit=1&q=x&cursor=" + w.cursors["contacts"], "", 400, "invalid_cursor", nil},
		{"a cut cursor", "GET", con + "?cursor=" + w.cursors["contacts"][1:], "", 400, "invalid_cursor", nil},
		{"an unknown field in a filter", "GET", con + "?filter=naem%3D1", "", 422, "unknown_field", nil},
		{"broken filter", "GET", con + "?filter=((", "", 400, "filter_syntax", nil},
		{"SQL in a filter", "GET", con + "?filter=" + url.QueryEscape(`first_name = "'; drop table crm.contacts; --"`), "", 0, "", nil},
		{"an unknown field to sort by", "GET", con + "?sort=naem", "", 422, "unknown_field", nil},
		{"too many members to show", "POST", con + "/query", `{"fields":"id` + strings.Repeat(",id", 100) + `"}`, 422, "bad_value", []string{"/fields bad_value"}},
		{"many conditions", "POST", con + "/query", `{"filter":{"or":[` + strings.Repeat(`{"and":[{"field":"id","op":"is_null"}]},`, 50) + `{}]}}`, 422, "filter_too_large", []string{"/filter filter_too_large"}},
		{"many items", "POST", con, `{"emails":[` + strings.Repeat("1,", 200_000) + `1]}`, 422, "too_many", []string{"/emails too_many"}},
		{"many members that are not known", "POST", con, "{" + manyMembers(900) + "}", 400, "unknown_member", nil},
		{"an unknown member to show", "GET", con + "?fields=naem", "", 422, "unknown_field", nil},
		{"after the end", "GET", "/events?after=99999999", "", 409, "position_ahead", []string{"after position_ahead"}},
		{"before the beginning", "GET", "/events?after=-1", "", 422, "bad_value", nil},
		{"a path that goes up", "GET", con + "/../../../etc/passwd", "", 404, "no_such_route", nil},
	}
	t.Run("each", func(t *testing.T) { // returns when all have
		for _, tt := range all {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r := ann.In(t).Do(tt.method, tt.path, tt.body)
				if tt.status == 0 {
					r.Want(http.StatusOK)
					return
				}
				r.WantProblem(tt.status, tt.code, tt.errors...)
				if len(r.Body) > 20_000 || strings.Contains(r.Body, long) {
					t.Errorf("the answer repeats the request: %.300s", r.Body)
				}
			})
		}
	})
	ann.With("Content-Type", "text/plain").Post(con, `{"first_name":"a"}`).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	ann.With("Content-Type", "application/x-www-form-urlencoded").Post(con, `a=b`).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	ann.With("Content-Type", "application/json; charset=iso-8859-1").Post(con, `{}`).WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	for _, token := range []string{"", "Bearer", "Bearer x", "Basic eDp5", "Bearer rwh_" + strings.Repeat("0", 100), "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer \x01"} {
		if strings.Contains(token, "\x01") {
			continue // Go does not send it
		}
		ann.With("Authorization", token).Get(con).WantProblem(http.StatusUnauthorized, "unauthenticated").
			WantHeader("WWW-Authenticate", `Bearer realm="rowhouse"`)
	}
	if after := head(t, s, w); after != before {
		t.Errorf("bad input wrote events %d to %d", before+1, after)
	}
}

// manyMembers returns so many members, none of which is known anywhere.
func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"a%d":1`, i)
	}
	return strings.Join(members, ",")
}

// TestNoFault asks for things at random. Whatever is asked for, nothing breaks,
// and what is refused says why.
func TestNoFault(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	f := fuzzer{w: furnish(t, ann, "word"), rand: rand.New(rand.NewPCG(1, 2))}
	ops := operations(t, s)
	rounds := 15
	if testing.Short() {
		rounds = 3
	}
	for _, op := range ops {
		if op.ID == "event.stream" {
			continue
		}
		m := matrix{t: t, mine: f.w}
		some := rounds
		if triedElsewhere(op) {
			some = min(rounds, 5)
		}
		for range some {
			f.ask(t, op, m)
		}
	}
	ann.Get("/contacts").Want(http.StatusOK)
}

// fuzzer changes requests at random, the same way each time.
type fuzzer struct {
	w    world
	rand *rand.Rand
}

func (f fuzzer) ask(t *testing.T, op operation, m matrix) {
	t.Helper()
	c, path, body := f.w.Client, m.path(op, f.w.ids), ""
	if _, ok := op.Body.Content["application/json"]; ok {
		body = f.cut(encode(t, f.change(m.example(op))))
	}
	q := url.Values{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "query" && f.rand.IntN(4) == 0:
			q.Set(p.Name, f.text())
		case p.In == "header" && f.rand.IntN(4) == 0:
			c = c.With(p.Name, strings.Map(printable, f.text()))
		}
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	if r := c.Do(op.Method, path, body); r.Status >= 500 && r.Status != http.StatusServiceUnavailable {
		t.Errorf("%s %s %s = %d\n%s", op.Method, path, body, r.Status, r.Body)
	} else if r.Status >= 400 && r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s %s = %d, %s", op.Method, path, body, r.Status, r.Header.Get("Content-Type"))
	}
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// odd is what people do not expect.
var odd = []any{
	nil, true, 0.0, -1.0, 1e300, "", "0", "\u0000", "é\u202e😀", strings.Repeat("x", 5000),
	[]any{},
	map[string]any{},
	"2026-02-30", "9999-12-31T23:59:59.999999999Z", "0000-00-00", "'; select 1; --", "%s%n", "../..", "con_01jh2xk3v8e4t9p5w7y0z2b4d6",
	map[string]any{"": map[string]any{"~/": nil}},
	[]any{nil, []any{1.0}},
	1.5, 9007199254740993.0, "NaN", "-0", "1e9",
}

func (f fuzzer) text() string { return fmt.Sprint(odd[f.rand.IntN(len(odd))]) }

// change puts something odd in the place of a value here and there.
func (f fuzzer) change(v any) any {
	if f.rand.IntN(6) == 0 {
		return odd[f.rand.IntN(len(odd))]
	}
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = f.change(v[k])
		}
		if f.rand.IntN(8) == 0 {
			v[f.text()] = f.text()
		}
	case []any:
		for i := range v {
			v[i] = f.change(v[i])
		}
		for range f.rand.IntN(3) {
			v = append(v, v...)
		}
		return v
	}
	return v
}

// cut takes a part of the text away, now and then.
func (f fuzzer) cut(s string) string {
	if f.rand.IntN(5) > 0 {
		return s
	}
	i := f.rand.IntN(len(s) + 1)
	return s[:i] + s[min(len(s), i+f.rand.IntN(4)):]
}

// TestBrokenOff checks what happens when the client goes away in the middle of a
// body: nothing is written, and nothing breaks.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	conn := s.Dial()
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"name\":",
		ann.Path("/companies"), ann.Bearer())
	if err := errors.Join(err, conn.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only its status matters
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %d", res.StatusCode)
	}
	ann.Get("/companies").Want(http.StatusOK, `"data":[]`)
}
