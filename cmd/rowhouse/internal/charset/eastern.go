package charset

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// asian is what an East Asian encoding makes of the file.
type asian struct {
	Encoding
	score     float64 // logarithm of the likelihood
	mean      float64 // for each letter of Asia
	different int     // letters of Asia that are not the same
	syllables bool    // many of them belong to one language only
	text      string
}

// Bounds of what an East Asian encoding must make of a file to be taken without
// asking. A sign of degrees in a file of the West is one letter of Asia.
const (
	fewLetters = 4     // different ones
	likelier   = 9.0   // than the next encoding, as a logarithm
	oftenSeen  = -10.2 // the mean of letters that are common ones
	oftenUsed  = -8.0  // the mean of letters most of which are in names
	syllabic   = -8.6  // the same where there are kana or hangul among them
)

// sure reports whether the encoding can be taken without asking, next to the one that
// comes after it.
func (a asian) sure(next *asian) bool {
	enough := a.mean > oftenSeen
	if a.syllables {
		enough = a.mean > syllabic
	}
	return a.different >= fewLetters && enough && (next == nil || a.score-next.score > likelier)
}

// rivals reports whether an encoding of eight bits that makes sense of the file is
// not to be taken without asking, because this one makes sense of it, too.
func (a asian) rivals(best *scored) bool {
	if best.name == "windows-1252" {
		return a.different >= fewLetters && a.mean > oftenUsed
	}
	return a.mean > oftenSeen || a.different < fewLetters
}

// eastern returns the East Asian encodings that make sense of the file, the
// likeliest first.
func (d *Detector) eastern() (fit []asian) {
	for _, e := range eastern {
		if a, ok := d.read(e); ok && !slices.ContainsFunc(fit, func(b asian) bool { return b.text == a.text }) {
			fit = append(fit, a)
		}
	}
	slices.SortStableFunc(fit, func(a, b asian) int { return cmp.Compare(b.score, a.score) })
	return fit
}

func (d *Detector) easternChoices(fit []asian) (all []Choice) {
	for _, a := range fit {
		all = append(all, Choice{a.name, d.line(a.Encoding)})
	}
	return all
}

// kinds counts the characters of a text.
type kinds struct {
	hangul, kana, narrow, han int

	symbols  int // punctuation and signs
	other    int // letters of other scripts, and signs that are rare
	touching int // letters of ASCII and of Asia side by side
}

func (k *kinds) asian() int { return k.hangul + k.kana + k.narrow + k.han }

// read reports what an encoding makes of the file, and whether that can be text of
// the languages that the encoding is for.
func (d *Detector) read(e Encoding) (a asian, ok bool) {
	a = asian{Encoding: e}
	usual := commonLetters(e)
	var all kinds
	var text strings.Builder
	good := 0
	sum := 0.0
	seen := map[rune]bool{}
	for _, line := range d.lines {
		decoded, err := e.code.NewDecoder().String(string(line))
		if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
			continue
		}
		good++
		text.WriteString(decoded)
		text.WriteByte('\n')
		var before rune
		for _, r := range decoded {
			cost := all.count(r, before, e, usual)
			a.score += cost
			if isAsian(r) {
				seen[r] = true
				sum += cost
			}
			before = r
		}
	}
	n := all.asian()
	a.different, a.mean, a.text = len(seen), sum/float64(max(n, 1)), text.String()
	a.syllables = (all.kana+all.hangul)*10 > n
	switch {
	case good == 0 || good*20 < len(d.lines)*19: // nearly all lines must be text
	case n == 0:
		return a, all.symbols > 0 && all.other == 0
	case all.touching*2 > n || all.other*4 > n:
	case e.script == "ko":
		return a, all.hangul*2 >= n && all.kana+all.narrow == 0
	case e.script == "zh":
		return a, all.hangul+all.kana+all.narrow == 0
	default:
		return a, all.hangul == 0
	}
	return asian{}, false
}

