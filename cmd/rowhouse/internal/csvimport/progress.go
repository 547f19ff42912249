package csvimport

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// progress tells people how far the import has come: on a terminal by a line
// that changes, elsewhere by a line every few seconds.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	total    int
	begin    int // rows that were done before
	start    time.Time
	shown    time.Time
	waiting  bool // somebody was told
	last     Tally
}

// How often progress is shown.
const (
	onTerminal = 100 * time.Millisecond
	elsewhere  = 5 * time.Second
)

func newProgress(out io.Writer, terminal bool, total, begin int) *progress {
	now := time.Now()
	return &progress{out: out, terminal: terminal, total: total, begin: begin, start: now, shown: now}
}

// say prints a line of its own.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf(format, args...))
	if p.terminal && p.last.Rows > 0 {
		p.show(p.last, false)
	}
}

func (p *progress) line(text string) {
	if p.terminal {
		text = "\r\x1b[K" + text
	}
	fmt.Fprintln(p.out, text) //nolint:errcheck // nobody is there to read it
}

// waitFor says that the server is away. It may be called by anybody.
func (p *progress) waitFor(reason error, _ time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		return
	}
	p.waiting = true
	p.line("waiting for the server: " + reason.Error())
}

// hint shows what is being done, where it can be taken back.
func (p *progress) hint(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K"+text) //nolint:errcheck // nobody is there to read it
	}
}

// update shows how far it has come, if it is time to.
func (p *progress) update(t Tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.last = false, t
	every := elsewhere
	if p.terminal {
		every = onTerminal
	}
	if time.Since(p.shown) < every {
		return
	}
	p.show(t, !p.terminal)
}

// end removes the line that changes.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K") //nolint:errcheck // nobody is there to read it
	}
}

func (p *progress) show(t Tally, newline bool) {
	p.shown = time.Now()
	rate := float64(t.Rows-p.begin) / max(p.shown.Sub(p.start).Seconds(), 0.001)
	share := 1.0
	if p.total > 0 {
		share = float64(t.Rows) / float64(p.total)
	}
	left := "-"
	if rate > 0 {
		left = (time.Duration(float64(p.total-t.Rows)/rate) * time.Second).String()
	}
	text := fmt.Sprintf("%s / %s rows  %3.0f %%  %s rows/s  %s left  %s refused",
		grouped(t.Rows), grouped(p.total), 100*share, grouped(int(rate)), left, grouped(t.Refused))
	if newline {
		p.line(text)
		return
	}
	const width = 24
	done := min(max(int(share*width), 0), width)
	bar := strings.Repeat("█", done) + strings.Repeat("░", width-done)
	fmt.Fprintf(p.out, "\r\x1b[K%s  %s", bar, text) //nolint:errcheck // nobody is there to read it
}

// grouped writes a number with separators: 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
