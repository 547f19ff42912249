package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/viewer"
)

// ownFields defines a field of each type for contacts: its key is its type.
func ownFields(c apitest.Client) {
	c.Post("/object_types", `{"key":"contact"}`).Want(http.StatusCreated)
	for _, f := range []string{
		`"key":"text","type":"text"`, `"key":"long_text","type":"long_text"`, `"key":"number","type":"number"`, `"key":"decimal","type":"decimal"`,
		`"key":"money","type":"money"`, `"key":"bool","type":"bool"`, `"key":"date","type":"date"`, `"key":"datetime","type":"datetime"`,
		`"key":"select","type":"select","options":[{"key":"gold"},{"key":"silver"},{"key":"tin"}]`,
		`"key":"multi_select","type":"multi_select","options":[{"key":"gold"},{"key":"silver"},{"key":"tin"}]`,
		`"key":"email","type":"email"`, `"key":"phone","type":"phone"`, `"key":"url","type":"url"`,
		`"key":"reference","type":"reference","object":"company"`, `"key":"user","type":"user"`,
	} {
		c.Post("/object_types/contact/fields", `{`+f+`}`).Want(http.StatusOK)
	}
}

// Who is an admin defines fields, under paths that name the kind of record, and nobody of
// another tenant has them.
func TestObjectTypes(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	ann.Get("/object_types/contact").WantProblem(http.StatusNotFound, "not_found")
	made := ann.Post("/object_types/contact/fields", `{"key":"policy_no","type":"text","label":"Policy"}`).
		Want(http.StatusCreated, `"key":"contact"`, `"policy_no"`, `"class":"personal"`).WantHeader("ETag", `"2"`)
	ann.Post("/object_types/contact/fields", `{"key":"policy_no","type":"text"}`).WantProblem(http.StatusUnprocessableEntity, "duplicate_key", "/key duplicate_key")
	ann.Post("/object_types/spaceship/fields", `{"key":"x","type":"text"}`).WantProblem(http.StatusNotFound, "not_found")
	ann.Post("/object_types/pipeline/fields", `{"key":"x","type":"text"}`).WantProblem(http.StatusNotFound, "not_found")
	ann.Post("/object_types/contact/fields", `{"key":"Policy","type":"formula"}`).Want(http.StatusUnprocessableEntity, `"/type"`)
	ann.Key(access.Member).Post("/object_types/contact/fields", `{"key":"x","type":"text"}`).WantProblem(http.StatusForbidden, "forbidden")
	ann.Key(access.Member).Get("/object_types/contact").Want(http.StatusOK, "policy_no")
	ann.Get("/object_types/"+made.ID()+"/history").Want(http.StatusOK, "object_type.field_added")
	ann.Get("/object_types/contact/history").Want(http.StatusOK, "object_type.field_added")
	ann.Post("/object_types", `{"key":"contact"}`).WantProblem(http.StatusConflict, "already_exists")
	ann.Post("/object_types", `{"key":"deal"}`).Want(http.StatusCreated, `"fields":[]`)
	ann.Post("/commands", `{"type":"object_type.add_field","id":"deal","data":{"key":"floor","type":"number"}}`).Want(http.StatusOK, "floor")
	ann.Get("/object_types?key=contact").Want(http.StatusOK, "policy_no")
	ann.Get("/events?limit=100").Want(http.StatusOK, "object_type.defined")

	bob.Get("/object_types").Want(http.StatusOK, `"data":[]`)
	bob.Get("/object_types/"+made.ID()).WantProblem(http.StatusNotFound, "not_found")
	bob.Post("/object_types/"+made.ID()+"/fields", `{"key":"x","type":"text"}`).WantProblem(http.StatusNotFound, "not_found")
	bob.Post("/object_types/contact/archive_field", `{"key":"policy_no"}`).WantProblem(http.StatusNotFound, "not_found")
	bob.Post("/contacts", `{"first_name":"Bea","custom":{"policy_no":"A-1"}}`).WantProblem(http.StatusUnprocessableEntity, "unknown_field", "/custom/policy_no unknown_field")
	bob.Post("/object_types/contact/fields", `{"key":"policy_no","type":"number"}`).Want(http.StatusCreated)
	bob.Post("/contacts", `{"first_name":"Bea","custom":{"policy_no":"A-1"}}`).WantProblem(http.StatusUnprocessableEntity, "wrong_type", "/custom/policy_no wrong_type")
	bob.Post("/contacts", `{"first_name":"Bea","custom":{"policy_no":7}}`).Want(http.StatusCreated, `"custom":{"policy_no":7}`)
	ann.Post("/contacts", `{"first_name":"Ada","custom":{"policy_no":"A-1"}}`).Want(http.StatusCreated, `"custom":{"policy_no":"A-1"}`)
}

