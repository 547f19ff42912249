package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
)

func TestContacts(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, bob := s.Tenant(), s.Tenant()
	reader := ann.Key(access.ReadOnly)

	made := ann.Post("/contacts", `{"first_name":"Ada","last_name":"Lovelace","emails":[{"address":"Ada@Example.org"}],"tags":["vip"]}`).
		Want(http.StatusCreated, `"type":"contact"`, `"version":1`, `"first_name":"Ada"`, `"deleted_at":null`).
		WantHeader("ETag", `"1"`).WantHeader("Event-Position", "1")
	ada := made.Path()
	if made.Header.Get("Command-Id") == "" || !strings.HasPrefix(made.ID(), "con_") {
		t.Errorf("no name for %s or its command", made.ID())
	}
	if got := ann.Get(ada).Want(http.StatusOK); got.Body != made.Body {
		t.Errorf("read   %s\nwrote %s", got.Body, made.Body)
	}
	if head := ann.Do(http.MethodHead, ada, "").Want(http.StatusOK).WantHeader("ETag", `"1"`); head.Body != "" {
		t.Errorf("HEAD has a body: %s", head.Body)
	}
	ann.With("If-None-Match", `"1"`).Get(ada).Want(http.StatusNotModified).WantHeader("ETag", `"1"`)

	ann.Patch(ada, `{"job_title":"Analyst","tags":["vip","math"],"last_name":null}`).
		Want(http.StatusOK, `"job_title":"Analyst"`, `"tags":["math","vip"]`)
	ann.With("Content-Type", "application/merge-patch+json").Patch(ada, `{"job_title":"Head of Analysis"}`).Want(http.StatusOK)
	ann.Patch(ada, `{"job_title":"Head of Analysis"}`).Want(http.StatusOK) // changes nothing
	acme := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated).ID()
	ann.Post(ada+"/link_company", `{"company_id":"`+acme+`"}`).Want(http.StatusOK, acme)
	ann.Post(ada+"/change_lifecycle", `{"lifecycle":"customer"}`).Want(http.StatusOK, `"lifecycle":"customer"`)

	// An address belongs to one contact, as long as that is not deleted.
	ann.Post("/contacts", `{"emails":[{"address":"ada@example.ORG"}]}`).WantProblem(http.StatusConflict, "duplicate", "/emails/0/address duplicate")
	second := ann.Post("/contacts", `{"last_name":"Byron","emails":[{"address":"ada@example.org"}],"allow_duplicate":true}`).Want(http.StatusCreated).Path()
	ann.Delete(ada).Want(http.StatusOK, `"deleted_at":"2`)
	ann.Get(ada).Want(http.StatusOK, `"deleted_at":"2`)
	ann.Patch(ada, `{"first_name":"x"}`).Want(http.StatusConflict)
	if list := ann.Get("/contacts").Want(http.StatusOK, "Byron"); strings.Contains(list.Body, "Ada@") {
		t.Errorf("a deleted contact is in the list: %s", list.Body)
	}
	ann.Get("/contacts?deleted=only").Want(http.StatusOK, "Ada@")
	ann.Post(ada+"/restore", "").Want(http.StatusOK, `"deleted_at":null`)

	// What others are told.
	reader.Get(ada).Want(http.StatusOK)
	reader.Patch(ada, `{"first_name":"x"}`).WantProblem(http.StatusForbidden, "forbidden")
	bob.Get(strings.Replace(ada, ann.Tenant.String(), bob.Tenant.String(), 1)).WantProblem(http.StatusNotFound, "not_found")
	bob.Get(ada).WantProblem(http.StatusForbidden, "tenant_mismatch")
	bob.Get("/contacts").Want(http.StatusOK, `"data":[]`)
	ann.Get(second+"/history").Want(http.StatusOK, `"contact.created"`)
}
