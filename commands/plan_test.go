package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/lead"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// planOf returns a plan of a policy as an operation.
func planOf[S any](p *commands.Policy[S], name string, to commands.Target, data any) commands.Operation {
	i := slices.IndexFunc(p.Offers(), func(o commands.Offer) bool { return o.Name == name })
	return p.Offers()[i].Prepare(to, data)
}

func convert(to commands.Target, body string) commands.Operation {
	var c commands.ConvertLead
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		panic(err)
	}
	return planOf(commands.Leads, "convert", to, c)
}

func (w *world) newLead(email domain.Email) domain.ID {
	w.Helper()
	return give(w, commands.Leads, newID(), lead.Capture{Fields: lead.Fields{Name: "Ada Lovelace", CompanyName: "Acme", Email: email}}).ID
}

// log returns the events of the tenant after a position: their types and commands.
func (w *world) since(after eventstore.Position) (types string, ids map[string]bool) {
	w.Helper()
	events, err := w.log.Read(w.Context(), w.ann.Tenant, after, 100)
	if err != nil {
		w.Fatal(err)
	}
	ids = map[string]bool{}
	var all []string
	for _, e := range events {
		var m eventstore.Metadata
		if err := json.Unmarshal(e.Meta, &m); err != nil {
			w.Fatal(err)
		}
		ids[fmt.Sprint(m.Command, m.Causation)] = true
		all = append(all, e.Type)
	}
	return strings.Join(all, " "), ids
}

func TestPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sales, ada := w.newPipeline(), w.newLead("ada@example.org")
	before := w.head()
	o := w.ann
	o.Causation = "because"
	body := `{"deal":{"pipeline_id":"` + sales.String() + `"}}`
	res := w.run.All(t.Context(), o, []commands.Operation{convert(commands.Target{ID: ada.UUID}, body)})[0]
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	types, ids := w.since(before)
	if want := "company.created contact.created deal.opened lead.converted"; types != want || len(ids) != 1 {
		t.Errorf("%s by %v, want %s by one command", types, ids, want)
	}
	out := res.Outcome
	if out.ID != ada || out.Version != 2 || out.Position != before+4 || len(out.Events) != 1 || len(out.Others) != 3 || out.Others[2].Type != "deal.opened" {
		t.Errorf("the outcome is %+v", out)
	}
}

// Each command of a plan takes its permission, and the plan its own.
func TestPlanPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sales, ada := w.newPipeline(), w.newLead("ada@example.org")
	for missing, at := range map[domain.Permission]string{"lead:convert": "", "contact:create": "/contact", "company:create": "/company", "deal:create": "/deal"} {
		o := w.ann
		o.Viewer = viewer.Server(o.Tenant, o.Actor, slices.DeleteFunc(everyPermission(), func(p domain.Permission) bool { return p == missing })...)
		before := w.head()
		res := w.run.All(t.Context(), o, []commands.Operation{convert(commands.Target{ID: ada.UUID}, `{"deal":{"pipeline_id":"`+sales.String()+`"}}`)})[0]
		if got, want := refusal(res.Err), strings.TrimSpace("forbidden forbidden "+at); got != want || w.head() != before {
			t.Errorf("without %s: %s, want %s", missing, got, want)
		}
	}
}

// What a plan depends on changes before it is recorded: it is made anew, or refused.
func TestPlanIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(w *world, ada, eve, acme domain.ID)
		want      string
	}{
		"the lead has another name": {func(w *world, ada, _, _ domain.ID) {
			give(w, commands.Leads, ada.UUID, record.Update[lead.Lead, lead.Fields, *lead.Lead]{Patch: map[string]json.RawMessage{"phone": json.RawMessage(`"+442071838750"`)}})
		}, ""},
		"the lead is deleted": {func(w *world, ada, _, _ domain.ID) {
			give(w, commands.Leads, ada.UUID, record.Delete[lead.Lead, lead.Fields, *lead.Lead]{})
		}, "conflict deleted"},
		"the contact is deleted": {func(w *world, _, eve, _ domain.ID) { give(w, commands.Contacts, eve.UUID, contact.Delete{}) }, "invalid reference_not_found /contact_id"},
		"the contact has changed": {func(w *world, _, eve, _ domain.ID) {
			give(w, commands.Contacts, eve.UUID, patchContact(`{"job_title":"x"}`))
		}, ""},
		"the company is deleted": {func(w *world, _, _, acme domain.ID) { give(w, commands.Companies, acme.UUID, company.Delete{}) }, "invalid reference_not_found /company_id"},
		"it was converted": {func(w *world, ada, eve, _ domain.ID) {
			give(w, commands.Leads, ada.UUID, lead.Conclude{Conversion: lead.Conversion{ContactID: eve}})
		}, "conflict state_conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ada, eve, acme := w.newLead("ada@example.org"), w.newContact(contact.Fields{}), w.newCompany(company.Fields{})
			var before eventstore.Position
			w.log.interfere(func(n int) {
				if before == 0 {
					c.meanwhile(w, ada, eve, acme)
					before = w.head()
				}
			})
			res := w.run.All(t.Context(), w.ann, []commands.Operation{convert(commands.Target{ID: ada.UUID}, `{"contact_id":"`+eve.String()+`","company_id":"`+acme.String()+`"}`)})[0]
			if got := refusal(res.Err); got != c.want {
				t.Errorf("refused as %q, want %q", got, c.want)
			}
			if head := w.head(); (head != before) != (c.want == "") {
				t.Errorf("the log went from %d to %d", before, head)
			}
			var e contact.Contact
			if fold(w, contact.Aggregate.Aggregate, &e, eve); name == "the lead has another name" && len(e.Fields.Phones) != 1 {
				t.Errorf("the contact has not what the lead has now: %+v", e.Fields)
			}
		})
	}
}

