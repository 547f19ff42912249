package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain/lead"
)

const adaLead = `{"name":"Ada King Lovelace","company_name":"Analytical Engines Ltd","email":"ada@example.org","phone":"+442071838750","source":"website","tags":["vip"]}`

// converted is what a lead says of its conversion.
func converted(r apitest.Response) lead.Conversion {
	var l struct {
		Status     string
		Conversion lead.Conversion
	}
	r.Want(http.StatusOK, `"status":"converted"`).Into(&l)
	return l.Conversion
}

// total is how many records of a kind there are.
func total(c apitest.Client, path string) string {
	var page struct {
		Count int `json:"count"`
	}
	c.Get(path + "?limit=1&count=exact").Want(http.StatusOK).Into(&page)
	return strconv.Itoa(page.Count)
}

// made counts what conversions make.
func made(c apitest.Client) string {
	return strings.Join([]string{total(c, "/contacts"), total(c, "/companies"), total(c, "/deals")}, " ")
}

func salesOf(c apitest.Client) string {
	return c.Post("/pipelines", `{"name":"Sales","stages":`+salesStages+`}`).Want(http.StatusCreated).ID()
}

// A lead becomes a contact, a company and a deal, which have what it has, but for
// what is given, in one step.
func TestConvert(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	sales := salesOf(ann)
	ada := ann.Post("/leads", adaLead).Want(http.StatusCreated, `"status":"new"`)
	convert := ada.Path() + "/convert"
	body := `{"contact":{"job_title":"Countess","phones":null},"company":{"name":"Analytical Engines"},"deal":{"pipeline_id":"` + sales + `","amount":{"amount":"1200","currency":"EUR"}}}`

	bob.Post(convert, body).WantProblem(http.StatusForbidden, "tenant_mismatch")
	bob.Post("/leads/"+ada.ID()+"/convert", body).Want(http.StatusNotFound)
	ann.Key(access.ReadOnly).Post(convert, body).WantProblem(http.StatusForbidden, "forbidden")
	ann.With("If-Match", `"7"`).Post(convert, body).Want(http.StatusPreconditionFailed)

	key := ann.With("Idempotency-Key", "ada").With("If-Match", `"1"`)
	first := key.Post(convert, body).Want(http.StatusOK, `"version":2`)
	to := converted(first)
	contact := ann.Get("/contacts/"+to.ContactID.String()).Want(http.StatusOK,
		`"first_name":"Ada"`, `"last_name":"King Lovelace"`, `"job_title":"Countess"`, `"ada@example.org"`, `"tags":["vip"]`, `"lifecycle":"opportunity"`, `"company_id":"`+to.CompanyID.String()+`"`)
	if strings.Contains(contact.Body, "phones") {
		t.Errorf("it was not to have a phone: %s", contact.Body)
	}
	ann.Get("/companies/"+to.CompanyID.String()).Want(http.StatusOK, `"name":"Analytical Engines"`, `"kind":"prospect"`)
	ann.Get("/deals/"+to.DealID.String()).Want(http.StatusOK, `"name":"Analytical Engines Ltd"`, `"1200.00"`, `"source":"website"`, `"stage_key":"lead"`,
		`"company_id":"`+to.CompanyID.String()+`"`, `"primary_contact_id":"`+to.ContactID.String()+`"`)
	ann.Get("/leads?filter=conversion.deal_id+%3D+"+to.DealID.String()).Want(http.StatusOK, `"Ada King Lovelace"`)
	if got := made(ann); got != "1 1 1" {
		t.Errorf("contacts, companies and deals: %s", got)
	}

	ann.Post(convert, body).WantProblem(http.StatusConflict, "state_conflict")
	ann.Patch(ada.Path(), `{"name":"Bob"}`).WantProblem(http.StatusConflict, "state_conflict")
	ann.Post(ada.Path()+"/reopen", "").WantProblem(http.StatusConflict, "state_conflict")
	ann.Post(ada.Path()+"/add_tags", `{"tags":["won"]}`).Want(http.StatusOK, `"status":"converted"`)
	ann.Delete("/deals/" + to.DealID.String()).Want(http.StatusOK)
	sameAnswer(t, "the conversion", first, key.Post(convert, body))
	key.Post(convert, "{}").WantProblem(http.StatusUnprocessableEntity, "idempotency_mismatch")
	if got := made(ann); got != "1 1 0" {
		t.Errorf("contacts, companies and deals: %s", got)
	}
	if got := made(bob); got != "0 0 0" {
		t.Errorf("another tenant has %s", got)
	}
}

