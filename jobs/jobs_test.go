package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/wall"
)

// world is a database with a clock that is set by hand.
type world struct {
	t    *testing.T
	wall *wall.Wall
	now  time.Time
	desk jobs.Desk

	mu     sync.Mutex
	did    []string         // the subjects of the jobs that were done
	broken map[string]error // what is wrong with jobs, by subject
	then   map[string][]jobs.Order
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, wall: dbtest.New(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), broken: map[string]error{}, then: map[string][]jobs.Order{}}
	w.desk = jobs.Desk{Wall: w.wall, Now: w.clock}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (*world) tenant() domain.TenantID { return domain.TenantID{UUID: uuid.Must(uuid.NewV7())} }

// order is an order for a job about a subject.
func order(subject string, due time.Time) jobs.Order {
	return jobs.Order{Job: jobs.Job{ID: uuid.New(), Process: "test", Kind: "note", Name: "note", Subject: subject, DueAt: due}}
}

func keyed(o jobs.Order, key string) jobs.Order { o.Key = key; return o }

func earliest(o jobs.Order) jobs.Order { o.Earliest = true; return o }

func off(o jobs.Order) jobs.Order { o.Off = true; return o }

// put orders jobs, as whatever follows the log does.
func (w *world) put(tenant domain.TenantID, orders ...jobs.Order) {
	w.t.Helper()
	err := w.wall.InTenant(w.t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, func(tx wall.Tx) error {
		return jobs.Put(w.t.Context(), tx, tenant, w.now, orders)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// handlers note what is done. Steps do so twice if they are done twice, because the
// transaction does not bind them.
func (w *world) handlers() jobs.Handlers {
	do := func(j jobs.Job) ([]jobs.Order, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := w.broken[j.Subject]; err != nil {
			return nil, err
		}
		w.did = append(w.did, j.Subject)
		return w.then[j.Subject], nil
	}
	return jobs.Handlers{
		Work: map[string]jobs.Work{
			"note":  func(_ context.Context, j jobs.Job) ([]jobs.Order, error) { return do(j) },
			"panic": func(context.Context, jobs.Job) ([]jobs.Order, error) { panic("ada@example.org") },
		},
		Step: map[string]jobs.Step{
			"step": func(_ context.Context, _ wall.Tx, _ domain.TenantID, all []jobs.Job) (orders []jobs.Order, errs []error, err error) {
				for _, j := range all {
					more, err := do(j)
					orders, errs = append(orders, more...), append(errs, err)
				}
				return orders, errs, nil
			},
		},
	}
}

// run has everything done that is due, and returns it.
func (w *world) run() []string {
	w.t.Helper()
	w.did = nil
	workers := jobs.NewWorkers(w.wall, w.handlers(), w.clock)
	if err := workers.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.did
}

func (w *world) want(got []string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("done (-want +got):\n%s", diff)
	}
}

// Jobs are done when their time has come, in the order in which they are due, once.
// A year is over at once.
func TestTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	year := w.now.AddDate(1, 0, 0)
	w.put(tenant, order("in a year", year), order("now", w.now), order("also", time.Time{}), order("in a minute", w.now.Add(time.Minute)))
	w.want(w.run(), "now", "also")
	w.want(w.run())
	w.now = w.now.Add(time.Minute)
	w.want(w.run(), "in a minute")
	w.now = year.Add(-time.Microsecond)
	w.want(w.run())
	w.now = year
	w.want(w.run(), "in a year")
}

// A job with a key takes the place of the one that has it, or is called off, and
// that of no other subject, process or tenant.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant(), w.tenant()
	in := func(hours int) time.Time { return w.now.Add(time.Duration(hours) * time.Hour) }
	other := keyed(order("x", in(3)), "due")
	other.Process = "another"
	for _, tenant := range []domain.TenantID{a, b} {
		w.put(tenant, keyed(order("x", in(1)), "due"), keyed(order("x", in(1)), "remind"), keyed(order("y", in(1)), "due"), other)
	}
	w.put(a, keyed(order("x", in(2)), "due"), off(keyed(order("x", in(0)), "remind")))
	w.put(a, earliest(keyed(order("y", in(5)), "due")))
	w.put(a, earliest(keyed(order("z", in(4)), "due")), earliest(keyed(order("z", in(5)), "due")), off(keyed(order("gone", in(0)), "due")))
	w.put(b, off(keyed(order("x", in(1)), "due")), off(keyed(order("x", in(1)), "remind")), off(keyed(order("y", in(1)), "due")))
	for _, want := range [][]string{nil, {"y"}, {"x"}, {"x", "x"}, {"z"}, nil} {
		if got := w.run(); !slices.Equal(got, want) {
			t.Errorf("at %s: %v, want %v", w.now.Format(time.TimeOnly), got, want)
		}
		w.now = w.now.Add(time.Hour)
	}
}