// A box is a kind of record that exists here only. No two boxes have one label.
type box struct{ record.Base[boxFields] }

type boxFields struct {
	record.Common

	Label string    `json:"label" minLength:"1" unique:"true"`
	In    domain.ID `json:"in_id,omitzero" prefix:"box"`
}

func (boxFields) KindName() string { return "box" }
func (b *box) Guard(_ any, to boxFields, _ domain.Origin) error {
	return domain.Check(b.Fields.Label != "sealed", "/label", "sealed", "is sealed")
}

type putBox struct{ boxFields }

func (c putBox) References(b box, o domain.Origin) []domain.Ref { return b.Needs(c.boxFields, o) }
func (c putBox) Decide(b box, o domain.Origin) ([]domain.Event[box], error) {
	return record.Make(&b, o, c.boxFields)
}

type updateBox = record.Update[box, boxFields, *box]

func relabel(label string) updateBox {
	text, _ := json.Marshal(label)
	return updateBox{Patch: map[string]json.RawMessage{"label": text}}
}

// rearrange is the data of plans that are written in the tests.
type rearrange struct {
	steps func(b box, o domain.Origin, ids *commands.IDs) ([]commands.Step, error)
}

var boxes = record.Describe[box, boxFields]("box", record.Created[box, boxFields, *box]{})

var boxPolicy = commands.Records(boxes,
	commands.Allow[putBox](commands.Create),
	commands.Plan("rearrange", func(c rearrange, b box, o domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
		return c.steps(b, o, ids)
	}),
)

type boxSteps = func(b box, o domain.Origin, ids *commands.IDs) ([]commands.Step, error)

func (w *world) rearrange(to commands.Target, steps boxSteps) (commands.Outcome, error) {
	res := w.run.All(w.Context(), w.ann, []commands.Operation{planOf(boxPolicy, "rearrange", to, rearrange{steps})})[0]
	return res.Outcome, res.Err
}

// know lets the world know a kind, of which anything may be done.
func (w *world) know(k commands.AnyPolicy) {
	w.run.Know(k)
	all := everyPermission()
	for _, o := range k.Offers() {
		all = append(all, o.Permission)
	}
	w.ann.Viewer = viewer.Server(w.ann.Tenant, w.ann.Actor, all...)
}

func labelled(label string, in domain.ID) putBox { return putBox{boxFields{Label: label, In: in}} }

