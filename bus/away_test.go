package bus_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait waits until something has been said.
func (l *lines) wait(t *testing.T, what string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(l.String(), what); time.Sleep(5 * time.Millisecond) { // nobody tells
		if time.Now().After(deadline) {
			t.Fatalf("%q is not said", what)
		}
	}
}

var _ io.Writer = (*lines)(nil)

// A broker that is away is mentioned once, and once when it is back. All that
// happened meanwhile arrives, soon.
func TestAway(t *testing.T) {
	t.Parallel()
	h, target, told := newHouse(t), newBroker(), new(lines)
	cfg := h.config(t, target)
	cfg.Log = slog.New(slog.NewTextHandler(told, nil))
	h.run(t, cfg)
	h.record(t, newStream(h.a), 1)
	target.wait(t, 1)
	target.make(func(*message.Message) error { return errors.New("connection refused") })
	for range 20 {
		h.record(t, newStream(h.a), 2)
		h.record(t, newStream(h.b), 2)
	}
	told.wait(t, "broker is away")
	time.Sleep(time.Second) // in which it could be said again, and must not be
	target.make(willing)
	check(t, target.wait(t, 81))
	h.settle(t, h.a)
	h.settle(t, h.b)
	told.wait(t, "broker is back")
	if n := strings.Count(told.String(), "\n"); n != 2 {
		t.Errorf("told: %s", told.String())
	}
}
