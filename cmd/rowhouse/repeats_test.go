package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestRepeats logs what comes again and again once, and how often it came, and
// everything else at once.
func TestRepeats(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var later []func()
	lines := newRepeats(slog.NewTextHandler(&out, nil), func(_ time.Duration, f func()) { later = append(later, f) })
	log := slog.New(lines)
	want := func(n int, words ...string) {
		t.Helper()
		if got := strings.Count(out.String(), "\n"); got != n {
			t.Errorf("%d lines, want %d:\n%s", got, n, &out)
		}
		for _, w := range words {
			if !strings.Contains(out.String(), w) {
				t.Errorf("no %q in\n%s", w, &out)
			}
		}
		out.Reset()
	}
	period := func() {
		all := later
		later = nil
		for _, f := range all {
			f()
		}
	}
	for i := range 4477 {
		log.Error("request failed", "request_id", fmt.Sprintf("r%d", i), "error", fmt.Errorf("position %d: %w", i, errors.New("disk full")))
	}
	want(1, "request_id=r0 ")
	log.Error("request failed", "request_id", "x", "error", errors.New("another reason"))
	log.Info("request")
	log.Info("request")
	want(3, "another reason")
	period()
	want(1, "request_id=r4476", "repeated=4476", "disk full")
	period()
	want(0)
	log.Error("request failed", "request_id", "y", "error", errors.New("position 1: disk full"))
	want(1)
	period()
	want(0) // it came once

	for i := range 100 { // each tenant counts, but not without end
		log.With("group", "read_models").Error("a tenant is halted", "tenant", fmt.Sprintf("ten_%026d", i))
	}
	want(repeatKinds)
	lines.flush()
	want(1, "repeated=80")
}