// TestPlanParts tries what commands of a plan are to one another.
func TestPlanParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know(boxPolicy)
	one := give(w, boxPolicy, newID(), labelled("one", domain.ID{})).ID
	sealed := give(w, boxPolicy, newID(), labelled("sealed", domain.ID{})).ID
	type step = commands.Step
	for _, c := range []struct {
		name  string
		want  string
		types string
		steps boxSteps
	}{
		{"a label changes hands, and one refers to the other", "", "box.updated box.created", func(_ box, o domain.Origin, ids *commands.IDs) ([]step, error) {
			return []step{commands.Give(o.Self, relabel("two"), "/own"), commands.Give(ids.New(boxes), labelled("one", o.Self), "/new")}, nil
		}},
		{"also the other way round, because all is one", "", "box.created box.updated", func(_ box, o domain.Origin, ids *commands.IDs) ([]step, error) {
			return []step{commands.Give(ids.New(boxes), labelled("two", domain.ID{}), "/new"), commands.Give(o.Self, relabel("three"), "/own")}, nil
		}},
		{"two want the same label", "conflict duplicate /1/label", "", func(_ box, _ domain.Origin, ids *commands.IDs) ([]step, error) {
			return []step{commands.Give(ids.New(boxes), labelled("same", domain.ID{}), "/0"), commands.Give(ids.New(boxes), labelled("same", domain.ID{}), "/1")}, nil
		}},
		{"a new record is changed", "", "box.created box.updated", func(_ box, _ domain.Origin, ids *commands.IDs) ([]step, error) {
			id := ids.New(boxes)
			return []step{commands.Give(id, labelled("four", domain.ID{}), ""), commands.Give(id, relabel("five"), "")}, nil
		}},
		{"a new record refers to one that is made later", "invalid reference_not_found /0/in_id", "", func(_ box, _ domain.Origin, ids *commands.IDs) ([]step, error) {
			a, b := ids.New(boxes), ids.New(boxes)
			return []step{commands.Give(a, labelled("six", b), "/0"), commands.Give(b, labelled("seven", domain.ID{}), "/1")}, nil
		}},
		{"the guard of another has the last word", "invalid sealed /other/label", "", func(_ box, o domain.Origin, _ *commands.IDs) ([]step, error) {
			return []step{commands.Give(o.Self, relabel("eight"), "/own"), commands.Give(sealed, updateBox{}, "/other")}, nil
		}},
		{"nothing changes", "", "", func(b box, o domain.Origin, _ *commands.IDs) ([]step, error) {
			return []step{commands.Give(o.Self, relabel(b.Fields.Label), "")}, nil
		}},
		{"what is wrong by its shape", "invalid required /new/label", "", func(_ box, _ domain.Origin, ids *commands.IDs) ([]step, error) {
			return []step{commands.Give(ids.New(boxes), putBox{}, "/new")}, nil
		}},
		{"the plan itself refuses", "invalid no /x", "", func(box, domain.Origin, *commands.IDs) ([]step, error) {
			return nil, domain.Check(false, "/x", "no", "no")
		}},
	} {
		before := w.head()
		_, err := w.rearrange(commands.Target{ID: one.UUID}, c.steps)
		types, _ := w.since(before)
		if got := refusal(err); got != c.want || types != c.types {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, got, types, c.want, c.types)
		}
	}
	if _, err := w.rearrange(commands.Target{ID: one.UUID}, func(_ box, o domain.Origin, _ *commands.IDs) ([]step, error) {
		return []step{commands.Give(domain.ID{Prefix: "cmp", UUID: newID()}, relabel("x"), "")}, nil
	}); err == nil || errors.As(err, new(*domain.Error)) {
		t.Errorf("a command for another kind: %v", err)
	}
}

// A plan that is repeated is answered as the first time, with the same new records,
// also if it changes other records only, and if it makes its own.
func TestPlanIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know(boxPolicy)
	one := give(w, boxPolicy, newID(), labelled("one", domain.ID{})).ID
	for name, c := range map[string]struct {
		to    commands.Target
		steps boxSteps
	}{
		"others only": {commands.Target{ID: one.UUID}, func(_ box, _ domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
			return []commands.Step{commands.Give(ids.New(boxes), labelled("a", domain.ID{}), "")}, nil
		}},
		"both": {commands.Target{ID: one.UUID}, func(b box, o domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
			return []commands.Step{commands.Give(ids.New(boxes), labelled("b", domain.ID{}), ""), commands.Give(o.Self, relabel(b.Fields.Label+"!"), "")}, nil
		}},
		"its own": {commands.Target{New: true}, func(_ box, o domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
			return []commands.Step{commands.Give(o.Self, labelled("c", domain.ID{}), ""), commands.Give(ids.New(boxes), labelled("d", o.Self), "")}, nil
		}},
	} {
		to := c.to
		to.Command, to.Hash = newID(), []byte("hash")
		var outs []commands.Outcome
		for range 2 {
			if c.to.New {
				to.ID = newID() // as for every request
			}
			out, err := w.rearrange(to, c.steps)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			outs = append(outs, out)
		}
		a, b := outs[0], outs[1]
		if !b.Repeated || a.Repeated || a.ID != b.ID || a.Version != b.Version || a.Position != b.Position || len(a.Events) != len(b.Events) {
			t.Errorf("%s: %+v, and then %+v", name, a, b)
		}
	}
}

// A plan that does not change its record depends on it all the same.
func TestPlanSeesItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know(boxPolicy)
	one := give(w, boxPolicy, newID(), labelled("one", domain.ID{})).ID
	w.log.interfere(func(int) {
		w.run.Know(boxPolicy) // another node
		w.log.interfere(nil)
		give(w, boxPolicy, one.UUID, relabel("two"))
	})
	out, err := w.rearrange(commands.Target{ID: one.UUID}, func(b box, _ domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
		return []commands.Step{commands.Give(ids.New(boxes), labelled("beside "+b.Fields.Label, domain.ID{}), "")}, nil
	})
	if err != nil || len(out.Others) != 1 || !strings.Contains(string(out.Others[0].Data), "beside two") {
		t.Errorf("%+v, %v", out, err)
	}
}
