package csvimport

import (
	"math/big"
	"strings"
	"unicode"

	"github.com/rowhouse/rowhouse/domain"
)

// symbols of currencies. Those that several currencies share stand for the one
// that is used most, unless the caller says that it is another of them.
var symbols = map[string]string{
	"€": "EUR", "£": "GBP", "$": "USD", "US$": "USD", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₪": "ILS",
	"₫": "VND", "฿": "THB", "₴": "UAH", "₦": "NGN", "₱": "PHP", "R$": "BRL", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD",
	"NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "Fr.": "CHF", "SFr.": "CHF",
}

// pointEvidence counts what the numbers of a column say about their decimal
// separator.
type pointEvidence struct{ point, comma int }

func (e *pointEvidence) add(text string) {
	number, _, _ := splitCurrency(text)
	lastComma, lastPoint := strings.LastIndexByte(number, ','), strings.LastIndexByte(number, '.')
	switch decimals := len(number) - 1 - max(lastComma, lastPoint); {
	case lastComma < 0 && lastPoint < 0:
	case strings.Count(number, ",") > 1: // 1,234,567
		e.point++
	case strings.Count(number, ".") > 1:
		e.comma++
	case lastComma >= 0 && lastPoint >= 0, decimals != 3:
		if lastComma > lastPoint {
			e.comma++
		} else {
			e.point++
		}
	}
}

// decimal returns the decimal separator of the column, or 0 if it has not told.
func (e *pointEvidence) decimal() byte {
	switch {
	case e.comma > e.point:
		return ','
	case e.point > e.comma:
		return '.'
	}
	return 0
}

// parseAmount reads a number such as 1,234.50, 1.234,50 €, $1 234 or
// (1'234.50), and the currency if there is one. The amount is returned as the
// API takes it. A separator before three digits separates thousands, unless it
// is the decimal separator of the column. What is beyond the fourth decimal is
// rounded: no money is so exact, but the numbers of spreadsheets are.
func parseAmount(text string, decimal byte) (amount, code string, ok bool) {
	const longest = 64
	if len(text) > longest {
		return "", "", false
	}
	number, code, negative := splitCurrency(text)
	var groups, fraction string
	point := strings.LastIndexAny(number, ",.")
	switch {
	case point < 0:
		groups = number
	case strings.ContainsAny(number[:point], ",.") && strings.LastIndexAny(number[:point], number[point:point+1]) >= 0:
		groups = number // the same sign twice separates thousands
	case strings.ContainsAny(number[:point], ",."), // two different signs: the last one is the decimal separator
		len(number)-point-1 != 3, number[point] == decimal:
		groups, fraction = number[:point], number[point+1:]
	default:
		groups = number
	}
	whole, ok := joinGroups(groups)
	if !ok || !isDigits(fraction) || whole == "" && fraction == "" {
		return "", "", false
	}
	amount = "0" + whole + "." + fraction
	if r, ok := new(big.Rat).SetString(amount + "0"); ok && len(fraction) > maxDecimals {
		amount = r.FloatString(maxDecimals)
	}
	whole, fraction, _ = strings.Cut(amount, ".")
	amount = strings.TrimLeft(whole, "0")
	if amount == "" {
		amount = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		amount += "." + fraction
	}
	if negative && amount != "0" {
		amount = "-" + amount
	}
	return amount, code, true
}

// maxDecimals is how many decimals an amount can have.
const maxDecimals = 4

// joinGroups leaves out what separates thousands, which must be the same sign
// and before three digits (or two, as in India) each time.
func joinGroups(text string) (string, bool) {
	i := strings.IndexAny(text, ",.' ")
	if i < 0 {
		return text, isDigits(text)
	}
	parts := strings.Split(text, text[i:i+1])
	for i, p := range parts {
		last := i == len(parts)-1
		if !isDigits(p) || p == "" || i > 0 && len(p) != 3 && (last || len(p) != 2) {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

// splitCurrency takes the currency and the sign off a number.
func splitCurrency(text string) (number, code string, negative bool) {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '’':
			return '\''
		case r == '−':
			return '-'
		}
		return r
	}, strings.TrimSpace(text))
	if inner, ok := strings.CutPrefix(text, "("); ok && strings.HasSuffix(inner, ")") {
		text, negative = strings.TrimSuffix(inner, ")"), true
	}
	isNumber := func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune("-+", r) }
	first, last := strings.IndexFunc(text, isNumber), strings.LastIndexFunc(text, isNumber)
	if first < 0 {
		return text, "", negative
	}
	before, after := strings.TrimSpace(text[:first]), strings.TrimSpace(text[last+1:])
	if before == "." || before == "," { // .50
		before, first = "", first-1
	}
	number = strings.TrimSpace(text[first : last+1])
	word := before + after
	if before != "" && after != "" {
		word = "?" // two of them
	}
	if word != "" {
		if code = currencyNamed(word); code == "" {
			return text, "", negative
		}
	}
	switch {
	case strings.HasPrefix(number, "-"), strings.HasSuffix(number, "-"):
		number, negative = strings.TrimSpace(strings.Trim(number, "-")), !negative
	case strings.HasPrefix(number, "+"):
		number = number[1:]
	}
	// The sign may also be in front of the currency: -$5.
	if rest := strings.TrimLeftFunc(number, func(r rune) bool { return !unicode.IsDigit(r) && !strings.ContainsRune(".,", r) }); rest != number {
		if inner := currencyNamed(strings.TrimSpace(number[:len(number)-len(rest)])); inner != "" && code == "" {
			number, code = rest, inner
		}
	}
	return number, code, negative
}

// currencyNamed returns the code of a currency, or "" if it is none.
func currencyNamed(word string) string {
	if code, ok := symbols[word]; ok {
		return code
	}
	code, err := domain.ParseCurrency(strings.Trim(word, ". "))
	if err != nil {
		return ""
	}
	return code
}
