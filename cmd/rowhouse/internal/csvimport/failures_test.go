package csvimport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// many returns a file of n contacts.
func many(n int) string {
	var b strings.Builder
	b.WriteString("Record ID,First Name,Last Name,Email\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,First%d,Last,c%d@example.com\n", i, i, i)
	}
	return b.String()
}

// exactly asserts that each of n contacts is there once.
func exactly(t *testing.T, f *fake, n int) {
	t.Helper()
	names := f.each("contacts", "first_name")
	slices.Sort(names)
	if len(names) != n || len(slices.Compact(names)) != n {
		t.Errorf("%d contacts, want %d", len(names), n)
	}
}

func TestServerThatFails(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"unavailable": 503, "overloaded": 429, "gateway": 502, "connection lost": vanish, "fault": 500} {
		for _, when := range []string{"before", "after"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				n := 0
				now := func(string, []map[string]any) int {
					if n++; n%3 == 0 {
						return status
					}
					return 0
				}
				if when == "before" {
					f.before = now
				} else {
					f.after = now
				}
				cfg := config(f, write(t, many(2000)))
				cfg.BatchSize = 100
				s, err := Run(t.Context(), cfg)
				if err != nil || s.Rows != 2000 || s.Imported+s.Present != 2000 {
					t.Errorf("%v %+v", err, s)
				}
				exactly(t, f, 2000)
			})
		}
	}
}

func TestOneRowThatTheWholeBatchIsRefusedFor(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 413, 422, 500} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.before = func(_ string, ops []map[string]any) int {
				if slices.ContainsFunc(ops, func(op map[string]any) bool { return op["data"].(map[string]any)["first_name"] == "First137" }) {
					return status
				}
				return 0
			}
			path := write(t, many(300))
			s, err := Run(t.Context(), config(f, path))
			if diff := cmp.Diff(Tally{Rows: 300, Imported: 299, Refused: 1}, s.Tally); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if got := errorsOf(t, path); !slices.Equal(got, []string{"139  told_to"}) {
				t.Errorf("errors: %v", got)
			}
		})
	}
}

func TestServerThatDoesNotWork(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404, 500} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.before = func(string, []map[string]any) int { return status }
			cfg := config(f, write(t, many(3000)))
			cfg.BatchSize = 50
			s, err := Run(t.Context(), cfg)
			if err == nil || ExitCode(s, err) != 2 || s.Rows > 100 || s.StateFile == "" {
				t.Errorf("%v %+v", err, s)
			}
			f.heal()
			s, err = Run(t.Context(), cfg)
			if err != nil || s.Rows != 3000 {
				t.Errorf("%v %+v", err, s)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	n := 0
	f.after = func(string, []map[string]any) int {
		if n++; n == 5 {
			once.Do(cancel)
		}
		return 0
	}
	path := write(t, many(1000)+"bad,row\n")
	cfg := config(f, path)
	cfg.BatchSize = 20
	var out bytes.Buffer
	cfg.Out = &out
	s, err := Run(ctx, cfg)
	if !errors.Is(err, ErrInterrupted) || s.Rows < 100 || s.Rows > 300 || s.Rows != s.Imported {
		t.Fatalf("%v %+v", err, s)
	}
	if s.Imported != len(f.all("contacts")) {
		t.Errorf("said %d, made %d", s.Imported, len(f.all("contacts")))
	}
	if !strings.Contains(out.String(), "goes on where this one stopped") {
		t.Errorf("did not say how to go on: %s", out.String())
	}
	before := f.batches()
	s, err = Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 1001, Imported: 1000, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if sent := f.batches() - before; sent > 46 {
		t.Errorf("sent %d batches again", sent)
	}
	exactly(t, f, 1000)
}

// A run that is killed leaves whatever state it last saved, or none, or an old
// one. Whatever that is, the next run makes up for it.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	text := many(200)
	text = strings.Replace(text, "\n60,First60", "\nbroken\n60,First60", 1)
	for _, after := range []int{0, 1, 4, 9} {
		for _, keep := range []string{"state", "no state", "no state, no keys", "other batches"} {
			t.Run(fmt.Sprint(after, " batches, ", keep), func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				path := write(t, text)
				cfg := config(f, path)
				cfg.BatchSize, cfg.Wait = 20, 0
				n := 0
				f.after = func(string, []map[string]any) int {
					if n++; n > after { // done, and nobody will know
						return vanish
					}
					return 0
				}
				if s, err := Run(t.Context(), cfg); err == nil || s.Rows > 200 {
					t.Fatalf("%v %+v", err, s)
				}
				f.heal()
				switch keep {
				case "no state, no keys":
					f.forget()
					fallthrough
				case "no state":
					if err := os.Remove(statePath(path)); err != nil {
						t.Fatal(err)
					}
				case "other batches":
					cfg.BatchSize = 15
				}
				s, err := Run(t.Context(), cfg)
				if err != nil || s.Rows != 201 || s.Imported+s.Present != 200 || s.Refused != 1 {
					t.Errorf("%v %+v", err, s)
				}
				exactly(t, f, 200)
				if got := errorsOf(t, path); !slices.Equal(got, []string{"62  wrong_column_count"}) {
					t.Errorf("errors: %v", got)
				}
			})
		}
	}
}

