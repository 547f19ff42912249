package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email is an e-mail address, as it was given but for how its letters are
// composed. Two addresses that reach the same mailbox have the same
// [Email.Normalized] form, as far as anybody but the mailbox's own server can tell.
type Email string

// ParseEmail reads an e-mail address: a dot-atom (RFC 5322; with RFC 6531 also
// of letters beyond ASCII), an @, and a host name of at least two labels, in
// letters or in ASCII (RFC 5890). White space around it is left out; within it
// there is none. The parts are as long as RFC 5321 (4.5.3.1) lets them be.
func ParseEmail(s string) (Email, error) {
	local, host, ok := cutLast(Line(s), '@')
	if !ok || !isDotAtom(local) || strings.HasSuffix(host, ".") || strings.ContainsFunc(host, isBlank) {
		return "", errNotEmail
	}
	h, err := ParseHostname(host)
	if err != nil {
		return "", errNotEmail
	}
	if strings.ToLower(host) != string(h) {
		host = string(h) // it was written with what stands for other characters
	}
	if len(local)+1+len(host) > 254 {
		return "", errNotEmail
	}
	return Email(local + "@" + host), nil
}

var errNotEmail error = &Error{Reason: Invalid, Code: "invalid_email", Detail: "is not an e-mail address"}

// Check says what is wrong with the address, if anything is. It must be as
// [ParseEmail] returns it.
func (e Email) Check() error { return asParsed(e, ParseEmail, errNotEmail) }

// Normalize brings the address into the form in which it is stored.
func (e *Email) Normalize() error { return normalize(e, ParseEmail) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (e *Email) UnmarshalText(text []byte) error { return keep(e, text, errNotEmail) }

// Normalized returns the form to compare by: folded (see [Folded]), with its host
// in letters.
func (e Email) Normalized() string {
	local, host, ok := cutLast(string(e), '@')
	if !ok {
		return Folded(string(e))
	}
	return Folded(local) + "@" + Hostname(host).Normalized()
}

// Legacy returns the form that earlier releases compared by. Records of their
// time may be known to the log by it only.
func (e Email) Legacy() string { return strings.ToLower(string(e)) }

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// isDotAtom reports whether s can be the part before the @. Quoted forms are
// allowed by the standard, used by nobody, and a way to smuggle things in.
func isDotAtom(s string) bool {
	if s == "" || len(s) > 64 || !utf8.ValidString(s) || strings.ContainsFunc(s, isBlank) {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if !Visible(atom) || strings.ContainsFunc(atom, notAtomText) {
			return false
		}
	}
	return true
}

func notAtomText(r rune) bool {
	if r > unicode.MaxASCII {
		return !unicode.IsPrint(r) || isIgnorable(r) || isUnseen(r) && !unicode.IsMark(r) || isLikeAt(r)
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// isLikeAt reports whether a character is a wide or a small @.
func isLikeAt(r rune) bool { return r == '\uff20' || r == '\ufe6b' }

// isBlank reports white space and what takes no room, of which there is
// none in an address.
func isBlank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || isIgnorable(r) }
