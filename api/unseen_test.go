package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
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

// Whoever may neither see a record nor change its fields is answered as if it were
// not there, and not by what they may not change.
func TestUnseenRecordsWithUnseenMembers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	mine, theirs := furnish(t, ann, "mine"), furnish(t, ann, canary)
	role := everyRight()
	nobodys := map[string]string{"ten": ann.Tenant.String(), "key": mine.ids["key"]}
	for _, kind := range projections.All {
		nobodys[kind.Prefix()] = domain.ID{Prefix: kind.Prefix(), UUID: uuid.New()}.String()
		for action := range role[kind.Kind()].Actions {
			role[kind.Kind()].Actions[action] = "not id = " + theirs.ids[kind.Prefix()]
		}
		for _, m := range kind.Members() {
			role[kind.Kind()].Members[m] = viewer.Hidden
		}
	}
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	// What the bodies name is there, or is not.
	for _, named := range []map[string]string{mine.ids, nobodys} {
		m := matrix{t: t, mine: world{Client: bob, ids: named}, theirs: theirs, nobodys: world{ids: nobodys}, tried: map[string]int{}}
		for _, op := range operations(t, s) {
			if op.Command != "" && strings.Count(op.Path, "{") > 1 && !triedElsewhere(op) {
				m.same(op, "a record", func(ids map[string]string) (string, string) { return m.path(op, ids), m.body(op) })
			}
		}
	}
}

// An upsert says what a deal has that is no field. That is no way to find out what
// it has.
func TestUpsertTellsNothingOfMembersNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	bob := without(s, ann, viewer.Hidden, "deal", "stage_key")
	ann.Post("/deals", `{"name":"Roof","external_ids":{"erp":"1"},"pipeline_id":"`+sales(ann, "A")+`"}`).Want(http.StatusCreated)
	for _, stage := range []string{"lead", "offer"} {
		data := `{"external_ids":{"erp":"1"},"name":"Roof","stage_key":"` + stage + `"}`
		bob.Post("/deals/upsert", `{"match_on":["external_ids"],"data":`+data+`}`).WantProblem(http.StatusForbidden, "field_forbidden", "/data/stage_key field_forbidden")
	}
	bob.Post("/deals/upsert", `{"match_on":["external_ids"],"data":{"external_ids":{"erp":"1"},"name":"Door"}}`).Want(http.StatusOK, "Door")
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

// Members that may only be looked at are not changed by commands that do not name
// them; and whoever does not see one is not told that it would change.
func TestMembersNotToBeChanged(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	pipeline := "/pipelines/" + sales(ann, "A")
	bob := without(s, ann, viewer.ReadOnly, "pipeline", "stages")
	for command, body := range map[string]string{
		"update_stage": `{"key":"lead","probability":7}`, "archive_stage": `{"key":"lead","move_to":"offer"}`,
		"add_stage": `{"key":"call","name":"Call","kind":"open"}`, "reorder_stages": `{"keys":["offer","lead","won","lost"]}`,
	} {
		bob.Post(pipeline+"/"+command, body).WantProblem(http.StatusForbidden, "field_forbidden", "/stages field_forbidden")
	}
	bob.Post(pipeline+"/rename", `{"name":"B"}`).Want(http.StatusOK)
	without(s, ann, viewer.ReadOnly, "pipeline", "name").Post(pipeline+"/add_stage", `{"key":"call","name":"Call","kind":"open"}`).Want(http.StatusOK)

	bob = without(s, ann, viewer.Hidden, "contact", "job_title")
	contact := ann.Post("/contacts", `{"first_name":"Ada","job_title":"x"}`).Want(http.StatusCreated).Path()
	ann.Patch(contact, `{"first_name":"Bea"}`).Want(http.StatusOK)
	bob.Post(contact+"/restore_version", `{"version":1}`).Want(http.StatusOK, "Ada")
	ann.Patch(contact, `{"job_title":"y"}`).Want(http.StatusOK)
	if r := bob.Post(contact+"/restore_version", `{"version":1}`).WantProblem(http.StatusForbidden, "field_forbidden"); strings.Contains(r.Body, "job_title") {
		t.Error(r.Body)
	}
}

// Who sees what another record has is told which one has it, whatever the command
// came in; and nobody else.
func TestWhoHasWhatIsUnique(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	id := ann.Post("/contacts", `{"first_name":"Ada","job_title":"x","emails":[{"address":"ada@example.org"}]}`).Want(http.StatusCreated).ID()
	contact := `{"first_name":"Bea","emails":[{"address":"ada@example.org"}]}`
	for member, told := range map[string]bool{"job_title": true, "emails": false} {
		bob := without(s, ann, viewer.Hidden, "contact", member)
		lead := ann.Post("/leads", `{"email":"ada@example.org"}`).Want(http.StatusCreated).Path()
		for what, r := range map[string]apitest.Response{
			"alone":  bob.Post("/contacts", contact),
			"batch":  bob.Post("/contacts/batch", `{"operations":[{"op":"create","data":`+contact+`}]}`),
			"atomic": bob.Post("/contacts/batch", `{"operations":[{"op":"create","data":`+contact+`}],"atomic":true}`),
			"plan":   bob.Post(lead+"/convert", ""),
		} {
			if strings.Contains(r.Body, id) != told || told && !strings.Contains(r.Body, "duplicate") {
				t.Errorf("%s, without %s: %d %s", what, member, r.Status, r.Body)
			}
		}
	}
}

