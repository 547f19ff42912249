package query

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rowhouse/rowhouse/domain"
)

// How words are found. An index of words keeps, for each record, the terms of the
// members that it is found by. A term says of which tenant and kind of record it is,
// of which member, and what it is: a word, the beginning of a word, a piece of a name,
// or a value. So one index serves all tenants, and what others have is not even looked at.

// Terms are those of one record, sorted, each once.
type Terms []string

// What a term is.
const (
	aWord      = 'w' // all of it; what is looked for is its beginning
	aBeginning = 'b' // one or two characters that a word begins with: too many words do
	aPiece     = 'p' // three characters that follow one another in a folded text
	aValue     = 'v' // the digest of a value of an array
	aNone      = 'n' // an array that has no values
)

const (
	longestWord = 60        // characters of a word; those that follow are not looked at
	shortWord   = 2         // characters of a word that too many words begin with
	mostWords   = 5000      // different words of a text; those that follow are not found
	mostBytes   = 256 << 10 // of the words of a text; PostgreSQL takes 1 MB of terms
	mostTerms   = 1<<20 - 1 // bytes of the terms of a record
	mostPieces  = 64        // of a part of a text that are asked for
	pieceLength = 3         // characters
	run         = 4         // characters at a time of what is written without blanks
)

// Vocabulary makes the terms of the records of one table in one tenant. It may be used by
// one goroutine at a time.
type Vocabulary struct {
	prefix  string
	members map[string]string // what stands for each
}

// NewVocabulary returns that of a table, whose records' IDs have a prefix.
func NewVocabulary(tenant domain.TenantID, prefix string) Vocabulary {
	return Vocabulary{short(tenant.String()+" "+prefix, 5), make(map[string]string)}
}

// short returns so many characters that stand for a text. Others may have the same, so
// the rows that an index finds are asked whose they are.
func short(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:n]
}

func (v Vocabulary) term(member string, what rune, text string) string {
	of, ok := v.members[member]
	if !ok {
		of = short(member, 3)
		v.members[member] = of
	}
	return v.prefix + string(what) + of + text
}

// Words adds the terms by which q finds a text of a member.
func (v Vocabulary) Words(terms Terms, member, text string) Terms {
	prefix := v.term(member, aWord, "")
	beginning := v.term(member, aBeginning, "")
	size := 0
	words, numbers := partsOf(text)
	for _, n := range numbers {
		terms = append(terms, prefix+n) // nobody looks for one digit of them, or for two
	}
	for i, w := range words {
		if size += len(w); i == mostWords || size > mostBytes {
			break
		}
		terms = append(terms, prefix+w)
		for n := 1; n <= shortWord; n++ {
			if b, ok := front(w, n); ok {
				terms = append(terms, beginning+b)
			}
		}
	}
	return terms
}

// Parts adds the terms by which contains and starts_with find a value of a type. Those of
// texts are the same whichever member they are of.
func (v Vocabulary) Parts(terms Terms, of Type, member, text string) Terms {
	if of.number {
		_, numbers := partsOf(text)
		for _, n := range numbers {
			terms = append(terms, v.term(member, aWord, n))
		}
		return terms
	}
	text = fold(text)
	if text == "" {
		return terms
	}
	prefix := v.piece("")
	for _, p := range piecesOf(begin + text + theEnd) {
		terms = append(terms, prefix+p)
	}
	return terms
}

func (v Vocabulary) piece(text string) string { return v.prefix + string(aPiece) + text }

// What stands before and after a text whose pieces are taken, so that each of its
// characters begins one.
const (
	begin  = "\x02"
	theEnd = "\x03\x03"
)

// Value adds the term by which has and any find a value of a member that is an array.
func (v Vocabulary) Value(terms Terms, member, value string) Terms {
	return append(terms, v.value(member, value))
}

func (v Vocabulary) value(member, value string) string {
	return v.term(member, aValue, short(value, 8))
}

// None adds the term by which is_null finds a member that is an array and has no values.
func (v Vocabulary) None(terms Terms, member string) Terms { return append(terms, v.none(member)) }

func (v Vocabulary) none(member string) string { return v.term(member, aNone, "") }

// Sorted returns the terms as they are kept: as many as PostgreSQL has room for. It does
// not refuse more than that, but mixes them up.
func (t Terms) Sorted() Terms {
	slices.Sort(t)
	t = slices.Compact(t)
	size := 0
	for i, term := range t {
		if size += len(term); size > mostTerms {
			return t[:i]
		}
	}
	return t
}

// front returns the first n characters of a word that has more of them, or as many.
func front(word string, n int) (string, bool) {
	at := 0
	for range n {
		if at == len(word) {
			return "", false
		}
		_, size := utf8.DecodeRuneInString(word[at:])
		at += size
	}
	return word[:at], true
}

// piecesOf returns what of three characters follow one another in a text.
func piecesOf(text string) (pieces []string) {
	if isASCII(text) {
		pieces = make([]string, 0, len(text))
		for i := 0; i+pieceLength <= len(text); i++ {
			pieces = append(pieces, text[i:i+pieceLength])
		}
		return pieces
	}
	runes := []rune(text)
	for i := 0; i+pieceLength <= len(runes); i++ {
		pieces = append(pieces, string(runes[i:i+pieceLength]))
	}
	return pieces
}

