package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestCompanies(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()

	acme := ann.Post("/companies", `{"name":"Acme","domains":["acme.example"],"annual_revenue":{"amount":"1250000","currency":"EUR"}}`).
		Want(http.StatusCreated, `"1250000.00"`)
	ann.Patch(acme.Path(), `{"employee_count":3}`).Want(http.StatusOK, `"employee_count":3`, `"version":2`)
	ann.Patch(acme.Path(), `{"colour":"red"}`).WantProblem(http.StatusBadRequest, "unknown_member", "/colour unknown_member")
	child := ann.Post("/companies", `{"name":"Acme Ltd","parent_id":"`+acme.ID()+`"}`).Want(http.StatusCreated)
	ann.Post(acme.Path()+"/set_parent", `{"parent_id":"`+child.ID()+`"}`).Want(http.StatusUnprocessableEntity, "/parent_id")
	ann.Post("/companies", `{"name":"Copy","domains":["ACME.example"]}`).WantProblem(http.StatusConflict, "duplicate", "/domains/0 duplicate")
	ann.Get("/companies?sort=-employee_count&annual_revenue.amount=1250000").Want(http.StatusOK, `"Acme"`)

	bob.Post("/companies", `{"name":"Other","domains":["acme.example"]}`).Want(http.StatusCreated) // theirs is not ours
	bob.Post("/companies", `{"name":"Child","parent_id":"`+acme.ID()+`"}`).
		WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/parent_id reference_not_found")
	ann.Delete(child.Path()).Want(http.StatusOK)
	ann.Post(child.Path()+"/purge", "").Want(http.StatusNoContent)
	ann.Get(child.Path()).Want(http.StatusNotFound)
}
