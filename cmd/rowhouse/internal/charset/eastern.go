package charset

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"github.com/wlynxg/chardet/consts"
)

// eastern returns the East Asian encoding that makes sense of the file, if one
// does, and whether no other does as well.
func (d *Detector) eastern() (*Encoding, bool) {
	var fit []Encoding
	for _, e := range eastern {
		if d.fits(e) {
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		return nil, false
	}
	slices.SortStableFunc(fit, func(a, b Encoding) int { return cmp.Compare(d.common(b), d.common(a)) })
	if len(fit) == 1 || d.common(fit[0])-d.common(fit[1]) > 0.15 {
		return &fit[0], true
	}
	u := chardet.NewUniversalDetector(consts.CjkLangFilter)
	u.Feed(bytes.Join(d.lines, []byte{'\n'}))
	r := u.GetResult()
	for _, e := range fit {
		if found, err := Named(r.Encoding); err == nil && sameCode(found, e) {
			const confident = 0.8
			return &e, r.Confidence >= confident
		}
	}
	return &fit[0], false
}

func sameCode(a, b Encoding) bool {
	chinese := func(e Encoding) bool { return strings.HasPrefix(e.name, "gb") }
	return a.code == b.code || chinese(a) && chinese(b)
}

func (d *Detector) easternChoices() (all []Choice) {
	for _, e := range eastern {
		if d.fits(e) {
			all = append(all, Choice{e.name, d.line(e)})
		}
	}
	return all
}

// fits reports whether nearly all lines are text of the languages that an East
// Asian encoding is for.
func (d *Detector) fits(e Encoding) bool {
	good := 0
	for _, line := range d.lines {
		if isEastern(line, e) {
			good++
		}
	}
	return good > 0 && good*20 >= len(d.lines)*19
}

func isEastern(line []byte, e Encoding) bool {
	text, err := e.code.NewDecoder().String(string(line))
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return false
	}
	var before rune
	kinds := map[string]int{}
	touching := 0 // letters of ASCII and of Asia side by side
	for _, r := range text {
		switch {
		case r < 0x80:
			if unicode.IsLetter(r) && before >= 0x80 {
				touching++
			}
		case unicode.Is(unicode.Hangul, r):
			kinds["hangul"]++
		case unicode.In(r, unicode.Hiragana, unicode.Katakana) && r < 0xFF00:
			kinds["kana"]++
		case r >= 0xFF61 && r < 0xFFA0:
			kinds["narrow"]++
		case unicode.Is(unicode.Han, r):
			kinds["han"]++
		case r >= 0x2000 && r < 0x3040 || r >= 0xFF00 && r < 0xFFF0: // their punctuation
		default:
			kinds["other"]++
		}
		if r >= 0x80 && before < 0x80 && unicode.IsLetter(before) {
			touching++
		}
		before = r
	}
	asian := kinds["hangul"] + kinds["kana"] + kinds["han"] + kinds["narrow"]
	switch {
	case asian == 0 || touching*2 > asian || kinds["other"] > 0:
		return false
	case e.script == "ko":
		return kinds["hangul"]*2 >= asian && kinds["kana"]+kinds["narrow"] == 0
	case e.script == "zh":
		return kinds["hangul"]+kinds["kana"]+kinds["narrow"] == 0
	}
	return kinds["hangul"] == 0 && kinds["narrow"]*2 <= asian
}

// common returns the share of the characters of Asia that are in the part of
// the encoding that has the common ones.
func (d *Detector) common(e Encoding) float64 {
	all, good, kana := 0, 0, 0
	encoder := e.code.NewEncoder()
	for _, line := range d.lines {
		text, _ := e.Line(line)
		for _, r := range text {
			if scriptOf(r) != "Asian" {
				continue
			}
			if unicode.In(r, unicode.Hiragana, unicode.Katakana) && r < 0xFF00 {
				kana++
			}
			all++
			b, err := encoder.String(string(r))
			if err != nil || len(b) != 2 {
				continue
			}
			switch lead := b[0]; e.name {
			case "shift_jis":
				if lead >= 0x82 && lead <= 0x97 || lead == 0x81 {
					good++
				}
			case "euc-jp":
				if lead >= 0xA4 && lead <= 0xCF {
					good++
				}
			case "gb18030":
				if lead >= 0xB0 && lead <= 0xD7 && b[1] >= 0xA1 {
					good++
				}
			case "big5":
				if lead >= 0xA4 && lead <= 0xC6 {
					good++
				}
			case "euc-kr":
				if lead >= 0xB0 && lead <= 0xC8 && b[1] >= 0xA1 {
					good++
				}
			}
		}
	}
	if e.script == "ja" && kana*10 > all { // nothing else looks like it
		return 1.2
	}
	const many = 12
	if e.script == "ko" && all >= many && good == all { // other text has half of its bytes elsewhere
		return 1.2
	}
	return float64(good) / float64(max(all, 1))
}