// What follows from a job is ordered when the job is gone.
func TestThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	for _, kind := range []string{"note", "step"} {
		first, second := order(kind+" 1", w.now), order(kind+" 2", w.now.Add(time.Hour))
		first.Kind, second.Kind = kind, kind
		w.then[kind+" 1"] = []jobs.Order{second}
		w.put(tenant, first)
		w.want(w.run(), kind+" 1")
		w.want(w.run())
		w.now = w.now.Add(time.Hour)
		w.want(w.run(), kind+" 2")
	}
}

// A step that was called off or replaced while its turn had begun is not done; the
// new one is.
func TestReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	step := func(subject string, due time.Time) jobs.Order {
		o := keyed(order(subject, due), "k")
		o.Kind = "step"
		return o
	}
	w.put(tenant, order("first", w.now), step("called off", w.now), step("put off", w.now), step("kept", w.now))
	by := w.handlers()
	by.Work["note"] = func(context.Context, jobs.Job) ([]jobs.Order, error) {
		w.put(tenant, off(step("called off", w.now)), step("put off", w.now.Add(time.Hour)))
		return nil, nil
	}
	if err := jobs.NewWorkers(w.wall, by, w.clock).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(w.did, "kept")
	w.now = w.now.Add(time.Hour)
	w.want(w.run(), "put off")
}

