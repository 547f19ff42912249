package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

// salesStages are stages to sell through.
const salesStages = `[{"key":"lead","name":"Lead","kind":"open","probability":10},{"key":"offer","name":"Offer","kind":"open","probability":50},
	{"key":"won","name":"Won","kind":"won","probability":100},{"key":"lost","name":"Lost","kind":"lost"}]`

func TestPipelines(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()

	ann.Post("/pipelines", `{"name":"Sales","stages":[]}`).WantProblem(http.StatusUnprocessableEntity, "too_few", "/stages too_few")
	sales := ann.Post("/pipelines", `{"name":"Sales","stages":`+salesStages+`}`).Want(http.StatusCreated, `"name":"Sales"`).Path()
	ann.Post("/pipelines", `{"name":"sales","stages":`+salesStages+`}`).WantProblem(http.StatusConflict, "duplicate", "/name duplicate")
	ann.Post(sales+"/add_stage", `{"key":"pilot","name":"Pilot","kind":"open","before":"won"}`).Want(http.StatusOK, `"pilot"`)
	ann.Post(sales+"/update_stage", `{"key":"pilot","probability":80}`).Want(http.StatusOK, `80`)
	ann.Post(sales+"/reorder_stages", `{"keys":["offer","lead","pilot","won","lost"]}`).Want(http.StatusOK)
	ann.Post(sales+"/archive_stage", `{"key":"lead","move_to":"offer"}`).Want(http.StatusOK)
	ann.Post(sales+"/rename", `{"name":"Sales, Europe"}`).Want(http.StatusOK, `"Sales, Europe"`)
	ann.Key(access.Member).Post(sales+"/rename", `{"name":"x"}`).WantProblem(http.StatusForbidden, "forbidden")
	bob.Get(sales).Want(http.StatusForbidden)
	bob.Get("/pipelines").Want(http.StatusOK, `"data":[]`)
	ann.Post(sales+"/archive", "").Want(http.StatusOK)
	ann.Get(sales+"/history").Want(http.StatusOK, `"pipeline.stage_archived"`)
}
