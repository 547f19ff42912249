package commands_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/contact"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/eventstore"
)

func cmp(id uuid.UUID) domain.ID { return domain.ID{Prefix: "cmp", UUID: id} }

func createContact(id uuid.UUID, f contact.Fields) commands.Operation {
	f.FirstName = "x"
	return commands.Contacts.Prepare(commands.Target{ID: id}, contact.Create{Fields: f})
}

func createCompany(id uuid.UUID, parent domain.ID) commands.Operation {
	return commands.Companies.Prepare(commands.Target{ID: id, New: true}, company.Create{Fields: company.Fields{Name: "x", ParentID: parent}})
}

func refusals(results []commands.Result) string {
	var all []string
	for i, r := range results {
		if r.Err != nil {
			all = append(all, strconv.Itoa(i)+": "+refusal(r.Err))
		}
	}
	return strings.Join(all, "; ")
}

func TestAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acme, ada, bea := newID(), newID(), newID()
	absent := domain.ID{Prefix: "cmp", UUID: newID()}
	ops := []commands.Operation{
		0: createContact(ada, contact.Fields{Emails: emails("ada@example.org")}),
		1: commands.Contacts.Prepare(commands.Target{ID: ada}, contact.AddTags{Tags: []string{"one"}}),
		2: createContact(newID(), contact.Fields{Emails: emails("ADA@example.org")}),
		3: createCompany(acme, domain.ID{}),
		4: createContact(bea, contact.Fields{CompanyID: cmp(acme)}),
		5: createContact(newID(), contact.Fields{CompanyID: absent}),
		6: commands.Contacts.Prepare(commands.Target{ID: ada}, contact.AddTags{Tags: []string{"one"}}),
		7: commands.Contacts.Prepare(commands.Target{ID: ada}, contact.ChangeLifecycle{Lifecycle: "x"}),
		8: commands.Contacts.Prepare(commands.Target{ID: ada}, contact.Delete{}),
		9: commands.Contacts.Prepare(commands.Target{ID: newID()}, contact.Delete{}),
	}
	results := w.run.All(t.Context(), w.ann, ops)
	if got, want := refusals(results), "2: conflict duplicate /emails/0/address; 5: invalid reference_not_found /company_id; 7: invalid unknown_value /lifecycle; 9: not_found not_found"; got != want {
		t.Errorf("refused: %s\nwant:    %s", got, want)
	}
	for i, version := range map[int]eventstore.Version{0: 1, 1: 2, 3: 1, 4: 1, 6: 2, 8: 3} {
		if out := results[i].Outcome; out.ID != ops[i].ID() || out.Version != version || i != 6 && (len(out.Events) != 1 || out.Position != out.Events[0].Position) {
			t.Errorf("%d: %+v", i, out)
		}
	}
	if got := w.history(ops[0].ID(), "contact"); got != "created tags_changed deleted" {
		t.Errorf("Ada: %s", got)
	}
	if w.run.All(t.Context(), w.ann, nil) != nil && len(w.run.All(t.Context(), w.ann, nil)) != 0 {
		t.Error("nothing has results")
	}
}

// A batch is one append for all that do not depend on one another, and reads
// what many refer to once.
func TestABatchIsOneAppend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acme := w.newCompany(company.Fields{})
	stream := eventstore.StreamID{Tenant: w.ann.Tenant, Kind: "company", ID: acme.UUID}
	appends, reads := w.log.count(), w.log.reads[stream]
	ops := make([]commands.Operation, 200)
	for i := range ops {
		ops[i] = createContact(newID(), contact.Fields{CompanyID: acme})
	}
	results := w.run.All(t.Context(), w.ann, ops)
	if got := refusals(results); got != "" {
		t.Error(got)
	}
	if n := w.log.count() - appends; n != 1 {
		t.Errorf("%d appends", n)
	}
	if n := w.log.reads[stream] - reads; n != 1 {
		t.Errorf("the company was read %d times", n)
	}
	seen := map[eventstore.Position]bool{}
	for _, r := range results {
		seen[r.Outcome.Position] = true
	}
	if len(seen) != len(ops) {
		t.Errorf("%d positions", len(seen))
	}
}