// A job that fails is tried again after pauses that grow, and then parked; a refusal
// is final. Those of others go on. An operator sees it, and has it tried again or
// drops it.
func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant, other := w.tenant(), w.tenant()
	start := w.now
	panics := order("panics", w.now)
	panics.Kind = "panic"
	step := order("bad step", w.now)
	step.Kind = "step"
	unknown := order("unknown", w.now)
	unknown.Kind = "of another build"
	w.broken["bad"] = errors.New("the printer is on fire")
	w.broken["bad step"] = errors.New("no")
	w.broken["refused"] = domain.Conflict.Refusef("closed", "the shop is closed")
	w.put(tenant, order("bad", w.now), panics, unknown, step, order("refused", w.now), order("good", w.now))
	w.put(other, order("theirs", w.now))
	got := w.run()
	slices.Sort(got)
	w.want(got, "good", "theirs")

	parked := func() (subjects []string) {
		list, err := w.desk.List(t.Context(), tenant, true, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range list {
			subjects = append(subjects, fmt.Sprintf("%s: %s (%d)", j.Subject, j.Error, j.Failed))
		}
		return subjects
	}
	if got := parked(); !slices.Equal(got, []string{"refused: the shop is closed (1)"}) {
		t.Error("parked:", got)
	}
	var pauses []time.Duration
	for range 20 {
		list, err := w.desk.List(t.Context(), tenant, false, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		pauses = append(pauses, list[0].DueAt.Sub(w.now))
		w.now = list[0].DueAt
		w.run()
	}
	if !slices.IsSorted(pauses) || len(pauses) != 15 || pauses[0] != time.Second || w.now.Sub(start) < time.Hour {
		t.Errorf("pauses: %v", pauses)
	}
	want := []string{
		"refused: the shop is closed (1)", "bad: the printer is on fire (16)", "panics: panic: string (16)",
		"unknown: this build does not know jobs of the kind \"of another build\" (16)", "bad step: no (16)",
	}
	got = parked()
	slices.Sort(got)
	slices.Sort(want)
	w.want(got, want...)
	w.now = w.now.AddDate(1, 0, 0)
	w.want(w.run())

	list, err := w.desk.List(t.Context(), tenant, true, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list {
		switch j.Subject {
		case "bad":
			err = w.desk.Retry(t.Context(), tenant, j.ID)
		default:
			err = w.desk.Drop(t.Context(), tenant, j.ID)
		}
		if err != nil {
			t.Error(err)
		}
		for _, f := range []func(context.Context, domain.TenantID, uuid.UUID) error{w.desk.Retry, w.desk.Drop} {
			if err := f(t.Context(), other, j.ID); !errors.Is(err, domain.NotFound) {
				t.Errorf("of another tenant: %v", err)
			}
		}
		if _, err := w.desk.Get(t.Context(), other, j.ID); !errors.Is(err, domain.NotFound) {
			t.Errorf("seen by another tenant: %v", err)
		}
	}
	delete(w.broken, "bad")
	w.want(w.run(), "bad")
	if waiting, due, parked, err := w.desk.Count(t.Context(), tenant); waiting+due+parked != 0 || err != nil {
		t.Error(waiting, due, parked, err)
	}
}

// If the log or the database is away, jobs wait, and that is no failure of theirs. If
// it is so for one job only, the others come first.
func TestAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	w.put(tenant, order("a", w.now), order("b", w.now))
	w.broken["a"] = fmt.Errorf("append: %w", &pgconn.PgError{Code: "57P03"})
	workers := jobs.NewWorkers(w.wall, w.handlers(), w.clock)
	for range 40 {
		if err := workers.Drain(t.Context()); err == nil {
			t.Error("nobody was told")
		}
		w.now = w.now.Add(time.Minute)
	}
	w.want(w.did, "b")
	delete(w.broken, "a")
	w.want(w.run(), "a")
}

// A turn that died with its node is taken over when it cannot be under way any more,
// also if the clock was set back meanwhile; and what it notes too late is not
// believed.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	w.put(tenant, order("a", w.now))
	by := w.handlers()
	died := false
	by.Work["note"] = func(ctx context.Context, j jobs.Job) ([]jobs.Order, error) {
		if !died { // the others go on while this one is stuck
			died = true
			for _, later := range []time.Duration{0, 8 * time.Second} {
				w.now = w.now.Add(later)
				w.want(w.run())
				if _, err := jobs.NewWorkers(w.wall, w.handlers(), w.clock).Take(ctx, jobs.Turn{Tenant: tenant, Number: 1}); err != nil || len(w.did) > 0 {
					t.Error("a turn was taken while another was under way:", w.did, err)
				}
			}
			w.now = w.now.Add(time.Second)
			w.want(w.run(), "a")
		}
		return []jobs.Order{order("follows twice", w.now)}, nil
	}
	err := jobs.NewWorkers(w.wall, by, w.clock).Drain(t.Context())
	if !died || err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(died, err)
	}
	w.want(w.run())

	w.put(tenant, order("b", w.now))
	if _, err := jobs.NewWorkers(w.wall, jobs.Handlers{Work: map[string]jobs.Work{"note": func(ctx context.Context, _ jobs.Job) ([]jobs.Order, error) {
		w.now = w.now.AddDate(0, 0, -1)
		w.put(tenant, order("c", w.now))
		w.want(w.run(), "c")
		return nil, nil
	}}}, w.clock).Take(t.Context(), jobs.Turn{Tenant: tenant, Number: 2}); err == nil {
		t.Error("the turn was not lost")
	}
}

// A tenant with a hundred thousand jobs gets turns like everybody else: the one job
// of another is done after one of them.
func TestFair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy, other := w.tenant(), w.tenant()
	many := make([]jobs.Order, 5_000)
	for range 100_000 / len(many) {
		for i := range many {
			many[i] = order("busy", w.now)
		}
		w.put(busy, many...)
	}
	w.now = w.now.Add(time.Minute)
	w.put(other, order("other", w.now))
	workers := jobs.NewWorkers(w.wall, w.handlers(), w.clock)
	turns, err := workers.Round(t.Context())
	if err != nil || turns != 2 {
		t.Fatal(turns, err)
	}
	if n := len(w.did); n != 51 || w.did[50] != "other" {
		t.Errorf("%d jobs were done, and the last one is %s", n, w.did[n-1])
	}
}

