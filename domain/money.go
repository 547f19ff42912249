package domain

import (
	"errors"
	"strings"

	"github.com/shopspring/decimal"
)

// Money is an exact amount in a currency. Its amount has at most 14 digits
// before the point and 4 after it, and is written with as many decimals as the
// currency has, or more if it needs them: 1250.00 EUR, 1250 JPY, 0.0125 USD.
// So equal sums of money are equal with ==. The zero Money is none at all.
type Money struct {
	Amount   string `json:"amount" pattern:"^-?[0-9]{1,14}(\\.[0-9]{1,4})?$" maxLength:"20" doc:"A decimal number of up to 14 digits and 4 decimals" example:"1250.00"`
	Currency string `json:"currency" pattern:"^[A-Za-z]{3}$" maxLength:"3" doc:"ISO 4217, in either case" example:"EUR"`
}

// moneyScale is how many decimals an amount may have, and maxMoney what it must
// be less than. Together they fit into 64 bits.
const moneyScale = 4

var maxMoney = decimal.New(1, 14)

// NewMoney returns d in a currency. An amount that is out of bounds or more
// exact than money can be is refused.
func NewMoney(d decimal.Decimal, code string) (Money, error) {
	code, minor, err := parseCurrency(code)
	if err := errors.Join(At("/currency", err),
		Check(inBounds(d) && d.Equal(d.Truncate(moneyScale)), "/amount", "invalid_amount", "is not an amount of at most 14 digits and 4 decimals")); err != nil {
		return Money{}, err
	}
	text := d.String()
	if _, decimals, _ := strings.Cut(text, "."); len(decimals) < int(minor) {
		text = d.StringFixed(minor)
	}
	return Money{Amount: text, Currency: code}, nil
}

// ParseMoney reads an amount in a currency.
func ParseMoney(amount, code string) (Money, error) {
	d, err := ParseDecimal(amount)
	if err != nil {
		_, _, unknown := parseCurrency(code)
		return Money{}, errors.Join(At("/amount", err), At("/currency", unknown))
	}
	return NewMoney(d.Value(), code)
}

// RoundMoney returns d in a currency, rounded half up to the decimals that the
// currency has. What has no minor unit, such as gold, is rounded to the four
// decimals of money.
func RoundMoney(d decimal.Decimal, code string) (Money, error) {
	_, minor, err := parseCurrency(code)
	if minor == noMinorUnit {
		minor = moneyScale
	}
	if err == nil && inBounds(d) {
		d = d.Round(minor)
	}
	return NewMoney(d, code)
}

// inBounds looks at the exponent first: to write out 1e1000000000 takes forever.
func inBounds(d decimal.Decimal) bool {
	return d.Exponent() >= -100 && d.Exponent() <= 100 && d.Abs().LessThan(maxMoney)
}

// Check says what is wrong with the money, if anything is.
func (m Money) Check() error {
	_, err := ParseMoney(m.Amount, m.Currency)
	return err
}

// Decimal returns the amount, to calculate with.
func (m Money) Decimal() decimal.Decimal { return Decimal(m.Amount).Value() }

// Units returns the amount in 1/10000 of the currency, to sort by.
func (m Money) Units() int64 { return m.Decimal().Shift(moneyScale).IntPart() }

// Normalize brings it into the form in which it is stored.
func (m *Money) Normalize() error {
	parsed, err := ParseMoney(Line(m.Amount), Line(m.Currency))
	if err == nil {
		*m = parsed
	}
	return err
}

// UnmarshalJSON implements [json.Unmarshaler]. Whatever was recorded as an amount
// and a currency is one.
func (m *Money) UnmarshalJSON(data []byte) error {
	type plain Money
	var p *plain
	if err := unmarshal(data, &p); err != nil {
		return err
	}
	if p == nil {
		*m = Money{}
		return nil
	}
	*m = Money(*p)
	// A merge patch may have taken one of them away. Neither was ever recorded so.
	return errors.Join(Check(p.Amount != "", "/amount", "required", "is required"), Check(p.Currency != "", "/currency", "required", "is required"))
}
