package main

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// repeatPeriod is for how long a warning or error that comes again is counted
	// instead of logged.
	repeatPeriod = time.Minute

	// repeatKinds is how many different lines with one message are told apart in a
	// period, such as about different tenants. The others are counted together.
	repeatKinds = 20
)

// repeats keeps warnings and errors that come again and again from filling the
// log: the first is logged at once, and those that follow within a period are
// counted, whatever the numbers and IDs in them. At the end of the period there is
// the last of them, with how many they were.
type repeats struct {
	slog.Handler
	with  string // what the attributes of the handler say
	state *repeatState
}

type repeatState struct {
	after func(time.Duration, func()) // calls a function later

	mu       sync.Mutex
	messages map[string]map[string]*repeat // by message, and what else is in the line
}

// repeat is a line that may come again.
type repeat struct {
	handler slog.Handler
	last    slog.Record
	count   int // since the first
}

// withoutRepeats returns a handler that counts lines that come again.
func withoutRepeats(h slog.Handler) *repeats {
	return newRepeats(h, func(d time.Duration, f func()) { time.AfterFunc(d, f) })
}

func newRepeats(h slog.Handler, after func(time.Duration, func())) *repeats {
	return &repeats{Handler: h, state: &repeatState{after: after, messages: make(map[string]map[string]*repeat)}}
}

// WithAttrs implements [slog.Handler].
func (r *repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &repeats{r.Handler.WithAttrs(attrs), r.with + kindOf(attrs), r.state}
}

// WithGroup implements [slog.Handler].
func (r *repeats) WithGroup(name string) slog.Handler {
	return &repeats{r.Handler.WithGroup(name), r.with + name, r.state}
}

// Handle implements [slog.Handler].
func (r *repeats) Handle(ctx context.Context, line slog.Record) error {
	if line.Level >= slog.LevelWarn && r.state.counts(r, line) { //nolint:contextcheck // it is told of later, when the context may have ended
		return nil
	}
	return r.Handler.Handle(ctx, line)
}

// counts reports whether a line is counted instead of logged.
func (s *repeatState) counts(r *repeats, line slog.Record) bool {
	var attrs []slog.Attr
	line.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	kind := r.with + kindOf(attrs)
	s.mu.Lock()
	defer s.mu.Unlock()
	kinds := s.messages[line.Message]
	if kinds == nil {
		kinds = make(map[string]*repeat)
		s.messages[line.Message] = kinds
		s.after(repeatPeriod, func() { s.tell(line.Message) })
	}
	known := kinds[kind]
	if known == nil {
		first := len(kinds) < repeatKinds
		if !first {
			kind = "" // one of many
		}
		if known = kinds[kind]; known == nil {
			known = new(repeat)
			kinds[kind] = known
		}
		if first {
			return false
		}
	}
	known.handler, known.last = r.Handler, line
	known.count++
	return true
}

// tell logs what was counted of a message.
func (s *repeatState) tell(message string) {
	s.mu.Lock()
	kinds := s.messages[message]
	delete(s.messages, message)
	s.mu.Unlock()
	for _, k := range kinds {
		if k.count > 0 {
			line := k.last.Clone()
			line.Add("repeated", k.count, "within", repeatPeriod)
			_ = k.handler.Handle(context.Background(), line) // there is nobody else to tell
		}
	}
}

// flush logs what was counted of all messages, because the process ends.
func (r *repeats) flush() {
	r.state.mu.Lock()
	var messages []string
	for m := range r.state.messages {
		messages = append(messages, m)
	}
	r.state.mu.Unlock()
	slices.Sort(messages)
	for _, m := range messages {
		r.state.tell(m)
	}
}

// changing is what differs between lines that say the same: IDs and numbers.
var changing = regexp.MustCompile(`[a-z]{3,4}_[0-9a-z]{26}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+`)

// kindOf says what attributes are about, without what changes from one line to the
// next. A tenant does not: what befalls one says nothing of another.
func kindOf(attrs []slog.Attr) string {
	var b strings.Builder
	for _, a := range attrs {
		switch {
		case a.Key == "tenant":
			b.WriteString(a.Value.String())
		case a.Value.Kind() == slog.KindString && a.Key != "request_id", a.Value.Kind() == slog.KindAny:
			b.WriteString(changing.ReplaceAllString(a.Value.String(), "#"))
		}
		b.WriteByte(0)
	}
	return b.String()
}