// Nobody sees, changes or makes a job of another tenant, whatever the duty. Who
// hands out turns sees no jobs at all.
func TestWall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, theirs := w.tenant(), w.tenant()
	w.put(theirs, keyed(order("theirs", w.now), "k"))
	for _, duty := range []wall.Duty{wall.Reader, wall.Projector, wall.Worker} {
		err := w.wall.InTenant(t.Context(), wall.Scope{Tenant: mine, Duty: duty}, func(tx wall.Tx) error {
			for _, table := range []string{"job", "head", "state"} {
				var n int
				if err := tx.QueryRow(t.Context(), `select count(*) from jobs.`+table).Scan(&n); err != nil || n != 0 {
					t.Errorf("%s sees %d rows of jobs.%s: %v", duty, n, table, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	err := w.wall.InTenant(t.Context(), wall.Scope{Tenant: mine, Duty: wall.Worker}, func(tx wall.Tx) error {
		return jobs.Put(t.Context(), tx, theirs, w.now, []jobs.Order{order("mine", w.now)})
	})
	if !wall.IsDenied(err) {
		t.Errorf("an order for another tenant: %v", err)
	}
	for _, duty := range []wall.Duty{wall.Queue, wall.Access, wall.Writer} {
		err := w.wall.Outside(t.Context(), duty, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), `select from jobs.job`)
			return err
		})
		if !wall.IsDenied(err) {
			t.Errorf("%s: %v", duty, err)
		}
	}
	for _, duty := range []wall.Duty{wall.Reader, wall.Projector, wall.Worker, wall.Dispatcher, wall.Access, wall.Writer} {
		err := w.wall.Outside(t.Context(), duty, func(tx wall.Tx) error {
			_, err := tx.Exec(t.Context(), `select from river.river_job`)
			return err
		})
		if !wall.IsDenied(err) {
			t.Errorf("%s sees turns: %v", duty, err)
		}
	}
	w.want(w.run(), "theirs")
}

// What a process remembers comes back as it was.
func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.tenant()
	in := func(f func(wall.Tx) error) {
		t.Helper()
		if err := w.wall.InTenant(t.Context(), wall.Scope{Tenant: tenant, Duty: wall.Projector}, f); err != nil {
			t.Fatal(err)
		}
	}
	type states = map[string]json.RawMessage
	set := func(process string, s states) {
		t.Helper()
		in(func(tx wall.Tx) error { return jobs.SetStates(t.Context(), tx, tenant, process, s) })
	}
	set("p", states{"a": json.RawMessage(`{"n":1}`), "b": json.RawMessage(`2`)})
	set("p", states{"a": json.RawMessage(`{"n":2}`), "b": nil, "c": nil})
	set("q", states{"a": json.RawMessage(`"other"`)})
	set("p", nil)
	in(func(tx wall.Tx) error {
		got, err := jobs.States(t.Context(), tx, tenant, "p", []string{"a", "b", "c"})
		if diff := cmp.Diff(states{"a": json.RawMessage(`{"n":2}`)}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

// The queue has jobs done soon after they were ordered on this node or another, and
// one tenant's many do not keep another's one. Chores are done as well.
func TestQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy, other := w.tenant(), w.tenant()
	w.now = time.Now()
	clock := func() time.Time { return time.Now().UTC() }
	done := make(chan string, 30_000)
	by := jobs.Handlers{Work: map[string]jobs.Work{"note": func(_ context.Context, j jobs.Job) ([]jobs.Order, error) {
		done <- j.Subject
		time.Sleep(time.Millisecond) // a command takes as long
		return nil, nil
	}}}
	var told bytes.Buffer // only read when all have ended
	chores := make(chan struct{}, 10)
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	var first *jobs.Queue
	for range 2 {
		q, err := jobs.NewQueue(jobs.QueueConfig{
			Wall: w.wall, Workers: jobs.NewWorkers(w.wall, by, clock), Now: clock, Log: slog.New(slog.NewTextHandler(&told, nil)),
			Chores: []jobs.Chore{{Name: "sweep", Every: time.Hour, Do: func(context.Context) error {
				chores <- struct{}{}
				return nil
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		first = q
		running.Go(func() {
			if err := q.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	many := make([]jobs.Order, 20_000)
	for i := range many {
		many[i] = order("busy", w.now)
	}
	w.put(busy, many...)
	first.Notify()
	for range 100 {
		if got := <-done; got != "busy" {
			t.Fatal(got)
		}
	}
	w.put(other, order("other", w.now))
	before := 0 // counted and not timed, so that the machine does not matter
	for got := range done {
		if got == "other" {
			break
		}
		before++
	}
	t.Log("done before:", before)
	if before > len(many)/4 { // some hundred are usual: a fifth of a second
		t.Errorf("the job of a tenant waited for %d of another", before)
	}
	<-chores
	stop()
	running.Wait()
	if len(chores) > 0 {
		t.Error("a chore was done by both")
	}
	if told.Len() > 0 {
		t.Errorf("the log was told:\n%s", &told)
	}
}
