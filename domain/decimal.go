package domain

import (
	"strings"

	"github.com/shopspring/decimal"
)

// Decimal is an exact number of at most 14 digits before the point and 4 after
// it, without needless zeros, so that equal numbers are equal with ==. On the
// wire it is a string, because JSON's numbers are not exact in most hands.
type Decimal string

// ParseDecimal reads a number in plain notation: no exponent, no plus sign.
func ParseDecimal(s string) (Decimal, error) {
	whole, decimals, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	ok := whole != "" && len(whole) <= 14 && isDigits(whole) && len(decimals) <= moneyScale && isDigits(decimals) && point == (decimals != "")
	if !ok {
		return "", errNotDecimal
	}
	d, err := decimal.NewFromString(s)
	return Decimal(d.String()), err
}

var errNotDecimal error = &Error{Reason: Invalid, Code: "invalid_decimal", Detail: "is not a decimal number of at most 14 digits and 4 decimals"}

// Check says what is wrong with the number, if anything is.
func (d Decimal) Check() error {
	_, err := ParseDecimal(string(d))
	return err
}

// Value returns the number, to calculate with. What is no number counts as zero.
func (d Decimal) Value() decimal.Decimal {
	v, err := decimal.NewFromString(string(d))
	if err != nil {
		return decimal.Zero
	}
	return v
}

// Normalize brings the value into the form in which it is stored.
func (d *Decimal) Normalize() error { return normalize(d, ParseDecimal) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Decimal) UnmarshalText(text []byte) error { return keep(d, text, errNotDecimal) }
