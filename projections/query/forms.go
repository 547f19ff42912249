package query

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// form is a way in which a column may hold a part of a value.
type form struct {
	text    string
	pattern bool // a regular expression of PostgreSQL for what follows the text
	label   string
}

// inForms returns the type with what a part of a value may be in columns.
func (t Type) inForms(forms func(string) []form) Type {
	t.forms = forms
	return t
}

// ofDigits returns the type with values that are telephone numbers.
func (t Type) ofDigits() Type {
	t.number = true
	return t
}

// formsOf returns what columns of the type may hold of a part of a value.
func (t Type) formsOf(part string) []form {
	if t.forms == nil {
		return []form{{text: part}}
	}
	return t.forms(part)
}

func phoneForms(part string) (all []form) {
	for _, text := range domain.PhoneForms(part) {
		all = append(all, form{text: text})
	}
	return all
}

// hostPart reads a part of an e-mail address or of a host name.
func hostPart(s string) (string, bool) { return foldedPart(s) }

// hostForms returns what a part of an address or of a host may be in a column, which
// has hosts in letters.
func hostForms(part string) []form {
	all := []form{{text: part}}
	if letters := domain.InLetters(part); letters != part {
		all = append(all, form{text: letters})
	}
	if f, ok := cutLabel(part); ok {
		all = append(all, f)
	}
	return all
}

// lastLabel is a label in ASCII at the end of a text that may not be all of it.
var lastLabel = regexp.MustCompile(`xn--([a-z0-9-]*)$`)

// cutLabel returns what a text may be that ends in the beginning of a label in ASCII:
// what the label has of ASCII stands in front, and where the other letters are
// follows at its end (RFC 3492).
func cutLabel(part string) (form, bool) {
	at := lastLabel.FindStringSubmatchIndex(part)
	if at == nil {
		return form{}, false
	}
	label := part[at[2]:at[3]]
	if i := strings.LastIndexByte(label, '-'); i >= 0 {
		if whole := part[at[0]:]; i < len(label)-1 && domain.InLetters(whole) != whole {
			return form{}, false
		}
		label = label[:i]
	}
	const letter = `[^\x01-\x7f]`
	var b strings.Builder
	b.WriteString(`(?=[a-z0-9-]*` + letter + `)`)
	for _, r := range label {
		b.WriteString(letter + "*" + string(r))
	}
	return form{text: domain.InLetters(part[:at[0]]), pattern: true, label: b.String()}, true
}

// expression returns the regular expression of a form that has a pattern.
func (f form) expression(inFront bool) string {
	switch {
	case inFront:
		return "^" + regexp.QuoteMeta(f.text) + f.label
	case f.text == "":
		// In a text that has names, too: a label of a host has a dot at one of its ends.
		return `([.@]` + f.label + `|(^|[[:space:]])` + f.label + `[^.@[:space:]]*[.])`
	}
	return regexp.QuoteMeta(f.text) + f.label
}

// fewestDigits is how many digits make text that is looked for a telephone number. One
// less does after what is dialled within a country: 0664 stands in front of a number.
const fewestDigits = 4

// fewestInPart is how many digits of a part of a telephone number an index finds.
const fewestInPart = 3

// numbersIn returns the digits of text to look for that is a telephone number or a
// part of one, without what is dialled within a country only, in each form that they
// can have; or nothing.
func numbersIn(text string) (all []string) {
	part, ok := domain.PhonePart(text)
	if !ok {
		return nil
	}
	for _, number := range domain.PhoneForms(part) {
		digits := strings.TrimLeft(strings.TrimPrefix(number, "+"), "0")
		least := fewestDigits
		if strings.HasPrefix(number, "0") {
			least--
		}
		if len(digits) >= least && !slices.Contains(all, digits) {
			all = append(all, digits)
		}
	}
	return all
}
