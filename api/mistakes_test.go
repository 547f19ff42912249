package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// One mistake is one entry, at whatever door, and white space around what stands for
// itself is none.
func TestOneMistakeIsToldOnce(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	pipeline := ann.Post("/pipelines", `{"name":"P","stages":[{"key":"lead","name":"Lead","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`).Want(http.StatusCreated).ID()
	deal := `"name":"D","pipeline_id":"` + pipeline + `","external_ids":{"t":"1"},`
	const unprocessable = http.StatusUnprocessableEntity
	for _, test := range []struct{ amount, code, at string }{
		{`{"amount":"5"}`, "required", "/amount/currency required"},
		{`{"currency":"EUR"}`, "required", "/amount/amount required"},
		{`{"amount":"5","currency":"EURO"}`, "too_long", "/amount/currency too_long"},
		{`{"amount":"5","currency":""}`, "required", "/amount/currency required"},
		{`{"amount":"5","currency":null}`, "wrong_type", "/amount/currency wrong_type"},
		{`{"amount":"5","currency":7}`, "wrong_type", "/amount/currency wrong_type"},
		{`{"amount":5,"currency":"EUR"}`, "wrong_type", "/amount/amount wrong_type"},
		{`{"amount":"555555555555555555555","currency":"EUR"}`, "too_long", "/amount/amount too_long"},
		{`{"amount":"5","currency":"ZZZ"}`, "invalid_currency", "/amount/currency invalid_currency"},
	} {
		data := deal + `"amount":` + test.amount
		ann.Post("/deals", "{"+data+"}").WantProblem(unprocessable, test.code, test.at)
		ann.Post("/deals/upsert", `{"match_on":["external_ids"],"data":{`+data+`}}`).WantProblem(unprocessable, test.code, "/data"+test.at)
		ann.Post("/deals/batch", `{"atomic":true,"operations":[{"op":"create","data":{`+data+`}}]}`).WantProblem(unprocessable, test.code, "/operations/0/data"+test.at)
	}
	ann.Post("/deals", "{"+deal+`"amount":{"amount":" 5 ","currency":" eur\u00a0"}}`).Want(http.StatusCreated, `"amount":{"amount":"5.00","currency":"EUR"}`)
	ann.Get("/deals?filter=amount.currency%20%3D%20%22EUR%20%22").Want(http.StatusOK, `"5.00"`)
	ann.Post("/contacts", `{"last_name":"L","language":" de ","addresses":[{"country":"DE "}]}`).Want(http.StatusCreated, `"language":"de"`, `"country":"DE"`)
	ann.Post("/companies", `{"name":"C","annual_revenue":{"amount":"5\n","currency":"EUR "}}`).Want(http.StatusCreated, `"annual_revenue":{"amount":"5.00","currency":"EUR"}`)
}