// Fields of the tenant's own are changed, told and restored one by one, in every way in
// which records are changed.
func TestOwnFields(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	ownFields(ann)
	ada := ann.Post("/contacts", `{"first_name":"Ada","custom":{"text":"A-1","number":7,"select":"gold","bool":false,"money":{"amount":"5","currency":"eur"}}}`).
		Want(http.StatusCreated, `"custom":{"bool":false,"money":{"amount":"5.00","currency":"EUR"},"number":7,"select":"gold","text":"A-1"}`)
	path := ada.Path()

	// Two who have seen the same change different ones.
	ann.With("If-Match", `"1"`).Patch(path, `{"custom":{"text":"A-2"}}`).Want(http.StatusOK, `"text":"A-2"`, `"number":7`)
	disjoint := ann.With("If-Match", `"1"`).With("Prefer", "merge=disjoint")
	disjoint.Patch(path, `{"custom":{"number":8}}`).Want(http.StatusOK, `"text":"A-2"`, `"number":8`)
	disjoint.Patch(path, `{"custom":{"text":"A-3"}}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	disjoint.Patch(path, `{"custom":null}`).WantProblem(http.StatusPreconditionFailed, "version_conflict")
	ann.Get(path+"/events").Want(http.StatusOK, `{"changes":{"custom.text":{"old":"A-1","new":"A-2"}}}`, `{"changes":{"custom.number":{"old":7,"new":8}}}`)
	ann.Get(path+"/history").Want(http.StatusOK, `{"field":"custom.text","old":"A-1","new":"A-2"}`, `{"field":"custom.text","old":null,"new":"A-1"}`)

	// Nothing happens if nothing is different.
	ann.Patch(path, `{"custom":{"text":" A-2 ","money":{"amount":"5.0","currency":"EUR"}}}`).Want(http.StatusOK).WantHeader("ETag", `"3"`)
	ann.Patch(path, `{"custom":{"text":"","bool":null,"money":{"amount":"6"}}}`).Want(http.StatusOK, `"custom":{"money":{"amount":"6.00","currency":"EUR"},"number":8,"select":"gold"}`)
	ann.Patch(path, `{"custom":null}`).Want(http.StatusOK)
	if body := ann.Get(path).Want(http.StatusOK).Body; strings.Contains(body, `"custom"`) {
		t.Errorf("something is left: %s", body)
	}
	ann.Get(path + "?as_of=3").Want(http.StatusNotFound) // before it was made
	ann.Post(path+"/restore_version", `{"version":3}`).Want(http.StatusOK, `"text":"A-2"`, `"number":8`)

	// A field that is archived takes nothing, and keeps what there is.
	ann.Post("/object_types/contact/archive_field", `{"key":"text"}`).Want(http.StatusOK, `"archived":true`)
	ann.Patch(path, `{"custom":{"text":"A-9"}}`).WantProblem(http.StatusUnprocessableEntity, "archived_field", "/custom/text archived_field")
	ann.Patch(path, `{"custom":{"number":9}}`).Want(http.StatusOK, `"text":"A-2"`, `"number":9`)
	ann.Post(path+"/restore_version", `{"version":1}`).Want(http.StatusOK, `"text":"A-2"`, `"number":7`)
	ann.Post("/object_types/contact/archive_option", `{"key":"select","option":"gold"}`).Want(http.StatusOK)
	ann.Patch(path, `{"custom":{"select":"gold","number":1}}`).Want(http.StatusOK, `"select":"gold"`)
	ann.Patch(path, `{"custom":{"select":"silver"}}`).Want(http.StatusOK, `"select":"silver"`)
	ann.Patch(path, `{"custom":{"select":"gold"}}`).WantProblem(http.StatusUnprocessableEntity, "archived_option", "/custom/select archived_option")
	ann.Post("/object_types/contact/restore_field", `{"key":"text"}`).Want(http.StatusOK)
	ann.Patch(path, `{"custom":{"text":"A-9"}}`).Want(http.StatusOK, `"text":"A-9"`)

	// In batches, by upserts, and by the door of all commands.
	ann.Post("/contacts/batch", `{"operations":[
		{"op":"create","data":{"first_name":"Bea","custom":{"text":"B-1","nothing":1}}},
		{"op":"create","data":{"first_name":"Bea","external_ids":{"erp":"1"},"custom":{"text":"B-1","multi_select":["gold"]}}},
		{"op":"update","id":"`+ada.ID()+`","data":{"custom":{"date":"2026-02-30"}}}]}`).
		Want(http.StatusMultiStatus, `"/custom/nothing"`, `"status":201`, `"/custom/date"`)
	ann.Post("/contacts/upsert", `{"match_on":["external_ids"],"lists":"add","data":{"external_ids":{"erp":"1"},"custom":{"multi_select":["tin"]}}}`).
		Want(http.StatusOK, `"multi_select":["gold","tin"]`, `"text":"B-1"`)
	ann.Post("/commands", `{"type":"contact.update","id":"`+ada.ID()+`","data":{"custom":{"url":"https://example.org"}}}`).Want(http.StatusOK, `"url":"https://example.org"`)

	// References are to records that are there.
	cmp := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	ann.Patch(path, `{"custom":{"reference":"`+ada.ID()+`"}}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/custom/reference reference_not_found")
	ann.Patch(path, `{"custom":{"reference":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/custom/reference reference_not_found")
	ann.Patch(path, `{"custom":{"reference":"`+cmp.ID()+`"}}`).Want(http.StatusOK, cmp.ID())
	ann.Delete(cmp.Path()).Want(http.StatusOK)
	ann.Patch(path, `{"custom":{"number":3}}`).Want(http.StatusOK, cmp.ID())
	ann.Post("/contacts", `{"first_name":"Cid","custom":{"reference":"`+cmp.ID()+`"}}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/custom/reference reference_not_found")

	for _, bad := range []string{`[]`, `"x"`, `7`, `{"text":{"a":1}}`, `{"text":[1]}`, `{"text":{"deep":{}}}`, `{"":1}`, `{"a/b":1}`, `{"__proto__":1}`} {
		if r := ann.Patch(path, `{"custom":`+bad+`}`); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Body, `"/custom`) {
			t.Errorf("%s: %d %s", bad, r.Status, r.Body)
		}
	}
}

// Each kind of record has fields of the tenant's own.
func TestOwnFieldsOfAllKinds(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	w := furnish(t, ann, "word")
	for prefix, path := range collections {
		if prefix == "pip" || prefix == "objt" {
			continue
		}
		var doc struct{ Type string }
		ann.Get("/" + path + "/" + w.ids[prefix]).Want(http.StatusOK).Into(&doc)
		if r := ann.Post("/object_types/"+doc.Type+"/fields", `{"key":"size","type":"decimal"}`); r.Status != http.StatusCreated && r.Status != http.StatusOK {
			t.Fatalf("a field of %s = %d\n%s", doc.Type, r.Status, r.Body)
		}
		ann.Patch("/"+path+"/"+w.ids[prefix], `{"custom":{"size":"1.50"}}`).Want(http.StatusOK, `"custom":{"size":"1.5"}`)
		ann.Get("/"+path+"/"+w.ids[prefix]+"/history?limit=500").Want(http.StatusOK, `{"field":"custom.size","old":null,"new":"1.5"}`)
	}
}

// While a field is archived, values are set or not, and none after that.
func TestRaceWithArchiving(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	ann.Post("/object_types/contact/fields", `{"key":"score","type":"number"}`).Want(http.StatusCreated)
	ada := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).Path()
	for range 5 {
		var g sync.WaitGroup
		start := make(chan struct{})
		set := make([]apitest.Response, 8)
		for i := range set {
			g.Go(func() {
				<-start
				set[i] = ann.Forgetful().Post("/contacts", fmt.Sprintf(`{"first_name":"Bea","custom":{"score":%d}}`, i))
			})
		}
		var archived apitest.Response
		g.Go(func() {
			<-start
			archived = ann.Forgetful().Post("/object_types/contact/archive_field", `{"key":"score"}`)
		})
		close(start)
		g.Wait()
		archived.Want(http.StatusOK)
		at := archived.Header.Get("Event-Position")
		for _, r := range set {
			var doc struct{ Position json.Number }
			switch r.Status {
			case http.StatusCreated:
				if r.Into(&doc); len(doc.Position.String()) > len(at) || len(doc.Position.String()) == len(at) && doc.Position.String() > at {
					t.Errorf("a value was recorded at %s, after the field was archived at %s", doc.Position, at)
				}
			case http.StatusUnprocessableEntity:
			default:
				t.Errorf("%d %s", r.Status, r.Body)
			}
		}
		ann.Patch(ada, `{"custom":{"score":1}}`).WantProblem(http.StatusUnprocessableEntity, "archived_field", "/custom/score archived_field")
		ann.Post("/object_types/contact/restore_field", `{"key":"score"}`).Want(http.StatusOK)
	}
}

