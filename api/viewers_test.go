package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/access"
	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// everyRight is all that an owner may do, but for what keys may not.
func everyRight() viewer.Role {
	role := viewer.Role{}
	for object, g := range access.Owner.Rights() {
		g.Actions, g.Classes, g.Members = maps.Clone(g.Actions), maps.Clone(g.Classes), map[string]viewer.Access{}
		role[object] = g
	}
	return role
}

// telling returns the records of a kind, deleted ones too, whose JSON has a word.
func telling(c apitest.Client, kind projections.Projection, word string) (docs []map[string]json.RawMessage) {
	var page struct{ Data []json.RawMessage }
	c.Get("/" + kind.Name() + "?deleted=include&limit=500").Want(http.StatusOK).Into(&page)
	for _, raw := range page.Data {
		var doc map[string]json.RawMessage
		if strings.Contains(string(raw), word) && json.Unmarshal(raw, &doc) == nil {
			docs = append(docs, doc)
		}
	}
	return docs
}

// Records that a rule keeps from somebody are to them as if they were not there,
// whatever they ask and wherever they put their IDs.
func TestUnseenRecords(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	mine, theirs := furnish(t, ann, "mine"), furnish(t, ann, canary)
	spare := furnish(t, ann, "spare")
	role := everyRight()
	for _, kind := range projections.All {
		var ids []string
		for _, doc := range telling(ann, kind, canary) {
			ids = append(ids, strings.Trim(string(doc["id"]), `"`))
		}
		if kind.Kind() == own.Kind {
			ids = []string{theirs.ids[own.Prefix], theirs.ids[own.Prefix]}
		}
		if len(ids) != 2 {
			t.Fatalf("%d %s are to be kept from somebody", len(ids), kind.Name())
		}
		for action := range role[kind.Kind()].Actions {
			role[kind.Kind()].Actions[action] = "not id in (" + strings.Join(ids, ", ") + ")"
		}
	}
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	m := matrix{t: t, mine: world{Client: bob, ids: mine.ids}, theirs: theirs, spare: spare, nobodys: world{ids: map[string]string{}}, tried: map[string]int{}}
	for prefix := range mine.ids {
		m.nobodys.ids[prefix] = domain.ID{Prefix: prefix, UUID: uuid.New()}.String()
	}
	m.theirs.ids["ten"], m.nobodys.ids["ten"] = ann.Tenant.String(), ann.Tenant.String()
	before := head(t, s, theirs)
	for _, op := range operations(t, s) {
		if len(op.Security) == 0 || !strings.Contains(op.Path, "{tenant_id}") || strings.HasPrefix(op.ID, "api_key") {
			continue
		}
		if strings.Count(op.Path, "{") > 1 {
			m.same(op, "a record", func(ids map[string]string) (string, string) { return m.path(op, ids), m.body(op) })
		}
		m.tryBody(op)
		m.tryQuery(op)
		m.ask(op, "what is mine", bob, m.path(op, spare.ids), m.body(op))
	}
	events, err := s.Store.Read(t.Context(), ann.Tenant, before, 5000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		for prefix, id := range theirs.ids {
			if (domain.ID{Prefix: prefix, UUID: e.Stream.ID}).String() == id {
				t.Errorf("%s was changed: %s", id, e.Type)
			}
		}
	}
	ann.Get("/contacts?q="+canary).Want(http.StatusOK, canary) // or nothing was tested
}

