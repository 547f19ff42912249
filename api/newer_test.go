package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// A newer release, which is being brought to one node after another, has recorded a field
// that this one does not know. This one decides nothing on the rest of such a record, and
// records nothing that would lose the field; it says that another node has to be asked.
// It goes on with all other records.
func TestFieldsOfANewerRelease(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	other := s.Tenant()
	for what, newer := range map[string]eventstore.Event{
		"a changed field":        {Type: "contact.updated", Data: []byte(`{"changes":{"nickname":{"old":null,"new":"` + canary + `"}}}`)},
		"a part of a field":      {Type: "contact.updated", Data: []byte(`{"changes":{"emails":{"old":null,"new":[{"address":"a@b.example","kind":"work","verified":{"by":"` + canary + `"}}]}}}`)},
		"a member of an event":   {Type: "contact.lifecycle_changed", Data: []byte(`{"from":"lead","to":"customer","because":"` + canary + `"}`)},
		"a member of a deletion": {Type: "contact.deleted", Data: []byte(`{"because":"` + canary + `"}`)},
	} {
		ann := s.Tenant()
		made := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
		path := made.Path()
		ann.Get(path).Want(http.StatusOK)
		id, err := domain.ParseID(made.ID())
		if err != nil {
			t.Fatal(err)
		}
		event, err := s.Store.Read(t.Context(), ann.Tenant, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		newer.ID, newer.Schema, newer.Meta = uuid.New(), 1, event[0].Meta
		stream := eventstore.StreamID{Tenant: ann.Tenant, Kind: "contact", ID: id.UUID}
		if err := s.Store.Append(t.Context(), ann.Tenant, eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{Stream: stream, At: 1, Events: []eventstore.Event{newer}}}})[0].Err; err != nil {
			t.Fatal(err)
		}
		head, err := s.Store.Head(t.Context(), ann.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		here := ann.Forgetful() // the read model waits for a newer node
		for _, r := range []apitest.Response{
			here.Patch(path, `{"last_name":"L"}`), here.Delete(path), here.Post(path+"/add_tags", `{"tags":["vip"]}`),
			here.Post("/deals", `{"name":"Roof","primary_contact_id":"`+made.ID()+`","pipeline_id":"`+sales(here, what)+`"}`),
			here.Get(path + "?as_of=" + strconv.FormatInt(int64(head), 10)),
		} {
			if r.WantProblem(http.StatusServiceUnavailable, "newer_release").WantHeader("Retry-After", "1"); strings.Contains(r.Body, canary) {
				t.Errorf("%s: %s", what, r.Body)
			}
		}
		here.Get(path).Want(http.StatusOK, "Ada")
		here.Get("/contacts").Want(http.StatusOK, "Ada")
		here.Get("/events").Want(http.StatusOK, canary)
		here.Post("/contacts", `{"first_name":"Bob"}`).Want(http.StatusCreated)
		other.Get("/contacts/"+made.ID()).WantProblem(http.StatusNotFound, "not_found")
	}
}