// Each field is shown and changed as its class allows, whatever way it comes.
func TestOwnFieldsOfClasses(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]viewer.Access{"hidden": viewer.Hidden, "masked": viewer.Masked} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apitest.New(t)
			ann := s.Tenant()
			ann.Post("/object_types/contact/fields", `{"key":"region","type":"text","class":"internal"}`)
			ann.Post("/object_types/contact/fields", `{"key":"hobby","type":"text"}`)
			ann.Post("/object_types/contact/fields", `{"key":"iban","type":"text","class":"sensitive"}`)
			path := ann.Post("/contacts", `{"first_name":"Ada","custom":{"region":"north","hobby":"whist","iban":"DE02"}}`).Want(http.StatusCreated).Path()
			changed := ann.Patch(path, `{"custom":{"region":"south","hobby":"chess","iban":"DE03"}}`).Want(http.StatusOK)
			role := everyRight()
			role["contact"].Classes[domain.Sensitive] = a
			role["contact"].Members["custom.hobby"] = viewer.ReadOnly
			s.Let(access.Member, role)
			bob := ann.Key(access.Member)
			unseen := func(r apitest.Response) {
				t.Helper()
				if r.Status != http.StatusOK || strings.Contains(r.Body, "DE0") || !strings.Contains(r.Body, "south") {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			}
			for _, p := range []string{path, "/contacts", path + "/history", path + "/events", "/events?limit=500"} {
				unseen(bob.With("Min-Position", changed.Header.Get("Event-Position")).Get(p))
			}
			if masked := strings.Contains(bob.Get(path).Body, `"masked":["custom.iban"]`); masked != (a == viewer.Masked) {
				t.Errorf("masked: %t", masked)
			}
			unseen(bob.Patch(path, `{"custom":{"region":"south "}}`))
			for body, at := range map[string]string{
				`{"custom":{"iban":"DE03"}}`: "/custom/iban", `{"custom":{"iban":null}}`: "/custom/iban", `{"custom":{"hobby":"x"}}`: "/custom/hobby", `{"custom":null}`: "/custom",
			} {
				bob.Patch(path, body).WantProblem(http.StatusForbidden, "field_forbidden", at+" field_forbidden")
			}
			bob.Post("/contacts", `{"first_name":"Bea","custom":{"iban":"x"}}`).WantProblem(http.StatusForbidden, "field_forbidden", "/custom/iban field_forbidden")
			bob.Post("/contacts", `{"first_name":"Bea","custom":{"region":"x"}}`).Want(http.StatusCreated)
			bob.Post(path+"/restore_version", `{"version":1}`).Want(http.StatusForbidden)
			lines := follow(t, bob, "/events/stream?types=contact.updated")
			for line := range lines {
				if data, ok := strings.CutPrefix(line, "data: "); ok {
					unseen(apitest.Response{Status: http.StatusOK, Body: data})
					break
				}
			}
			// What becomes of another class is shown accordingly, soon.
			at := ann.Post("/object_types/contact/update_field", `{"key":"iban","class":"internal"}`).Want(http.StatusOK).Header.Get("Event-Position")
			bob.With("Min-Position", at).Get(path).Want(http.StatusOK, "DE03")
		})
	}
}