// However long a chain of references to what is made in the same batch is, it
// comes to its end.
func TestAChainInABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ops []commands.Operation
	parent := domain.ID{}
	for range 12 {
		id := newID()
		ops = append(ops, createCompany(id, parent))
		parent = cmp(id)
	}
	got := refusals(w.run.All(t.Context(), w.ann, ops))
	if got != "10: invalid too_deep /parent_id; 11: invalid reference_not_found /parent_id" {
		t.Error(got)
	}
}

// A key makes each operation of a batch safe to repeat.
func TestABatchIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acme, keys := newID(), []uuid.UUID{newID(), newID(), newID()}
	batch := func(con uuid.UUID) []commands.Result {
		return w.run.All(t.Context(), w.ann, []commands.Operation{
			commands.Companies.Prepare(commands.Target{ID: acme, Command: keys[0], Hash: []byte("a")}, company.Create{Fields: company.Fields{Name: "x"}}),
			commands.Contacts.Prepare(commands.Target{ID: con, New: true, Command: keys[1], Hash: []byte("b")}, contact.Create{Fields: contact.Fields{FirstName: "x", CompanyID: cmp(acme)}}),
			commands.Companies.Prepare(commands.Target{ID: acme, Command: keys[2], Hash: []byte("c")}, company.Delete{}),
		})
	}
	first, head := batch(newID()), w.head()
	second := batch(newID())
	if refusals(first)+refusals(second) != "" || w.head() != head || head != 3 {
		t.Fatalf("%s, %s, %d events", refusals(first), refusals(second), w.head())
	}
	for i := range first {
		a, b := first[i].Outcome, second[i].Outcome
		if a.Repeated || !b.Repeated || a.ID != b.ID || a.Version != b.Version || a.Position != b.Position || a.Events[0].ID != b.Events[0].ID {
			t.Errorf("%d: %+v\nagain: %+v", i, a, b)
		}
	}
}

func TestAtomic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pip := w.newPipeline()
	acme, ada, roof := newID(), newID(), newID()
	ops := []commands.Operation{
		createCompany(acme, domain.ID{}),
		createContact(ada, contact.Fields{CompanyID: cmp(acme), Emails: emails("a@example.org")}),
		commands.Contacts.Prepare(commands.Target{ID: ada}, patchContact(`{"emails":[{"address":"b@example.org"}],"last_name":"y"}`)),
		commands.Deals.Prepare(commands.Target{ID: roof}, deal.Open{Fields: deal.Fields{Name: "Roof", PrimaryContactID: domain.ID{Prefix: "con", UUID: ada}}, PipelineID: pip}),
		commands.Contacts.Prepare(commands.Target{ID: ada}, patchContact(`{"last_name":"y"}`)),
	}
	appends, head := w.log.count(), w.head()
	refused := append(append([]commands.Operation(nil), ops...), commands.Deals.Prepare(commands.Target{ID: roof}, deal.MoveStage{StageKey: "x"}))
	if _, err := w.run.Atomic(t.Context(), w.ann, uuid.Nil, nil, refused); refusal(err) != "invalid unknown_stage /5/stage_key" || w.head() != head {
		t.Errorf("one is refused: %v, %d events", err, w.head()-head)
	}
	id, hash := newID(), []byte("x")
	outs, err := w.run.Atomic(t.Context(), w.ann, id, hash, ops)
	if err != nil || w.log.count()-appends != 1 || w.head() != head+4 {
		t.Fatalf("%v, %d appends, %d events", err, w.log.count()-appends, w.head()-head)
	}
	for i, want := range []struct {
		version eventstore.Version
		events  int
	}{{1, 1}, {1, 1}, {2, 1}, {1, 1}, {2, 0}} {
		if out := outs[i]; out.ID != ops[i].ID() || out.Version != want.version || len(out.Events) != want.events || out.Repeated || out.Position != head+4 {
			t.Errorf("%d: %+v", i, out)
		}
	}
	again, err := w.run.Atomic(t.Context(), w.ann, id, hash, ops)
	if err != nil || w.head() != head+4 {
		t.Fatalf("again: %v, %d events", err, w.head()-head)
	}
	for i, out := range again {
		if !out.Repeated || out.Position != head+4 || out.ID != outs[i].ID {
			t.Errorf("again, %d: %+v", i, out)
		}
	}
	if _, err := w.run.Atomic(t.Context(), w.ann, id, []byte("y"), ops); refusal(err) != "invalid idempotency_mismatch" {
		t.Errorf("the key was used for something else: %v", err)
	}
	// The address that was given and taken back within the command is free, the
	// one that stayed is not.
	w.newContact(contact.Fields{Emails: emails("a@example.org")})
	if got := try(w, commands.Contacts, w.ann, commands.Target{ID: newID()}, contact.Create{Fields: contact.Fields{FirstName: "x", Emails: emails("b@example.org")}}); got != "conflict duplicate /emails/0/address" {
		t.Errorf("the address that stayed: %q", got)
	}
}

