package domain

import "golang.org/x/text/language"

// Language is a language as BCP 47 names it, in canonical form: de, pt-BR.
type Language string

// maxLanguage is what RFC 5646 (4.4.1) asks everybody to allow for.
const maxLanguage = 35

// ParseLanguage reads the tag of a language that is registered.
func ParseLanguage(s string) (Language, error) {
	s = Line(s)
	tag, err := language.Parse(s[:min(len(s), maxLanguage+1)])
	if err != nil || tag == language.Und || len(s) > maxLanguage {
		return "", errNotLanguage
	}
	return Language(tag.String()), nil
}

var errNotLanguage error = &Error{Reason: Invalid, Code: "invalid_language", Detail: "is not a language tag of BCP 47, such as pt-BR"}

// Check says what is wrong with the tag, if anything is.
func (l Language) Check() error {
	return asParsed(l, ParseLanguage, errNotLanguage)
}

// Normalize brings the value into the form in which it is stored.
func (l *Language) Normalize() error { return normalize(l, ParseLanguage) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Language) UnmarshalText(text []byte) error { return keep(l, text, errNotLanguage) }
