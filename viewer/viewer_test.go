package viewer_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Badges are a kind of record that exists in these tests only.
type badges struct{}

type badge struct {
	owner domain.ID
	state string
}

var columns = query.NewColumns("badges",
	query.Column{Name: "id", SQL: "id", Type: query.ID("bad"), Sortable: true},
	query.Column{Name: "owner_id", SQL: "owner_id", Type: query.ID("usr"), Nullable: true, Sortable: true},
	query.Column{Name: "state", SQL: "state", Type: query.Text, Sortable: true},
	query.Column{Name: "holder", SQL: "holder", Type: query.Text, Sortable: true},
	query.Column{Name: "pin", SQL: "pin", Type: query.Text, Sortable: true},
	query.Column{Name: "made_at", SQL: "made_at", Type: query.Time, Sortable: true, Stored: true},
).Searching("holder")

func (badges) Kind() string            { return "badge" }
func (badges) Columns() *query.Columns { return columns }
func (badges) Members() []string {
	return []string{"id", "owner_id", "state", "holder", "pin", "made_at"}
}
func (badges) Always() []string { return []string{"id", "made_at"} }
func (badges) Class(m string) domain.Class {
	switch m {
	case "holder":
		return domain.Personal
	case "pin":
		return domain.Secret
	}
	return domain.Internal
}

func (badges) Values(id uuid.UUID, state any) query.Values {
	b := state.(*badge)
	return func(c *query.Column) any {
		switch c.Name {
		case "id":
			return id
		case "owner_id":
			if b.owner.IsZero() {
				return nil
			}
			return b.owner.UUID
		}
		return b.state
	}
}

var (
	kinds  = viewer.Kinds{"badge": badges{}}
	tenant = domain.TenantID{UUID: uuid.UUID{1}}
	ann    = domain.ID{Prefix: "usr", UUID: uuid.UUID{2}}
	bob    = domain.ID{Prefix: "usr", UUID: uuid.UUID{3}}
	all    = map[domain.Class]viewer.Access{domain.Internal: viewer.Full, domain.Personal: viewer.Full}
)

func who(roles ...viewer.Role) *viewer.Viewer {
	return viewer.New(kinds, tenant, domain.Actor{Kind: "user", ID: ann}, roles...)
}

// keyOf returns a key with a role, before it is limited to what its maker may.
func keyOf(r viewer.Role) *viewer.Viewer {
	return viewer.New(kinds, tenant, domain.Actor{Kind: "api_key", ID: domain.ID{Prefix: "key", UUID: ann.UUID}}, r)
}

func role(actions map[string]string) viewer.Role {
	return viewer.Role{"badge": {Actions: actions, Classes: all}}
}

