package csvimport

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"
)

// encoding is how the text of a file became bytes.
type encoding struct {
	name string

	// stream turns the file into ASCII-compatible bytes, and bytes of one line
	// into text. Lines that are in another encoding are foreign.
	stream func(io.Reader) io.Reader
	decode func([]byte) (text string, foreign bool)

	// replaces says that what cannot be decoded becomes U+FFFD. In UTF-8 it
	// stays as it is.
	replaces bool
}

// The encodings that files come in.
var encodings = []encoding{
	{name: "utf-8", stream: asItIs, decode: decodeUTF8},
	{name: "utf-16le", stream: fromUTF16(utf16.LittleEndian), decode: decodeUTF8, replaces: true},
	{name: "utf-16be", stream: fromUTF16(utf16.BigEndian), decode: decodeUTF8, replaces: true},
	{name: "windows-1252", stream: asItIs, decode: decode1252, replaces: true},
}

func encodingNamed(name string) (encoding, error) {
	i := slices.IndexFunc(encodings, func(e encoding) bool { return e.name == name })
	if i < 0 {
		return encoding{}, fmt.Errorf("there is no encoding %q; there are auto, utf-8, utf-16le, utf-16be and windows-1252", name)
	}
	return encodings[i], nil
}

func asItIs(r io.Reader) io.Reader { return r }

func fromUTF16(order utf16.Endianness) func(io.Reader) io.Reader {
	return utf16.UTF16(order, utf16.IgnoreBOM).NewDecoder().Reader
}

func decodeUTF8(b []byte) (string, bool) { return string(b), false }

// decode1252 decodes a line of Windows-1252. A line that makes sense as UTF-8
// is foreign: nobody writes Ã¼ on purpose.
func decode1252(b []byte) (string, bool) {
	if isASCII(b) {
		return string(b), false
	}
	if utf8.Valid(b) {
		return string(b), true
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(text), err != nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// The marks that a file may begin with.
var marks = []struct {
	bytes    string
	encoding string
}{
	{"\xef\xbb\xbf", "utf-8"},
	{"\xff\xfe", "utf-16le"},
	{"\xfe\xff", "utf-16be"},
}

// marked returns the encoding that a file says it has, and the size of the mark
// that says so.
func marked(start []byte) (name string, size int) {
	for _, m := range marks {
		if bytes.HasPrefix(start, []byte(m.bytes)) {
			return m.encoding, len(m.bytes)
		}
	}
	// Text of our alphabets in UTF-16 has a NUL in every other byte, and no
	// other text has any.
	var nul [2]int
	for i, c := range start {
		if c == 0 {
			nul[i%2]++
		}
	}
	switch half := len(start) / 2; {
	case half > 0 && nul[1] > half*3/4 && nul[0] == 0:
		return "utf-16le", 0
	case half > 0 && nul[0] > half*3/4 && nul[1] == 0:
		return "utf-16be", 0
	}
	return "", 0
}

// census counts the lines of a file without a mark by the encodings that they
// can be in.
type census struct {
	multibyte int // valid UTF-8 and more than ASCII
	western   int // not UTF-8, and sensible in Windows-1252
	rubbish   int // neither
}

func (c *census) add(line []byte) {
	switch {
	case isASCII(line):
	case utf8.Valid(line):
		c.multibyte++
	case isWestern(line):
		c.western++
	default:
		c.rubbish++
	}
}

// encoding returns what the file is in. A few bad lines do not make a file of
// UTF-8 anything else.
func (c *census) encoding() string {
	if c.western > 10*c.multibyte && c.western > c.rubbish {
		return "windows-1252"
	}
	return "utf-8"
}

// isWestern reports whether a line makes sense in Windows-1252: the letters
// beyond ASCII are those of western languages, and they are not in capitals in the
// middle of a word, as they are when something else was taken for this.
func isWestern(line []byte) bool {
	text, err := charmap.Windows1252.NewDecoder().String(string(line))
	if err != nil {
		return false
	}
	var before rune
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
		case r == utf8.RuneError, strings.ContainsRune("ÐðÞþ×÷ÿ", r):
			return false
		case unicode.IsUpper(r) && unicode.IsLower(before):
			return false
		case r < 0xA0: // control characters
			return false
		}
		before = r
	}
	return true
}

// readable returns text without what cannot be decoded, for people: what is not
// UTF-8 was most probably Windows-1252.
func readable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && text[i] != 0xEF {
			r = charmap.Windows1252.DecodeByte(text[i])
		}
		b.WriteRune(r)
	}
	return b.String()
}
