package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/viewer"
)

// timelineOf returns the whole timeline of a record, page by page, an entry as its type, the
// name of the record, and the fields by which it was referred to.
func timelineOf(c apitest.Client, path, parameters string) (entries []string) {
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				Type   string
				Record struct{ ID, Type, Name string }
				By     []string `json:"related_by"`
			}
			Next string `json:"next_cursor"`
		}
		c.Get(path + "/timeline?limit=3" + parameters + cursor).Want(http.StatusOK).Into(&page)
		for _, e := range page.Data {
			entries = append(entries, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Type, e.Record.Name, strings.Join(e.By, ","))))
		}
		if page.Next == "" {
			return entries
		}
		cursor = "&cursor=" + page.Next
	}
}

func wantTimeline(t *testing.T, c apitest.Client, path, parameters string, want ...string) {
	t.Helper()
	if got := timelineOf(c, path, parameters); !slices.Equal(got, want) {
		t.Errorf("%s of %s:\n%s\nwant:\n%s", parameters, path, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A timeline has what happened to a record and to what refers to it, and what referred to it
// before, the newest first, by whatever it is filtered.
func TestTimeline(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann, eve := s.Tenant(), s.Tenant()
	acme := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	other := ann.Post("/companies", `{"name":"Other"}`).Want(http.StatusCreated)
	ada := ann.Post("/contacts", `{"first_name":"Ada","last_name":"L","company_id":"`+acme.ID()+`"}`).Want(http.StatusCreated)
	key := ann.Key(access.Member)
	key.Post("/notes", `{"body":"Hello","related":[{"type":"company","id":"`+acme.ID()+`"},{"type":"contact","id":"`+ada.ID()+`"}]}`).Want(http.StatusCreated)
	ann.Patch(ada.Path(), `{"company_id":"`+other.ID()+`"}`).Want(http.StatusOK)
	ann.Patch(ada.Path(), `{"language":"de"}`).Want(http.StatusOK)
	ann.Patch(acme.Path(), `{"name":"Acme Ltd"}`).Want(http.StatusOK)

	wantTimeline(t, ann, acme.Path(), "", "company.updated Acme Ltd", "contact.company_linked Ada L company_id", "note.created  related", "contact.created Ada L company_id", "company.created Acme Ltd")
	wantTimeline(t, ann, other.Path(), "", "contact.updated Ada L company_id", "contact.company_linked Ada L company_id", "company.created Other")
	wantTimeline(t, ann, acme.Path(), "&type=contact.*", "contact.company_linked Ada L company_id", "contact.created Ada L company_id")
	wantTimeline(t, ann, acme.Path(), "&type=company.created,note.*", "note.created  related", "company.created Acme Ltd")
	wantTimeline(t, ann, acme.Path(), "&record_type=company,note", "company.updated Acme Ltd", "note.created  related", "company.created Acme Ltd")
	wantTimeline(t, ann, acme.Path(), "&type=contact.*&record_type=note")
	var first struct {
		Data []struct {
			Actor   struct{ ID string }
			Changes []struct {
				Field    string
				Old, New any
			}
		}
	}
	ann.Get(acme.Path()+"/timeline?record_type=note").Want(http.StatusOK, `"command_id"`).Into(&first)
	wantTimeline(t, ann, acme.Path(), "&actor="+first.Data[0].Actor.ID, "note.created  related")
	wantTimeline(t, ann, acme.Path(), "&type=company.created&actor="+first.Data[0].Actor.ID)
	wantTimeline(t, ann, acme.Path(), "&actor=system")
	ann.Get(acme.Path() + "/timeline?limit=1").Want(http.StatusOK).Into(&first)
	if c := first.Data[0].Changes; len(c) != 1 || c[0].Field != "name" || c[0].Old != "Acme" || c[0].New != "Acme Ltd" {
		t.Errorf("changes %+v", c)
	}

	for parameters, code := range map[string]string{
		"type=deal.walked": "unknown_type", "record_type=cow": "unknown_kind", "actor=ann": "invalid_id", "cursor=x": "invalid_cursor", "since=1": "unknown_parameter",
	} {
		r := ann.Get(acme.Path() + "/timeline?" + parameters)
		if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, code) {
			t.Errorf("%s: %d %s", parameters, r.Status, r.Body)
		}
	}
	var page struct {
		Next string `json:"next_cursor"`
	}
	ann.Get(acme.Path() + "/timeline?limit=1").Into(&page)
	ann.Get(other.Path()+"/timeline?cursor="+page.Next).WantProblem(http.StatusBadRequest, "invalid_cursor")
	ann.Get(acme.Path()+"/timeline?type=contact.*&cursor="+page.Next).WantProblem(http.StatusBadRequest, "invalid_cursor")

	// Of the neighbour nobody sees anything.
	for _, path := range []string{"/companies/" + acme.ID(), "/contacts/" + ada.ID()} {
		eve.Get(path+"/timeline").WantProblem(http.StatusNotFound, "not_found")
	}
	// A deleted record has its timeline; what was purged is in none.
	ann.Delete(acme.Path()).Want(http.StatusOK)
	if got := timelineOf(ann, acme.Path(), "&type=company.deleted"); len(got) != 1 {
		t.Errorf("a deleted record: %v", got)
	}
	ann.Delete(ada.Path()).Want(http.StatusOK)
	gone := ann.Post(ada.Path()+"/purge", "")
	gone.Want(http.StatusNoContent)
	wantTimeline(t, ann, other.Path(), "", "company.created Other")
	ann.Get(ada.Path()+"/timeline").WantProblem(http.StatusNotFound, "not_found")
}

// What somebody does not see is in no timeline: records, and records that refer by a field
// that is not shown.
func TestTimelineOfWhoSeesLess(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	acme := ann.Post("/companies", `{"name":"Acme"}`).Want(http.StatusCreated)
	contact := func(body string) { ann.Post("/contacts", body).Want(http.StatusCreated) }
	contact(`{"first_name":"Open","tags":["open"],"company_id":"` + acme.ID() + `"}`)
	contact(`{"first_name":"Shut","company_id":"` + acme.ID() + `"}`)
	ann.Post("/notes", `{"body":"Hello","related":[{"type":"company","id":"`+acme.ID()+`"}]}`).Want(http.StatusCreated)
	role := everyRight()
	role["contact"].Actions["read"] = "tags has open"
	role["note"].Members["related"] = viewer.Hidden
	role["company"].Members["name"] = viewer.Masked
	delete(role, "task")
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	wantTimeline(t, bob, acme.Path(), "", "contact.created Open company_id", "company.created")
	wantTimeline(t, bob, acme.Path(), "&record_type=contact,note", "contact.created Open company_id")
	wantTimeline(t, ann, acme.Path(), "", "note.created  related", "contact.created Shut company_id", "contact.created Open company_id", "company.created Acme")
	if r := bob.Get(acme.Path() + "/timeline"); strings.Contains(r.Body, "Acme") || strings.Contains(r.Body, "Shut") {
		t.Errorf("it tells what is not shown: %s", r.Body)
	}
}
