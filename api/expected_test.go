package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// What an upsert says of a deal that only counts when one is made is neither
// changed nor left out without a word, through both doors.
func TestUpsertOfDealThatIsElsewhere(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	pipeline := func(name string) string {
		return ann.Post("/pipelines", `{"name":"`+name+`","stages":[{"key":"lead","name":"Lead","kind":"open"},{"key":"offer","name":"Offer","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`).Want(http.StatusCreated).ID()
	}
	own, other := pipeline("A"), pipeline("B")
	data := func(name, more string) string {
		return `{"name":"` + name + `","external_ids":{"erp":"1"}` + more + `}`
	}
	upsert := func(data string) apitest.Response {
		return ann.Post("/deals/upsert", `{"match_on":["external_ids"],"data":`+data+`}`)
	}
	in := `,"pipeline_id":"` + own + `"`
	deal := upsert(data("Roof", in+`,"stage_key":"lead"`)).Want(http.StatusCreated).Path()
	const refused, code = http.StatusUnprocessableEntity, "not_as_expected"
	elsewhere := `,"pipeline_id":"` + other + `"`
	for _, test := range []struct{ more, at, by string }{
		{elsewhere, "pipeline_id", "change_pipeline"},
		{`,"pipeline_id":"pip_01jh2xk3v8e4t9p5w7y0z2b4d6"`, "pipeline_id", "change_pipeline"},
		{in + `,"stage_key":"offer"`, "stage_key", "move_stage"},
		{`,"stage_key":"no such stage"`, "stage_key", "move_stage"},
	} {
		upsert(data("Door", test.more)).WantProblem(refused, code, "/data/"+test.at+" "+code).Want(refused, "the command "+test.by)
		op := `{"operations":[{"op":"upsert","match_on":["external_ids"],"data":` + data("Door", test.more) + `}]`
		ann.Post("/deals/batch", op+`}`).Want(http.StatusMultiStatus, `"pointer":"/`+test.at+`","code":"`+code+`"`)
		ann.Post("/deals/batch", op+`,"atomic":true}`).WantProblem(refused, code, "/operations/0/data/"+test.at+" "+code)
	}
	upsert(data("Door", `,"pipeline_id":7`)).WantProblem(refused, "wrong_type", "/data/pipeline_id wrong_type")
	ann.Get(deal).Want(http.StatusOK, `"name":"Roof"`, `"version":1,`)

	for i, same := range []string{"", in, in + `,"stage_key":"lead"`, in + `,"stage_key":" lead "`, `,"stage_key":""`, `,"pipeline_id":null,"stage_key":null`} {
		name := string(rune('a' + i))
		upsert(data(name, same)).Want(http.StatusOK, `"name":"`+name+`"`)
	}
	// A stage that was archived is the one that took its place.
	ann.Post(deal+"/move_stage", `{"stage_key":"offer"}`).Want(http.StatusOK)
	ann.Post("/pipelines/"+own+"/archive_stage", `{"key":"lead","move_to":"offer"}`).Want(http.StatusOK)
	upsert(data("Window", in+`,"stage_key":"lead"`)).Want(http.StatusOK, `"Window"`)
	upsert(data("Window", in+`,"stage_key":"offer"`)).Want(http.StatusOK, `"Window"`)
	// So is a pipeline that was archived the one that the deal is in.
	ann.Post("/pipelines/"+own+"/archive", "").Want(http.StatusOK)
	upsert(data("Wall", in+`,"stage_key":"lead"`)).Want(http.StatusOK, `"Wall"`)
	upsert(data("Wall", in+`,"stage_key":"won"`)).WantProblem(refused, code, "/data/stage_key "+code)
	upsert(data("Wall", elsewhere)).WantProblem(refused, code, "/data/pipeline_id "+code)
}