// A lead becomes what is there already: then nothing is made, and a contact gets what
// it did not have.
func TestConvertToExisting(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	acme := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated).ID()
	eve := ann.Post("/contacts", `{"last_name":"Eve","emails":[{"address":"eve@example.org"}]}`).Want(http.StatusCreated).ID()
	theirs := bob.Post("/contacts", `{"last_name":"Other"}`).Want(http.StatusCreated).ID()
	sales := salesOf(ann)
	capture := func() string { return ann.Post("/leads", adaLead).Want(http.StatusCreated).Path() + "/convert" }

	one := capture()
	ann.Post(one, `{"contact_id":"`+theirs+`","company_id":"cmp_01jh2xk3v8e4t9p5w7y0z2b4d6"}`).
		WantProblem(http.StatusUnprocessableEntity, "validation_failed", "/contact_id reference_not_found", "/company_id reference_not_found")
	ann.Post(one, `{"contact_id":"`+acme+`"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_id", "/contact_id invalid_id")
	ann.Post(one, `{"contact_id":"`+eve+`","contact":{"job_title":"x"}}`).WantProblem(http.StatusUnprocessableEntity, "not_applicable", "/contact not_applicable")
	ann.Post(one, `{"company_id":"`+acme+`","company":{"name":"x"}}`).WantProblem(http.StatusUnprocessableEntity, "not_applicable", "/company not_applicable")
	ann.Post(one, `{"contact":null}`).WantProblem(http.StatusUnprocessableEntity, "required", "/contact required")
	to := converted(ann.Post(one, `{"contact_id":"`+eve+`","company_id":"`+acme+`"}`))
	if to.ContactID.String() != eve || to.CompanyID.String() != acme || !to.DealID.IsZero() {
		t.Errorf("it became %+v", to)
	}
	ann.Get("/contacts/"+eve).Want(http.StatusOK, `"last_name":"Eve"`, `"eve@example.org"`, `"+442071838750"`, `"company_id":"`+acme+`"`)

	// Another one of the same person: the company is that of the contact, and nothing is new about it.
	to = converted(ann.Post(capture(), `{"contact_id":"`+eve+`","deal":{"pipeline_id":"`+sales+`"}}`))
	if to.CompanyID.String() != acme || to.DealID.IsZero() {
		t.Errorf("it became %+v", to)
	}
	ann.Get("/contacts/"+eve).Want(http.StatusOK, `"version":3`)
	ann.Get("/deals/"+to.DealID.String()).Want(http.StatusOK, `"company_id":"`+acme+`"`, `"primary_contact_id":"`+eve+`"`)

	if to = converted(ann.Post(capture(), `{"company":null}`)); !to.CompanyID.IsZero() {
		t.Errorf("it became %+v", to)
	}
	ann.Delete("/contacts/" + to.ContactID.String()).Want(http.StatusOK)
	two := capture()
	ann.Post(two, `{"contact_id":"`+to.ContactID.String()+`"}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/contact_id reference_not_found")
	if got := made(ann); got != "1 1 1" {
		t.Errorf("contacts, companies and deals: %s", got)
	}
	ann.Delete(strings.TrimSuffix(two, "/convert")).Want(http.StatusOK)
	ann.Post(two, `{}`).WantProblem(http.StatusConflict, "deleted")
}

