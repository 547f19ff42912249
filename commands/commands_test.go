package commands_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/viewer"
)

func TestOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, command := newID(), newID()
	created, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, commands.Target{ID: id, New: true, Command: command}, contact.Create{Fields: contact.Fields{FirstName: "Ada"}})
	if err != nil {
		t.Fatal(err)
	}
	if created.ID != (domain.ID{Prefix: "con", UUID: id}) || created.Command != command || created.Version != 1 || created.Position != 1 || created.Repeated || len(created.Events) != 1 {
		t.Errorf("created: %+v", created)
	}
	changed := give(w, commands.Contacts, id, patchContact(`{"last_name":"Lovelace","lifecycle":"lead"}`))
	if changed.Version != 3 || changed.Position != 3 || len(changed.Events) != 2 || changed.Events[1].Position != 3 || changed.Events[1].Version != 3 {
		t.Errorf("changed: %+v", changed)
	}
	nothing := give(w, commands.Contacts, id, patchContact(`{"last_name":"Lovelace"}`))
	if nothing.Version != 3 || len(nothing.Events) != 0 {
		t.Errorf("nothing: %+v", nothing)
	}
	var log []eventstore.Recorded
	for e, err := range w.log.ReadStream(t.Context(), created.Events[0].Stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, e)
	}
	told := append(created.Events, changed.Events...)
	for i, e := range log {
		x := told[i]
		if !e.Time.Equal(x.Time) || string(e.Data) != string(x.Data) || string(e.Meta) != string(x.Meta) || e.ID != x.ID || e.Stream != x.Stream || e.Position != x.Position || e.Schema != x.Schema {
			t.Errorf("event %d is\n%+v, and was told to be\n%+v", i, e, x)
		}
	}
	var meta eventstore.Metadata
	if err := json.Unmarshal(log[0].Meta, &meta); err != nil || meta.Actor != w.ann.Actor || meta.Command != command {
		t.Errorf("metadata %+v, %v", meta, err)
	}
	if log[0].ID != uuid.NewSHA1(command, []byte{0, 0}) {
		t.Error("the IDs of events do not follow from that of the command")
	}
}

// A command that has nothing left to do, because another one was faster and did
// the same, tells of no events: neither of its own, which were refused, nor of
// those of the other one.
func TestNothingLeftToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newContact(contact.Fields{}).UUID
	once := sync.OnceFunc(func() { give(w, commands.Contacts, id, contact.AddTags{Tags: []string{"vip"}}) })
	w.log.interfere(func(int) { once() })
	out := give(w, commands.Contacts, id, contact.AddTags{Tags: []string{"vip"}})
	if out.Version != 2 || len(out.Events) != 0 || w.head() != 2 {
		t.Errorf("%+v, and the log goes to %d", out, w.head())
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := commands.Target{ID: newID()}
	reader := w.ann
	reader.Viewer = viewer.Server(reader.Tenant, reader.Actor, "contact:read")
	_, err := commands.Do(t.Context(), w.run, commands.Contacts, reader, to, contact.Create{Fields: contact.Fields{Lifecycle: "nonsense"}})
	if e, ok := errors.AsType[*domain.Error](err); !ok || e.Reason != domain.Forbidden || e.Data["permission"] != domain.Permission("contact:create") {
		t.Errorf("who may only read is told %v", err)
	}
	if got := try(w, commands.Contacts, w.ann, to, domain.Command[contact.Contact](unlisted{})); got != "forbidden forbidden" {
		t.Errorf("a command that is on no list: %s", got)
	}
	if got := try(w, commands.Contacts, w.ann, to, contact.ChangeLifecycle{Lifecycle: "nonsense"}); got != "invalid unknown_value /lifecycle" {
		t.Errorf("the shape comes before the record: %s", got)
	}
}

type unlisted struct{}

func (unlisted) Decide(contact.Contact, domain.Origin) ([]contact.Event, error) {
	panic("it is asked")
}