// A list that was frozen does not tell who has met a filter about fields that are not
// seen, as it did not before.
func TestFrozenByWhatIsNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	ann.Post("/contacts", `{"first_name":"Ada","job_title":"CEO"}`).Want(http.StatusCreated)
	list := ann.Post("/lists", `{"name":"Heads","object":"contact","kind":"dynamic","filter":"job_title = CEO"}`).Want(http.StatusCreated).Path()
	without(s, ann, viewer.Hidden, "contact", "last_name").Get(list+"/members").Want(http.StatusOK, "Ada")
	bob := without(s, ann, viewer.Hidden, "contact", "job_title")
	bob.Get(list+"/members").WantProblem(http.StatusForbidden, "forbidden")
	ann.Post(list+"/freeze", "").Want(http.StatusOK)
	bob.Get(list+"/members").WantProblem(http.StatusForbidden, "forbidden")
	ann.Get(list+"/members").Want(http.StatusOK, "Ada")

	// Nor do the events.
	ada := ann.Get("/contacts").Want(http.StatusOK)
	_, ada.Body, _ = strings.Cut(ada.Body, `"id":"`)
	id, _, _ := strings.Cut(ada.Body, `"`)
	for _, path := range []string{list + "/events", "/events?types=list.frozen"} {
		ann.Forgetful().Get(path).Want(http.StatusOK, `"members":["`+id+`"]`)
		if r := bob.Forgetful().Get(path).Want(http.StatusOK, "list.frozen", `"withheld":true`); strings.Contains(r.Body, `"members"`) {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
}

// Events of a newer release, which is being brought to one node after another, are
// withheld from those who do not see all of a record, and make no fault.
func TestEventsOfANewerReleaseNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	contact := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated)
	bob := without(s, ann, viewer.Hidden, "contact", "job_title").Forgetful()
	role := everyRight()
	role["contact"].Actions["read"] = "lifecycle is null"
	s.Let(access.Admin, role)
	zoe := ann.Key(access.Admin).Forgetful()
	id, err := domain.ParseID(contact.ID())
	if err != nil {
		t.Fatal(err)
	}
	event, err := s.Store.Read(t.Context(), ann.Tenant, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	newer := event[0].Event
	newer.ID, newer.Type, newer.Data = uuid.New(), "contact.knighted", []byte(`{"by":"`+canary+`"}`)
	stream := eventstore.StreamID{Tenant: ann.Tenant, Kind: "contact", ID: id.UUID}
	if err := s.Store.Append(t.Context(), ann.Tenant, eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{Stream: stream, At: 1, Events: []eventstore.Event{newer}}}})[0].Err; err != nil {
		t.Fatal(err)
	}
	ann.Forgetful().Get("/events").Want(http.StatusOK, canary)
	if r := bob.Get("/events").Want(http.StatusOK, "contact.knighted", `"withheld":true`); strings.Contains(r.Body, canary) {
		t.Error(r.Body)
	}
	zoe.Get("/events").WantProblem(http.StatusServiceUnavailable, "newer_release")
}

// A command about members that are not seen is refused whether it would change
// something or not: otherwise it could be found out what they are.
func TestCommandsTellNothingOfMembersNotSeen(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	const price = `"qty":"1","unit_price":{"amount":"5","currency":"EUR"}}`
	deal := ann.Post("/deals", `{"name":"Roof","pipeline_id":"`+sales(ann, "A")+`"}`).Want(http.StatusCreated).Path()
	ann.Post(deal+"/add_line_item", `{"description":"Tiles",`+price).Want(http.StatusOK)
	bob := without(s, ann, viewer.Hidden, "deal", "line_items", "contacts")
	contact := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).ID()
	for _, c := range [][2]string{
		{"update_line_item", `{"id":1,"description":"Tiles",` + price},
		{"update_line_item", `{"id":1,"description":"Door",` + price},
		{"update_line_item", `{"id":7,"description":"Door",` + price},
		{"remove_line_item", `{"id":7}`},
		{"remove_contact", `{"contact_id":"` + contact + `"}`},
	} {
		bob.Post(deal+"/"+c[0], c[1]).WantProblem(http.StatusForbidden, "field_forbidden")
	}
	task, done := ann.Post("/tasks", `{"title":"Call"}`).Want(http.StatusCreated).Path(), ann.Post("/tasks", `{"title":"Call"}`).Want(http.StatusCreated).Path()
	ann.Post(done+"/complete", `{}`).Want(http.StatusOK)
	bob = without(s, ann, viewer.Hidden, "task", "status")
	for _, path := range []string{task, done} {
		bob.Post(path+"/complete", `{}`).WantProblem(http.StatusForbidden, "field_forbidden", "/status field_forbidden")
	}
}
