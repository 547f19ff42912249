package charset

import (
	"bytes"
	"unicode/utf16"
)

// Marked returns the encoding that the start of a file says it has, by a mark or
// by where its zero bytes are, and the size of the mark. The last result is
// false if the start does not say it.
func Marked(start []byte) (e Encoding, size int, ok bool) {
	for _, m := range []struct {
		mark string
		Encoding
	}{
		{"\xff\xfe\x00\x00", utf32le},
		{"\x00\x00\xfe\xff", utf32be},
		{"\xef\xbb\xbf", UTF8},
		{"\xff\xfe", utf16le},
		{"\xfe\xff", utf16be},
	} {
		if bytes.HasPrefix(start, []byte(m.mark)) {
			return m.Encoding, len(m.mark), true
		}
	}
	e, ok = unmarked(start)
	return e, 0, ok
}

// unmarked knows UTF-16 and UTF-32 by their zero bytes: no other text has any,
// and the separators of cells and lines have some whatever the letters are.
func unmarked(start []byte) (Encoding, bool) {
	var nul [4]int
	total := 0
	for i, c := range start {
		if c == 0 {
			nul[i%4]++
			total++
		}
	}
	n := len(start)
	if n < 8 || total*50 < n { // less than two of a hundred: text with a zero byte in it
		return Encoding{}, false
	}
	quarter := n / 4
	switch {
	case n%4 == 0 && nul[2]*10 >= quarter*9 && nul[3] == quarter && nul[0]*2 < quarter:
		return utf32le, true
	case n%4 == 0 && nul[1]*10 >= quarter*9 && nul[0] == quarter && nul[3]*2 < quarter:
		return utf32be, true
	}
	little := isUTF16(start, func(p []byte) uint16 { return uint16(p[0]) | uint16(p[1])<<8 })
	big := isUTF16(start, func(p []byte) uint16 { return uint16(p[1]) | uint16(p[0])<<8 })
	switch even, odd := nul[0]+nul[2], nul[1]+nul[3]; {
	case little && (!big || odd > even):
		return utf16le, true
	case big && (!little || even > odd):
		return utf16be, true
	}
	return Encoding{}, false
}

// isUTF16 reports whether bytes are text in UTF-16: they have the ends of lines
// or what separates cells, no surrogate alone, and no other control character.
func isUTF16(start []byte, unit func([]byte) uint16) bool {
	ends := false
	for i := 0; i+1 < len(start); i += 2 {
		u := unit(start[i:])
		switch {
		case u == '\n' || u == '\r' || u == ',' || u == ';' || u == '\t':
			ends = true
		case u < ' ', u >= 0xFFFE, u >= 0xFDD0 && u < 0xFDF0:
			return false
		case utf16.IsSurrogate(rune(u)):
			if i+3 >= len(start) {
				break // the rest of the pair is beyond the start
			}
			if next := unit(start[i+2:]); u >= 0xDC00 || next < 0xDC00 || next > 0xDFFF {
				return false
			}
			i += 2
		}
	}
	return ends
}