// Every kind has the commands of all records on its list, and each takes a
// permission for that kind.
func TestPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pip := w.newPipeline()
	com, con := w.newCompany(company.Fields{}), w.newContact(contact.Fields{})
	dea := give(w, commands.Deals, newID(), deal.Open{Fields: deal.Fields{Name: "x", CompanyID: com, PrimaryContactID: con}, PipelineID: pip}).ID
	tas := give(w, commands.Tasks, newID(), task.Create{Fields: task.Fields{Title: "x", Related: record.RelatedTo{{Type: "contact", ID: con}, {Type: "company", ID: com}, {Type: "deal", ID: dea}}}}).ID
	give(w, commands.Deals, dea.UUID, deal.AddContact{Link: deal.Link{ContactID: con}})
	give(w, commands.Deals, dea.UUID, deal.Win{})
	give(w, commands.Deals, dea.UUID, deal.Reopen{})
	give(w, commands.Deals, dea.UUID, deal.MoveStage{StageKey: "lost", Reason: "x"})
	give(w, commands.Tasks, tas.UUID, task.Complete{})
	give(w, commands.Contacts, con.UUID, contact.LinkCompany{CompanyID: com})
	give(w, commands.Companies, com.UUID, company.SetParent{ParentID: w.newCompany(company.Fields{})})
	for kind, history := range map[string]struct {
		id   domain.ID
		want string
	}{
		"deal":    {dea, "opened contact_added stage_changed won reopened stage_changed lost"},
		"task":    {tas, "created completed"},
		"contact": {con, "created company_linked"},
		"company": {com, "created parent_set"},
	} {
		if got := w.history(history.id, kind); got != history.want {
			t.Errorf("%s: %s, want %s", kind, got, history.want)
		}
	}
}

// What is not there, and what is another tenant's, cannot be told apart.
func TestOthersAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := w.somebody(newID())
	con, com := w.newContact(contact.Fields{}), w.newCompany(company.Fields{})
	for name, id := range map[string]uuid.UUID{"absent": newID(), "foreign": con.UUID, "of another kind": com.UUID} {
		if got := try(w, commands.Contacts, stranger, commands.Target{ID: id}, contact.Delete{}); got != "not_found not_found" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, id := range map[string]domain.ID{"absent": {Prefix: "cmp", UUID: newID()}, "foreign": com, "of another kind": {Prefix: "cmp", UUID: con.UUID}} {
		if got := try(w, commands.Contacts, stranger, commands.Target{ID: newID()}, contact.Create{Fields: contact.Fields{FirstName: "x", CompanyID: id}}); got != "invalid reference_not_found /company_id" {
			t.Errorf("a reference that is %s: %s", name, got)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	give(w, commands.Contacts, con.UUID, patchContact(`{"job_title":"Analyst","lifecycle":"lead"}`))
	at := func(v eventstore.Version, disjoint bool) commands.Target {
		return commands.Target{ID: con.UUID, Match: []eventstore.Version{v}, Disjoint: disjoint}
	}
	_, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, at(1, false), patchContact(`{"language":"en"}`))
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || refusal(err) != "stale version_conflict" || e.Data["current_version"] != eventstore.Version(3) || !reflect.DeepEqual(e.Data["changed_fields"], []string{"job_title", "lifecycle"}) {
		t.Errorf("%v: %+v", err, e)
	}
	for _, c := range []struct {
		name string
		to   commands.Target
		cmd  domain.Command[contact.Contact]
		want string
	}{
		{"the same fields", at(1, true), patchContact(`{"language":"en","job_title":"x"}`), "stale version_conflict"},
		{"a field with an event of its own", at(1, true), contact.ChangeLifecycle{Lifecycle: "customer"}, "stale version_conflict"},
		{"a command that does not say what it touches", at(1, true), contact.Delete{}, "stale version_conflict"},
		{"a version that is not there yet", at(9, true), patchContact(`{"language":"en"}`), "stale version_conflict"},
		{"other fields", at(1, true), patchContact(`{"language":"en"}`), ""},
		{"the version as it is", at(4, false), patchContact(`{"language":"de"}`), ""},
		{"what is not there", commands.Target{ID: newID(), Match: []eventstore.Version{1}}, patchContact(`{"language":"de"}`), "not_found not_found"},
	} {
		if got := try(w, commands.Contacts, w.ann, c.to, c.cmd); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.newContact(contact.Fields{Emails: emails("ada@example.org")})
	again := contact.Create{Fields: contact.Fields{FirstName: "Ada", Emails: emails("x@example.org", "ADA@example.org")}}
	_, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, commands.Target{ID: newID(), New: true}, again)
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || refusal(err) != "conflict duplicate /emails/1/address" || e.Data["existing_id"] != ada {
		t.Errorf("%v: %+v", err, e)
	}
	again.Duplicate = true
	twin := give(w, commands.Contacts, newID(), again).ID

	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: newID()}, contact.Create{Fields: contact.Fields{FirstName: "x", Emails: emails("x@example.org")}}); got != "conflict duplicate /emails/0/address" {
		t.Errorf("the address that was free: %q", got)
	}
	give(w, commands.Contacts, ada.UUID, contact.Delete{})
	bea := w.newContact(contact.Fields{Emails: emails("ada@example.org")})
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: ada.UUID}, contact.Restore{}); got != "conflict duplicate /emails/0/address" {
		t.Errorf("restored although the address is taken: %q", got)
	}
	give(w, commands.Contacts, ada.UUID, contact.Restore{Duplicate: true})
	give(w, commands.Contacts, twin.UUID, contact.Delete{}) // frees nothing that is somebody else's
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: twin.UUID}, contact.Restore{}); got != "conflict duplicate /emails/1/address" {
		t.Errorf("restored although the address is taken: %q", got)
	}
	give(w, commands.Contacts, bea.UUID, patchContact(`{"emails":null}`))
	give(w, commands.Contacts, twin.UUID, contact.Restore{})

	ids := map[string]string{"hub": "7"}
	first := contact.Fields{FirstName: "x"}
	first.ExternalIDs = ids
	w.newContact(first)
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: newID()}, contact.Create{Fields: first, Duplicate: true}); got != "conflict duplicate /external_ids/hub" {
		t.Errorf("no two records have the same external ID: %q", got)
	}
	other := company.Fields{Name: "x"}
	other.ExternalIDs = ids
	w.newCompany(other) // of another kind they can
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	com := w.newCompany(company.Fields{})
	create := contact.Create{Fields: contact.Fields{FirstName: "Ada", CompanyID: com, Emails: emails("ada@example.org")}}
	key := commands.Target{ID: newID(), New: true, Command: newID(), Hash: []byte("create Ada")}
	first, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, key, create)
	if err != nil {
		t.Fatal(err)
	}
	give(w, commands.Contacts, first.ID.UUID, contact.UnlinkCompany{})
	give(w, commands.Companies, com.UUID, company.Delete{})

	key.ID = newID() // a client that asks again does not know the ID
	again, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, key, create)
	if err != nil || !again.Repeated || again.ID != first.ID || again.Version != 1 || again.Position != first.Position || len(again.Events) != 1 || again.Events[0].ID != first.Events[0].ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	key.Hash = []byte("create Bea")
	if got := try(w, commands.Contacts, w.ann, key, create); got != "invalid idempotency_mismatch" {
		t.Errorf("the key was used for something else: %q", got)
	}

	stale := commands.Target{ID: first.ID.UUID, Match: []eventstore.Version{2}, Command: newID(), Hash: []byte("x")}
	for i := range 2 {
		out, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, stale, patchContact(`{"language":"en"}`))
		if err != nil || out.Repeated != (i == 1) || out.Version != 3 || len(out.Events) != 1 {
			t.Errorf("%d: %+v, %v", i, out, err)
		}
	}
	nothing := commands.Target{ID: first.ID.UUID, Command: newID(), Hash: []byte("nothing")}
	for i := range 2 {
		out, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, nothing, patchContact(`{"language":"en"}`))
		if err != nil || out.Repeated != (i == 1) || out.Version != 3 || len(out.Events) != 0 {
			t.Errorf("nothing, %d: %+v, %v", i, out, err)
		}
		if i == 0 { // meanwhile it would be something
			defer give(w, commands.Contacts, first.ID.UUID, contact.Delete{})
		}
	}
}

