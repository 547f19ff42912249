package domain

import "strings"

// Phone is a telephone number in the form of E.164: a plus sign and up to 15
// digits, the first of which begin the country code.
type Phone string

// ParsePhone reads a number in its international form. The signs that people
// put between digits (spaces, dots, hyphens, parentheses) are left out.
func ParsePhone(s string) (Phone, error) {
	s = strings.ReplaceAll(s, "(0)", "") // the trunk prefix: not dialled from abroad
	return checked(Phone(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00a0.-()", r) {
			return -1
		}
		return r
	}, s)))
}

// Check says what is wrong with the number, if anything is.
func (p Phone) Check() error {
	digits, plus := strings.CutPrefix(string(p), "+")
	ok := plus && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && isDigits(digits)
	return Check(ok, "", "invalid_phone", "is not a telephone number in the form of E.164, such as +4930123456")
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Phone) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePhone(string(text))
	return err
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