// Lists are filtered and sorted by fields of every type, in both directions and through
// pages, with records without a value at the end; in the next tenant the same key is
// another field, or none.
func TestListsByOwnFields(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	ownFields(ann)
	cmp := []string{ann.Post("/companies", `{"name":"A"}`).ID(), ann.Post("/companies", `{"name":"B"}`).ID(), ann.Post("/companies", `{"name":"C"}`).ID()}
	const usr = "usr_01jh2xk3v8e4t9p5w7y0z2b4d"
	values := []string{
		`"text":"alpha","long_text":"one\ntwo","number":-5,"decimal":"-1.5","money":{"amount":"1","currency":"EUR"},"bool":false,"date":"1999-12-31","datetime":"1999-12-31T10:00:00Z","select":"gold","multi_select":["gold"],"email":"Ada@example.org","phone":"+4930123456","url":"https://a.example/x","reference":"` + cmp[0] + `","user":"` + usr + `1"`,
		`"text":"beta 7","long_text":"three","number":7,"decimal":"7","money":{"amount":"2","currency":"USD"},"bool":true,"date":"2026-02-28","datetime":"2026-02-28T10:00:00.5Z","select":"silver","multi_select":["gold","silver"],"email":"bea@bücher.example","phone":"+4930123457","url":"https://b.example/x","reference":"` + cmp[1] + `","user":"` + usr + `2"`,
		`"text":"gamma","number":1000000,"decimal":"1000.25","money":{"amount":"3","currency":"EUR"},"bool":true,"date":"2030-01-01","datetime":"2030-01-01T00:00:00Z","select":"tin","multi_select":["tin"],"email":"cid@example.org","phone":"+14155550100","url":"https://c.example/x","reference":"` + cmp[2] + `","user":"` + usr + `3"`,
	}
	for i, v := range values {
		ann.Post("/contacts", fmt.Sprintf(`{"first_name":"%d","custom":{%s}}`, i, v)).Want(http.StatusCreated)
	}
	ann.Post("/contacts", `{"first_name":"3"}`).Want(http.StatusCreated)
	ann.Post("/contacts", `{"first_name":"4","custom":{"text":""}}`).Want(http.StatusCreated)
	gone := ann.Post("/contacts", fmt.Sprintf(`{"first_name":"5","custom":{%s}}`, values[0])).Want(http.StatusCreated).Path()
	ann.Delete(gone).Want(http.StatusOK)

	names := func(c apitest.Client, query string) string {
		t.Helper()
		var list strings.Builder
		for cursor := ""; ; {
			var page struct {
				Data []struct {
					Name string `json:"first_name"`
				}
				Next string `json:"next_cursor"`
			}
			c.Get("/contacts?limit=2&" + query + "&cursor=" + cursor).Want(http.StatusOK).Into(&page)
			for _, d := range page.Data {
				list.WriteString(d.Name)
			}
			if cursor = page.Next; cursor == "" {
				return list.String()
			}
		}
	}
	for filter, want := range map[string]string{
		`custom.text = alpha`: "0", `custom.text != alpha`: "1234", `custom.text in (alpha, "beta 7")`: "01", `custom.text not in (alpha)`: "1234",
		`custom.text is null`: "34", `custom.text is not null`: "012", `custom.text contains "eta"`: "1", `custom.text starts_with "AL"`: "0", `custom.text > b`: "12",
		`custom.long_text is null`: "234", `custom.long_text is not null`: "01",
		`custom.number = 7`: "1", `custom.number < 7`: "0", `custom.number >= 7`: "12", `custom.number in (7, -5)`: "01", `custom.number != 7`: "0234",
		`custom.decimal = 7`: "1", `custom.decimal > -1.5`: "12", `custom.decimal <= 1000.25`: "012",
		`custom.money.amount >= 2`: "12", `custom.money.currency = eur`: "02", `custom.money.amount is null`: "34",
		`custom.bool = true`: "12", `custom.bool = false`: "0", `custom.bool != true`: "034", `custom.bool is null`: "34",
		`custom.date = 2026-02-28`: "1", `custom.date < 2026-02-28`: "0", `custom.date >= 2026-02-28`: "12",
		`custom.datetime > 2000-01-01`: "12", `custom.datetime = 2026-02-28T10:00:00.5Z`: "1",
		`custom.select = gold`: "0", `custom.select in (gold, tin)`: "02", `custom.select is null`: "34", `custom.select != gold`: "1234",
		`custom.multi_select has gold`: "01", `custom.multi_select any (silver, tin)`: "12", `custom.multi_select none (gold)`: "234", `custom.multi_select is null`: "34",
		`custom.email = "ADA@EXAMPLE.ORG"`: "0", `custom.email contains "@example"`: "02", `custom.email = "bea@xn--bcher-kva.example"`: "1",
		`custom.phone = "+49 30 123456"`: "0", `custom.phone starts_with "+4930"`: "01", `custom.phone contains 5550100`: "2",
		`custom.url = "https://b.example/x"`: "1", `custom.url contains "example/x"`: "012",
		`custom.reference = ` + cmp[1]: "1", `custom.reference is null`: "34", `custom.user = ` + usr + `3`: "2",
		`custom.number = 7 or custom.text = alpha`: "01", `not (custom.number = 7)`: "0234", `custom.bool = true and custom.number > 7`: "2",
		`custom.number = 7 or first_name = 3`: "13",
	} {
		if got := names(ann, "sort=first_name&filter="+url.QueryEscape(filter)); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
		var page struct{ Data []struct{ ID string } }
		ann.Post("/contacts/query", encode(t, map[string]any{"filter": filter, "sort": []string{"first_name"}, "count": "exact"})).Want(http.StatusOK, fmt.Sprintf(`"count":%d`, len(want))).Into(&page)
		if len(page.Data) != len(want) {
			t.Errorf("%s by query: %d", filter, len(page.Data))
		}
	}
	for sort, want := range map[string]string{
		"custom.text": "01234", "custom.number": "01234", "custom.decimal": "01234", "custom.money.amount": "01234", "custom.date": "01234", "custom.datetime": "01234",
		"custom.email": "01234", "custom.select": "01234", "custom.bool,custom.number": "",
		"custom.money.currency,custom.number": "02134", "custom.money.currency,-custom.number": "20143", "-custom.money.currency,-custom.number": "12043",
		"first_name,custom.text": "01234", "-first_name,custom.text": "43210",
	} {
		if want == "" {
			ann.Get("/contacts?sort="+sort).WantProblem(http.StatusUnprocessableEntity, "not_sortable")
			continue
		}
		if got := names(ann, "sort="+sort); got != want {
			t.Errorf("sort=%s: %s, want %s", sort, got, want)
		}
		if strings.Contains(sort, ",") || strings.HasPrefix(sort, "-") {
			continue
		}
		if got := names(ann, "sort=-"+sort); got != "21043" {
			t.Errorf("sort=-%s: %s, want 21043", sort, got)
		}
		if got := names(ann, "sort="+sort+"&filter="+url.QueryEscape("custom.number > -10")); got != "012" {
			t.Errorf("sort=%s, filtered: %s", sort, got)
		}
		if got := names(ann, "sort="+sort+"&deleted=only"); got != "5" {
			t.Errorf("sort=%s in the bin: %s", sort, got)
		}
		if got := names(ann, "sort="+sort+"&deleted=include"); len(got) != 6 || !strings.HasPrefix(strings.ReplaceAll(got, "5", "0"), "0012") {
			t.Errorf("sort=%s of all: %s", sort, got)
		}
	}
	ann.Post("/contacts/query", `{"filter":{"field":"\u0063ustom.number","op":"eq","value":7},"count":"exact"}`).Want(http.StatusOK, `"count":1,`)
	if got := names(ann, "custom.number=7"); got != "1" {
		t.Errorf("by a parameter: %s", got)
	}
	for _, q := range []string{"filter=custom.nothing%3D1", "sort=custom.nothing", "sort=custom.multi_select", "sort=custom.url", "custom.number=x", "filter=custom.select%3Dlead", "filter=custom.long_text%3Dx", "filter=custom.number+contains+7", "sort=custom.number&as_of=3"} {
		if r := ann.Get("/contacts?" + q); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", q, r.Status, r.Body)
		}
	}
	ann.Get("/contacts?custom.nothing=7").WantProblem(http.StatusBadRequest, "unknown_parameter")

	// A tenant beside it.
	bob.Get("/contacts?filter=custom.number%3D7").WantProblem(http.StatusUnprocessableEntity, "unknown_field")
	bob.Post("/object_types/contact/fields", `{"key":"number","type":"text"}`).Want(http.StatusCreated)
	bob.Post("/contacts", `{"first_name":"B","custom":{"number":"7"}}`).Want(http.StatusCreated)
	for _, query := range []string{"sort=custom.number", "sort=-custom.number", "custom.number=7", "filter=custom.number+contains+7"} {
		if got := names(bob, query); got != "B" {
			t.Errorf("%s beside it: %s", query, got)
		}
	}

	// What is changed is found by what it is now.
	first := ann.Get("/contacts?custom.number=7").Want(http.StatusOK)
	var page struct{ Data []struct{ ID string } }
	first.Into(&page)
	ann.Patch("/contacts/"+page.Data[0].ID, `{"custom":{"number":8,"text":null}}`).Want(http.StatusOK)
	if got := names(ann, "custom.number=7") + "|" + names(ann, "custom.number=8") + "|" + names(ann, "sort=first_name&filter=custom.text+is+null"); got != "|1|134" {
		t.Errorf("changed: %s", got)
	}
	list := ann.Post("/lists", `{"name":"Eights","object":"contact","kind":"dynamic","filter":"custom.number = 8"}`).Want(http.StatusCreated).Path()
	ann.Get(list+"/members").Want(http.StatusOK, page.Data[0].ID)
	ann.Post("/object_types/contact/archive_field", `{"key":"number"}`).Want(http.StatusOK)
	ann.Get(list+"/members").Want(http.StatusOK, page.Data[0].ID)
	ann.Post("/lists", `{"name":"x","object":"contact","kind":"dynamic","filter":"custom.nothing = 8"}`).Want(http.StatusUnprocessableEntity)
}

