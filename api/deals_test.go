package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestDeals(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	reader := ann.Key(access.ReadOnly)

	sales := ann.Post("/pipelines", `{"name":"Sales","stages":`+salesStages+`}`).Want(http.StatusCreated).ID()
	eve := ann.Post("/contacts", `{"first_name":"Eve"}`).Want(http.StatusCreated).ID()
	roof := `{"name":"Roof","pipeline_id":"` + sales + `","primary_contact_id":"` + eve + `","amount":{"amount":"1200","currency":"EUR"}}`

	ann.Post("/deals", `{"amount":{"amount":"x"},"close_date":"soon"}`).WantProblem(http.StatusUnprocessableEntity, "validation_failed",
		"/name required", "/pipeline_id required", "/amount/currency required", "/close_date invalid_date")
	bob.Post("/deals", roof).WantProblem(http.StatusUnprocessableEntity, "validation_failed",
		"/pipeline_id reference_not_found", "/primary_contact_id reference_not_found")

	deal := ann.Post("/deals", roof).Want(http.StatusCreated, `"version":1`, `"stage_key":"lead"`, `"status":"open"`, `"1200.00"`).Path()
	bob.Post(deal+"/win", "").WantProblem(http.StatusForbidden, "tenant_mismatch")
	reader.Post(deal+"/win", "").WantProblem(http.StatusForbidden, "forbidden")
	ann.Post(deal+"/move_stage", `{"stage_key":"offer"}`).Want(http.StatusOK, `"stage_key":"offer"`)
	ann.Post(deal+"/move_stage", `{"stage_key":"nowhere"}`).WantProblem(http.StatusUnprocessableEntity, "unknown_stage", "/stage_key unknown_stage")
	ann.Post(deal+"/add_line_item", `{"description":"Tiles","qty":"2","unit_price":{"amount":"9.90","currency":"EUR"}}`).Want(http.StatusOK, `"19.80"`)
	ann.Post(deal+"/lose", "{}").WantProblem(http.StatusUnprocessableEntity, "required", "/reason required")
	ann.Post(deal+"/win", "").Want(http.StatusOK, `"status":"won"`)
	ann.Post(deal+"/win", "").WantProblem(http.StatusConflict, "state_conflict")
	ann.Post(deal+"/reopen", "").Want(http.StatusOK, `"status":"open"`)
	ann.Get("/deals?status=open&filter=amount.amount+>=+19").Want(http.StatusOK, `"Roof"`)
	ann.Get("/deals?status=won").Want(http.StatusOK, `"data":[]`)
	bob.Get("/deals").Want(http.StatusOK, `"data":[]`)
}
