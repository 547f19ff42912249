package domain

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Address is a place that mail can be sent to, or a van.
type Address struct {
	Kind       string  `json:"kind,omitzero" enum:"work,home,billing,shipping,other" doc:"What the address is used for"`
	Line1      string  `json:"line1,omitzero" maxLength:"200" doc:"Street and number" example:"12 St James's Square"`
	Line2      string  `json:"line2,omitzero" maxLength:"200" doc:"Whatever else the street line needs" example:"3rd floor"`
	City       string  `json:"city,omitzero" maxLength:"100" example:"London"`
	Region     string  `json:"region,omitzero" maxLength:"100" doc:"State, province or county"`
	PostalCode string  `json:"postal_code,omitzero" maxLength:"20" example:"SW1Y 4JH"`
	Country    Country `json:"country,omitzero" minLength:"2" maxLength:"2" doc:"ISO 3166-1 alpha-2" example:"GB"`
}

// Check asks for more than a kind.
func (a Address) Check() error {
	a.Kind = ""
	return Check(a != Address{}, "", "required", "is an address without any part")
}

// SameItem reports whether another address is of the same place: if what both
// say is the same and tells where that is, or if street and town are. So an
// address may be completed or corrected, and another place is another address.
func (a Address) SameItem(other any) bool {
	b, ok := other.(Address)
	if !ok || a.Kind != b.Kind && a.Kind != "" && b.Kind != "" {
		return false
	}
	same := func(x, y string) bool { return x != "" && folded(x) == folded(y) }
	line, city, code := same(a.Line1, b.Line1), same(a.City, b.City), same(a.PostalCode, b.PostalCode)
	if line && (city || code) {
		return true
	}
	for _, part := range [][2]string{
		{a.Line1, b.Line1}, {a.Line2, b.Line2}, {a.City, b.City}, {a.Region, b.Region}, {a.PostalCode, b.PostalCode}, {string(a.Country), string(b.Country)},
	} {
		if part[0] != "" && part[1] != "" && !same(part[0], part[1]) {
			return false
		}
	}
	return line || city || code
}

// folded returns text as parts of addresses are compared: whatever its case, and
// with single blanks.
func folded(text string) string {
	return cases.Fold().String(norm.NFC.String(strings.Join(strings.Fields(text), " ")))
}

// Country is a country as ISO 3166-1 alpha-2 names it, such as GB.
type Country string

// ParseCountry reads a code of two letters, with or without white space around it.
func ParseCountry(s string) (Country, error) {
	s = Line(s)
	region, err := language.ParseRegion(s[:min(len(s), 3)])
	if err != nil || len(s) != 2 || !region.IsCountry() {
		return "", errNotCountry
	}
	return Country(strings.ToUpper(region.Canonicalize().String())), nil
}

var errNotCountry error = &Error{Reason: Invalid, Code: "invalid_country", Detail: "is not a country code of ISO 3166-1, such as GB"}

// Check says what is wrong with the code, if anything is.
func (c Country) Check() error {
	return asParsed(c, ParseCountry, errNotCountry)
}

// Normalize brings the value into the form in which it is stored.
func (c *Country) Normalize() error { return normalize(c, ParseCountry) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Country) UnmarshalText(text []byte) error { return keep(c, text, errNotCountry) }
