package csvimport

import (
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/rowhouse/rowhouse/domain"
)

// symbols of currencies. Those that several currencies share stand for the one
// that is used most, unless the caller says that it is another of them.
var symbols = map[string]string{
	"€": "EUR", "£": "GBP", "$": "USD", "US$": "USD", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₪": "ILS",
	"₫": "VND", "฿": "THB", "₴": "UAH", "₦": "NGN", "₱": "PHP", "R$": "BRL", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD",
	"NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "Fr.": "CHF", "SFr.": "CHF", "Fr": "CHF", "sFr.": "CHF",
	"₸": "KZT", "₼": "AZN", "₾": "GEL", "₡": "CRC", "₲": "PYG", "₵": "GHS", "₭": "LAK", "₮": "MNT", "៛": "KHR", "৳": "BDT", "֏": "AMD",
	"R": "ZAR", "RM": "MYR", "Rp": "IDR", "S/": "PEN", "S/.": "PEN", "B/.": "PAB", "Q": "GTQ", "NT$": "TWD", "CN¥": "CNY", "JP¥": "JPY", "CHF": "CHF", "Sfr": "CHF",
	"лв": "BGN", "лв.": "BGN", "грн": "UAH", "грн.": "UAH", "Kčs": "CZK", "din": "RSD", "din.": "RSD", "KM": "BAM", "ден": "MKD", "ден.": "MKD", "$U": "UYU",
	"د.إ": "AED", "د.ك": "KWD", "د.ب": "BHD", "ر.س": "SAR", "ر.ع.": "OMR", "د.أ": "JOD", "ج.م": "EGP", "د.ت": "TND", "د.م.": "MAD", "د.ج": "DZD", "ل.ل": "LBP",
}

// pointEvidence counts what the numbers of a column say about their decimal
// separator.
type pointEvidence struct {
	point, comma int

	open, fine int    // numbers that can be read either way; those in a currency with three decimals
	commas     int    // of them, those with a comma
	sample     string // one of them
}

// add looks at an amount in a currency with so many decimals.
func (e *pointEvidence) add(text string, minor int) {
	number, _, _ := splitCurrency(text)
	lastComma, lastPoint := strings.LastIndexByte(number, ','), strings.LastIndexByte(number, '.')
	last := max(lastComma, lastPoint)
	decimals := len(number) - 1 - last
	switch {
	case last < 0:
	case strings.Count(number, ",") > 1: // 1,234,567
		e.point++
	case strings.Count(number, ".") > 1:
		e.comma++
	case lastComma >= 0 && lastPoint >= 0, decimals != 3, !canGroup(number[:last]), strings.ContainsAny(number, "' "):
		if lastComma > lastPoint {
			e.comma++
		} else {
			e.point++
		}
	default:
		e.open++
		e.sample = text
		if minor == 3 {
			e.fine++
		}
		if lastComma >= 0 {
			e.commas++
		}
	}
}

// canGroup reports whether a separator of thousands may follow digits: one to
// three of them, and no nought in front.
func canGroup(digits string) bool {
	return len(digits) >= 1 && len(digits) <= 3 && isDigits(digits) && digits[0] != '0'
}

// decimal returns the decimal separator of the column, or 0 if it has none before
// three digits. It says whether that is only assumed: then a sign before three
// digits stands before thousands, but in currencies that have three decimals.
func (e *pointEvidence) decimal() (point byte, open bool) {
	switch {
	case e.comma > e.point:
		return ',', false
	case e.point > e.comma:
		return '.', false
	case e.open > 0 && 2*e.fine > e.open && 2*e.commas > e.open:
		return ',', true
	case e.open > 0 && 2*e.fine > e.open:
		return '.', true
	}
	return 0, e.open > 0
}

// minorUnit returns how many decimals a currency has.
func minorUnit(code string) int {
	m, err := domain.ParseMoney("1", code)
	if err != nil {
		return 2
	}
	_, decimals, _ := strings.Cut(m.Amount, ".")
	return len(decimals)
}

// parseAmount reads a number such as 1,234.50, 1.234,50 €, $1 234 or
// (1'234.50), and the currency if there is one. The amount is returned as the
// API takes it. A separator before three digits separates thousands, unless it
// is the decimal separator of the column, or cannot be one of thousands: after a
// nought, or after more than three digits. More than four decimals are
// refused, unless they are the noise of a spreadsheet (99.9900000001).
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
		len(number)-point-1 != 3, number[point] == decimal, !canGroup(strings.Trim(number[:point], "' ")):
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
		rounded, _ := new(big.Rat).SetString(amount)
		if noise := new(big.Rat).Sub(r, rounded); noise.Abs(noise).Cmp(big.NewRat(1, 10_000_000)) > 0 {
			return "", "", false
		}
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
		if i == 0 && !canGroup(p) {
			return "", false
		}
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
		case strings.ContainsRune("’‘ʼ′´`＇", r):
			return '\''
		case strings.ContainsRune("−–—－﹣", r):
			return '-'
		case r == '٫' || r == '．':
			return '.'
		case r == '٬' || r == '，':
			return ','
		case r >= 0x80 && unicode.IsDigit(r):
			return '0' + digitValue(r)
		}
		return r
	}, strings.TrimSpace(text))
	text = noDecimals.ReplaceAllString(text, "$1$2")
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
		number, negative = strings.TrimSpace(strings.Trim(number, "-")), true // (-5) is no credit
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

// noDecimals is how whole sums are written in Switzerland, the Netherlands and
// the North: 5.-, 1.000,-, 50:-.
var noDecimals = regexp.MustCompile(`([0-9])[.,:]-{1,2}($|[^0-9])`)

// shared are signs of several currencies. Which one is meant, only the currency of
// the row or of the file says.
var shared = map[string]string{
	"kr": "SEK NOK DKK ISK", "rs": "INR PKR LKR NPR MUR SCR", "₨": "INR PKR LKR NPR MUR SCR", "﷼": "IRR SAR OMR YER QAR", "lei": "RON MDL", "leu": "RON MDL", "руб": "RUB BYN",
	"元": "CNY TWD HKD", "円": "JPY", "圓": "TWD HKD CNY", "원": "KRW KPW",
}

// isShared reports whether a sign stands for a currency among others.
func isShared(sign, code string) bool { return slices.Contains(strings.Fields(shared[sign]), code) }

// currencyNamed returns the code of a currency, or "" if it is none.
func currencyNamed(word string) string {
	if code, ok := symbols[word]; ok {
		return code
	}
	if sign := strings.ToLower(strings.Trim(word, ". ")); shared[sign] != "" {
		if one := strings.Fields(shared[sign]); len(one) == 1 {
			return one[0]
		}
		return sign
	}
	code, err := domain.ParseCurrency(strings.Trim(word, ". "))
	if err != nil {
		return ""
	}
	return code
}

// ambiguous are signs that several currencies have, and the one that each is taken for.
const ambiguous = "$ ¥ £ Fr Fr. R KM din din. лв лв."

// signs says for what a sign of several currencies is taken, if no option says it.
func (s *survey) signs(column int, text, code string) {
	sign := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.Sc, r) || r == 'ʼ' })
	if !slices.Contains(strings.Fields(ambiguous), sign) || code == "" {
		return
	}
	if said := s.options.Currency; said != "" {
		if code == "USD" && isDollar(s.currency) || code == s.currency || code == "JPY" && s.currency == "CNY" {
			return
		}
	}
	s.found.assume(guess{about: "currency of " + sign, column: s.name(column), taken: code, because: "most amounts with this sign are in it", option: "--currency", samples: []sample{{Was: text, Is: code}}})
}
