// Package domaintest tests aggregates the way they are talked about: given what
// happened, when this is asked, then that follows.
package domaintest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
)

// Case is one example of how an aggregate behaves.
type Case[S any] struct {
	Name  string
	Given []domain.Event[S]
	When  domain.Command[S]
	As    domain.Origin
	Found map[domain.ID]any // pointers to the states of records that may be referred to
	Then  []domain.Event[S]

	Err  error  // a [domain.Reason], or nil
	Code string // of the refusal, if it is worth telling
	At   string // its pointer, likewise
}

// Aggregate is what tests need of a kind: a [domain.Aggregate], or what has one.
type Aggregate[S any] interface {
	Events() []string
	Decode(eventType string, version int, data []byte) (domain.Event[S], error)
	Apply(s *S, at time.Time, eventType string, version int, data []byte) error
	Decide(c domain.Command[S], s S, o domain.Origin, find func(domain.Ref) (any, error)) ([]domain.Event[S], S, error)
}

// everything lets states keep their fields to themselves.
var everything = cmp.Exporter(func(reflect.Type) bool { return true })

var update = flag.Bool("update", false, "rewrite the golden files")

// Run runs every case as a subtest. Besides the outcome, it checks that every
// event it meets is registered with the aggregate and survives storage, that states do,
// that the cases leave no event of the aggregate out, and that nobody writes into the
// slices and maps of a state that others may have as well.
func Run[S any](t *testing.T, agg Aggregate[S], cases []Case[S]) {
	t.Helper()
	t.Run("stored form", func(t *testing.T) {
		t.Parallel()
		golden(t, agg, cases)
	})
	t.Run("what events change", func(t *testing.T) {
		t.Parallel()
		changes(t, cases)
	})
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			run(t, agg, c)
		})
	}
}

func run[S any](t *testing.T, agg Aggregate[S], c Case[S]) {
	t.Helper()
	state := replay(t, agg, c.Given)
	got, err := c.decide(agg, state)
	if !errors.Is(err, c.Err) {
		t.Fatalf("error = %v, want %v", err, c.Err)
	}
	if e, ok := errors.AsType[*domain.Error](err); ok && (c.Code != "" && e.Code != c.Code || c.At != "" && e.Pointer != c.At) {
		t.Errorf("refused at %q as %q, want %q as %q", e.Pointer, e.Code, c.At, c.Code)
	}
	if diff := cmp.Diff(c.Then, got, everything); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	after := replay(t, agg, slices.Concat(c.Given, got))
	for range 2 { // two callers with the same baseline
		branch := state
		for _, e := range got {
			e.Apply(&branch)
		}
		if diff := cmp.Diff(after, branch, everything); diff != "" {
			t.Errorf("state after the events (-stored +applied):\n%s", diff)
		}
	}
	if diff := cmp.Diff(replay(t, agg, c.Given), state, everything); diff != "" {
		t.Errorf("the state was written into (-before +after):\n%s", diff)
	}
}

// decide does what the commands layer does: shape, references, decision, guard.
func (c Case[S]) decide(agg Aggregate[S], s S) ([]domain.Event[S], error) {
	if err := domain.CheckShape(c.When); err != nil {
		return nil, err
	}
	events, _, err := agg.Decide(c.When, s, c.As, func(r domain.Ref) (any, error) {
		if r.ID.IsZero() {
			if r.Version > len(c.Given) {
				return nil, nil
			}
			past := domain.Fold(c.Given[:r.Version]...)
			return &past, nil
		}
		return c.Found[r.ID], nil
	})
	return events, err
}

// replay folds events after a round trip through their stored form.
func replay[S any](t *testing.T, agg Aggregate[S], events []domain.Event[S]) S {
	t.Helper()
	var s S
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("encode %T: %v", e, err)
		}
		if err := agg.Apply(&s, time.Time{}, e.EventType(), domain.SchemaVersion(e), data); err != nil {
			t.Fatalf("%v: is the event named in Describe?", err)
		}
	}
	if diff := cmp.Diff(domain.Fold(events...), s, everything); diff != "" {
		t.Errorf("state after storage (-want +got):\n%s", diff)
	}
	survives(t, agg, events)
	return s
}

// survives looks whether the state that events lead to can be stored: a kind of which that
// is not so gets slower with each event of a record.
func survives[S any](t *testing.T, agg Aggregate[S], events []domain.Event[S]) {
	t.Helper()
	var s, again S
	for i, e := range events {
		data, err := domain.Marshal(e)
		if err == nil {
			err = agg.Apply(&s, noon.Add(time.Duration(i)*time.Microsecond), e.EventType(), domain.SchemaVersion(e), data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if data, ok := domain.Freeze(&s); !ok {
		err := domain.Thaw(data, &again)
		t.Errorf("a state cannot be stored: is something in it that its JSON and Hidden leave out? %v (-before +after):\n%s", err, cmp.Diff(s, again, everything))
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stored is the examples of stored events: by type, then by schema version.
type stored map[string]map[string]json.RawMessage

// golden compares the stored form of one example of every event with
// testdata/events.json. That form is a contract with every event ever recorded:
// the examples may gain members, and must not lose or change any. When a form
// has to change, its event gets an upcaster; the example of the old form stays
// in the file, and must stay readable.
func golden[S any](t *testing.T, agg Aggregate[S], cases []Case[S]) {
	t.Helper()
	examples := map[string]domain.Event[S]{}
	for _, c := range slices.Backward(cases) {
		for _, e := range slices.Concat(c.Given, c.Then) {
			examples[e.EventType()] = e
		}
	}
	if diff := cmp.Diff(agg.Events(), slices.Sorted(maps.Keys(examples))); diff != "" {
		t.Errorf("events in the cases (-named in Describe, and in no case +in a case, and not named in Describe):\n%s", diff)
	}
	file := filepath.Join("testdata", "events.json")
	want, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatalf("%v: make golden writes it", err)
	}
	got := stored{}
	if err := json.Unmarshal(want, &got); err != nil && !*update {
		t.Fatal(err)
	}
	for name, e := range examples {
		if got[name] == nil {
			got[name] = map[string]json.RawMessage{}
		}
		if got[name][strconv.Itoa(domain.SchemaVersion(e))], err = json.Marshal(e); err != nil {
			t.Fatal(err)
		}
	}
	readable(t, agg, got)
	text := got.lines(t)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, text, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("stored form (-want +got), which make golden accepts:\n%s", diff)
	}
}

func readable[S any](t *testing.T, agg Aggregate[S], all stored) {
	t.Helper()
	for name, versions := range all {
		for v, data := range versions {
			var e domain.Event[S]
			version, err := strconv.Atoi(v)
			if err == nil {
				e, err = agg.Decode(name, version, data)
			}
			if err != nil {
				t.Errorf("version %s of %s cannot be read any more: %v", v, name, err)
				continue
			}
			if version == domain.SchemaVersion(e) {
				strict(t, agg, name, version, data)
			}
		}
	}
}

// lines returns the examples as JSON, with a line for each.
func (all stored) lines(t *testing.T) []byte {
	t.Helper()
	var lines [][]byte
	for _, name := range slices.Sorted(maps.Keys(all)) {
		data, err := domain.Marshal(all[name])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Appendf(nil, "  %q: %s", name, data))
	}
	return slices.Concat([]byte("{\n"), bytes.Join(lines, []byte(",\n")), []byte("\n}\n"))
}
