package domain

import (
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

// Hostname is the name of a host or a domain on the internet, such as
// example.com, in lower case and without a dot at the end. A name with letters
// beyond ASCII is kept as it was given, in letters (U-labels) or in ASCII
// (A-labels); [Hostname.Normalized] is the same for both.
type Hostname string

// hostnames is how names are read: mapped by UTS 46 and valid by RFC 5891,
// without the deviations of 2003, and with hyphens where registries have them.
var hostnames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.BidiRule(),
	idna.ValidateLabels(true), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.VerifyDNSLength(true))

// ParseHostname reads a host name of at least two labels, of which the last one is
// no number.
func ParseHostname(s string) (Hostname, error) {
	given := strings.ToLower(strings.TrimSuffix(Line(s), "."))
	if isPlainHost(given) {
		return Hostname(given), nil
	}
	ascii, err := hostnames.ToASCII(given)
	if err != nil || strings.ContainsFunc(given, isBlank) {
		return "", errNotHostname
	}
	first, last, ok := cutLast(ascii, '.')
	if !ok || isDigits(last) || strings.HasPrefix(first, "-") || anyLabel(ascii, hyphenated) {
		return "", errNotHostname
	}
	letters, err := hostnames.ToUnicode(ascii)
	if err != nil || len(letters) > 253 {
		return "", errNotHostname
	}
	if given == ascii {
		return Hostname(ascii), nil
	}
	return Hostname(letters), nil
}

// isPlainHost reports whether a text is a host name as most are: of small letters,
// digits and hyphens, with none of its labels standing for other letters. What such
// a name is read as is itself, and takes no tables to find out.
func isPlainHost(s string) bool {
	if len(s) > 253 || strings.Contains(s, "--") {
		return false
	}
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		if labels++; label == "" || len(label) > 63 || hyphenated(label) {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return labels > 1 && !isDigits(s[strings.LastIndexByte(s, '.')+1:])
}

var errNotHostname error = &Error{Reason: Invalid, Code: "invalid_domain", Detail: "is not a domain name"}

// hyphenated reports whether a label has a hyphen at one of its ends.
func hyphenated(label string) bool {
	return strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-")
}

func anyLabel(name string, is func(string) bool) bool {
	for label := range strings.SplitSeq(name, ".") {
		if is(label) {
			return true
		}
	}
	return false
}

// Check says what is wrong with the name, if anything is. It must be as
// [ParseHostname] returns it.
func (h Hostname) Check() error { return asParsed(h, ParseHostname, errNotHostname) }

// Normalize brings the name into the form in which it is stored.
func (h *Hostname) Normalize() error { return normalize(h, ParseHostname) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hostname) UnmarshalText(text []byte) error { return keep(h, text, errNotHostname) }

// SameItem reports whether another name is that of the same host, in letters or in
// ASCII.
func (h Hostname) SameItem(other any) bool {
	o, ok := other.(Hostname)
	return ok && h.Normalized() == o.Normalized()
}

// Normalized returns the form to compare by: in letters.
func (h Hostname) Normalized() string {
	s := strings.ToLower(string(h))
	if isPlainLine(s) && !strings.Contains(s, "xn--") {
		return strings.TrimSuffix(s, ".")
	}
	letters, err := hostnames.ToUnicode(s)
	if err != nil {
		return Folded(s) // of a time when it could be stored
	}
	return strings.TrimSuffix(letters, ".")
}

// aLabel is a label of a host name in ASCII that stands for letters.
var aLabel = regexp.MustCompile(`xn--[a-z0-9-]*[a-z0-9]`)

// InLetters returns a text in small letters, such as a part of an e-mail address,
// with the labels of host names in letters that are written in ASCII (xn--). What is
// no such label, or a part of one only, stays as it is.
func InLetters(text string) string {
	if !strings.Contains(text, "xn--") {
		return text
	}
	return aLabel.ReplaceAllStringFunc(text, func(label string) string {
		letters, err := hostnames.ToUnicode(label)
		if err != nil {
			return label
		}
		if ascii, err := hostnames.ToASCII(letters); err != nil || ascii != label {
			return label
		}
		return letters
	})
}

// InASCII returns the names of hosts in a text, such as an e-mail address, in ASCII
// (xn--), or the text as it is if that is not one.
func InASCII(text string) string {
	host := text[strings.LastIndexByte(text, '@')+1:]
	ascii, err := hostnames.ToASCII(host)
	if err != nil {
		return text
	}
	return text[:len(text)-len(host)] + ascii
}
