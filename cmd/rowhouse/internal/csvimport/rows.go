package csvimport

import (
	"fmt"
	"strings"
)

// row is a row of the file: its cells, or what is wrong with it.
type row struct {
	line  int      // where it begins
	cells []string // nil if nobody can tell where they begin and end
	text  string   // as it is in the file; only if it is wrong
	fault *fault
}

// fault says why a row, or a cell of it, was not imported. Its reason never
// repeats what is in the file.
type fault struct {
	column string // as the header names it; empty if it is the whole row
	code   string
	reason string
}

func (f *fault) Error() string {
	if f.column == "" {
		return f.reason
	}
	return f.column + ": " + f.reason
}

// rowReader reads rows, and never loses a good one because of a bad one.
//
// Rows are as RFC 4180 has them, and a little more: blanks around a quoted cell
// are skipped, a cell without quotes around it may hold quotes in pairs (Bob
// "Bob" Smith), and cells that are missing their name may be there if they are
// empty. Anything else is a bad row, which costs exactly one line: reading goes
// on with the line after the one where the bad row began. An open quote would
// otherwise take with it whatever follows, up to the next quote.
//
// So a row over several lines is only believed if it cannot be an open quote:
// it must have as many cells as the header, and no line that it takes along may
// look like a row of its own: as many cells, and no blanks between them as there
// are in prose. A good row on a single line has quotes in pairs, so one open
// quote can never end in it.
type rowReader struct {
	lines *lineReader
	comma byte
	width int // how many cells a row has; 0 if that is not known yet

	queue []line // read ahead, from head on
	head  int
	err   error // of reading ahead
}

// next returns the next row that is not blank, or io.EOF.
func (r *rowReader) next() (row, error) {
	for {
		first, ok := r.peek(0)
		if !ok {
			return row{}, r.err
		}
		if strings.TrimSpace(first.text) == "" && !first.cut {
			r.drop(1)
			continue
		}
		if row, blank := r.record(first); !blank {
			return row, nil
		}
	}
}

// record reads the row that begins with the first line.
func (r *rowReader) record(first line) (_ row, blank bool) {
	if first.cut {
		r.drop(1)
		return row{line: first.n, text: first.text[:1000], fault: &fault{"", "row_too_long", "the row is longer than 1 MiB"}}, false
	}
	p := record{reader: r}
	broken := p.parse()
	if broken == "" && p.used > 1 {
		switch {
		case r.width > 0 && len(p.cells) != r.width:
			broken = fmt.Sprintf("a quote is open, or the row has %d columns and the header has %d", len(p.cells), r.width)
		case r.width > 2 && p.likeRows > 0, r.width == 2 && p.likeRows == p.used-1:
			broken = "a quote is open: the lines that it would take along are rows of their own"
		}
	}
	if broken != "" {
		r.drop(1)
		return row{line: first.n, text: first.text, fault: &fault{"", "broken_quotes", broken}}, false
	}
	out := row{line: first.n, cells: p.cells}
	foreign := p.foreign
	if !allEmpty(p.cells) && (foreign || r.width > 0 && len(p.cells) != r.width) {
		out.text = p.text()
	}
	r.drop(p.used)
	switch {
	case allEmpty(p.cells):
		return row{}, true
	case foreign:
		out.fault = &fault{"", "wrong_encoding", "the row is in another encoding than the rest of the file"}
	case r.width > 0 && len(p.cells) != r.width:
		out.fault = &fault{"", "wrong_column_count", fmt.Sprintf("the row has %d columns and the header has %d", len(p.cells), r.width)}
	}
	return out, false
}

// peek returns the i-th line that was not dropped yet.
func (r *rowReader) peek(i int) (line, bool) {
	for r.head+i >= len(r.queue) {
		if r.err != nil {
			return line{}, false
		}
		l, err := r.lines.next()
		if err != nil {
			r.err = err
			return line{}, false
		}
		r.queue = append(r.queue, l)
	}
	return r.queue[r.head+i], true
}

func (r *rowReader) drop(n int) {
	r.head += n
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
	} else if r.head > 1024 {
		r.queue = append(r.queue[:0], r.queue[r.head:]...)
		r.head = 0
	}
}

// record is a row while it is being read.
type record struct {
	reader *rowReader
	cells  []string

	used     int  // lines read
	likeRows int  // of those after the first, how many could be rows of their own
	size     int  // bytes read
	foreign  bool // one of the lines is
}

// parse reads a row and says what is wrong with its quotes, if anything is.
func (p *record) parse() (broken string) {
	l, _ := p.line()
	if !strings.ContainsRune(l, '"') { // most are like this
		p.cells = p.trim(strings.Split(l, string(p.reader.comma)))
		return ""
	}
	for rest, more := l, true; more; {
		start := strings.TrimLeft(rest, " ")
		if !strings.HasPrefix(start, `"`) {
			var cell string
			cell, rest, more = strings.Cut(rest, string(p.reader.comma))
			if strings.Count(cell, `"`)%2 != 0 {
				return "a quote is in the middle of a cell"
			}
			p.cells = append(p.cells, cell)
			continue
		}
		cell, after, broken := p.quoted(start[1:])
		if broken != "" {
			return broken
		}
		p.cells = append(p.cells, cell)
		after = strings.TrimLeft(after, " ")
		if more = after != ""; more && after[0] != p.reader.comma {
			return "there is text after a closing quote"
		} else if more {
			rest = after[1:]
		}
	}
	p.cells = p.trim(p.cells)
	return ""
}

// quoted reads a cell after its opening quote, and returns what comes after its
// closing one.
func (p *record) quoted(rest string) (cell, after, broken string) {
	var b strings.Builder
	for inFirst := true; ; inFirst = false {
		l := rest
		closed := -1
		for {
			i := strings.IndexByte(rest, '"')
			if i < 0 {
				b.WriteString(rest)
				break
			}
			b.WriteString(rest[:i])
			rest = rest[i+1:]
			if !strings.HasPrefix(rest, `"`) {
				closed = len(l) - len(rest) - 1
				break
			}
			b.WriteByte('"')
			rest = rest[1:]
		}
		inside := l
		if closed >= 0 {
			inside = l[:closed]
		}
		if !inFirst && p.likeRow(inside) {
			p.likeRows++
		}
		if closed >= 0 {
			return b.String(), rest, ""
		}
		b.WriteByte('\n')
		var ok bool
		if rest, ok = p.line(); !ok {
			return "", "", "a quote is not closed"
		}
	}
}

// likeRow reports whether a line could be a row of its own.
func (p *record) likeRow(line string) bool {
	comma := string(p.reader.comma)
	return strings.Count(line, comma) == p.reader.width-1 && !strings.Contains(line, comma+" ")
}

// line returns the next line of the row, if there can be one.
func (p *record) line() (string, bool) {
	l, ok := p.reader.peek(p.used)
	p.size += len(l.text) + 1
	if !ok || l.cut || p.size > maxRecord {
		return "", false
	}
	p.used++
	p.foreign = p.foreign || l.foreign
	return l.text, true
}

// trim leaves out empty cells beyond the last column.
func (p *record) trim(cells []string) []string {
	if w := p.reader.width; w > 0 && len(cells) > w && allEmpty(cells[w:]) {
		return cells[:w]
	}
	return cells
}

// text returns the row as it is in the file.
func (p *record) text() string {
	var b strings.Builder
	for i := range p.used {
		if i > 0 {
			b.WriteByte('\n')
		}
		l, _ := p.reader.peek(i)
		b.WriteString(l.text)
	}
	return b.String()
}

func allEmpty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