// fold returns a text as words are compared: whatever the case and the accents, with one
// i, and letters that are written in two ways (ß and ss, ø and o) in one of them.
func fold(text string) string {
	if isASCII(text) {
		return domain.Folded(text)
	}
	text = domain.Folded(norm.NFKC.String(text))
	if isASCII(text) {
		return text
	}
	text = strings.Map(func(r rune) rune {
		if isAccent(r) {
			return -1
		}
		return r
	}, norm.NFD.String(text))
	return otherLetters.Replace(norm.NFC.String(text))
}

// isAccent reports whether a character marks a letter in a way that people leave out: the
// combining marks of Latin, Greek and Cyrillic; and the vowels, the hamza above letters
// and the lengthening stroke of Arabic, and the points and accents of Hebrew.
func isAccent(r rune) bool {
	switch {
	case r >= '\u0300' && r <= '\u036f',
		r >= '\u064b' && r <= '\u065f', r == '\u0670', r == '\u0640',
		r >= '\u0591' && r <= '\u05c7' && unicode.IsMark(r):
		return true
	}
	return false
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// otherLetters are letters with a mark that Unicode does not take apart, and how they are
// written where there are none.
var otherLetters = strings.NewReplacer("ı", "i", "ß", "ss", "ø", "o", "đ", "d", "ð", "d", "ł", "l", "ħ", "h", "ŧ", "t", "æ", "ae", "œ", "oe", "þ", "th")

// wordsOf returns the words of a text and its telephone numbers. See [partsOf].
func wordsOf(text string) []string {
	words, numbers := partsOf(text)
	return append(words, numbers...)
}

// partsOf returns the words of a text, folded: runs of letters and digits; what is
// written without blanks in runs of four characters, one for each place; addresses and
// names of hosts from each of their parts on. Numbers are telephone numbers, from each
// digit on.
func partsOf(text string) (words, numbers []string) {
	seen := make(map[string]bool)
	add := func(w string) {
		if w = shortened(w); w != "" && !seen[w] {
			seen[w] = true
			words = append(words, w)
		}
	}
	for _, part := range append(strings.Fields(fold(text)), inASCII(text)...) {
		trimmed := strings.TrimFunc(part, func(r rune) bool { return !isLetter(r) && r != '+' })
		if digits, ok := strings.CutPrefix(trimmed, "+"); ok && !strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
			digits = shortened(digits)
			for i := 0; i+fewestInPart <= len(digits); i++ {
				if !slices.Contains(numbers, digits[i:]) {
					numbers = append(numbers, digits[i:])
				}
			}
			continue
		}
		for _, w := range split(part) {
			add(w)
		}
		if !strings.ContainsAny(trimmed, "@.-_'’") {
			continue
		}
		for i, r := range trimmed {
			if i == 0 || !isLetter(r) {
				continue
			}
			if before, _ := utf8.DecodeLastRuneInString(trimmed[:i]); !isLetter(before) {
				add(trimmed[i:])
			}
		}
		add(trimmed)
		add(joined.Replace(trimmed)) // O'Brien is found as obrien
	}
	return words, numbers
}

// inASCII returns the addresses and hosts in a text that have other letters than those of
// ASCII in the form that they have there, because people copy them in both.
func inASCII(text string) (all []string) {
	if isASCII(text) {
		return nil
	}
	for part := range strings.FieldsSeq(text) {
		if isASCII(part) || !strings.Contains(part, ".") {
			continue
		}
		if ascii := domain.InASCII(domain.Folded(part)); strings.Contains(ascii, "xn--") {
			all = append(all, fold(ascii))
		}
	}
	return all
}

var joined = strings.NewReplacer("'", "", "’", "")

// shortened returns the part of a word that is looked at.
func shortened(w string) string {
	n := 0
	for i := range w {
		if n == longestWord {
			return w[:i]
		}
		n++
	}
	return w
}

// isLetter reports whether a character belongs to a word.
func isLetter(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || unicode.Is(unicode.So, r)
}

// unspaced are the scripts that are written without blanks between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan}

// isDense reports whether a character is of one of these scripts. Signs that Unicode counts to no
// script, because several have them, are as well: ー makes a vowel long.
func isDense(r rune) bool { return unicode.In(r, unspaced...) || r == 'ー' || r == '〆' }

// split returns the words of a text without white space.
func split(text string) (words []string) {
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !isLetter(r) }) {
		if isASCII(w) {
			words = append(words, w)
			continue
		}
		words = append(words, splitScripts([]rune(w))...)
	}
	return words
}

// splitScripts splits a word where a script with blanks and one without meet.
func splitScripts(w []rune) (words []string) {
	for len(w) > 0 {
		dense := isDense(w[0])
		end := slices.IndexFunc(w, func(r rune) bool { return isDense(r) != dense && !unicode.IsMark(r) })
		if end < 0 {
			end = len(w)
		}
		if !dense {
			words = append(words, string(w[:end]))
		} else {
			for i := range end {
				words = append(words, string(w[i:min(i+run, end)]))
			}
		}
		w = w[end:]
	}
	return words
}
