package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email is an e-mail address, kept as it was given. Two addresses that reach
// the same mailbox have the same [Email.Normalized] form, as far as anybody but
// the mailbox's own server can tell.
type Email string

// ParseEmail reads an e-mail address: a dot-atom (RFC 5322; with RFC 6531 also
// of letters beyond ASCII), an @, and a host name of at least two labels.
func ParseEmail(s string) (Email, error) {
	return checked(Email(strings.TrimSpace(s)))
}

// Check says what is wrong with the address, if anything is.
func (e Email) Check() error {
	local, host, ok := cutLast(string(e), '@')
	_, isHost := ParseHostname(host)
	return Check(ok && len(e) <= 254 && isDotAtom(local) && isHost == nil,
		"", "invalid_email", "is not an e-mail address")
}

// Normalized returns the form to compare by: in lower case.
func (e Email) Normalized() string { return strings.ToLower(string(e)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (e *Email) UnmarshalText(text []byte) (err error) {
	*e, err = ParseEmail(string(text))
	return err
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// isDotAtom reports whether s can be the part before the @. Quoted forms are
// allowed by the standard, used by nobody, and a way to smuggle things in.
func isDotAtom(s string) bool {
	if s == "" || len(s) > 64 || !utf8.ValidString(s) {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtomText) {
			return false
		}
	}
	return true
}

func notAtomText(r rune) bool {
	if r > unicode.MaxASCII {
		return !unicode.IsPrint(r)
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}