// Whatever changes between a decision and its append, the command is decided
// anew on what is then.
func TestDecidedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con, com := w.newContact(contact.Fields{}), w.newCompany(company.Fields{})

	var done atomic.Bool
	only := func(f func()) func(int) {
		return func(int) {
			if done.CompareAndSwap(false, true) {
				f()
			}
		}
	}
	w.log.interfere(only(func() { give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"a"}}) }))
	if out := give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"b"}}); out.Version != 3 {
		t.Errorf("version %d", out.Version)
	}

	done.Store(false)
	w.log.interfere(only(func() { give(w, commands.Companies, com.UUID, company.AddTags{Tags: []string{"a"}}) }))
	give(w, commands.Contacts, con.UUID, contact.LinkCompany{CompanyID: com})

	done.Store(false)
	w.log.interfere(only(func() { give(w, commands.Companies, com.UUID, company.Delete{}) }))
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: newID(), New: true}, contact.Create{Fields: contact.Fields{FirstName: "x", CompanyID: com}}); got != "invalid reference_not_found /company_id" {
		t.Errorf("a contact of a company that has just gone: %q", got)
	}

	done.Store(false)
	at := eventstore.Version(4)
	w.log.interfere(only(func() { give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"c"}}) }))
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: con.UUID, Match: []eventstore.Version{at}}, contact.Delete{}); got != "stale version_conflict" {
		t.Errorf("a version that has just gone: %q", got)
	}

	before := w.log.count()
	w.log.interfere(func(n int) {
		give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{strconv.Itoa(n)}})
	})
	got := try(w, commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.AddTags{Tags: []string{"never"}})
	w.log.interfere(nil)
	if got != "unavailable busy" || w.log.count()-before != 40 {
		t.Errorf("after %d appends: %q", w.log.count()-before, got)
	}
}