// Whatever part of a conversion is refused, nothing is made, and what is wrong is
// shown where it was given.
func TestConvertIsRefused(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	sales := salesOf(ann)
	held := ann.Post("/contacts", `{"last_name":"Eve","emails":[{"address":"ADA@example.org"}]}`).Want(http.StatusCreated)
	ada := ann.Post("/leads", adaLead).Want(http.StatusCreated)
	convert := ada.Path() + "/convert"
	other := `"contact":{"emails":[{"address":"other@example.org"}]}`

	ann.Post(convert, `{}`).WantProblem(http.StatusConflict, "duplicate", "/contact/emails/0/address duplicate").Want(http.StatusConflict, `"existing_id":"`+held.ID()+`"`)
	ann.Post(convert, `{`+other+`,"deal":{"amount":{"amount":"1","currency":"EURO"}}}`).Want(http.StatusUnprocessableEntity, "/deal/amount/currency")
	ann.Post(convert, `{`+other+`,"deal":{}}`).WantProblem(http.StatusUnprocessableEntity, "required", "/deal/pipeline_id required")
	ann.Post(convert, `{`+other+`,"deal":{"pipeline_id":"`+sales+`","stage_key":"nowhere"}}`).WantProblem(http.StatusUnprocessableEntity, "unknown_stage", "/deal/stage_key unknown_stage")
	ann.Post(convert, `{`+other+`,"company":{"domains":["x"]}}`).Want(http.StatusUnprocessableEntity, "/company/domains/0")
	ann.Post(convert, `{`+other+`,"colour":"red"}`).WantProblem(http.StatusBadRequest, "unknown_member", "/colour unknown_member")
	ann.Post(convert, `{"contact":{"colour":"red"}}`).WantProblem(http.StatusBadRequest, "unknown_member", "/contact/colour unknown_member")
	if got := made(ann); got != "1 0 0" {
		t.Errorf("contacts, companies and deals: %s", got)
	}
	ann.Get(ada.Path()).Want(http.StatusOK, `"status":"new"`, `"version":1`)

	// In a batch, too: all or none, and each by itself.
	eve := ann.Post("/leads", `{"email":"eve@example.org"}`).Want(http.StatusCreated)
	batch := `{"atomic":%t,"operations":[{"op":"convert","id":"` + eve.ID() + `","data":{}},{"op":"convert","id":"` + ada.ID() + `","data":{}},{"op":"add_tags","id":"` + eve.ID() + `","data":{"tags":["x"]}}]}`
	ann.Post("/leads/batch", fmt.Sprintf(batch, true)).WantProblem(http.StatusConflict, "duplicate", "/operations/1/data/contact/emails/0/address duplicate")
	if got := made(ann); got != "1 0 0" {
		t.Errorf("contacts, companies and deals: %s", got)
	}
	key := ann.With("Idempotency-Key", "batch")
	first := key.Post("/leads/batch", fmt.Sprintf(batch, false)).Want(http.StatusMultiStatus, `"status":409`)
	if got := made(ann); got != "2 0 0" {
		t.Errorf("contacts, companies and deals: %s", got)
	}
	ann.Get(eve.Path()).Want(http.StatusOK, `"status":"converted"`, `"tags":["x"]`)
	if again := key.Post("/leads/batch", fmt.Sprintf(batch, false)); again.Status != first.Status || made(ann) != "2 0 0" {
		t.Errorf("repeated: %d %s", again.Status, again.Body)
	}
	converted(ann.Post(convert, `{"contact":{"allow_duplicate":true}}`))
	for i := range 2 {
		id := ann.Post("/leads", fmt.Sprintf(`{"email":"%d@example.org"}`, i)).Want(http.StatusCreated).ID()
		batch = strings.ReplaceAll(batch, []string{eve.ID(), ada.ID()}[i], id)
	}
	key = ann.With("Idempotency-Key", "atomic")
	first = key.Post("/leads/batch", fmt.Sprintf(batch, true)).Want(http.StatusOK)
	sameAnswer(t, "the batch", first, key.Post("/leads/batch", fmt.Sprintf(batch, true)))
}

// Of many who convert a lead at once, one does.
func TestConvertAtOnce(t *testing.T) {
	t.Parallel()
	ann := apitest.New(t).Tenant()
	sales := salesOf(ann)
	ada := ann.Post("/leads", adaLead).Want(http.StatusCreated)
	const n = 12
	answers := make([]apitest.Response, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			answers[i] = ann.With("Idempotency-Key", strconv.Itoa(i/2)).Post(ada.Path()+"/convert", `{"contact":{"allow_duplicate":true},"deal":{"pipeline_id":"`+sales+`"}}`)
		})
	}
	all.Wait()
	done := map[lead.Conversion]int{}
	for _, r := range answers {
		if r.Status == http.StatusOK {
			done[converted(r)]++
		} else {
			r.WantProblem(http.StatusConflict, "state_conflict")
		}
	}
	if len(done) != 1 || made(ann) != "1 1 1" {
		t.Errorf("%v; contacts, companies and deals: %s", done, made(ann))
	}
}