// q looks into fields whose definition says so, also into values that were there before, and
// into nothing that somebody does not see. When all rows are made again, they are the same.
func TestSearchInOwnFields(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	for _, c := range []apitest.Client{ann, bob} {
		c.Post("/object_types/contact/fields", `{"key":"policy_no","type":"text"}`).Want(http.StatusCreated)
		c.Post("/object_types/contact/fields", `{"key":"tier","type":"multi_select","searchable":true,"options":[{"key":"gold"}]}`).Want(http.StatusOK)
	}
	ada := ann.Post("/contacts", `{"first_name":"Ada","custom":{"policy_no":"Zebra 4711","tier":["gold"]}}`).Want(http.StatusCreated)
	ann.Post("/contacts", `{"first_name":"Zebra"}`).Want(http.StatusCreated)
	found := func(c apitest.Client, q string) bool {
		t.Helper()
		list := strings.Contains(c.Get("/contacts?q="+q).Want(http.StatusOK).Body, ada.ID())
		all := strings.Contains(c.Get("/search?q="+q).Want(http.StatusOK).Body, ada.ID())
		if list != all {
			t.Errorf("%s is found in the list: %t, by the search: %t", q, list, all)
		}
		return list
	}
	if found(ann, "4711") || !found(ann, "gold") {
		t.Error("what is to be searched is not what is found")
	}
	ann.Post("/object_types/contact/update_field", `{"key":"policy_no","searchable":true}`).Want(http.StatusOK)
	for _, q := range []string{"4711", "zebra+47", "ada+zebra", "zeb+gold"} {
		if !found(ann, q) || found(bob, q) {
			t.Errorf("%s: %t, and beside it %t", q, found(ann, q), found(bob, q))
		}
	}
	ann.Get("/search?q=4711").Want(http.StatusOK, `"custom.policy_no"`)
	role := everyRight()
	role["contact"].Members["custom.policy_no"] = viewer.Hidden
	s.Let(access.Member, role)
	if cid := ann.Key(access.Member); found(cid, "4711") || !found(cid, "gold") {
		t.Error("somebody finds what they do not see, or not what they see")
	}
	ann.Key(access.Member).Get("/contacts?filter=custom.policy_no+is+not+null").WantProblem(http.StatusUnprocessableEntity, "unknown_field")
	ann.Key(access.Member).Get("/contacts?sort=custom.policy_no").WantProblem(http.StatusUnprocessableEntity, "unknown_field")

	before, err := s.Models.Checksum(t.Context(), projections.Contacts, ann.Tenant)
	if err == nil {
		err = s.Models.Rebuild(t.Context(), ann.Tenant, nil, projections.EveryModel()...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if after, err := s.Models.Checksum(t.Context(), projections.Contacts, ann.Tenant); err != nil || after != before {
		t.Errorf("rows that are made again are not the same: %v %v %v", before, after, err)
	}
	ann.Get("/contacts?sort=-custom.policy_no&custom.policy_no=Zebra+4711").Want(http.StatusOK, ada.ID())
	if !found(ann, "4711") {
		t.Error("it is not found any more")
	}
}

// The document of a tenant describes its own fields, of those that whoever asks sees, and
// nothing of another tenant.
func TestDocumentOfTenant(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	ownFields(ann)
	at := ann.Post("/object_types/contact/fields", `{"key":"iban","type":"text","label":"Account","class":"sensitive"}`).Want(http.StatusOK).Header.Get("Event-Position")
	bob.Post("/object_types/deal/fields", `{"key":"floor","type":"number"}`).Want(http.StatusCreated)
	c := ann.With("Accept-Encoding", "identity").With("Min-Position", at)
	r := c.Get("/openapi.json").Want(http.StatusOK, `"iban":`, `"Account"`, `"custom.money.amount"`, `"enum":["gold","silver","tin",null]`)
	if strings.Contains(r.Body, `"floor"`) {
		t.Error("it tells of another tenant")
	}
	c.With("If-None-Match", r.Header.Get("ETag")).Get("/openapi.json").Want(http.StatusNotModified)
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	r.Into(&doc)
	has := func(path string) bool {
		for _, p := range doc.Paths[path]["get"].Parameters {
			if p.Name == "custom.iban" {
				return true
			}
		}
		return false
	}
	if !has("/v1/tenants/{tenant_id}/contacts") || has("/v1/tenants/{tenant_id}/companies") {
		t.Error("the parameters are not those of contacts alone")
	}
	role := everyRight()
	role["contact"].Classes[domain.Sensitive] = viewer.Hidden
	s.Let(access.Member, role)
	seen := ann.Key(access.Member).With("Accept-Encoding", "identity").Get("/openapi.json").Want(http.StatusOK, `"custom.money.amount"`)
	if strings.Contains(seen.Body, "iban") {
		t.Error("it tells of a field that is not seen")
	}
	other := bob.With("Accept-Encoding", "identity").Get("/openapi.json").Want(http.StatusOK)
	if strings.Contains(other.Body, "iban") || other.Header.Get("ETag") == r.Header.Get("ETag") {
		t.Error("another tenant has the same document")
	}
	changed := ann.Post("/object_types/contact/update_field", `{"key":"iban","label":"Number"}`).Want(http.StatusOK).Header.Get("Event-Position")
	ann.With("Accept-Encoding", "identity").With("Min-Position", changed).With("If-None-Match", r.Header.Get("ETag")).Get("/openapi.json").Want(http.StatusOK, `"Number"`)
}
