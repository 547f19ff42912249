package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// TestShort runs every part of the bench with little of everything, so that it
// works when somebody needs it. How fast it is says nothing.
func TestShort(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "rowhouse")
	if out, err := exec.Command("go", "build", "-race="+race(), "-o", binary, "../rowhouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := plan{
		binary: binary, rounds: 1, turn: 10 * time.Millisecond, part: 5 * time.Minute, whole: 15 * time.Minute,
		size: size{tenants: 2, contacts: 100, rows: 50, idle: 2, garbage: 50},
	}
	var out strings.Builder
	if err := p.run(t.Context(), &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, part := range parts {
		if !strings.Contains(out.String(), "\n"+part.name) {
			t.Errorf("there is nothing of %q in\n%s", part.name, &out)
		}
	}
}

// race says whether this test was compiled with the race detector: what else was
// compiled like that need not be compiled again.
func race() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, set := range b.Settings {
			if set.Key == "-race" {
				return set.Value
			}
		}
	}
	return "false"
}

// What does not end by itself ends with an error that says what took too long.
func TestPartIsBounded(t *testing.T) {
	t.Parallel()
	p := plan{part: 10 * time.Millisecond}
	endless := part{"endless", func(ctx context.Context, s *stage, _ *house) error {
		return s.run(ctx, contest{name: "wait", clients: 2, sides: []side{{"us", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}}})
	}}
	err := p.runPart(t.Context(), endless, &stage{rounds: 1, turn: time.Hour}, &house{dir: t.TempDir()})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the part has not ended after 10ms") {
		t.Errorf("%v", err)
	}
}

// A binary that does not serve is reported, with what it said.
func TestServerThatEnds(t *testing.T) {
	t.Parallel()
	p := plan{binary: "/bin/false", part: time.Minute, whole: time.Minute, size: size{tenants: 2, contacts: 100}}
	if err := p.run(t.Context(), t.Output()); err == nil || !strings.Contains(err.Error(), "the server has ended before it was ready") {
		t.Errorf("%v", err)
	}
}