// What one node has in its cache, another may have changed.
func TestTheCacheIsNeverTrusted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	other := commands.NewRunner(commands.Config{Store: w.log, NewID: newID})
	for i, r := range []*commands.Runner{other, w.run, other} {
		out, err := commands.Do(t.Context(), r, commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.AddTags{Tags: []string{strconv.Itoa(i)}})
		if err != nil || out.Version != eventstore.Version(i+2) {
			t.Errorf("%d: %+v, %v", i, out, err)
		}
	}
	if _, err := commands.Do(t.Context(), other, commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.Delete{}); err != nil {
		t.Fatal(err)
	}
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.AddTags{Tags: []string{"x"}}); got != "conflict deleted" {
		t.Errorf("what was deleted elsewhere: %q", got)
	}
}

// A database that was restored to an earlier state has less than the cache.
func TestALogThatWasTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"a"}})
	give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"b"}})

	earlier := dbtest.New(t)
	w.wall, w.log.Store = earlier, postgres.New(postgres.Config{Wall: earlier})
	w.somebody(w.ann.Tenant.UUID)
	if _, err := commands.Do(t.Context(), commands.NewRunner(commands.Config{Store: w.log, NewID: newID}), commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.Create{Fields: contact.Fields{FirstName: "Ada"}}); err != nil {
		t.Fatal(err)
	}
	if out := give(w, commands.Contacts, con.UUID, contact.AddTags{Tags: []string{"c"}}); out.Version != 2 || len(out.Events) != 1 {
		t.Errorf("%+v", out)
	}
}

// Many callers share the states in the cache: none sees what another one does
// before it is recorded, and none is in another's way but for its turn.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con := w.newContact(contact.Fields{})
	pip := w.newPipeline()
	dea := give(w, commands.Deals, newID(), deal.Open{Fields: deal.Fields{Name: "x"}, PipelineID: pip}).ID
	patient := func(f func() error) {
		for {
			if err := f(); refusal(err) != "conflict busy" {
				if err != nil {
					t.Error(err)
				}
				return
			}
		}
	}
	var wg sync.WaitGroup
	const each = 10
	for i := range 4 {
		wg.Go(func() {
			for n := range each {
				patient(func() error {
					_, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, commands.Target{ID: con.UUID}, contact.AddTags{Tags: []string{strconv.Itoa(i*each + n)}})
					return err
				})
				patient(func() error {
					_, err := commands.Do(t.Context(), w.run, commands.Deals, w.ann, commands.Target{ID: dea.UUID}, deal.AddLineItem{Line: deal.Line{Description: "x", Quantity: "1", UnitPrice: domain.Money{Amount: "1.00", Currency: "EUR"}}})
					return err
				})
			}
		})
	}
	wg.Wait()
	var tags contact.Contact
	var items deal.Deal
	fold(w, contact.Aggregate.Aggregate, &tags, con)
	fold(w, deal.Aggregate.Aggregate, &items, dea)
	if n := len(tags.Fields.Tags); n != 4*each {
		t.Errorf("%d tags", n)
	}
	if n := len(items.Items); n != 4*each || items.LastItem != 4*each || items.Fields.Amount.Amount != "40.00" {
		t.Errorf("%d items, the last is %d, worth %s", n, items.LastItem, items.Fields.Amount.Amount)
	}
}

// Two companies that are made each other's parent at the same time do not both
// get it.
func TestNoCircleOfParents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 10 {
		three := []domain.ID{w.newCompany(company.Fields{}), w.newCompany(company.Fields{}), w.newCompany(company.Fields{})}
		var wg sync.WaitGroup
		var set atomic.Int32
		for i, id := range three {
			wg.Go(func() {
				switch got := try(w, commands.Companies, w.ann, commands.Target{ID: id.UUID}, company.SetParent{ParentID: three[(i+1)%3]}); got {
				case "":
					set.Add(1)
				case "invalid circular /parent_id", "conflict busy":
				default:
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if set.Load() == 3 {
			t.Fatal("a circle")
		}
	}
}
