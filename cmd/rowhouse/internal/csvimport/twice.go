package csvimport

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// decodedTwice returns the text of what is UTF-8 that was taken for another
// encoding and encoded once more: ü became Ã¼. If only a part of it is, it is left
// as it is, and reported. What is right as it is, stays: NESCAFÉ® are the bytes of
// another text, too.
func decodedTwice(text string) (once string, partly bool) {
	suspect := strings.IndexFunc(text, func(r rune) bool {
		return r >= 'Â' && r <= 'ô' || r >= 'А' && r <= 'я' || strings.ContainsRune("ĂÄĹĐ├╨╤√", r)
	})
	if suspect < 0 {
		return text, false
	}
	for _, m := range []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1, charmap.Windows1250, charmap.Windows1251, charmap.CodePage437, charmap.CodePage850, charmap.CodePage866, charmap.Macintosh} {
		raw, err := m.NewEncoder().String(text)
		if err != nil || !utf8.ValidString(raw) {
			continue
		}
		beyond := 0
		for _, r := range raw {
			if r >= utf8.RuneSelf {
				beyond++
			}
		}
		if (m == charmap.Windows1251 || m == charmap.CodePage866) && !hasASCIILetter(text) { // a word of two letters may be so by chance
			beyond--
		}
		if beyond > 0 && isPlausible([]rune(text), raw) {
			return raw, false
		}
	}
	return text, mixedUp.MatchString(text)
}

func hasASCIILetter(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < utf8.RuneSelf && unicode.IsLetter(r) })
}

// mixedUp is a letter of two bytes in UTF-8 that was taken for Windows-1252.
var mixedUp = regexp.MustCompile(`Ã[\x{80}-\x{9f}¡-¨ª¬-º¼-¿€‚ƒ„†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ][a-z]`)

// isPlausible reports whether a text makes more sense once it is decoded. Letters of
// Latin scripts and punctuation must be those that languages have. Those of other
// scripts must make up whole words, and more than one letter. What may be a capital
// letter and the sign after it says nothing if it is there once.
func isPlausible(text []rune, decoded string) bool {
	certain, open := 0, 0
	at := 0
	for _, r := range decoded {
		size := utf8.RuneLen(r)
		switch {
		case r < utf8.RuneSelf:
		case isLatinOrSign(r):
			if isCapitalAndSign(text, at, size) {
				open++
			} else {
				certain++
			}
		case scriptNames(r) == "":
			return false
		}
		at += size
	}
	foreign, ok := foreignWords(decoded)
	if !ok {
		return false
	}
	return certain > 0 || open > 1 || foreign > 1
}

// isLatinOrSign reports whether a character is a letter that a language writes in
// Latin script, or one of the signs that texts have.
func isLatinOrSign(r rune) bool {
	switch {
	case r >= 0xA0 && r <= 0x17F, r >= 0x1E80 && r <= 0x1E85, r >= 0x1EA0 && r <= 0x1EF9, r >= 0x2010 && r <= 0x203A, r >= 0x20A0 && r <= 0x20BF:
		return true
	}
	return strings.ContainsRune("ȘșȚțƠơƯưƏəẞǍǎ™№℠←→−…\ufeff", r)
}

// scriptNames returns the script of a letter, as far as names are written in it.
func scriptNames(r rune) string {
	if unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) || r == 'ー' || r == '・' || r >= 0x3000 && r < 0x3020 || r >= 0xFF00 && r < 0xFFF0 {
		return "Asian"
	}
	for _, s := range []struct {
		name  string
		table *unicode.RangeTable
	}{
		{"Greek", unicode.Greek},
		{"Cyrillic", unicode.Cyrillic},
		{"Armenian", unicode.Armenian},
		{"Hebrew", unicode.Hebrew},
		{"Arabic", unicode.Arabic},
		{"Devanagari", unicode.Devanagari},
		{"Bengali", unicode.Bengali},
		{"Tamil", unicode.Tamil},
		{"Telugu", unicode.Telugu},
		{"Thai", unicode.Thai},
		{"Georgian", unicode.Georgian},
		{"Hangul", unicode.Hangul},
	} {
		if unicode.Is(s.table, r) {
			return s.name
		}
	}
	if r >= 0x2190 && r < 0x2BFF || r >= 0x1F000 && r < 0x1FB00 || r == 0xFE0F || r == 0x200D { // pictures
		return "Pictures"
	}
	return ""
}

// foreignWords counts the letters of other scripts than the Latin one, and reports
// whether no word has letters of two scripts.
func foreignWords(text string) (n int, ok bool) {
	script := ""
	for _, r := range text {
		switch now := scriptNames(r); {
		case now == "Pictures":
			n += 2 // nobody writes what they were before
			script = ""
		case now != "" && script != "" && script != now:
			return 0, false
		case now != "":
			script = now
			n++
		case unicode.IsLetter(r) && script != "" && script != "Latin":
			return 0, false
		case unicode.IsLetter(r):
			script = "Latin"
		case !unicode.IsMark(r):
			script = ""
		}
	}
	return n, true
}

// isCapitalAndSign reports whether the characters at a place, which could be the
// bytes of one, may be meant as they are: the last letter of a word, most of all of one in
// capitals, and a sign that ends a word or stands before a short ending: CAFÉ®, ANDRÉ’S.
func isCapitalAndSign(text []rune, at, size int) bool {
	if size != 2 || !unicode.IsLetter(text[at]) || !strings.ContainsRune("®™©’”“»›…–—·•\u00a0", text[at+1]) {
		return false
	}
	inWord := at > 0 && unicode.IsLetter(text[at-1])
	switch {
	case unicode.IsUpper(text[at]) && inWord && unicode.IsLower(text[at-1]):
		return false
	case text[at] == 'Â' && !inWord: // it is no word, and all signs became Â and another one
		return false
	}
	rest := text[at+2:]
	letters := 0
	for letters < len(rest) && unicode.IsLetter(rest[letters]) {
		if unicode.IsLower(rest[letters]) {
			return false
		}
		letters++
	}
	const ending = 2
	return letters == 0 || text[at+1] == '’' && letters <= ending || strings.ContainsRune("–—·•\u00a0", text[at+1])
}
