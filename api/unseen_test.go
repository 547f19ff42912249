package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/viewer"
)

// without returns a client who may do everything with records of a kind, but may do
// no more than that with some members.
func without(s *apitest.Server, ann apitest.Client, a viewer.Access, kind string, members ...string) apitest.Client {
	role := everyRight()
	for _, m := range members {
		role[kind].Members[m] = a
	}
	s.Let(access.Member, role)
	return ann.Key(access.Member)
}

func sales(ann apitest.Client, name string) string {
	return ann.Post("/pipelines", `{"name":"`+name+`","stages":[{"key":"lead","name":"Lead","kind":"open"},{"key":"offer","name":"Offer","kind":"open"},{"key":"won","name":"Won","kind":"won"},{"key":"lost","name":"Lost","kind":"lost"}]}`).
		Want(http.StatusCreated).ID()
}

// Converting a lead does not show in another record what is not shown of the lead, or
// of the contact that it becomes: whatever the plan takes from them.
func TestConvertTakesNothingNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	of := map[string]string{
		"name": `"Zed Kanarienvogel"`, "email": `"kanarienvogel@example.org"`, "phone": `"+442071838750"`, "company_name": `"Kanarienvogel"`, "source": `"kanarienvogel"`,
		"tags": `["kanarienvogel"]`, "external_ids": `{"erp":"kanarienvogel"}`, "utm": `{"source":"kanarienvogel"}`, "form": `{"form":"kanarienvogel"}`,
	}
	for i, m := range slices.Sorted(maps.Keys(of)) {
		bob := without(s, ann, viewer.Hidden, "lead", m)
		body := `{"` + m + `":` + of[m]
		if m != "email" {
			body += `,"email":"zed` + string(rune('a'+i)) + `@example.org"`
		}
		lead := ann.Post("/leads", body+"}").Want(http.StatusCreated).Path()
		bob.Post(lead+"/convert", `{"deal":{"pipeline_id":"`+sales(ann, m)+`","name":"Roof"}}`)
		for _, kind := range []string{"/contacts", "/companies", "/deals"} {
			if r := bob.Get(kind).Want(http.StatusOK); strings.Contains(strings.ToLower(r.Body), canary) || strings.Contains(r.Body, "7183") {
				t.Errorf("%s tell of a lead's %s: %s", kind, m, r.Body)
			}
		}
	}
	company := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated).ID()
	for i, m := range []string{"company_id", "first_name", "last_name", "emails", "phones"} {
		bob := without(s, ann, viewer.Hidden, "contact", m)
		contact := ann.Post("/contacts", `{"first_name":"Ada","company_id":"`+company+`"}`).Want(http.StatusCreated).ID()
		lead := ann.Post("/leads", `{"name":"Ada","email":"ada`+string(rune('a'+i))+`@example.org"}`).Want(http.StatusCreated).Path()
		bob.Post(lead+"/convert", `{"contact_id":"`+contact+`"}`).WantProblem(http.StatusForbidden, "field_forbidden", "/contact_id field_forbidden").Want(http.StatusForbidden, `"`+m+`"`)
		without(s, ann, viewer.Hidden, "contact", "job_title").Post(lead+"/convert", `{"contact_id":"`+contact+`"}`).Want(http.StatusOK, "converted")
	}
}

// The event by which a deal came to where it was lost has the reason as well.
func TestReasonNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	bob := without(s, ann, viewer.Hidden, "deal", "lost_reason")
	deal := ann.Post("/deals", `{"name":"Roof","pipeline_id":"`+sales(ann, "A")+`"}`).Want(http.StatusCreated).Path()
	ann.Post(deal+"/lose", `{"reason":"`+canary+`"}`).Want(http.StatusOK)
	for _, path := range []string{deal, deal + "/events", deal + "/history", "/events"} {
		if r := bob.Get(path).Want(http.StatusOK); strings.Contains(r.Body, canary) {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
	ann.Get(deal+"/events").Want(http.StatusOK, canary)
}
