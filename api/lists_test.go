package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// An upsert, and an update in a batch, may add to each list of each kind instead
// of replacing it.
func TestListsThatAreAddedTo(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	one, two := ann.Post("/contacts", `{"first_name":"One"}`).Want(http.StatusCreated).ID(), ann.Post("/contacts", `{"first_name":"Two"}`).Want(http.StatusCreated).ID()
	for name, test := range map[string]struct{ collection, before, change, after, replaced string }{
		"emails": {
			"contacts", `"emails":[{"address":"a@one.example","kind":"home","primary":true},{"address":"b@one.example"}]`,
			`"emails":[{"address":"c@one.example"},{"address":"A@ONE.example","kind":"work"}]`,
			`"emails":[{"address":"A@ONE.example","kind":"work","primary":true},{"address":"b@one.example","primary":false},{"address":"c@one.example","primary":false}]`,
			`"emails":[{"address":"c@one.example","primary":true},{"address":"A@ONE.example","kind":"work","primary":false}]`,
		},
		"another primary one": {
			"contacts", `"emails":[{"address":"a@two.example"}]`, `"emails":[{"address":"b@two.example","primary":true}]`,
			`"emails":[{"address":"a@two.example","primary":false},{"address":"b@two.example","primary":true}]`, `"emails":[{"address":"b@two.example","primary":true}]`,
		},
		"into an empty list": {
			"contacts", `"first_name":"E"`, `"emails":[{"address":"e@three.example"}]`, `"emails":[{"address":"e@three.example","primary":true}]`, `"emails":[{"address":"e@three.example","primary":true}]`,
		},
		"an empty list": {"contacts", `"emails":[{"address":"a@four.example"}]`, `"emails":[]`, `"emails":[{"address":"a@four.example","primary":true}]`, `"last_name":"L"`},
		"phones": {
			"contacts", `"phones":[{"number":"+4930123456"}]`, `"phones":[{"number":"+4930123457","kind":"mobile"},{"number":"+49 30 123456","kind":"work"}]`,
			`"phones":[{"number":"+4930123456","kind":"work","primary":true},{"number":"+4930123457","kind":"mobile","primary":false}]`,
			`"phones":[{"number":"+4930123457","kind":"mobile","primary":true},{"number":"+4930123456","kind":"work","primary":false}]`,
		},
		"addresses": {
			"contacts", `"addresses":[{"line1":"1 High St","city":"Bath"},{"kind":"home","city":"York"}]`, `"addresses":[{"line1":"1 HIGH st","city":"Bath","postal_code":"BA1"},{"city":"Leeds"}]`,
			`"addresses":[{"line1":"1 HIGH st","city":"Bath","postal_code":"BA1"},{"kind":"home","city":"York"},{"city":"Leeds"}]`,
			`"addresses":[{"line1":"1 HIGH st","city":"Bath","postal_code":"BA1"},{"city":"Leeds"}]`,
		},
		"addresses of which only the country is known": {
			"contacts", `"addresses":[{"country":"DE"}]`, `"addresses":[{"country":"de"},{"country":"FR"}]`,
			`"addresses":[{"country":"DE"},{"country":"FR"}]`, `"addresses":[{"country":"DE"},{"country":"FR"}]`,
		},
		"addresses with other parts alone": {
			"companies", `"name":"C","addresses":[{"region":"Kent"},{"kind":"billing","line2":"3rd floor"}]`, `"addresses":[{"kind":"billing","line2":" 3rd floor "},{"region":"Kent"},{"kind":"work","country":"GB"}]`,
			`"addresses":[{"region":"Kent"},{"kind":"billing","line2":"3rd floor"},{"kind":"work","country":"GB"}]`,
			`"addresses":[{"kind":"billing","line2":"3rd floor"},{"region":"Kent"},{"kind":"work","country":"GB"}]`,
		},
		"domains in letters and in ASCII": {
			"companies", `"name":"C","domains":["müller.example","xn--grn-ioa.example"]`, `"domains":["grün.example","xn--mller-kva.example","new.example"]`,
			`"domains":["müller.example","xn--grn-ioa.example","new.example"]`, `"domains":["grün.example","xn--mller-kva.example","new.example"]`,
		},
		"emails at hosts in letters and in ASCII": {
			"contacts", `"emails":[{"address":"a@müller.example"}]`, `"emails":[{"address":"a@xn--mller-kva.example","kind":"work"}]`,
			`"kind":"work","primary":true}]`, `"kind":"work","primary":true}]`,
		},
		"tags in another case": {"companies", `"name":"C","tags":["a"]`, `"tags":["A","b"]`, `"tags":["a","b"]`, `"tags":["A","b"]`},
		"tags":                 {"companies", `"name":"C","tags":["a","b"]`, `"tags":["c","a"]`, `"tags":["a","b","c"]`, `"tags":["a","c"]`},
		"domains":              {"companies", `"name":"C","domains":["a.example","b.example"]`, `"domains":["c.example","A.example"]`, `"domains":["a.example","b.example","c.example"]`, `"domains":["c.example","a.example"]`},
		"external_ids":         {"companies", `"name":"C"`, `"external_ids":{"erp":"9"}`, `"external_ids":{"erp":"9","test":"external_ids"}`, `"external_ids":{"erp":"9","test":"external_ids"}`},
		"related": {
			"tasks", `"title":"T","related":[{"type":"contact","id":"` + one + `"}]`, `"related":[{"type":"contact","id":"` + two + `"},{"type":"contact","id":"` + one + `"}]`,
			`"related":[{"type":"contact","id":"` + one + `"},{"type":"contact","id":"` + two + `"}]`, `"related":[{"type":"contact","id":"` + two + `"},{"type":"contact","id":"` + one + `"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := `"external_ids":{"test":"` + name + `"}`
			before := test.before + `,"last_name":"L",` + id
			if test.collection != "contacts" {
				before = test.before + "," + id
			}
			made := ann.Post("/"+test.collection, "{"+before+"}").Want(http.StatusCreated)
			for range 2 { // the second time changes nothing
				ann.Post("/"+test.collection+"/batch", `{"operations":[{"op":"update","id":"`+made.ID()+`","lists":"add","data":{`+test.change+`}}]}`).Want(http.StatusOK)
				ann.Get(made.Path()).Want(http.StatusOK, test.after)
			}
			if strings.Contains(test.change, "external_ids") {
				return // a merge patch adds to it anyway
			}
			upsert := `{"match_on":["external_ids"],"data":{` + test.change + `,` + id + `}`
			ann.Post("/"+test.collection+"/upsert", upsert+`,"lists":"add"}`).Want(http.StatusOK, test.after)
			ann.Post("/"+test.collection+"/upsert", upsert+`}`).Want(http.StatusOK, test.replaced)
			ann.Post("/"+test.collection+"/batch", `{"operations":[{"op":"upsert","match_on":["external_ids"],"lists":"replace","data":{`+before+`}}]}`).Want(http.StatusOK)
			bob.Get("/"+test.collection).Want(http.StatusOK, `"data":[]`)
		})
	}
	ann.Post("/contacts/batch", `{"operations":[{"op":"delete","id":"`+one+`","lists":"add"}]}`).Want(http.StatusMultiStatus, "not_a_patch")
	ann.Post("/contacts/upsert", `{"match_on":["emails"],"lists":"maybe","data":{"emails":[{"address":"a@four.example"}]}}`).WantProblem(http.StatusUnprocessableEntity, "unknown_value", "/lists unknown_value")
}