// What is refused by the log is refused as a whole, and says which operation it
// is about.
func TestAtomicRefusedByTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.newContact(contact.Fields{Emails: emails("ada@example.org")})
	ops := []commands.Operation{
		createContact(newID(), contact.Fields{Emails: emails("x@example.org")}),
		createContact(newID(), contact.Fields{Emails: emails("y@example.org", "ada@example.org")}),
	}
	head := w.head()
	_, err := w.run.Atomic(t.Context(), w.ann, uuid.Nil, nil, ops)
	if refusal(err) != "conflict duplicate /1/emails/1/address" || w.head() != head {
		t.Errorf("%v, %d events", err, w.head()-head)
	}
	if data, _ := json.Marshal(err); !strings.Contains(string(data), ada.String()) {
		t.Errorf("%s does not say whose it is", data)
	}
	ops[1] = createContact(newID(), contact.Fields{Emails: emails("x@example.org")})
	if _, err := w.run.Atomic(t.Context(), w.ann, uuid.Nil, nil, ops); refusal(err) != "conflict duplicate /1/emails/0/address" || w.head() != head {
		t.Errorf("two want the same: %v, %d events", err, w.head()-head)
	}
	w.log.interfere(func(n int) {
		give(w, commands.Contacts, ada.UUID, contact.AddTags{Tags: []string{strconv.Itoa(n)}})
	})
	_, err = w.run.Atomic(t.Context(), w.ann, uuid.Nil, nil, []commands.Operation{
		createContact(newID(), contact.Fields{}),
		commands.Contacts.Prepare(commands.Target{ID: ada.UUID}, contact.AddTags{Tags: []string{"never"}}),
	})
	w.log.interfere(nil)
	if refusal(err) != "unavailable busy" {
		t.Errorf("everybody is at it: %v", err)
	}
}

// Records that were made by a command that is repeated keep the IDs that they
// got the first time, whatever is made up for them now.
func TestAtomicRepeatedWithFreshIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name, hash := newID(), []byte("one")
	give := func() []commands.Outcome {
		t.Helper()
		outs, err := w.run.Atomic(t.Context(), w.ann, name, hash, []commands.Operation{
			createCompany(newID(), domain.ID{}), createCompany(newID(), domain.ID{}),
		})
		if err != nil {
			t.Fatal(err)
		}
		return outs
	}
	first, again := give(), give()
	for i := range first {
		if again[i].ID != first[i].ID || again[i].Version != 1 || !again[i].Repeated || len(again[i].Events) != 1 {
			t.Errorf("%d: %+v, at first %+v", i, again[i], first[i])
		}
	}
}

// Many who want to change the same record without saying what they have seen
// all have their way.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.newContact(contact.Fields{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			to := commands.Target{ID: ada.UUID}
			if _, err := commands.Do(t.Context(), w.run, commands.Contacts, w.ann, to, contact.AddTags{Tags: []string{strconv.Itoa(i)}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := strings.Count(w.history(ada, "contact"), "tags_changed"); got != 40 {
		t.Errorf("%d of 40 have changed it", got)
	}
}
