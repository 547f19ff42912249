package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
)

// An invoice is a kind of record that exists here only. It has a number from when it is
// issued.
type invoice struct {
	record.Base[invoiceFields]

	Number int64
}

type invoiceFields struct {
	record.Common

	For string `json:"for" minLength:"1" unique:"true"`
}

func (invoiceFields) KindName() string { return "invoice" }

type issue struct{ invoiceFields }

// issued says that an invoice was issued.
type issued struct {
	Fields invoiceFields `json:"fields"`
	Number int64         `json:"number"`
}

func (c issue) Decide(i invoice, o domain.Origin) ([]domain.Event[invoice], error) {
	f, err := record.New[invoice](&i, o, c.invoiceFields)
	return []domain.Event[invoice]{issued{Fields: f}}, err
}

// expect is refused if the invoice has another number. It changes nothing.
type expect struct {
	Number int64 `json:"number"`
}

func (c expect) Decide(i invoice, _ domain.Origin) ([]domain.Event[invoice], error) {
	return nil, domain.Check(i.Number == c.Number, "/number", "another_number", "is not that of the invoice")
}

func (issued) EventType() string { return "invoice.issued" }
func (issued) Series() string    { return "invoice" }
func (e issued) Apply(i *invoice) {
	i.Begin(e.Fields)
	i.Number = e.Number
}

var invoices = record.Describe[invoice, invoiceFields]("inv", issued{})

var invoicePolicy = commands.Records(invoices,
	commands.Allow[issue](commands.Create),
	commands.Allow[expect]("expect"),
	commands.Plan("again", func(c []string, _ invoice, _ domain.Origin, ids *commands.IDs) (steps []commands.Step, err error) {
		for _, to := range c {
			steps = append(steps, commands.Give(ids.New(invoices), issue{invoiceFields{For: to}}, ""))
		}
		return steps, nil
	}),
)