func rules(t *testing.T, v *viewer.Viewer) *viewer.Rules {
	t.Helper()
	r, err := v.OfName("badge")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Rows are those of one role or another, and of all layers.
func TestRows(t *testing.T) {
	t.Parallel()
	foreign := role(map[string]string{"read": "not owner_id = $me"})
	own, open, every := role(map[string]string{"read": "owner_id = $me"}), role(map[string]string{"read": "state = open"}), role(map[string]string{"read": ""})
	mine, others, nobodys := badge{ann, "shut"}, badge{bob, "open"}, badge{domain.ID{}, "shut"}
	for name, c := range map[string]struct {
		v    *viewer.Viewer
		sees []badge
	}{
		"nobody":                 {nil, nil},
		"no role":                {who(), nil},
		"a role without reading": {who(role(map[string]string{"update": ""})), nil},
		"everything":             {who(every), []badge{mine, others, nobodys}},
		"one's own":              {who(own), []badge{mine}},
		"two roles":              {who(own, open), []badge{mine, others}},
		"two roles, one of all":  {who(own, every), []badge{mine, others, nobodys}},
		"limited":                {who(every).Limited(bob, open), []badge{others}},
		"limited twice":          {who(own).Limited(bob, every).Limited(bob, open), nil},
		"limited to nothing":     {who(every).Limited(bob), nil},
		"a key, and its maker":   {keyOf(every).Limited(ann, own), []badge{mine}},
		"but not for its maker":  {keyOf(every).Limited(ann, foreign), []badge{others, nobodys}},
		"the server":             {viewer.Server(tenant, domain.Actor{}), []badge{mine, others, nobodys}},
		"a key has nothing":      {keyOf(own), nil},
	} {
		for _, b := range []badge{mine, others, nobodys} {
			if got := rules(t, c.v).Sees(uuid.UUID{9}, &b); got != slices.Contains(c.sees, b) {
				t.Errorf("%s: sees %+v is %t", name, b, got)
			}
		}
	}
}

// What nobody granted may not be done, by whatever name.
func TestMay(t *testing.T) {
	t.Parallel()
	v := who(role(map[string]string{"read": "", "close": "owner_id = $me"}), viewer.Role{"event": {Actions: map[string]string{"read": ""}}})
	for p, want := range map[domain.Permission]bool{
		"badge:read": true, "badge:close": true, "event:read": true,
		"badge:update": false, "badge:": false, "badge": false, "": false, ":read": false, "badge:*": false, "*:*": false, "event:close": false, "deal:read": false,
	} {
		if v.May(p) != want {
			t.Errorf("%q: %t", p, !want)
		}
		if limited := v.Limited(ann, viewer.Role{"badge": v0}); limited.May(p) != (want && p == "badge:close") {
			t.Errorf("%q, limited: %t", p, limited.May(p))
		}
		if (*viewer.Viewer)(nil).May(p) {
			t.Errorf("%q: nobody may", p)
		}
	}
	r := rules(t, v)
	if !r.Allows("close", uuid.UUID{}, &badge{owner: ann}) || r.Allows("close", uuid.UUID{}, &badge{owner: bob}) || r.Allows("update", uuid.UUID{}, &badge{owner: ann}) {
		t.Error("an action is allowed on other records than those of its rule")
	}
	less := role(map[string]string{"read": ""}).Without("badge")
	if less.Allows("badge:read") {
		t.Error("a role without an object allows to read it")
	}
}

var v0 = viewer.Grant{Actions: map[string]string{"close": ""}}

// Members are shown by class, unless a rule of their own says otherwise.
func TestMembers(t *testing.T) {
	t.Parallel()
	doc := `{"id":"1","owner_id":"2","state":"open","holder":"Ada \u003c3","pin":"1234","made_at":null}`
	read := map[string]string{"read": ""}
	for name, c := range map[string]struct {
		grant   viewer.Grant
		want    string
		changes []string
	}{
		"no class":      {viewer.Grant{Actions: read}, `{"id":"1","made_at":null}`, nil},
		"all but a new": {viewer.Grant{Actions: read, Classes: all}, `{"id":"1","owner_id":"2","state":"open","holder":"Ada \u003c3","made_at":null}`, []string{"holder", "id", "made_at", "owner_id", "state"}},
		"masked by class": {
			viewer.Grant{Actions: read, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.ReadOnly, domain.Personal: viewer.Masked}},
			`{"id":"1","owner_id":"2","state":"open","holder":null,"made_at":null,"masked":["holder"]}`, nil,
		},
		"a member of its own": {
			viewer.Grant{Actions: read, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.ReadOnly}, Members: map[string]viewer.Access{"state": viewer.Full, "owner_id": viewer.Hidden}},
			`{"id":"1","state":"open","made_at":null}`,
			[]string{"state"},
		},
	} {
		r := rules(t, who(viewer.Role{"badge": c.grant}))
		got, err := r.Show([]byte(doc))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: shows %s, %v", name, got, err)
		}
		var changes []string
		for _, m := range []string{"holder", "id", "made_at", "owner_id", "pin", "state"} {
			if r.Changes(m) {
				changes = append(changes, m)
			}
		}
		if !slices.Equal(changes, c.changes) {
			t.Errorf("%s: changes %v", name, changes)
		}
	}
}

