package csvimport

import (
	"fmt"
	"slices"
	"strings"
)

// brief says, before the first row is sent, how the file was understood: its
// form, what its columns hold, what had to be assumed, and what it leads to in
// the tenant.
func (p *plan) brief(say func(format string, args ...any)) {
	say("%s: %s %s; encoding %s, cells separated by %s", p.path, grouped(p.rows), plural("row", p.rows), title(p.encoding.Name()), separatorName(p.comma))
	var columns []string
	for i, name := range p.fields {
		if name != "" && name != ignored {
			columns = append(columns, fmt.Sprintf("%s → %s", p.name(i), name))
		}
	}
	say("columns: %s", strings.Join(columns, ", "))
	for _, g := range p.found.Guesses {
		say("assumed: %s", g)
	}
	for _, note := range p.notes {
		say("%s", note)
	}
	if p.funnels == nil {
		return
	}
	for _, f := range p.funnels.all {
		f.brief(say)
	}
}

// brief says which stages of a pipeline are for deals that are won or lost.
func (f *funnel) brief(say func(format string, args ...any)) {
	if !f.isNew {
		say("pipeline %q: is there; its stages are open: %s; won: %s; lost: %s", f.Name, f.stagesOf(open), f.stagesOf(won), f.stagesOf(lost))
		return
	}
	say("pipeline %q: is new; taken for won: %s; taken for lost: %s; open, with their probabilities: %s (--won, --lost and --open say otherwise)",
		f.Name, f.stagesOf(won), f.stagesOf(lost), f.stagesOf(open))
}

func (f *funnel) stagesOf(kind stageKind) string {
	var names []string
	for _, s := range f.Stages {
		switch {
		case s.Kind != kind:
		case kind == open:
			names = append(names, fmt.Sprintf("%s (%d %%)", s.Name, s.Probability))
		default:
			names = append(names, s.Name)
		}
	}
	return firstOf(strings.Join(names, ", "), "none")
}

func separatorName(comma byte) string {
	if name, ok := map[byte]string{',': "commas", ';': "semicolons", '\t': "tabs", '|': "bars"}[comma]; ok {
		return name
	}
	return fmt.Sprintf("%q", comma)
}

// plural returns a word in the number that fits.
func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// unlikely notes what the header of the file does not fit: columns that come
// twice, names that others have, a file of another kind of record.
func (p *plan) unlikely() {
	for i, h := range p.header {
		if h != "" && slices.IndexFunc(p.header, func(o string) bool { return squeeze(o) == squeeze(h) }) < i && !slices.Contains(p.twice, h) {
			p.twice = append(p.twice, h)
		}
	}
	for _, h := range p.twice {
		p.note("there are several columns %q; those that are not used are left out (rename them, or use --map)", h)
	}
	if p.isErrors {
		return
	}
	mine := p.recognised(p.object)
	for _, o := range objects {
		if n := p.recognised(o); o != p.object && n > mine {
			p.note("the columns look like those of %s rather than %s: %d of them are known there, and %d here (--object says which they are)", o.collection, p.object.collection, n, mine)
		}
	}
}

// recognised counts the columns whose names say what they hold in records of a
// kind.
func (p *plan) recognised(o *object) int {
	m, err := newMapping(o, p.header, nil)
	if err != nil {
		return 0
	}
	return len(m.fields) - len(slices.DeleteFunc(slices.Clone(m.fields), func(f string) bool { return f != "" && f != ignored }))
}
