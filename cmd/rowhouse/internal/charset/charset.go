// Package charset finds out how the text of a file became bytes, by what is in
// it, and turns it back into text.
//
// It takes nothing for granted: text in an encoding of eight bits looks like
// text in each of the others, and only one of them makes sense of it. Where two
// do, it says so, and leaves the choice to people.
package charset

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/unicode/norm"
)

// Encoding is how text became bytes. The zero Encoding is UTF-8.
type Encoding struct {
	name   string
	code   encoding.Encoding // nil for UTF-8
	wide   bool              // a line feed is more than one byte
	eight  bool              // each byte is a character
	script string            // of its letters, if it is one of those that are detected
}

// UTF8 is the encoding that needs no conversion.
var UTF8 = Encoding{name: "utf-8"}

// The encodings of which a line feed is more than one byte.
var (
	utf16le = Encoding{name: "utf-16le", code: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), wide: true}
	utf16be = Encoding{name: "utf-16be", code: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), wide: true}
	utf32le = Encoding{name: "utf-32le", code: utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), wide: true}
	utf32be = Encoding{name: "utf-32be", code: utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), wide: true}
)

// The encodings of East Asia. Their bytes below 0x80 are ASCII at the beginning
// and the end of a line.
var eastern = []Encoding{
	{name: "shift_jis", code: japanese.ShiftJIS, script: "ja"},
	{name: "euc-jp", code: japanese.EUCJP, script: "ja"},
	{name: "gb18030", code: simplifiedchinese.GB18030, script: "zh"},
	{name: "big5", code: traditionalchinese.Big5, script: "zh"},
	{name: "euc-kr", code: korean.EUCKR, script: "ko"},
}

// iso2022jp is known by its escape sequences, and has no byte above 0x7F.
var iso2022jp = Encoding{name: "iso-2022-jp", code: japanese.ISO2022JP}

// other names of encodings, which neither WHATWG nor IANA has and people use.
var otherNames = map[string]encoding.Encoding{
	"mac": charmap.Macintosh, "macroman": charmap.Macintosh, "macroman8": charmap.Macintosh, "xmacroman": charmap.Macintosh,
	"maccyrillic": charmap.MacintoshCyrillic,
	"ansi":        charmap.Windows1252, "latin1": charmap.Windows1252, "ascii": charmap.Windows1252, "usascii": charmap.Windows1252,
	"latin2": charmap.ISO8859_2, "latin9": charmap.ISO8859_15, "latin10": charmap.ISO8859_16,
	"tis620": charmap.Windows874, "iso885911": charmap.Windows874,
	"cp932": japanese.ShiftJIS, "windows31j": japanese.ShiftJIS, "ms932": japanese.ShiftJIS,
	"cp936": simplifiedchinese.GB18030, "cp949": korean.EUCKR, "uhc": korean.EUCKR, "cp950": traditionalchinese.Big5,
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp855": charmap.CodePage855,
	"cp858": charmap.CodePage858, "cp860": charmap.CodePage860, "cp862": charmap.CodePage862, "cp863": charmap.CodePage863,
	"cp865": charmap.CodePage865, "cp866": charmap.CodePage866,
	"1250": charmap.Windows1250, "1251": charmap.Windows1251, "1252": charmap.Windows1252, "1253": charmap.Windows1253, "1254": charmap.Windows1254,
	"1255": charmap.Windows1255, "1256": charmap.Windows1256, "1257": charmap.Windows1257, "1258": charmap.Windows1258, "874": charmap.Windows874,
	"437": charmap.CodePage437, "850": charmap.CodePage850, "852": charmap.CodePage852, "866": charmap.CodePage866,
}

// Named returns the encoding of a name: that of WHATWG, IANA, or what Windows
// and DOS call it.
func Named(name string) (Encoding, error) {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	switch plain {
	case "utf8", "utf8sig", "utf8bom", "unicode11utf8":
		return UTF8, nil
	case "utf16le", "utf16", "unicode", "ucs2":
		return utf16le, nil
	case "utf16be":
		return utf16be, nil
	case "utf32le", "utf32":
		return utf32le, nil
	case "utf32be":
		return utf32be, nil
	}
	for _, e := range detectable {
		if strings.Map(alphanumeric, e.name) == plain {
			return e.Encoding, nil
		}
	}
	code := otherNames[plain]
	for _, spelling := range []string{name, "windows-" + strings.TrimPrefix(plain, "cp"), strings.Replace(plain, "iso8859", "iso-8859-", 1), strings.Replace(plain, "ibm", "cp", 1)} {
		if code == nil {
			code, _ = htmlindex.Get(spelling)
		}
		if code == nil {
			code, _ = ianaindex.IANA.Encoding(spelling)
		}
	}
	if code == nil || code == encoding.Replacement || code == charmap.CodePage037 || code == charmap.CodePage1047 || code == charmap.CodePage1140 {
		return Encoding{}, fmt.Errorf("there is no encoding %q; there are auto, utf-8, utf-16le, utf-16be, utf-32le, utf-32be, windows-1250 to windows-1258, windows-874, "+
			"iso-8859-1 to iso-8859-16, koi8-r, koi8-u, macintosh, x-mac-cyrillic, cp437, cp850, cp852, cp855, cp858, cp860, cp862, cp863, cp865, cp866, shift_jis, euc-jp, iso-2022-jp, gbk, gb18030, big5 and euc-kr", name)
	}
	e := Encoding{name: nameOf(code, name), code: code}
	_, e.eight = code.(*charmap.Charmap)
	return e, nil
}

func alphanumeric(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func nameOf(code encoding.Encoding, said string) string {
	for _, e := range detectable {
		if e.code == code {
			return e.name
		}
	}
	if name, err := htmlindex.Name(code); err == nil {
		return name
	}
	return strings.ToLower(said)
}

// Name returns the name of the encoding, which [Named] understands.
func (e Encoding) Name() string {
	if e.code == nil {
		return UTF8.name
	}
	return e.name
}

// Reader returns the bytes of a file in a form in which a line feed is one byte,
// and the bytes of a line are what [Encoding.Line] takes.
func (e Encoding) Reader(r io.Reader) io.Reader {
	if e.wide {
		return e.code.NewDecoder().Reader(r)
	}
	return r
}

// Line returns the text of a line that [Encoding.Reader] has returned. Bytes
// that are no text in the encoding become U+FFFD, but in UTF-8, where they stay as they
// are. A line that makes more sense as UTF-8 is foreign, and is returned as such.
func (e Encoding) Line(b []byte) (text string, foreign bool) {
	if e.code == nil || e.wide || isASCII(b) && e.code != japanese.ISO2022JP {
		return string(b), false
	}
	out, err := e.code.NewDecoder().Bytes(b)
	text = norm.NFC.String(string(out)) // Windows-1258 has letters and marks apart
	if e.eight && utf8.Valid(b) && (err != nil || looksTwice(text, e.script)) {
		return string(b), true
	}
	return text, false
}

// Lossy reports whether bytes that are no text are replaced by U+FFFD.
func (e Encoding) Lossy() bool { return e.code != nil }

// looksTwice reports whether text, which can also be read as UTF-8, makes no
// sense. Nobody writes Ã¼ on purpose; but there are words of Cyrillic or Greek
// letters whose bytes happen to be those of UTF-8.
func looksTwice(text, script string) bool {
	if script == "" || script == latin {
		return true
	}
	for _, w := range words(text) {
		if oddities(w, false) > 0 {
			return true
		}
	}
	return false
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
