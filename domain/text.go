package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
)

// Line returns a text of one line as it is stored: composed (Unicode's normal
// form C), without white space and invisible characters around it, with a blank
// where a line ended, and without marks that turn the direction of what follows.
// If nothing can be seen of it, nothing is left. Text that is not UTF-8 stays as
// it is.
func Line(s string) string {
	if isPlainLine(s) || !utf8.ValidString(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && unicode.IsSpace(r), r == '\u0085', r == '\u2028', r == '\u2029':
			return ' '
		case turnsDirection(r), r == '\ufeff':
			return -1
		}
		return r
	}, s)
	return visibleOnly(norm.NFC.String(Trim(s)))
}

// Trim returns a text without what [Line] cuts off at its ends, and otherwise as it
// is.
func Trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return isMargin(r) || turnsDirection(r) })
}

// Lines returns a text that may have several lines as it is stored: composed, and
// nothing if nothing can be seen of it. Text that is not UTF-8 stays as it is.
func Lines(s string) string {
	if isPlainLine(s) || !utf8.ValidString(s) {
		return s
	}
	return visibleOnly(norm.NFC.String(s))
}

// Folded returns the form in which texts are compared that are the same whatever
// the case: of two texts that differ in case only (by Unicode's full case
// folding), in how letters are composed, in white space around and between words,
// or in characters that nobody sees, it is the same.
func Folded(s string) string {
	if isPlainLine(s) && !strings.Contains(s, "  ") {
		return strings.ToLower(s)
	}
	s = strings.Map(func(r rune) rune {
		if isIgnorable(r) {
			return -1
		}
		return r
	}, s)
	// Unicode, D145: decomposed, folded, and in a normal form again.
	s = strings.Map(cherokee, cases.Fold().String(norm.NFD.String(s)))
	return norm.NFC.String(strings.Join(strings.Fields(s), " "))
}

// cherokee returns the upper case of a letter of Cherokee, which folds to that:
// x/text turns each case into the other.
func cherokee(r rune) rune {
	switch {
	case r >= '\uab70' && r <= '\uabbf':
		return r - '\uab70' + '\u13a0'
	case r >= '\u13f8' && r <= '\u13fd':
		return r - 8
	}
	return r
}

// Visible reports whether there is a character in a text that somebody can see.
// White space is none, nor are format and control characters, fillers, and marks
// that have nothing to stand on.
func Visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !isUnseen(r) })
}

func visibleOnly(s string) string {
	if !Visible(s) {
		return ""
	}
	return s
}

// isPlainLine reports whether a text is printable ASCII without a blank at either
// end: such a text is in all normal forms.
func isPlainLine(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// isUnseen reports whether nothing is seen of a character by itself.
func isUnseen(r rune) bool {
	switch r {
	case '\u2800', // a pattern of Braille without dots
		'\U0001d159', '\U00013441', '\U00013442': // a note without a head, and blanks between hieroglyphs
		return true
	}
	return unicode.Is(unseen, r)
}

// unseen is the characters of which nothing is seen by themselves, but for some.
var unseen = rangetable.Merge(unicode.White_Space, unicode.Z, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Mn, unicode.Me,
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)

// isIgnorable reports whether a character makes no difference to what a text
// says: those that Unicode calls default ignorable.
func isIgnorable(r rune) bool {
	return r >= '\u00ad' && (unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r))
}

// isMargin reports whether a character is cut off at the ends of a line. Those
// that shape the letters beside them (joiners, variation selectors, tags) stay.
func isMargin(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\u00ad\u180e\u200b\u200e\u200f\u2060\ufeff", r)
}

// turnsDirection reports whether a character turns the direction of text until
// another one ends that: what stands behind it looks like something else.
func turnsDirection(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u206f'
}

// hasControls reports whether there are control characters in a text. Some of
// those that end lines may be in texts of several lines.
func hasControls(s, except string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(except, r) })
}