// A record is there for those who may give it a command, and they are told so if
// they may not.
func TestSeenAndNotToBeChanged(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	role := everyRight()
	role["contact"].Actions["update"] = "tags has open"
	role["contact"].Actions["create"] = "tags has open"
	role["task"].Actions["read"] = "status = open"
	role["product"].Actions["read"] = "tags has open"
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	shut := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).Path()
	open := ann.Post("/contacts", `{"first_name":"Ada","tags":["open"]}`).Want(http.StatusCreated).Path()
	bob.Get(shut).Want(http.StatusOK, "Ada")
	bob.Patch(shut, `{"first_name":"Bea"}`).WantProblem(http.StatusForbidden, "forbidden")
	bob.Patch(shut, `{"first_name":"Ada"}`).WantProblem(http.StatusForbidden, "forbidden") // although it changes nothing
	bob.Post(shut+"/add_tags", `{"tags":["open"]}`).WantProblem(http.StatusForbidden, "forbidden")
	bob.Delete(shut).Want(http.StatusOK)
	bob.Patch(open, `{"first_name":"Bea"}`).Want(http.StatusOK, "Bea")
	bob.Post("/contacts", `{"first_name":"Ada"}`).WantProblem(http.StatusForbidden, "forbidden")
	bob.Post("/contacts", `{"first_name":"Ada","tags":["open"]}`).Want(http.StatusCreated)
	bob.Post("/contacts/batch", `{"operations":[{"op":"create","data":{"first_name":"x"}},{"op":"update","id":"`+ann.Get(open).ID()+`","data":{"first_name":"y"}}]}`).
		Want(http.StatusMultiStatus, `"status":403`, `"status":200`)

	// What only one record can have tells that there is one, and not which.
	sku := func(tag string) string { return `{"sku":"A-1","name":"Tile","tags":["` + tag + `"]}` }
	id := ann.Post("/products", sku("shut")).Want(http.StatusCreated).ID()
	for _, r := range []apitest.Response{
		bob.Post("/products", sku("open")),
		bob.Post("/products/upsert", `{"match_on":["sku"],"data":`+sku("open")+`}`),
		bob.Post("/products/batch", `{"operations":[{"op":"upsert","match_on":["sku"],"data":`+sku("open")+`}],"atomic":true}`),
	} {
		if r.Status != http.StatusConflict || strings.Contains(r.Body, id) || !strings.Contains(r.Body, "duplicate") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	ann.Post("/products", sku("open")).Want(http.StatusConflict, id)

	// Who gives a record away is not shown what became of it.
	task := ann.Post("/tasks", `{"title":"Call"}`).Want(http.StatusCreated).Path()
	if r := bob.Post(task+"/complete", `{}`); r.Status != http.StatusNoContent || r.Body != "" || r.Header.Get("Event-Position") == "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	bob.Get(task).WantProblem(http.StatusNotFound, "not_found")
	bob.Post(task+"/reopen", "").WantProblem(http.StatusNotFound, "not_found")
	ann.Get(task).Want(http.StatusOK, "done")
}

// Members that are kept from somebody leave through no door, masked or hidden.
func TestUnseenMembers(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]viewer.Access{"hidden": viewer.Hidden, "masked": viewer.Masked} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testUnseenMembers(t, a)
		})
	}
}

func testUnseenMembers(t *testing.T, a viewer.Access) {
	s := apitest.New(t)
	ann := s.Tenant()
	w := furnish(t, ann, canary)
	role, unseen := everyRight(), map[string][]string{}
	tables := slices.DeleteFunc(slices.Clone(projections.All), func(p projections.Projection) bool { return p.Kind() == own.Kind }) // which have no words
	for _, kind := range tables {
		for _, doc := range telling(ann, kind, canary) {
			for m, value := range doc {
				if strings.Contains(string(value), canary) {
					role[kind.Kind()].Members[m] = a
				}
			}
		}
		unseen[kind.Kind()] = slices.Sorted(maps.Keys(role[kind.Kind()].Members))
		if len(unseen[kind.Kind()]) == 0 {
			t.Fatalf("nothing of %s is to be kept from anybody", kind.Name())
		}
	}
	s.Let(access.Member, role)
	bob := ann.Key(access.Member)
	m := matrix{t: t, mine: world{Client: bob, ids: w.ids}, tried: map[string]int{}}
	var later []operation
	for _, op := range operations(t, s) {
		if len(op.Security) == 0 || !strings.Contains(op.Path, "{tenant_id}") || strings.HasPrefix(op.ID, "api_key") {
			continue
		}
		if strings.HasSuffix(op.ID, ".delete") || strings.HasSuffix(op.ID, ".purge") || strings.HasSuffix(op.ID, ".archive") {
			later = append(later, op)
			continue
		}
		m.ask(op, "an example", bob, m.path(op, w.ids), m.body(op))
	}
	for _, kind := range tables {
		look := unseenMembers{t, m, bob, kind, "/" + kind.Name(), w.ids[kind.Prefix()], unseen[kind.Kind()], a}
		look.document()
		look.queries()
		look.changes()
	}
	r := bob.Get("/events?limit=5000").Want(http.StatusOK, "contact.created")
	if strings.Contains(r.Body, canary) {
		t.Errorf("the log tells what is kept from somebody: %s", r.Body)
	}
	for _, op := range later {
		m.ask(op, "an example", bob, m.path(op, w.ids), m.body(op))
	}
	// Whoever cannot see an address cannot find out whose it is.
	ann.Get("/contacts?limit=1").Want(http.StatusOK, canary) // or nothing was tested
}

// unseenMembers is somebody who looks at records of a kind without seeing all of them.
type unseenMembers struct {
	*testing.T

	matrix
	bob    apitest.Client
	kind   projections.Projection
	path   string
	id     string
	unseen []string
	as     viewer.Access
}

