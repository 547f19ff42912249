package api_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// A text that is required has something to see, wherever it is.
func TestTextThatNobodySees(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	const stages = `[{"key":"lead","name":"Lead","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]`
	pipeline := ann.Post("/pipelines", `{"name":"Sales","stages":`+stages+`}`).Want(http.StatusCreated)
	deal := ann.Post("/deals", `{"name":"Roof","pipeline_id":"`+pipeline.ID()+`"}`).Want(http.StatusCreated).Path()
	contact := ann.Post("/contacts", `{"last_name":"Byron"}`).Want(http.StatusCreated).Path()

	for _, nothing := range []string{" ", "\t\n", "\u00a0\u3000", "\u200b", "\ufeff\u2060", "\u00ad", "\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\ufe0f", "\u0301", "\U000e0041", "\u202e\u202c", "\u2028"} {
		quoted := strconv.QuoteToASCII(nothing)
		quoted = strings.NewReplacer(`\U000e0041`, `\udb40\udc41`).Replace(quoted)
		for path, wrong := range map[string][2]string{
			"/contacts":                       {`{"last_name":NIL,"first_name":NIL}`, "/last_name required"},
			"/companies":                      {`{"name":NIL}`, "/name required"},
			"/deals":                          {`{"name":NIL,"pipeline_id":"` + pipeline.ID() + `"}`, "/name required"},
			"/tasks":                          {`{"title":NIL}`, "/title required"},
			"/pipelines":                      {`{"name":NIL,"stages":` + strings.Replace(stages, `"Won"`, "NIL", 1) + `}`, "/name required, /stages/1/name required"},
			deal + "/lose":                    {`{"reason":NIL}`, "/reason required"},
			deal + "/add_line_item":           {`{"description":NIL,"qty":"1","unit_price":{"amount":"1","currency":"EUR"}}`, "/description required"},
			contact + "/add_tags":             {`{"tags":["vip",NIL]}`, "/tags/1 required"},
			pipeline.Path() + "/rename":       {`{"name":NIL}`, "/name required"},
			pipeline.Path() + "/add_stage":    {`{"key":"x","name":NIL,"kind":"open"}`, "/name required"},
			pipeline.Path() + "/update_stage": {`{"key":"lead","name":NIL}`, "/name required"},
			"/api_keys":                       {`{"name":NIL}`, "/name required"},
		} {
			ann.Post(path, strings.ReplaceAll(wrong[0], "NIL", quoted)).
				WantProblem(http.StatusUnprocessableEntity, codeOf(wrong[1]), strings.Split(wrong[1], ", ")...)
		}
		ann.Patch(contact, `{"last_name":`+quoted+`}`).WantProblem(http.StatusUnprocessableEntity, "required", "/last_name required")
	}
	// What is seen is kept, with what joins its letters.
	ann.Post("/contacts", `{"last_name":"\u06cc\u200c\u0627","first_name":" \ud83d\udc69\u200d\ud83d\ude80\u200b"}`).
		Want(http.StatusCreated, "\"\u06cc\u200c\u0627\"", "\"👩\u200d🚀\"")
	ann.Post("/contacts", `{"last_name":"a\u0007b"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_text", "/last_name invalid_text")
	ann.Post(deal+"/lose", `{"reason":"price\n\ttoo high"}`).Want(http.StatusOK, `"lost_reason":"price\n\ttoo high"`)
	bob.Get("/contacts").Want(http.StatusOK, `"data":[]`)
}

// codeOf returns the code of a refusal with these entries.
func codeOf(entries string) string {
	if strings.Contains(entries, ",") {
		return "validation_failed"
	}
	_, code, _ := strings.Cut(entries, " ")
	return code
}

// Whatever can be written in several forms is found by each of them, and not
// found by the negation of each.
func TestFiltersReadAsWritesDo(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	ann.Post("/contacts", `{"first_name":"Zoe\u0308","last_name":"Straße","language":"iw","job_title":" Head \u200b","tags":["VIP","vip","Zoe\u0308"],
		"emails":[{"address":"Zoe\u0308@xn--bcher-kva.example"}],"phones":[{"number":"+39 (0)6 5550 1234"}],"external_ids":{"crm ":" 7 "},"birth_date":"1972-04-09"}`).
		Want(http.StatusCreated, `"first_name":"Zoë"`, `"number":"+390655501234"`, `"tags":["VIP","Zoë"]`, `"crm":"7"`, `"job_title":"Head"`, `"language":"he"`)
	ann.Post("/companies", `{"name":"Grün","domains":["GRÜN.example"],"phone":"+49 030 123456","annual_revenue":{"amount":"1.50","currency":"rsd"}}`).
		Want(http.StatusCreated, `"grün.example"`, `"+4930123456"`, `"1.50","currency":"RSD"`)

	holds := map[string][]string{
		"/contacts": {
			`email = "ZOE` + "\u0308" + `@BÜCHER.example"`, `emails has "zoë@xn--bcher-kva.example"`, `emails any ("zoë@bücher.example", a@b.example)`,
			`email in ("Zoë@XN--BCHER-KVA.EXAMPLE")`, `emails contains "BÜCHER.ex"`, `emails contains "E` + "\u0308" + `@b"`,
			`email starts_with ZOË`, `phones has "+39 06 5550-1234"`, `phones contains "5550-12"`, `phones starts_with "+39 (06)"`,
			`phones contains "+39 (0)6"`, `phones starts_with "+39 (0)6 5550"`, `phones contains "tel:+39-06"`, `phones contains "＋39 06"`, `phones contains "٠٦٥٥٥"`, `phones starts_with "(+39) 06"`,
			`emails contains "xn--bcher"`, `emails contains "xn--bcher-kva.ex"`, `emails contains "XN--BCHER-K"`, `emails contains "xn--"`, `email contains "@xn--bch"`, `email contains "oë@xn--bcher-kva"`,
			`email starts_with "zoë@xn--bcher-kva.example"`, `emails starts_with "zoë@xn--bcher-"`, `emails starts_with "zoë@xn--b"`,
			`first_name = "Zoe` + "\u0308" + `"`, `first_name starts_with "ZOE` + "\u0308" + `"`, `last_name contains STRASSE`, `last_name contains raß`,
			`tags has "vip "`, `tags has zoë`, `tags any (Vip)`, `external_ids has "crm: 7"`, `language = iw`, `language in (HE)`, `birth_date = 1972-04-09`,
			`job_title = " Head"`,
		},
		"/companies": {
			`domains has grün.example`, `domains has "XN--GRN-IOA.example."`, `domains contains "RÜN.ex"`, `phone = "+49 (0)30 123 456"`, `phone contains "30 12"`,
			`domains contains "xn--grn"`, `domains contains "xn--grn-ioa.ex"`, `domains starts_with "xn--grn-ioa.example"`, `domains starts_with "XN--GR"`, `phone contains "(0)30"`, `phone starts_with "tel:+49-30"`,
			`annual_revenue.currency = rsd`, `annual_revenue.amount = 1.5000`, `annual_revenue.amount in ("001.50")`, `name = "Gru` + "\u0308" + `n"`,
		},
	}
	for collection, filters := range holds {
		for _, f := range filters {
			for negated, found := range map[string]bool{f: true, "not (" + f + ")": false} {
				list := ann.Get(collection + "?filter=" + url.QueryEscape(negated)).Want(http.StatusOK)
				body := ann.Post(collection+"/query", `{"filter":`+strconv.Quote(negated)+`}`).Want(http.StatusOK)
				if list.Body != body.Body {
					t.Errorf("%s: by GET %s, by POST %s", negated, list.Body, body.Body)
				}
				if got := !strings.Contains(list.Body, `"data":[]`); got != found {
					t.Errorf("%s: found %v", negated, got)
				}
			}
		}
	}
	for _, q := range []string{
		"zoe\u0308", "STRASSE", "straße", "bücher", "ZOË@BÜCHER", "06 5550-1234", "+39 06 5550", "5550 1234", "head",
		"+39 (0)6 5550 1234", "tel:+390655501234", "tel:+39-06-5550-1234", "＋39 06 5550", "٠٦٥٥٥", "zoë ٠٦٥٥٥", "zoë tel:+39065550",
		"zoë@xn--bcher-kva.example", "xn--bcher", "XN--BCHER-KVA.example", "zoë@xn--bcher-k",
	} {
		ann.Get("/contacts?q="+url.QueryEscape(q)).Want(http.StatusOK, `"Zoë"`)
	}
	for _, q := range []string{"GRÜN", "gru\u0308n.ex", "030 123456", "030/123", "+49 (0)30 123456", "xn--grn-ioa.example", "xn--grn"} {
		ann.Get("/companies?q="+url.QueryEscape(q)).Want(http.StatusOK, `"Grün"`)
	}
	for _, q := range []string{"+39 (0)7", "tel:+49", "xn--bchre", "xn--bcher-x.example", "x@xn--bcher-kva.example", "xn--z"} {
		ann.Get("/contacts?q="+url.QueryEscape(q)).Want(http.StatusOK, `"data":[]`)
	}
	for _, f := range []string{`emails contains "xn--bchre"`, `emails starts_with "xn--bcher"`, `emails contains "xn--example"`, `phones contains "+39 (0)7"`, `phones starts_with "(0)6"`} {
		ann.Get("/contacts?filter="+url.QueryEscape(f)).Want(http.StatusOK, `"data":[]`)
		ann.Get("/contacts?filter="+url.QueryEscape("not ("+f+")")).Want(http.StatusOK, `"Zoë"`)
	}
	for collection, filters := range map[string][]string{
		"/contacts": {
			`email = "kim@ fields.example"`, `emails has kim`, `emails any (a@b.example, "a@b.example.")`, `phones has 030123456`, `phones none (12)`, `phones contains abc`,
			`language = qq`, `birth_date > 2026-02-30`, `birth_date = 0000-01-01`, `birth_date not in (2026-1-1)`, `company_id = CON_1`, `tags has "` + "\u200b" + `"`, `external_ids has 7`,
		},
		"/companies": {`domains has "https://a.example"`, `domains has xn--a.example`, `annual_revenue.currency != ZZZ`, `annual_revenue.amount = 1.00001`, `phone != 123`, `employee_count = 1.5`},
		"/tasks":     {`related.id has x`, `related.id has "CON_01JH2XK3V8E4T9P5W7Y0Z2B4D6"`},
	} {
		for _, f := range filters {
			ann.Get(collection+"?filter="+url.QueryEscape(f)).WantProblem(http.StatusUnprocessableEntity, "bad_value", "filter bad_value")
			ann.Post(collection+"/query", `{"filter":`+strconv.Quote(f)+`}`).WantProblem(http.StatusUnprocessableEntity, "bad_value", "/filter bad_value")
		}
	}
	ann.Get("/contacts?phones=+390655501234").Want(http.StatusOK, `"Zoë"`)
	ann.Get("/contacts?email=Zo%C3%AB@b%C3%BCcher.example").Want(http.StatusOK, `"Zoë"`)
	bob.Get("/contacts?phones=%2B390655501234").Want(http.StatusOK, `"data":[]`)

	// One thing is one, whatever it is written like, also for who looks for what to change.
	ann.Post("/contacts", `{"emails":[{"address":"ZOË@bücher.example"}]}`).WantProblem(http.StatusConflict, "duplicate")
	ann.Post("/contacts", `{"last_name":"x","external_ids":{"crm":"7\u200b"}}`).WantProblem(http.StatusConflict, "duplicate")
	ann.Post("/companies", `{"name":"x","domains":["xn--grn-ioa.example"]}`).WantProblem(http.StatusConflict, "duplicate")
	ann.Post("/companies", `{"name":"x","domains":["a.bücher.example","a.xn--bcher-kva.example"]}`).WantProblem(http.StatusUnprocessableEntity, "duplicate_item", "/domains/1 duplicate_item")
	ann.Post("/contacts/upsert", `{"match_on":["emails"],"data":{"emails":[{"address":"ZOE\u0308@XN--BCHER-KVA.example"}],"job_title":"Chief"}}`).Want(http.StatusOK, `"Chief"`)
	const stages = `[{"key":"lead","name":"Lead","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]`
	ann.Post("/pipelines", `{"name":"Straße  Zoe\u0308","stages":`+stages+`}`).Want(http.StatusCreated)
	ann.Post("/pipelines", `{"name":"STRASSE\u00a0ZOË","stages":`+stages+`}`).WantProblem(http.StatusConflict, "duplicate")
}