func TestFirstOfTwoIsImported(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var b strings.Builder
	b.WriteString("First Name,Email\n")
	for i := range 400 {
		fmt.Fprintf(&b, "First%d,c%d@example.com\n", i, i%200)
	}
	cfg := config(f, write(t, b.String()))
	cfg.BatchSize, cfg.InFlight = 60, 8
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 400, Imported: 200, Refused: 200}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, name := range f.each("contacts", "first_name") {
		var i int
		if _, err := fmt.Sscanf(name, "First%d", &i); err != nil || i >= 200 {
			t.Errorf("%s came first", name)
		}
	}
}

// What the server cannot do just then is asked for again, operation by
// operation.
func TestOperationsThatFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		code   string
		times  int
		passes bool
	}{
		"unavailable":        {503, "shutting_down", 3, true},
		"busy":               {409, "busy", 3, true},
		"fault, once":        {500, "internal", 1, true},
		"fault, each time":   {500, "internal", 1000, false},
		"refused, each time": {422, "odd", 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			n := 0
			f.shaky = func(op map[string]any) (int, string) {
				data, _ := op["data"].(map[string]any)
				if data["name"] == "Name7" && op["op"] == "create" {
					if n++; n <= test.times {
						return test.status, test.code
					}
				}
				return 0, ""
			}
			var b strings.Builder
			b.WriteString("Deal Name,Stage\n")
			for i := range 20 {
				fmt.Fprintf(&b, "Name%d,Closed Won\n", i)
			}
			cfg := config(f, write(t, b.String()))
			cfg.Object = "deals"
			s, err := Run(t.Context(), cfg)
			want := Tally{Rows: 20, Imported: 20}
			if !test.passes {
				want = Tally{Rows: 20, Imported: 19, Refused: 1}
			}
			if diff := cmp.Diff(want, s.Tally); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			for _, d := range f.all("deals") {
				if d["version"] != 2 {
					t.Errorf("%v", d)
				}
			}
		})
	}
}

// interrupted runs an import that is stopped after some batches.
func interrupted(t *testing.T, f *fake, cfg Config, batches int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	f.after = func(string, []map[string]any) int {
		if n++; n == batches {
			cancel()
		}
		return 0
	}
	if s, err := Run(ctx, cfg); !errors.Is(err, ErrInterrupted) || s.Rows == 0 {
		t.Fatalf("%v %+v", err, s)
	}
	f.heal()
}

func TestErrorsBeyondTheStateAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, strings.Replace(many(3000), "\n5,First5", "\nbroken\n5,First5", 1)+"broken, too\n")
	cfg := config(f, path)
	cfg.BatchSize = 100
	interrupted(t, f, cfg, 3)
	// It was killed after it had reported this, and before it saved the state.
	file, err := os.OpenFile(ErrorsPath(path), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(strings.Repeat("1000,not_imported,,twice,,\n", 50) + "1001,half of a li"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 3002, Imported: 3000, Refused: 2}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got := errorsOf(t, path); !slices.Equal(got, []string{"7  wrong_column_count", "3003  wrong_column_count"}) {
		t.Errorf("errors: %v", got)
	}
}

func TestOtherSettingsBeginAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	cfg := config(f, write(t, many(2000)))
	cfg.BatchSize = 100
	interrupted(t, f, cfg, 3)
	cfg.Map = []string{"Last Name=job_title"}
	s, err := Run(t.Context(), cfg)
	if err != nil || s.Rows != 2000 || s.Present < 300 || s.Present+s.Imported != 2000 {
		t.Errorf("%v %+v", err, s)
	}
	exactly(t, f, 2000)
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		problem *client.Problem
		want    status
		known   bool
	}{
		"made":                  {nil, imported, false},
		"is itself in the way":  {&client.Problem{Status: 409, ExistingID: "con_1"}, present, true},
		"another is in the way": {&client.Problem{Status: 409, ExistingID: "con_2"}, refused, true},
		"something is":          {&client.Problem{Status: 409, Code: "already_exists"}, refused, true},
		"is wrong":              {&client.Problem{Status: 422}, refused, false},
	} {
		e := &entry{id: "con_1"}
		known := e.settle([]client.Result{{Status: 1, Problem: test.problem}})
		if e.status != test.want || known != test.known || (e.status == refused) != (len(e.faults) > 0) {
			t.Errorf("%s: %+v, known %v", name, e, known)
		}
	}
}