// What is not shown cannot be asked about either.
func TestColumns(t *testing.T) {
	t.Parallel()
	r := rules(t, who(viewer.Role{"badge": {Actions: map[string]string{"read": ""}, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.Full, domain.Personal: viewer.Masked}}}))
	for q, want := range map[string]string{
		`{"filter":{"field":"state","op":"eq","value":"x"},"sort":["state"],"fields":["state"]}`: "",
		`{"filter":{"field":"holder","op":"eq","value":"x"}}`:                                    "unknown_field",
		`{"filter":"not holder is null"}`:                                                        "unknown_field",
		`{"sort":["-holder"]}`:                                                                   "unknown_field",
		`{"holder":"x"}`:                                                                         "unknown_parameter",
		`{"pin":"x"}`:                                                                            "unknown_parameter",
		`{"fields":["holder"]}`:                                                                  "unknown_field",
		`{"q":"Ada"}`:                                                                            "not_searchable",
	} {
		_, err := query.ParseJSON([]byte(q), r.Columns())
		code := ""
		for _, e := range domain.Refusals(err) {
			refusal, _ := errors.AsType[*domain.Error](e)
			code = refusal.Code
		}
		if code != want {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// Of an event is shown what it says of members that are shown.
func TestData(t *testing.T) {
	t.Parallel()
	r := rules(t, who(viewer.Role{"badge": {Actions: map[string]string{"read": ""}, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.Full}}}))
	class := func(m string) domain.Class {
		if m == "reason" {
			return domain.Personal
		}
		return domain.Internal
	}
	for name, c := range map[string]struct {
		data    string
		touched []string
		want    string
		some    bool
	}{
		"made":              {`{"fields":{"state":"open","holder":"Ada"},"pin":"1","state":"x","secret":1}`, nil, `{"fields":{"state":"open"},"state":"x"}`, true},
		"changed":           {`{"changes":{"holder":{"old":1},"state":{"new":2}}}`, []string{"holder", "state"}, `{"changes":{"state":{"new":2}}}`, true},
		"of what is shown":  {`{"from":1,"to":2,"reason":"she"}`, []string{"state"}, `{"from":1,"to":2}`, true},
		"of what is not":    {`{"from":1,"to":2}`, []string{"holder"}, `{}`, false},
		"of both":           {`{"from":1,"to":2}`, []string{"state", "holder"}, `{}`, false},
		"of who knows what": {`{"from":1,"to":2}`, nil, `{}`, false},
		"without data":      {`{}`, []string{"made_at"}, `{}`, true},
		"without fields":    {`{"fields":null,"changes":["holder"]}`, nil, `{}`, false},
	} {
		got, some, err := r.Data([]byte(c.data), viewer.Event{Touched: c.touched, Class: class})
		if err != nil || string(got) != c.want || some != c.some {
			t.Errorf("%s: %s, %t, %v", name, got, some, err)
		}
	}
}

// Roles that cannot be kept to are found before anybody has them, and nobody may do
// anything by them.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role viewer.Role
		ok   bool
	}{
		"good":               {role(map[string]string{"read": "owner_id = $me and not state = shut"}), true},
		"no such field":      {role(map[string]string{"read": "colour = red"}), false},
		"no filter":          {role(map[string]string{"read": "owner_id"}), false},
		"not for me":         {role(map[string]string{"read": "state = $me"}), true},
		"of a stored value":  {role(map[string]string{"read": "made_at > 2026-01-01"}), false},
		"of an order":        {role(map[string]string{"read": "state > a"}), false},
		"no kind":            {viewer.Role{"event": {Actions: map[string]string{"read": "id = 1"}}}, false},
		"no such member":     {viewer.Role{"badge": {Members: map[string]viewer.Access{"colour": viewer.Full}}}, false},
		"no filter, no kind": {viewer.Role{"event": {Actions: map[string]string{"read": ""}}}, true},
	} {
		if err := c.role.Check(kinds); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if _, known := c.role["badge"]; known && !c.ok && name != "no such member" {
			if r, err := who(c.role).OfName("badge"); err == nil {
				t.Errorf("%s: the rules are %+v", name, r)
			}
		}
	}
}

// What nobody may look at is not shown, whoever asks about it.
func TestNobody(t *testing.T) {
	t.Parallel()
	of, err := (*viewer.Viewer)(nil).Of(badges{})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*viewer.Rules{"nobody": of, "a kind that is not there": rules(t, nil), "zero": {}} {
		doc, err := r.Show([]byte(`{"id":"bad_1","holder":"Ada"}`))
		data, some, fault := r.Data([]byte(`{"fields":{"holder":"Ada"},"holder":"Ada"}`), viewer.Event{Touched: []string{"holder"}, Class: badges{}.Class})
		if err != nil || fault != nil || string(doc) != "{}" || string(data) != `{"fields":{}}` && some {
			t.Errorf("%s sees %s and %s, %v, %v", name, doc, data, err, fault)
		}
		if r.Shows("holder") || r.Changes("holder") || r.Change("holder") == nil || r.SeesAll() || r.May("read") {
			t.Errorf("%s may look at something, or change it", name)
		}
	}
}

// Whoever asks at the same time gets the same rules: a list that was read with the
// columns of one is asked for with those of the other.
func TestRulesAreTheSame(t *testing.T) {
	t.Parallel()
	for range 100 {
		v := who(viewer.Role{"badge": {Actions: map[string]string{"read": "owner_id = $me"}, Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.Full}}})
		var got [8]*viewer.Rules
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i], _ = v.Of(badges{}) })
		}
		all.Wait()
		for _, r := range got {
			if r != got[0] {
				t.Fatal("two who asked at the same time got other rules")
			}
		}
	}
}
