package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hostname is the name of a host or a domain on the internet, such as
// example.com, in lower case and without a dot at the end.
type Hostname string

// ParseHostname reads a host name of at least two labels.
func ParseHostname(s string) (Hostname, error) {
	return checked(Hostname(strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))))
}

// Check says what is wrong with the name, if anything is.
func (h Hostname) Check() error {
	labels := strings.Split(string(h), ".")
	ok := len(h) <= 253 && utf8.ValidString(string(h)) && len(labels) >= 2
	for _, l := range labels {
		ok = ok && l != "" && len(l) <= 63 && l[0] != '-' && l[len(l)-1] != '-' && !strings.ContainsFunc(l, notLabelText)
	}
	return Check(ok, "", "invalid_domain", "is not a domain name")
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hostname) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHostname(string(text))
	return err
}

func notLabelText(r rune) bool {
	return r != '-' && !unicode.IsDigit(r) && !unicode.IsMark(r) && (!unicode.IsLetter(r) || unicode.IsUpper(r))
}
