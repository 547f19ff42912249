package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rowhouse/rowhouse/domain"
)

// The types of columns of text that is compared in a normal form. What a query
// says of them is read as it is on writing, and refused if no record can have it.
// Of a part of a value (contains, starts_with) what is around it may be missing: it
// is read as far as it goes, and looked for in each form that it can have.
var (
	// Email is an e-mail address, as [domain.Email.Normalized] returns it.
	Email = textual("an e-mail address", func(s string) (string, bool) {
		e, err := domain.ParseEmail(s)
		return e.Normalized(), err == nil
	}, hostPart).inForms(hostForms)

	// Hostname is a domain, as [domain.Hostname.Normalized] returns it.
	Hostname = textual("a domain name", func(s string) (string, bool) {
		h, err := domain.ParseHostname(s)
		return h.Normalized(), err == nil
	}, hostPart).inForms(hostForms)

	// Phone is a telephone number in the form of E.164.
	Phone = textual("a telephone number in the form of E.164", func(s string) (string, bool) {
		p, err := domain.ParsePhone(s)
		return string(p), err == nil
	}, domain.PhonePart).inForms(phoneForms).ofDigits()

	// Language is a language of BCP 47, in canonical form.
	Language = textual("a language tag of BCP 47", func(s string) (string, bool) {
		l, err := domain.ParseLanguage(s)
		return string(l), err == nil
	}, readPart).whole()

	// Currency is a code of ISO 4217.
	Currency = textual("a currency code of ISO 4217", func(s string) (string, bool) {
		code, err := domain.ParseCurrency(s)
		return code, err == nil
	}, readPart).whole()

	// Tag is a word that is compared folded: see [domain.Folded].
	Tag = textual("text that can be seen", func(s string) (string, bool) {
		s, ok := readLine(s)
		return domain.Folded(s), ok && s != ""
	}, foldedPart).whole()

	// ExternalID is what another system calls a record: system:id.
	ExternalID = textual("the name of a system, a colon, and an id", readExternalID, readPart).whole()

	// AnyID is an ID of a record of any kind.
	AnyID = textual("an id", func(s string) (string, bool) {
		id, err := domain.ParseID(s)
		return id.String(), err == nil
	}, readPart).whole()
)

// Array is an array of values of a type of text.
func Array(of Type) Type {
	if !of.HasParts() {
		return array(of, arrayOps)
	}
	return array(of, append(arrayOps[:4:4], Contains, StartsWith))
}

// whole returns the type of values that nobody asks for a part of.
func (t Type) whole() Type {
	t.ops = orderOps
	return t
}

// textual is a type of text. Read returns a value as columns hold it, and part
// what a column holds of a part of one.
func textual(expects string, read, part func(string) (string, bool)) Type {
	t := scalar("text", expects, "", textOps, func(s string) (string, bool) {
		v, ok := readText(s)
		if !ok {
			return "", false
		}
		return read(v)
	}, func(s string) string { return s })
	t.part = func(s string) (string, bool) {
		if s, ok := readText(s); ok {
			return part(s)
		}
		return "", false
	}
	return t
}

func readText(s string) (string, bool) {
	return s, len(s) <= maxText && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

func readLine(s string) (string, bool) {
	s = domain.Line(s)
	return s, !strings.ContainsFunc(s, unicode.IsControl)
}

// readPart reads a part of a text. The blanks at its ends mean something.
func readPart(s string) (string, bool) { return norm.NFC.String(s), true }

// foldedPart reads a part of what columns hold folded.
func foldedPart(s string) (string, bool) {
	folded := domain.Folded(s)
	if strings.HasPrefix(s, " ") && folded != "" {
		folded = " " + folded
	}
	if strings.HasSuffix(s, " ") && folded != "" {
		folded += " "
	}
	return folded, true
}

func readExternalID(s string) (string, bool) {
	system, id, ok := strings.Cut(s, ":")
	system, id = domain.Line(system), domain.Line(id)
	return system + ":" + id, ok && system != "" && id != ""
}
