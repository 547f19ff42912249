package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain"
)

// membersOf returns what is in a list, page by page.
func membersOf(c apitest.Client, path string) (names []string) {
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				Name string `json:"first_name"`
			}
			Next     string `json:"next_cursor"`
			Position int
		}
		c.Get(path + "/members?limit=2" + cursor).Want(http.StatusOK).Into(&page)
		for _, d := range page.Data {
			names = append(names, d.Name)
		}
		if page.Next == "" {
			return names
		}
		cursor = "&cursor=" + page.Next
	}
}

func TestListMembers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, eve := s.Tenant(), s.Tenant()
	var ids []string
	for i := range 5 {
		ids = append(ids, ann.Post("/contacts", fmt.Sprintf(`{"first_name":"c%d","lifecycle":"customer"}`, i)).Want(http.StatusCreated).ID())
	}
	theirs := eve.Post("/contacts", `{"first_name":"Eve","lifecycle":"customer"}`).Want(http.StatusCreated).ID()
	company := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated).ID()
	want := func(c apitest.Client, path, names string) {
		t.Helper()
		if got := strings.Join(membersOf(c, path), " "); got != names {
			t.Errorf("%s has %q, want %q", path, got, names)
		}
	}

	static := ann.Post("/lists", `{"name":"Guests","object":"contact","kind":"static"}`).Want(http.StatusCreated, `"member_count":0`).Path()
	want(ann, static, "")
	ann.Post(static+"/add_members", `{"members":["`+strings.Join(ids[:4], `","`)+`"]}`).Want(http.StatusOK, `"member_count":4`)
	ann.Post(static+"/add_members", `{"members":["`+ids[0]+`"]}`).Want(http.StatusOK, `"version":2`)
	for _, id := range []string{theirs, company, domain.ID{Prefix: "con", UUID: uuid.New()}.String()} {
		ann.Post(static+"/add_members", `{"members":["`+ids[4]+`","`+id+`"]}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/members/1 reference_not_found")
	}
	ann.Post(static+"/remove_members", `{"members":["`+ids[1]+`","`+theirs+`"]}`).Want(http.StatusOK, `"member_count":3`)
	want(ann, static, "c0 c2 c3")
	ann.Delete("/contacts/" + ids[2]).Want(http.StatusOK)
	want(ann, static, "c0 c3") // whoever is in the bin is not shown
	ann.Post("/contacts/"+ids[2]+"/restore", "{}").Want(http.StatusOK)
	want(ann, static, "c0 c2 c3")
	ann.Post(static+"/freeze", "").WantProblem(http.StatusConflict, "state_conflict")

	dynamic := ann.Post("/lists", `{"name":"Customers","object":"contact","kind":"dynamic","filter":"lifecycle = customer"}`).Want(http.StatusCreated).Path()
	want(ann, dynamic, "c0 c1 c2 c3 c4")
	ann.Patch("/contacts/"+ids[0], `{"lifecycle":"former"}`).Want(http.StatusOK)
	want(ann, dynamic, "c1 c2 c3 c4")
	ann.Post(dynamic+"/add_members", `{"members":["`+ids[0]+`"]}`).WantProblem(http.StatusConflict, "state_conflict")
	ann.Post(dynamic+"/set_filter", `{"filter":"lifecycle = nonsense"}`).WantProblem(http.StatusUnprocessableEntity, "bad_value", "/filter bad_value")
	ann.Post(dynamic+"/set_filter", `{"filter":"lifecycle ="}`).WantProblem(http.StatusBadRequest, "filter_syntax", "/filter filter_syntax")
	ann.Post(dynamic+"/freeze", "").Want(http.StatusOK, `"kind":"snapshot"`, `"member_count":4`, `"frozen_position":`)
	ann.Patch("/contacts/"+ids[1], `{"lifecycle":"former"}`).Want(http.StatusOK)
	want(ann, dynamic, "c1 c2 c3 c4")
	ann.Post(dynamic+"/set_filter", `{"filter":"lifecycle = former"}`).WantProblem(http.StatusConflict, "state_conflict")

	// Who is added, and what is frozen, a moment after a record was made, has it.
	for i := range 5 {
		late := ann.Post("/lists", fmt.Sprintf(`{"name":"Late %d","object":"contact","kind":"dynamic","filter":"last_name = late"}`, i)).Want(http.StatusCreated).Path()
		chosen := ann.Post("/lists", fmt.Sprintf(`{"name":"Chosen %d","object":"contact","kind":"static"}`, i)).Want(http.StatusCreated).Path()
		ann.Post("/contacts", `{"last_name":"late"}`).Want(http.StatusCreated)
		ann.Post(late+"/freeze", "").Want(http.StatusOK, fmt.Sprintf(`"member_count":%d`, i+1))
		id := ann.Post("/contacts", `{"first_name":"Cid"}`).Want(http.StatusCreated).ID()
		ann.Post(chosen+"/add_members", `{"members":["`+id+`"]}`).Want(http.StatusOK, `"member_count":1`)
	}

	for body, at := range map[string]string{
		`{"name":"x","object":"nonsense","kind":"static"}`:                       "/object unknown_kind",
		`{"name":"x","object":"contact","kind":"dynamic","filter":"colour=red"}`: "/filter unknown_field",
		`{"name":"x","object":"contact","kind":"dynamic"}`:                       "/filter not_applicable",
		`{"name":"guests","object":"contact","kind":"static"}`:                   "",
	} {
		r := ann.Post("/lists", body)
		if at == "" {
			r.WantProblem(http.StatusConflict, "duplicate")
			continue
		}
		_, code, _ := strings.Cut(at, " ")
		r.WantProblem(http.StatusUnprocessableEntity, code, at)
	}

	// A list shows those of its records that whoever asks may look at.
	role := everyRight()
	role["contact"].Actions["read"] = "not id in (" + ids[3] + ")"
	role["contact"].Members["lifecycle"] = 0
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	want(bob, static, "c0 c2")
	bob.Post(static+"/add_members", `{"members":["`+ids[3]+`"]}`).WantProblem(http.StatusUnprocessableEntity, "reference_not_found", "/members/0 reference_not_found")
	other := ann.Post("/lists", `{"name":"Former","object":"contact","kind":"dynamic","filter":"lifecycle = former"}`).Want(http.StatusCreated).Path()
	bob.Get(other+"/members").WantProblem(http.StatusForbidden, "forbidden")
	bob.Post(other+"/freeze", "").Want(http.StatusUnprocessableEntity, "unknown_field")
	bob.Post("/lists", `{"name":"Mine","object":"contact","kind":"dynamic","filter":"not id is null"}`).Want(http.StatusCreated)

	eve.Get(strings.Replace(static, ann.Tenant.String(), eve.Tenant.String(), 1)+"/members").WantProblem(http.StatusNotFound, "not_found")
	ann.Get(static+"/members?cursor=x").WantProblem(http.StatusBadRequest, "invalid_cursor")
	ann.Get(static + "/members?limit=0").Want(http.StatusUnprocessableEntity)
	ann.Delete(static).Want(http.StatusOK)
	want(ann, static, "c0 c2 c3")
	ann.Post(static+"/purge", "").Want(http.StatusNoContent)
	ann.Get(static+"/members").WantProblem(http.StatusNotFound, "not_found")
}
