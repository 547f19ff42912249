package embedded

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// output takes what the server writes, line by line, to a log, and keeps the
// last lines, which say why it did not start.
type output struct {
	log *slog.Logger

	mu   sync.Mutex
	loud bool     // the server is neither starting nor stopping, when it complains of everybody who comes
	rest []byte   // of a line that has not ended
	last []string // at most keep
}

const keep = 8

func newOutput(log *slog.Logger) *output { return &output{log: log} }

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.rest = rest
		o.line(strings.TrimSpace(string(line)))
	}
}

func (o *output) line(line string) {
	if line == "" {
		return
	}
	severity, message, ok := strings.Cut(line, ":  ")
	greeting := severity == "FATAL" && strings.HasPrefix(message, "the database system is ") // of whoever comes too early
	if !greeting {
		if len(o.last) == keep {
			o.last = o.last[1:]
		}
		o.last = append(o.last, line)
	}
	level, known := levels[severity]
	if !ok || !known {
		level, message = slog.LevelInfo, line
	}
	if !o.loud || greeting {
		level = slog.LevelDebug // a line for each helps nobody
	}
	o.log.Log(context.Background(), level, "postgres", "message", message) //nolint:forbidigo // there is no one who asked
}

// levels says how bad the severities of PostgreSQL are.
var levels = map[string]slog.Level{
	"LOG":     slog.LevelDebug,
	"WARNING": slog.LevelWarn,
	"ERROR":   slog.LevelWarn,
	"FATAL":   slog.LevelWarn, // for one connection
	"PANIC":   slog.LevelError,
}

// speak says whether to log what matters.
func (o *output) speak(loud bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loud = loud
}

// forget drops the last lines: what comes is about another process.
func (o *output) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = nil
}

// tail returns the last lines.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, "\n")
}
