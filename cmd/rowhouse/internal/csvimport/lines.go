package csvimport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// line is a line of the file as it is, whatever the quotes in it may mean.
type line struct {
	n       int // counted from 1
	text    string
	foreign bool // in another encoding than the file
	cut     bool // longer than maxRecord; the rest of it was left out
}

// maxRecord is how long a row may be, and so how far an open quote is followed.
const maxRecord = 1 << 20

// lineReader reads lines that end in \n, \r\n or, in files of old Macs, \r.
type lineReader struct {
	src    *bufio.Reader
	end    byte
	decode func([]byte) (text string, foreign bool)
	n      int
	buf    []byte
}

func newLineReader(r io.Reader, end byte, decode func([]byte) (string, bool)) *lineReader {
	return &lineReader{src: bufio.NewReaderSize(r, 1<<16), end: end, decode: decode}
}

// next returns the next line, or io.EOF after the last one.
func (r *lineReader) next() (line, error) {
	raw, err := r.src.ReadSlice(r.end)
	cut := false
	if errors.Is(err, bufio.ErrBufferFull) {
		raw, cut, err = r.long(raw)
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(raw) == 0) {
		return line{}, err
	}
	r.n++
	raw = bytes.TrimSuffix(raw, []byte{r.end})
	if r.end == '\n' {
		raw = bytes.TrimRight(raw, "\r") // some programs write \r\r\n
	}
	text, foreign := r.decode(raw)
	return line{n: r.n, text: text, foreign: foreign, cut: cut}, nil
}

// long reads the rest of a line that does not fit into the buffer.
func (r *lineReader) long(start []byte) (raw []byte, cut bool, err error) {
	r.buf = append(r.buf[:0], start...)
	for {
		start, err = r.src.ReadSlice(r.end)
		if room := maxRecord - len(r.buf); len(start) > room {
			start, cut = start[:room], true
		}
		r.buf = append(r.buf, start...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.buf, cut, err
		}
	}
}
