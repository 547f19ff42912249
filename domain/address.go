package domain

import (
	"strings"

	"golang.org/x/text/language"
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

// Country is a country as ISO 3166-1 alpha-2 names it, such as GB.
type Country string

// ParseCountry reads a code of two letters.
func ParseCountry(s string) (Country, error) {
	region, err := language.ParseRegion(s[:min(len(s), 3)])
	if err != nil || len(s) != 2 || !region.IsCountry() {
		return "", &Error{Kind: Invalid, Code: "invalid_country", Detail: "is not a country code of ISO 3166-1, such as GB"}
	}
	return Country(strings.ToUpper(region.Canonicalize().String())), nil
}

// Check says what is wrong with the code, if anything is.
func (c Country) Check() error {
	_, err := ParseCountry(string(c))
	return err
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Country) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCountry(string(text))
	return err
}
