package domain

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// URL is the address of a page or of something else on the web, such as
// https://example.com/offer. Its scheme is http or https and, like its host, in small
// letters; the rest is as it was given.
type URL string

// maxURL is how many bytes an address may have.
const maxURL = 2000

// ParseURL reads an absolute address of the web (RFC 3986). White space around it is left
// out; within it there is none.
func ParseURL(s string) (URL, error) {
	s = Line(s)
	if len(s) > maxURL || strings.ContainsFunc(s, func(r rune) bool { return isBlank(r) || !unicode.IsPrint(r) }) {
		return "", errNotURL
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", errNotURL // what names a password is no address to keep
	}
	name := strings.TrimSuffix(strings.TrimPrefix(u.Hostname(), "["), "]")
	host, wrong := ParseHostname(name)
	if _, err := netip.ParseAddr(name); err != nil && wrong != nil {
		return "", errNotURL
	}
	_, rest, _ := strings.Cut(s, "://")
	at := strings.IndexAny(rest, "/?#")
	if at < 0 {
		at = len(rest)
	}
	authority := strings.ToLower(rest[:at])
	if port := u.Port(); wrong == nil {
		if authority = string(host); port != "" {
			authority += ":" + port
		}
	}
	return URL(u.Scheme + "://" + authority + rest[at:]), nil
}

var errNotURL error = &Error{Reason: Invalid, Code: "invalid_url", Detail: "is not the address of a page, such as https://example.com/offer"}

// Check says what is wrong with the address, if anything is. It must be as
// [ParseURL] returns it.
func (u URL) Check() error { return asParsed(u, ParseURL, errNotURL) }

// Normalize brings the address into the form in which it is stored.
func (u *URL) Normalize() error { return normalize(u, ParseURL) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (u *URL) UnmarshalText(text []byte) error { return keep(u, text, errNotURL) }