func numberIn(t *testing.T, e eventstore.Recorded) int64 {
	t.Helper()
	var data struct {
		Number int64 `json:"number"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	return data.Number
}

// TestNumbers issues invoices from two nodes at once, by all ways that there are to
// give commands. Some are refused. Those that are not have the numbers 1, 2, 3 and
// so on, in the log, in the answer, also in that of a repetition, and in the state.
func TestNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know(invoicePolicy)
	other := commands.NewRunner(commands.Config{Store: w.log, NewID: newID, Cache: 1 << 20})
	other.Know(invoicePolicy)
	nodes := []*commands.Runner{w.run, other}
	first := give(w, invoicePolicy, newID(), issue{invoiceFields{For: "taken"}})
	const n = 100
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := []int64{numberIn(t, first.Events[0])}
	note := func(repeated bool, events ...eventstore.Recorded) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if number := numberIn(t, e); !repeated {
				answered = append(answered, number)
			} else if !slices.Contains(answered, number) {
				t.Errorf("a repetition is answered with %d, which nobody had", number)
			}
		}
	}
	name := func(i int, part string) issue { return issue{invoiceFields{For: strconv.Itoa(i) + part}} }
	for i := range n {
		all.Go(func() {
			run := nodes[i%2]
			to := commands.Target{ID: newID(), New: true, Command: newID(), Hash: []byte("h")}
			switch i % 5 {
			case 0: // refused
				if _, err := commands.Do(w.Context(), run, invoicePolicy, w.ann, to, issue{invoiceFields{For: "taken"}}); !errors.Is(err, domain.Conflict) {
					t.Errorf("got %v", err)
				}
			case 1, 2: // one, and the same again
				for again := range 2 {
					out, err := commands.Do(w.Context(), run, invoicePolicy, w.ann, to, name(i, ""))
					if err != nil || len(out.Events) != 1 {
						t.Errorf("got %+v, %v", out, err)
					}
					note(again == 1, out.Events...)
					to.ID = newID()
				}
			case 3: // several as one
				outs, err := run.Atomic(w.Context(), w.ann, uuid.Nil, nil, []commands.Operation{
					invoicePolicy.Prepare(commands.Target{ID: newID(), New: true}, name(i, "a")), invoicePolicy.Prepare(commands.Target{ID: newID(), New: true}, name(i, "b")),
				})
				if err != nil {
					t.Error(err)
				}
				for _, out := range outs {
					note(false, out.Events...)
				}
			case 4: // a plan
				res := run.All(w.Context(), w.ann, []commands.Operation{planOf(invoicePolicy, "again", commands.Target{ID: first.ID.UUID}, []string{strconv.Itoa(i) + "x", strconv.Itoa(i) + "y"})})[0]
				if res.Err != nil {
					t.Error(res.Err)
				}
				note(false, res.Outcome.Others...)
			}
		})
	}
	all.Wait()
	events, err := w.log.Read(t.Context(), w.ann.Tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var stored []int64
	for _, e := range events {
		number := numberIn(t, e)
		stored = append(stored, number)
		id := domain.ID{Prefix: "inv", UUID: e.Stream.ID}
		var i invoice
		if fold(w, invoices.Aggregate, &i, id); i.Number != number {
			t.Errorf("the state has %d, and the event %d", i.Number, number)
		}
	}
	const want = 1 + n/5*2 + n/5*2*2
	var wanted []int64
	for i := range want {
		wanted = append(wanted, int64(i+1))
	}
	slices.Sort(answered)
	if slices.Sort(stored); !slices.Equal(stored, wanted) || !slices.Equal(answered, wanted) {
		t.Errorf("stored %v, answered %v", stored, answered)
	}
	// What is decided next knows the number.
	out := give(w, invoicePolicy, newID(), name(n, ""))
	give(w, invoicePolicy, out.ID.UUID, expect{want + 1})
	if give(w, invoicePolicy, out.ID.UUID, record.AddTags[invoice, invoiceFields, *invoice]{Tags: []string{"x"}}); numberIn(t, out.Events[0]) != want+1 {
		t.Errorf("the next one is %+v", out.Events[0])
	}
}

// unanswered is a log whose answers get lost: each command comes twice.
type unanswered struct{ eventstore.Store }

func (l unanswered) Append(ctx context.Context, t domain.TenantID, c ...eventstore.Command) []eventstore.Result {
	l.Store.Append(ctx, t, c...)
	return l.Store.Append(ctx, t, c...)
}

// A command whose answer got lost, and that has no key by which to find it, is answered
// with the numbers that it has got.
func TestNumbersOfLostAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know(invoicePolicy)
	first := give(w, invoicePolicy, newID(), issue{invoiceFields{For: "first"}})
	run := commands.NewRunner(commands.Config{Store: unanswered{w.log}, NewID: newID, Cache: 1 << 20})
	run.Know(invoicePolicy)
	var got []int64
	note := func(events []eventstore.Recorded, err error) {
		if err != nil {
			t.Error(err)
		}
		for _, e := range events {
			got = append(got, numberIn(t, e))
		}
	}
	fresh := func() commands.Target { return commands.Target{ID: newID(), New: true} }
	out, err := commands.Do(w.Context(), run, invoicePolicy, w.ann, fresh(), issue{invoiceFields{For: "alone"}})
	note(out.Events, err)
	outs, err := run.Atomic(w.Context(), w.ann, uuid.Nil, nil, []commands.Operation{
		invoicePolicy.Prepare(fresh(), issue{invoiceFields{For: "a"}}), invoicePolicy.Prepare(fresh(), issue{invoiceFields{For: "b"}}),
	})
	for _, out := range outs {
		note(out.Events, err)
	}
	res := run.All(w.Context(), w.ann, []commands.Operation{planOf(invoicePolicy, "again", commands.Target{ID: first.ID.UUID}, []string{"x", "y"})})[0]
	note(res.Outcome.Others, res.Err)
	if !slices.Equal(got, []int64{2, 3, 4, 5, 6}) {
		t.Errorf("answered %v, %v", got, err)
	}
}