// document says what a record looks like to them.
func (u unseenMembers) document() {
	u.Helper()
	var doc map[string]json.RawMessage
	u.bob.Get(u.path + "/" + u.id).Want(http.StatusOK).Into(&doc)
	for _, m := range u.unseen {
		value, there := doc[m]
		if there != (u.as == viewer.Masked) || there && string(value) != "null" {
			u.Errorf("%s of %s is %s", m, u.kind.Name(), value)
		}
	}
	var masked []string
	if doc["masked"] != nil {
		if err := json.Unmarshal(doc["masked"], &masked); err != nil {
			u.Fatal(err)
		}
	}
	if slices.Sort(masked); u.as == viewer.Masked && !slices.Equal(masked, u.unseen) {
		u.Errorf("masked of %s are %v", u.kind.Name(), masked)
	}
}

// queries asks about what is not shown.
func (u unseenMembers) queries() {
	u.Helper()
	refused := func(query string) {
		u.Helper()
		if r := u.bob.Get(u.path + "?" + query); r.Status/100 != 4 || strings.Contains(r.Body, canary) {
			u.Errorf("%s?%s: %d %s", u.path, query, r.Status, r.Body)
		}
	}
	for name := range u.kind.Columns().All() {
		f, err := u.kind.Columns().Text(name + " is null")
		if err != nil {
			u.Fatal(err)
		}
		if !slices.ContainsFunc(f.(query.Leaf).Column.Members(), func(m string) bool { return slices.Contains(u.unseen, m) }) {
			continue
		}
		refused(name + "=" + canary)
		refused("sort=" + name)
		refused("filter=" + url.QueryEscape(name+" is null"))
		refused("filter=" + url.QueryEscape("not ("+name+" is not null or id is null)"))
	}
	for _, m := range u.unseen {
		refused("fields=" + m)
	}
	if r := u.bob.Get(u.path + "?q=" + canary); r.Status == http.StatusOK && !strings.Contains(r.Body, `"data":[]`) {
		u.Errorf("%s are found by what is not shown: %s", u.kind.Name(), r.Body)
	}
	for _, q := range []string{"/batch_get", "/query"} {
		body := `{"deleted":"include"}`
		if q == "/batch_get" {
			body = `{"ids":["` + u.id + `"]}`
		}
		if r := u.bob.Post(u.path+q, body).Want(http.StatusOK, u.id); strings.Contains(r.Body, canary) {
			u.Errorf("%s: %s", u.path+q, r.Body)
		}
	}
}

// changes changes what is not shown.
func (u unseenMembers) changes() {
	u.Helper()
	var policy commands.AnyPolicy
	for _, p := range commands.All {
		if p.Kind() == u.kind.Kind() {
			policy = p
		}
	}
	body := filled(recipe(u.T, policy), "other", u.mine.ids)
	r := u.bob.Post(u.path, body)
	if r.Status != http.StatusForbidden || !strings.Contains(r.Body, "field_forbidden") {
		u.Errorf("POST %s %s: %d %s", u.path, body, r.Status, r.Body)
	}
	for _, o := range policy.Offers() {
		if o.Name != commands.Update {
			continue
		}
		for _, m := range u.unseen {
			var members map[string]any
			if err := json.Unmarshal([]byte(body), &members); err != nil {
				u.Fatal(err)
			}
			if members[m] == nil {
				continue
			}
			for _, value := range []any{members[m], nil} {
				if r := u.bob.Patch(u.path+"/"+u.id, encode(u.T, map[string]any{m: value})); r.Status/100 != 4 || strings.Contains(r.Body, canary) {
					u.Errorf("PATCH %s of %s: %d %s", m, u.kind.Name(), r.Status, r.Body)
				}
			}
		}
	}
	for _, m := range policy.Matches() {
		if r := u.bob.Post(u.path+"/upsert", fmt.Sprintf(`{"match_on":[%q],"data":%s}`, m, body)); r.Status/100 != 4 || strings.Contains(r.Body, u.id) {
			u.Errorf("upsert of %s by %s: %d %s", u.kind.Name(), m, r.Status, r.Body)
		}
	}
}

// A key may do what its maker may, who is meant by what rules of theirs say of "me".
func TestKeysAndTheirMakers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	ann := s.Tenant()
	mine := ann.Post("/contacts", `{"first_name":"Ada"}`).Want(http.StatusCreated).Path() // hers, as she makes it
	nobodys := ann.Key(access.Member).Post("/contacts", `{"first_name":"Bea"}`).Want(http.StatusCreated).Path()
	for rule, want := range map[string][2]int{
		"owner_id = $me":     {http.StatusOK, http.StatusNotFound},
		"not owner_id = $me": {http.StatusNotFound, http.StatusOK},
	} {
		role := everyRight()
		role["contact"].Actions["read"] = rule
		s.Let(access.Owner, role)
		key := ann.Key(access.Member)
		for i, path := range []string{mine, nobodys} {
			if r := key.Get(path); r.Status != want[i] {
				t.Errorf("to a key whose maker has the rule %q, %s is %d, want %d", rule, path, r.Status, want[i])
			}
		}
	}
}
