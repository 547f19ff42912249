package csvimport

import (
	"fmt"
	"strings"
)

// findings is what people should know of an import besides the rows that were
// refused: what was assumed about the file, and which values are stored in
// another form than the file has them. Guesses are complete before the first row
// is sent; changes are counted row by row, and kept in the state file, so that
// those of an import that was broken off are not forgotten.
//
// It is used by one goroutine at a time.
type findings struct {
	Guesses []guess  `json:"-"`
	Changes []change `json:"changes,omitempty"`
}

// guess is what the importer assumes about the file, because the file does not
// say it or because it could also be read otherwise.
type guess struct {
	about   string   // in a word or two: "encoding", "order of day and month"
	column  string   // as the header names it; empty if it is about the whole file
	taken   string   // what was assumed: "Windows-1250", "day first"
	because string   // why, if that helps: "no byte is wrong in it"; may be empty
	option  string   // that says otherwise: "--encoding"; empty if there is none
	doubt   bool     // the file can be read in another way as well: people should look
	samples []sample // values that show what it means
}

// sample is a value as the file has it, and as it is read.
type sample struct {
	Line int    `json:"line"` // where the row begins; 0 if that does not matter
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// change counts the values of a column that one rule has changed.
type change struct {
	Rule    string   `json:"rule"`   // what was done, to be read after a number of values: "were cut off after the 250th character"
	Column  string   `json:"column"` // as the header names it
	Count   int      `json:"count"`
	Samples []sample `json:"samples,omitempty"`
}

// changed is one value of a row that is stored in another form.
type changed struct {
	rule, column string
	was, is      string
}

// maxSamples is how many values show what a guess or a change means.
const maxSamples = 3

// assume adds a guess. Of several equal ones about the same column the first
// counts.
func (f *findings) assume(g guess) {
	for _, have := range f.Guesses {
		if have.about == g.about && have.column == g.column && have.taken == g.taken {
			return
		}
	}
	if len(g.samples) > maxSamples {
		g.samples = g.samples[:maxSamples]
	}
	f.Guesses = append(f.Guesses, g)
}

// count adds what was changed in the row that begins on a line.
func (f *findings) count(line int, all []changed) {
	for _, c := range all {
		at := -1
		for i, have := range f.Changes {
			if have.Rule == c.rule && have.Column == c.column {
				at = i
				break
			}
		}
		if at < 0 {
			at = len(f.Changes)
			f.Changes = append(f.Changes, change{Rule: c.rule, Column: c.column})
		}
		have := &f.Changes[at]
		if have.Count++; len(have.Samples) < maxSamples {
			have.Samples = append(have.Samples, sample{line, c.was, c.is})
		}
	}
}

// String says a guess in one line.
func (g guess) String() string {
	var b strings.Builder
	b.WriteString(g.about)
	if g.column != "" {
		fmt.Fprintf(&b, " in %q", g.column)
	}
	b.WriteString(": " + g.taken)
	if g.because != "" {
		b.WriteString(", because " + g.because)
	}
	b.WriteString(shown(g.samples))
	if g.option != "" {
		fmt.Fprintf(&b, " (%s says otherwise)", g.option)
	}
	return b.String()
}

// String says a change in one line.
func (c change) String() string {
	return fmt.Sprintf("%s: %s values %s%s", c.Column, grouped(c.Count), c.Rule, shown(c.Samples))
}

// shown lists samples, for people. Control characters show, and long values are
// cut off.
func shown(samples []sample) string {
	var parts []string
	for _, s := range samples {
		text := clipped(s.Was)
		if s.Is != s.Was {
			text += " → " + clipped(s.Is)
		}
		if s.Line > 0 {
			text = fmt.Sprintf("line %d: %s", s.Line, text)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// clipped quotes a value, and shows no more than its beginning.
func clipped(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
