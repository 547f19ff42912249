package reactions_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/reactions"
)

// clockwork runs processes and jobs by a clock that is set by hand.
type clockwork struct {
	*apitest.Server

	t    *testing.T
	in   reactions.Services
	now  time.Time
	work *jobs.Workers
}

func newClockwork(t *testing.T) *clockwork {
	t.Helper()
	return newClockworkOn(t, apitest.New(t))
}

func newClockworkOn(t *testing.T, s *apitest.Server) *clockwork {
	t.Helper()
	w := &clockwork{Server: s, t: t, now: time.Now().UTC().Truncate(time.Second)}
	clock := func() time.Time { return w.now }
	w.in = reactions.Services{
		Wall: w.Wall, Store: w.Store, Models: w.Models, Now: clock, BinDays: 30,
		Commands: commands.NewRunner(commands.Config{Store: w.Store, NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) }, Cache: 1 << 20}),
	}
	w.work = jobs.NewWorkers(w.Wall, jobs.Handlers{}, clock)
	w.use()
	return w
}

// use has jobs done with the services as they are now.
func (w *clockwork) use() {
	w.work = jobs.NewWorkers(w.Wall, w.in.Handlers(reactions.Processes, reactions.Works), w.in.Now)
}

// at sets the clock, and does what is to be done by then.
func (w *clockwork) at(now time.Time, clients ...apitest.Client) {
	w.t.Helper()
	w.now = now
	for _, c := range clients {
		w.follow(c.Tenant)
	}
	if err := w.work.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range clients {
		head, err := w.Store.Head(w.t.Context(), c.Tenant)
		if err == nil {
			err = w.Models.Wait(w.t.Context(), c.Tenant, head)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// follow lets all processes read the log of a tenant to its end.
func (w *clockwork) follow(tenant domain.TenantID) {
	w.t.Helper()
	tracker := postgres.NewTracker(w.Wall)
	for _, p := range reactions.Processes {
		at, err := tracker.Checkpoint(w.t.Context(), p.Name(), tenant)
		if err != nil {
			w.t.Fatal(err)
		}
		for {
			log, err := w.Store.Read(w.t.Context(), tenant, at.Position, 100)
			if err != nil {
				w.t.Fatal(err)
			}
			if len(log) == 0 {
				break
			}
			b := eventstore.Batch{Tenant: tenant, From: at, Events: log}
			if err := p.React(w.t.Context(), w.in, tracker, b); err != nil {
				w.t.Fatal(err)
			}
			at.Position = b.To()
		}
	}
}

// again makes all processes begin at the beginning, as if nothing had been
// acknowledged.
func (w *clockwork) again(c apitest.Client) {
	w.t.Helper()
	tracker := postgres.NewTracker(w.Wall)
	for _, p := range reactions.Processes {
		at, err := tracker.Checkpoint(w.t.Context(), p.Name(), c.Tenant)
		if err == nil {
			err = tracker.TakeBack(w.t.Context(), p.Name(), c.Tenant, at, 0)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.follow(c.Tenant)
}

// count returns how many events of a type the log of a tenant has.
func (w *clockwork) count(c apitest.Client, eventType string) (n int) {
	w.t.Helper()
	log, err := w.Store.Read(w.t.Context(), c.Tenant, 0, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range log {
		if e.Type == eventType {
			n++
		}
	}
	return n
}

func (w *clockwork) wantCount(c apitest.Client, eventType string, want int) {
	w.t.Helper()
	if n := w.count(c, eventType); n != want {
		w.t.Errorf("%d of %s, want %d", n, eventType, want)
	}
}

func text(t time.Time) string { return t.Format(time.RFC3339) }

// A task is reminded of when its time has come, becomes overdue when it was not
// done in time, a year from now as well as in a minute, and each once, however often
// its events are delivered. Lists and histories show it.
func TestTaskTimes(t *testing.T) {
	t.Parallel()
	w := newClockwork(t)
	w.in.BinDays = 0 // a year is longer than the bin keeps what was deleted
	w.use()
	c, other := w.Home(), w.Tenant()
	start := w.now
	remind, due := start.AddDate(0, 11, 0), start.AddDate(1, 0, 0)
	body := `{"title":"Call Ada","due_at":"` + text(due) + `","remind_at":"` + text(remind) + `"}`
	id := c.Post("/tasks", body).Want(http.StatusCreated).ID()
	done := c.Post("/tasks", body).Want(http.StatusCreated).ID()
	free := c.Post("/tasks", `{"title":"Sometime"}`).Want(http.StatusCreated).ID()
	theirs := other.Post("/tasks", body).Want(http.StatusCreated).ID()
	all := []apitest.Client{c, other}

	w.at(remind.Add(-time.Second), all...)
	w.wantCount(c, "task.reminded", 0)
	c.Post("/tasks/"+done+"/complete", "").Want(http.StatusOK)
	w.at(remind, all...)
	w.at(remind, all...)
	w.wantCount(c, "task.reminded", 1)
	c.Get("/tasks/"+id).Want(http.StatusOK, `"reminded_at"`)

	w.at(due.Add(-time.Second), all...)
	w.wantCount(c, "task.became_overdue", 0)
	w.at(due, all...)
	w.again(c)
	w.at(due, all...)
	w.wantCount(c, "task.became_overdue", 1)
	w.wantCount(c, "task.reminded", 1)
	w.wantCount(other, "task.became_overdue", 1)
	c.Get("/tasks/"+id).Want(http.StatusOK, `"overdue":true`)
	if r := c.Get("/tasks/" + free).Want(http.StatusOK); strings.Contains(r.Body, "overdue") {
		t.Error("a task without a time is overdue")
	}
	if r := c.Get("/tasks?overdue=true").Want(http.StatusOK, id); strings.Contains(r.Body, done) || strings.Contains(r.Body, theirs) {
		t.Error("the list has others:", r.Body)
	}
	c.Get("/tasks/"+id+"/history").Want(http.StatusOK, "task.became_overdue", "task.reminded", `"kind":"system"`, `"on_behalf_of":"usr_`)

	// Again when it was put off, ...
	later := due.AddDate(0, 0, 7)
	c.Post("/tasks/"+id+"/reschedule", `{"due_at":"`+text(later)+`"}`).Want(http.StatusOK)
	if r := c.Get("/tasks/" + id).Want(http.StatusOK); strings.Contains(r.Body, "overdue") {
		t.Error("a task that was put off is overdue")
	}
	w.at(later.Add(-time.Second), all...)
	w.wantCount(c, "task.became_overdue", 1)
	w.at(later, all...)
	w.wantCount(c, "task.became_overdue", 2)
	// ... was taken up again, ...
	c.Post("/tasks/"+id+"/complete", "").Want(http.StatusOK)
	c.Post("/tasks/"+id+"/reopen", "").Want(http.StatusOK)
	w.at(later, all...)
	w.wantCount(c, "task.became_overdue", 3)
	// ... or comes out of the bin, in which nothing is overdue.
	last := later.AddDate(0, 0, 1)
	c.Post("/tasks/"+id+"/reschedule", `{"due_at":"`+text(last)+`"}`).Want(http.StatusOK)
	c.Delete("/tasks/" + id).Want(http.StatusOK)
	w.at(last, all...)
	w.wantCount(c, "task.became_overdue", 3)
	c.Post("/tasks/"+id+"/restore", "").Want(http.StatusOK)
	w.at(last, all...)
	w.wantCount(c, "task.became_overdue", 4)
	// A time that was taken away does not come.
	never := c.Post("/tasks", `{"title":"x","due_at":"`+text(last.Add(time.Hour))+`","remind_at":"`+text(last.Add(time.Hour))+`"}`).Want(http.StatusCreated).ID()
	gone := c.Post("/tasks", `{"title":"x","due_at":"`+text(last.Add(time.Hour))+`"}`).Want(http.StatusCreated).ID()
	w.at(last, all...)
	c.Patch("/tasks/"+never, `{"due_at":null,"remind_at":null}`).Want(http.StatusOK)
	c.Delete("/tasks/" + gone).Want(http.StatusOK)
	c.Post("/tasks/"+gone+"/purge", "").Want(http.StatusNoContent)
	w.at(last.Add(time.Hour), all...)
	w.wantCount(c, "task.became_overdue", 4)
	w.wantCount(c, "task.reminded", 1)
	c.Post("/commands", `{"type":"task.become_overdue","id":"`+free+`"}`).Want(http.StatusUnprocessableEntity)
}

// While the event store is away, jobs wait, for as long as it takes: that is no failure
// of theirs. Then each is done once.
func TestEventStoreAway(t *testing.T) {
	t.Parallel()
	s := apitest.On(t, postgres.InKurrent)
	if s.Double == nil {
		t.Skip("a real event store keeps the log, which is not ours to stop")
	}
	w := newClockworkOn(t, s)
	c := w.Home()
	due := w.now.Add(time.Hour)
	c.Post("/tasks", `{"title":"Call Ada","due_at":"`+text(due)+`"}`).Want(http.StatusCreated)
	w.at(w.now, c)
	s.Double.Stop()
	w.now = due
	for range 3 {
		if err := w.work.Drain(t.Context()); err == nil {
			t.Error("nobody was told")
		}
		w.now = w.now.Add(time.Hour)
	}
	list, err := jobs.Desk{Wall: w.Wall, Now: w.in.Now}.List(t.Context(), c.Tenant, false, 10)
	if err != nil || len(list) != 1 || list[0].Name != "task.become_overdue" || list[0].Failed != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.Double.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, "the event store is there again", func() bool {
		w.now = w.now.Add(time.Minute)
		return w.work.Drain(t.Context()) == nil
	})
	w.wantCount(c, "task.became_overdue", 1)
}

// A command that an order is about is given once, although the job is done again, as it
// is when a node dies before it could note that it was done.
func TestCommandOnce(t *testing.T) {
	t.Parallel()
	w := newClockwork(t)
	c := w.Home()
	pipeline := c.Post("/pipelines", stages).Want(http.StatusCreated).ID()
	id := c.Post("/deals", `{"name":"A","pipeline_id":"`+pipeline+`"}`).Want(http.StatusCreated).ID()
	j := jobs.Job{Tenant: c.Tenant, Name: "deal.add_line_item", Args: []byte(`{"id":"` + id + `","data":{"description":"Tiles","qty":"1","unit_price":{"amount":"1.00","currency":"EUR"}}}`)}
	for i := range 6 {
		if i%3 == 0 {
			j.ID = uuid.New()
		}
		in := w.in
		in.Commands = commands.NewRunner(commands.Config{Store: w.Store, NewID: uuid.New, Cache: 1 << 20}) // another node
		if err := in.GiveCommand(t.Context(), reactions.AddLineItem(), j); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCount(c, "deal.line_item_added", 2)
	j.ID, j.Args = uuid.New(), []byte(`{"id":"deal_00000000000000000000000001","data":{"description":"Tiles","qty":"1","unit_price":{"amount":"1.00","currency":"EUR"}}}`)
	if err := w.in.GiveCommand(t.Context(), reactions.AddLineItem(), j); err != nil {
		t.Error("to a record that is not there:", err)
	}
	j.ID, j.Args = uuid.New(), []byte(`{"id":"`+id+`","data":{"description":"Tiles","qty":"-1","unit_price":{"amount":"1.00","currency":"USD"}}}`)
	if err := w.in.GiveCommand(t.Context(), reactions.AddLineItem(), j); err == nil {
		t.Error("nothing was refused")
	}
}

// Records of every kind that can be purged leave the bin after as many days as the
// server is told, and not before; those that were restored stay. A change of the
// days is noticed within a day.
func TestBin(t *testing.T) {
	t.Parallel()
	w := newClockwork(t)
	c, other := w.Home(), w.Tenant()
	start := time.Now() // deleted_at is a little later
	pipeline := c.Post("/pipelines", stages).Want(http.StatusCreated).ID()
	bodies := map[string]string{
		"company": `{"name":"A"}`, "contact": `{"last_name":"A"}`, "task": `{"title":"A"}`,
		"deal": `{"name":"A","pipeline_id":"` + pipeline + `"}`,
	}
	many := map[string]string{"company": "companies"}
	path := func(kind string) string {
		if p, ok := many[kind]; ok {
			return "/" + p
		}
		return "/" + kind + "s"
	}
	kinds := reactions.Purgeable()
	for kind := range bodies {
		if !slices.Contains(kinds, kind) {
			t.Errorf("the bin is not emptied of %s", kind)
		}
	}
	bin := func(c apitest.Client, kind string) string {
		id := c.Post(path(kind), bodies[kind]).Want(http.StatusCreated).ID()
		c.Delete(path(kind) + "/" + id).Want(http.StatusOK)
		return path(kind) + "/" + id
	}
	var deleted, live, restored []string
	for kind := range bodies {
		deleted, restored = append(deleted, bin(c, kind)), append(restored, bin(c, kind))
		live = append(live, path(kind)+"/"+c.Post(path(kind), bodies[kind]).Want(http.StatusCreated).ID())
	}
	theirs := bin(other, "task")
	w.at(start.AddDate(0, 0, 29), c, other)
	for _, r := range restored {
		c.Post(r+"/restore", "").Want(http.StatusOK)
	}
	w.at(start.AddDate(0, 0, 30).Add(-time.Second), c, other)
	for _, r := range slices.Concat(deleted, live, restored) {
		c.Get(r).Want(http.StatusOK)
	}
	w.at(start.AddDate(0, 0, 30).Add(time.Minute), c, other)
	for _, r := range deleted {
		c.Get(r).Want(http.StatusNotFound)
	}
	for _, r := range slices.Concat(live, restored) {
		c.Get(r).Want(http.StatusOK)
	}
	other.Get(theirs).Want(http.StatusNotFound)
	w.wantCount(c, "task.purged", 1)
	w.again(c)
	w.at(start.AddDate(0, 0, 31), c, other)
	w.wantCount(c, "task.purged", 1)
	if waiting, _, parked, err := (jobs.Desk{Wall: w.Wall, Now: w.in.Now}).Count(t.Context(), c.Tenant); waiting+parked != 0 || err != nil {
		t.Error("with an empty bin there is nothing to be done, but:", waiting, parked, err)
	}

	w.in.BinDays = 0
	w.use()
	kept := bin(c, "contact")
	w.at(start.AddDate(3, 0, 0), c)
	c.Get(kept).Want(http.StatusOK)
	w.in.BinDays = 7
	w.use()
	w.at(start.AddDate(3, 0, 1), c)
	c.Get(kept).Want(http.StatusNotFound)
}

// A bin with more in it than is removed at a time is emptied all the same.
func TestFullBin(t *testing.T) {
	t.Parallel()
	w := newClockwork(t)
	c := w.Home()
	const n = 250
	op := `{"op":"create","data":{"last_name":"A"}}`
	c.Post("/contacts/batch", `{"operations":[`+strings.Repeat(op+",", n-1)+op+`]}`).Want(http.StatusOK)
	var ops []string
	for _, id := range deletable(c) {
		ops = append(ops, `{"op":"delete","id":"`+id+`"}`)
	}
	c.Post("/contacts/batch", `{"operations":[`+strings.Join(ops, ",")+`]}`).Want(http.StatusOK)
	w.at(w.now.AddDate(0, 0, 32), c)
	w.wantCount(c, "contact.purged", n)
}

// deletable returns the IDs of all contacts.
func deletable(c apitest.Client) (ids []string) {
	var page struct{ Data []struct{ ID string } }
	c.Get("/contacts?limit=500").Want(http.StatusOK).Into(&page)
	for _, d := range page.Data {
		ids = append(ids, d.ID)
	}
	return ids
}
