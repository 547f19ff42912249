package domain

import (
	"strconv"
	"strings"
)

// PlainNumber returns a number of JSON (RFC 8259) by its value: an integer is
// written as one, however it came (40.0, 4e1 and 400E-1 are 40, and -0 is 0), and
// what has decimals is written without an exponent. A number that would take more
// than 64 digits stays as it is. What is no number comes back unchanged, too.
func PlainNumber(s string) string {
	if isPlain(s) {
		return s
	}
	unsigned, negative := strings.CutPrefix(s, "-")
	mantissa, power, hasPower := cutAny(unsigned, "eE")
	whole, decimals, point := strings.Cut(mantissa, ".")
	if whole == "" || !isDigits(whole) || !isDigits(decimals) || point && decimals == "" || len(whole) > 1 && whole[0] == '0' {
		return s
	}
	if sign := strings.TrimLeft(power, "+-"); hasPower && (sign == "" || !isDigits(sign) || len(power)-len(sign) > 1) {
		return s
	}
	// The number is 0.DIGITS times ten to the power of at.
	digits := strings.TrimLeft(whole+decimals, "0")
	at := len(whole) - (len(whole) + len(decimals) - len(digits))
	if digits = strings.TrimRight(digits, "0"); digits == "" {
		return "0"
	}
	if hasPower {
		e, err := strconv.Atoi(power)
		if err != nil || e > 1<<30 || e < -1<<30 {
			return s
		}
		at += e
	}
	if !hasPower && len(digits) > at {
		return s // it has decimals, and is written in the plain way already
	}
	plain, ok := writePlain(digits, at)
	switch {
	case !ok:
		return s
	case negative:
		return "-" + plain
	}
	return plain
}

// maxPlain is how many digits [PlainNumber] writes out.
const maxPlain = 64

func writePlain(digits string, at int) (string, bool) {
	switch {
	case len(digits) > maxPlain || at > maxPlain || at < -maxPlain:
		return "", false
	case at <= 0:
		return "0." + strings.Repeat("0", -at) + digits, true
	case at < len(digits):
		return digits[:at] + "." + digits[at:], true
	}
	return digits + strings.Repeat("0", at-len(digits)), true
}

// isPlain reports whether s is an integer that is written as one.
func isPlain(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && isDigits(digits) && (digits[0] != '0' || s == "0")
}

// ParseInteger reads an integer of 64 bits by its value, as [PlainNumber] does.
func ParseInteger(s string) (int64, bool) {
	n, err := strconv.ParseInt(PlainNumber(s), 10, 64)
	return n, err == nil
}

func cutAny(s, seps string) (before, after string, found bool) {
	if i := strings.IndexAny(s, seps); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