// What a character costs: the logarithm of how likely it is.
const (
	plain     = -4.5  // of ASCII
	beforeOne = -2.0  // more, where a letter of ASCII touches one of Asia
	aKana     = -5.2  //
	aNarrow   = -6.2  // kana of half the width
	aMark     = -6.5  // punctuation of Asia
	aSymbol   = -9.0  // a middle dot, a sign of degrees
	usualHan  = -6.6  // one of those that names are written with
	usualSyll = -5.8  // the same, of hangul
	plainHan  = -9.6  // one of those that schools teach
	rareHan   = -13.5 // any other
	strange   = -14.0 // what is no letter of Asia
)

// count counts a character, and returns what it costs.
func (k *kinds) count(r, before rune, e Encoding, usual map[rune]bool) float64 {
	cost := 0.0
	if r >= utf8.RuneSelf && before < utf8.RuneSelf && unicode.IsLetter(before) && isAsian(r) ||
		before >= utf8.RuneSelf && r < utf8.RuneSelf && unicode.IsLetter(r) && isAsian(before) {
		k.touching++
		cost = beforeOne
	}
	switch {
	case r < utf8.RuneSelf:
		return cost + plain
	case unicode.Is(unicode.Hangul, r):
		k.hangul++
		return cost + letterCost(r, e, usual, usualSyll)
	case isKana(r):
		k.kana++
		return cost + aKana
	case isNarrow(r):
		k.narrow++
		return cost + aNarrow
	case unicode.Is(unicode.Han, r):
		k.han++
		return cost + letterCost(r, e, usual, usualHan)
	case strings.ContainsRune("　、。・「」『』（）－ー～〜＆．，：／０１２３４５６７８９々〇", r), r >= 0xFF21 && r <= 0xFF3A, r >= 0xFF41 && r <= 0xFF5A:
		k.symbols++
		return cost + aMark
	case isSymbol(r):
		k.symbols++
		return cost + aSymbol
	}
	k.other++
	return cost + strange
}

func letterCost(r rune, e Encoding, usual map[rune]bool, asUsual float64) float64 {
	switch {
	case usual[r]:
		return asUsual
	case isTaught(r, e):
		return plainHan
	}
	return rareHan
}

// isKana reports whether a character is one of Hiragana or Katakana, with the long vowel
// and the middle dot, which Unicode has as common to several scripts.
func isKana(r rune) bool { return r >= 0x3040 && r <= 0x30FF }

// isNarrow reports whether a character is a kana of half the width.
func isNarrow(r rune) bool { return r >= 0xFF61 && r <= 0xFF9F }

func isAsian(r rune) bool {
	return isKana(r) || isNarrow(r) || unicode.In(r, unicode.Hangul, unicode.Han)
}

// isSymbol reports whether a sign may be in a text of East Asia: punctuation, numbers in
// circles, ㈱, and what all encodings there have of the signs of the West.
func isSymbol(r rune) bool {
	return r >= 0x2010 && r < 0x3040 || r >= 0x3200 && r < 0x3400 || r >= 0xFF00 && r < 0xFFF0 || strings.ContainsRune("·×°±÷§¶´¨¬¥£®©™²³", r)
}

// isTaught reports whether a letter is in the part of the encoding that has the
// common ones.
func isTaught(r rune, e Encoding) bool {
	b, err := e.code.NewEncoder().String(string(r))
	if err != nil || len(b) != 2 {
		return false
	}
	lead, trail := b[0], b[1]
	switch e.name {
	case "shift_jis":
		return lead >= 0x88 && lead <= 0x97 || lead == 0x98 && trail <= 0x72
	case "euc-jp":
		return lead >= 0xB0 && lead <= 0xCF
	case "gb18030":
		return lead >= 0xB0 && lead <= 0xD7 && trail >= 0xA1
	case "big5":
		return lead >= 0xA4 && lead <= 0xC6
	case "euc-kr":
		return lead >= 0xB0 && lead <= 0xC8 && trail >= 0xA1
	}
	return false
}

// commonLetters returns the letters that names in the languages of an encoding are
// mostly written with.
func commonLetters(e Encoding) map[rune]bool {
	usual := map[rune]bool{}
	for _, r := range easternNames[e.name] {
		if isAsian(r) {
			usual[r] = true
		}
	}
	return usual
}
