package csvimport

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/charset"
)

// file is what a first look at a file found out.
type file struct {
	path   string
	size   int64
	sha256 string

	encoding charset.Encoding
	mark     int              // bytes before the text
	guessed  bool             // the encoding was
	sampled  []charset.Choice // words that show it, if it was
	broken   []charset.Choice // what the few lines could be that are not UTF-8
	end      byte             // of a line
	comma    byte
	preamble bool // the first line is Excel's sep=;

	ours  bool     // it is an errors file, in the encoding that we write them in
	names []string // of the columns, trimmed

	found findings // what was assumed so far
}

// Why nothing of a file can be imported.
var (
	errEmpty      = errors.New("the file is empty")
	errHeaderOnly = errors.New("the file has a header and no rows")
)

// examine takes a first look at a file: what it is, byte by byte, and how to
// read it. What the options say is not questioned.
func examine(path string, o Options) (*file, error) {
	f := &file{path: path}
	doubt, err := f.scan()
	if err != nil {
		return nil, err
	}
	if o.Encoding != "" && o.Encoding != "auto" && !f.ours {
		if f.encoding, err = charset.Named(o.Encoding); err != nil {
			return nil, err
		}
		f.guessed, f.sampled, f.broken, doubt = false, nil, nil, nil
	}
	if f.size == int64(f.mark) {
		return nil, errEmpty
	}
	if len(doubt) > 0 {
		return nil, errDoubtful{doubt}
	}
	if err := f.sniff(o.Delimiter); err != nil {
		return nil, err
	}
	return f, nil
}

// scan reads all bytes of the file once. If it cannot tell the encoding, it
// returns what it could be.
func (f *file) scan() (doubt []charset.Choice, err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	if stat, err := in.Stat(); err == nil && !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f.path)
	}
	hash := sha256.New()
	r := bufio.NewReaderSize(io.TeeReader(in, hash), 1<<18)
	start, err := r.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	e, size, marked := charset.Marked(start)
	f.encoding, f.mark = e, size
	f.ours = marked && bytes.HasPrefix(bytes.TrimLeft(start[size:], `"`), []byte(reportColumns[0]))
	var d charset.Detector
	for {
		piece, err := r.ReadSlice('\n') // a long line comes in several pieces, which is good enough
		f.size += int64(len(piece))
		if !marked {
			d.Add(piece)
		}
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		break
	}
	f.sha256 = hex.EncodeToString(hash.Sum(nil))
	if marked {
		return nil, nil
	}
	v := d.Verdict()
	f.encoding, f.guessed, f.sampled, f.broken = v.Encoding, v.Guessed, v.Samples, v.Broken
	return v.Doubt, nil
}

// open returns a reader of the file's rows, the header among them. The caller
// closes the file.
func (f *file) open() (*rowReader, io.Closer, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, nil, err
	}
	if _, err := in.Seek(int64(f.mark), io.SeekStart); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	rows := &rowReader{lines: newLineReader(f.encoding.Reader(in), f.end, f.encoding.Line), comma: f.comma}
	if f.preamble {
		rows.drop1()
	}
	return rows, in, nil
}

// rows returns a reader of the rows after the header.
func (f *file) rows() (*rowReader, io.Closer, error) {
	rows, in, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	if _, err := rows.next(); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	rows.width = len(f.names)
	return rows, in, nil
}

// sniffed is how much of a file is looked at to find out what separates cells.
const sniffed = 1 << 17

// sniff finds out how lines end, what separates cells, and what they are
// called.
func (f *file) sniff(delimiter string) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	if _, err := in.Seek(int64(f.mark), io.SeekStart); err != nil {
		return err
	}
	start, err := io.ReadAll(io.LimitReader(f.encoding.Reader(in), sniffed))
	if err != nil {
		return err
	}
	f.end = '\n'
	if bytes.IndexByte(start, '\n') < 0 && bytes.IndexByte(start, '\r') >= 0 {
		f.end = '\r'
	}
	if err := f.separate(start, delimiter); err != nil {
		return err
	}
	rows, c, err := f.open()
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was only read
	header, err := rows.next()
	if errors.Is(err, io.EOF) {
		return errEmpty
	}
	if err != nil {
		return err
	}
	if header.fault != nil {
		return fmt.Errorf("the header (line %d) cannot be read: %w", header.line, header.fault)
	}
	f.names = tidy(header.cells)
	if _, err := rows.next(); errors.Is(err, io.EOF) {
		return errHeaderOnly
	}
	return nil
}

// tidy returns the names of the columns. Nameless columns at the end are none.
func tidy(cells []string) []string {
	header := make([]string, len(cells))
	last := 0
	for i, c := range cells {
		header[i] = headerName(c)
		if header[i] != "" {
			last = i + 1
		}
	}
	return header[:last]
}

// headerName returns the name of a column without what protects it from a
// spreadsheet, and without characters that nobody sees.
func headerName(cell string) string {
	name := strings.TrimSpace(visible(norm.NFC.String(readable(cell))))
	if inner, ok := unarmoured(name); ok {
		name = inner
	}
	if n := len(name); n > 2 && name[0] == '"' && name[n-1] == '"' {
		name = name[1 : n-1]
	}
	return strings.Join(strings.Fields(name), " ")
}

// delimiters that a file may have, in the order of preference.
const delimiters = ",;\t|"

// separate finds out what separates cells.
func (f *file) separate(start []byte, wanted string) error {
	first, _, _ := bytes.Cut(start, []byte{f.end})
	sep, ok := strings.CutPrefix(strings.TrimSpace(string(first)), "sep=")
	f.preamble = ok && len(sep) == 1
	switch {
	case wanted == "tab" || wanted == `\t`:
		f.comma = '\t'
	case len(wanted) == 1 && wanted != `"`:
		f.comma = wanted[0]
	case wanted != "" && wanted != "auto":
		return fmt.Errorf("the delimiter must be a single character or tab, and not %q", wanted)
	case f.preamble:
		f.comma = sep[0]
	default:
		f.comma = guessComma(start, f.end, f.encoding.Line)
	}
	return nil
}

// guessComma returns the delimiter with which the most rows are as wide as the
// first one.
func guessComma(start []byte, end byte, decode func([]byte) (string, bool)) byte {
	best, most := delimiters[0], 0
	for _, comma := range []byte(delimiters) {
		rows := &rowReader{lines: newLineReader(bytes.NewReader(start), end, decode), comma: comma}
		header, err := rows.next()
		width := len(header.cells)
		if err != nil || width < 2 {
			continue
		}
		agree := 1
		for range 100 {
			r, err := rows.next()
			if err != nil {
				break
			}
			if len(r.cells) == width {
				agree++
			}
		}
		if score := agree * width; score > most {
			best, most = comma, score
		}
	}
	return best
}

// drop1 drops the next line, whatever is in it.
func (r *rowReader) drop1() {
	if _, ok := r.peek(0); ok {
		r.drop(1)
	}
}
