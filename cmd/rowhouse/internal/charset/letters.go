package charset

import (
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"
)

// letters is how likely letters follow one another in a language, as far as one
// of them is beyond ASCII. It is learned from the names that the language has for countries
// and languages (CLDR): they are short, like what is in the cells of a file.
type letters struct {
	pairs map[[2]rune]float64 // how often
	after map[rune]float64    // how often a letter is followed by any
	alone map[rune]float64    // how often a letter is there
	total float64
}

// edge stands for the beginning and the end of a word.
const edge = ' '

// likelihood returns the logarithm of the probability of b after a.
func (l *letters) likelihood(a, b rune) float64 {
	const weight, unseen = 0.8, 1e-5
	alone := l.alone[b] / l.total
	if alone == 0 {
		return math.Log(unseen)
	}
	p := (1 - weight) * alone
	if n := l.after[a]; n > 0 {
		p += weight * l.pairs[[2]rune{a, b}] / n
	}
	return math.Log(max(p, unseen))
}

// dictionaries are the languages that encodings of eight bits serve.
var dictionaries = map[string]*display.Dictionary{
	"de": display.German, "fr": display.French, "es": display.Spanish, "it": display.Italian, "pt": display.Portuguese, "nl": display.Dutch,
	"da": display.Danish, "no": display.Norwegian, "sv": display.Swedish, "fi": display.Finnish, "is": display.Icelandic, "ca": display.Catalan,
	"pl": display.Polish, "cs": display.Czech, "sk": display.Slovak, "hu": display.Hungarian, "sl": display.Slovenian, "hr": display.Croatian,
	"ro": display.Romanian, "sq": display.Albanian, "lt": display.Lithuanian, "lv": display.Latvian, "et": display.Estonian, "tr": display.Turkish,
	"ru": display.Russian, "uk": display.Ukrainian, "bg": display.Bulgarian, "sr": display.Serbian, "mk": display.Macedonian,
	"el": display.Greek, "he": display.Hebrew, "ar": display.Arabic, "fa": display.Persian, "th": display.Thai, "vi": display.Vietnamese,
}

// learn returns the letters of a language. It is done once for each, and only
// if there is a file that is not in UTF-8.
var learn = func() func(string) *letters {
	var mu sync.Mutex
	known := map[string]*letters{}
	return func(code string) *letters {
		mu.Lock()
		defer mu.Unlock()
		if known[code] == nil {
			known[code] = learned(dictionaries[code], typical[code])
		}
		return known[code]
	}
}()

func learned(d *display.Dictionary, more string) *letters {
	l := &letters{pairs: map[[2]rune]float64{}, after: map[rune]float64{}, alone: map[rune]float64{}}
	// A pair counts once for what is around it: many names of languages end in the
	// same letters.
	seen := map[[4]rune]bool{}
	add := func(name string) {
		for _, w := range words(folded(strings.ToLower(name))) {
			runes := []rune(string(edge) + string(edge) + w + string(edge) + string(edge))
			for i := 1; i < len(runes)-2; i++ {
				around := [4]rune(runes[i-1 : i+3])
				if seen[around] {
					continue
				}
				seen[around] = true
				before, r := runes[i], runes[i+1]
				l.pairs[[2]rune{before, r}]++
				l.after[before]++
				l.alone[r]++
				l.total++
			}
		}
	}
	add(more)
	regions, languages := d.Regions(), d.Languages()
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			if region, err := language.ParseRegion(code); err == nil && regions != nil {
				add(regions.Name(region))
			}
			if base, err := language.ParseBase(strings.ToLower(code)); err == nil && languages != nil {
				add(languages.Name(base))
			}
		}
	}
	return l
}

// folded writes letters in one way that are written in two.
func folded(text string) string {
	return strings.NewReplacer("ș", "ş", "ț", "ţ", "Ș", "Ş", "Ț", "Ţ", "i̇", "i").Replace(norm.NFC.String(text))
}

// words cuts text into runs of letters, and of what is between letters and
// should not be.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return r < 0x80 && !unicode.IsLetter(r) || r >= 0x80 && isGap(r)
	})
}

// isGap reports whether a sign beyond ASCII may stand between words.
func isGap(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("’–—·•…", r) }

// What the signs at the edges of a word may be.
const (
	opening = "“„«‹‘‚¿¡"
	closing = "”“»›’®™©…′″"
	ofUnits = "ªº°²³" // after a letter or two: m², nº
)

// The scripts of encodings.
const (
	latin    = "Latin"
	cyrillic = "Cyrillic"
	greek    = "Greek"
	hebrew   = "Hebrew"
	arabic   = "Arabic"
	thai     = "Thai"
)

// oddities counts what no language has in a word: signs between letters, letters
// of several scripts, capitals after small letters, what is no character at all.
// With edges, a sign at the beginning or the end that is odd there counts, too.
func oddities(word string, edges bool) int {
	runes := []rune(word)
	odd := 0
	before := ""
	small := strings.ContainsFunc(word, unicode.IsLower)
	for i, r := range runes {
		switch {
		case r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Co, r):
			odd += 2
			continue
		case unicode.IsMark(r): // belongs to its letter
			continue
		case len(runes) == 1 && !unicode.IsLetter(r): // stands alone
			continue
		case !unicode.IsLetter(r):
			signs := ""
			switch {
			case i == 0 || !hasLetter(runes[:i]):
				signs = opening
				if isDegrees(runes, i) {
					signs = "°"
				}
			case i == len(runes)-1 || !hasLetter(runes[i+1:]):
				signs = closing
				if len(runes) <= 3 {
					signs += ofUnits
				}
			}
			if signs == "" || edges && !strings.ContainsRune(signs, r) {
				odd++
			}
			continue
		}
		if s := scriptOf(r); before == "" || before == s {
			before = s
		} else {
			odd++
			before = s
		}
		if i > 0 && unicode.IsUpper(r) && (r >= 0x80 && small || runes[i-1] >= 0x80 && unicode.IsLower(runes[i-1])) {
			odd++
		}
		if i > 1 && i < len(runes)-1 && unicode.IsLower(r) && unicode.IsUpper(runes[i-1]) && unicode.IsUpper(runes[i-2]) && unicode.IsUpper(runes[i+1]) {
			odd++
		}
	}
	return odd
}

func hasLetter(runes []rune) bool {
	return slices.ContainsFunc(runes, unicode.IsLetter)
}

func scriptOf(r rune) string {
	switch {
	case r < 0x250 || r >= 0x1E00 && r < 0x1F00:
		return latin
	case r < 0x400 || r >= 0x1F00 && r < 0x2000:
		return greek
	case r < 0x530:
		return cyrillic
	case r >= 0x590 && r < 0x600 || r >= 0xFB1D && r < 0xFB50:
		return hebrew
	case r >= 0x600 && r < 0x780 || r >= 0xFB50 && r < 0xFE00 || r >= 0xFE70 && r < 0xFF00:
		return arabic
	case r >= 0xE00 && r < 0xE80:
		return thai
	case r >= 0x3040 && r < 0x3100 || r >= 0xFF66 && r < 0xFFA0 || r >= 0x2E80 && r < 0xA000 || r >= 0xF900 && r < 0xFB00 || r >= 0xAC00 && r < 0xD7B0 || r >= 0x20000:
		return "Asian"
	}
	return "other"
}
