package csvimport

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/rowhouse/rowhouse/domain"
)

// number is what a cell says about a telephone number.
type number struct {
	phone     domain.Phone // empty if it cannot be dialled from abroad
	extension string       // digits behind the number, which E.164 has no place for
	local     bool         // a number, but nobody knows of which country
}

// parsePhone reads a telephone number in whatever form people write it. A
// number without a country code is of the given country (ISO 3166), if there is one;
// what is dialled before it there follows the numbering plan of the country.
func parsePhone(text, country string) (number, bool) {
	main, extension, ok := cutExtension(text)
	if !ok {
		return number{}, false
	}
	n := number{extension: extension}
	digits, international, ok := dissect(main)
	if !ok {
		return number{}, false
	}
	if country == "" && !international {
		n.local = true
		return n, true
	}
	p, err := domain.ParsePhoneIn(main, domain.Country(country))
	if rest, exit := strings.CutPrefix(digits, "00"); err != nil && exit { // dialled before a country code in most countries
		p, err = domain.ParsePhone("+" + rest)
	}
	n.phone = p
	return n, err == nil
}

// extensionMarks are what people write before an extension.
var extensionMarks = regexp.MustCompile(`(?i)^(.*[0-9)])[ ,;.(-]*(?:extension|extn|ext|ext\.|x|#|durchwahl|poste|anexo|ramal|int|interno|доб|вн)[ .:=#]*([0-9]*)\)?$`)

// cutExtension cuts off what follows a number. It is false if digits should
// follow and do not.
func cutExtension(text string) (main, extension string, ok bool) {
	text = strings.TrimSpace(ascii(text))
	if len(text) > 4 && strings.EqualFold(text[:4], "tel:") { // a URL
		text = text[4:]
	}
	text = strings.TrimPrefix(text, "'") // of a spreadsheet
	m := extensionMarks.FindStringSubmatch(text)
	if m == nil {
		return text, "", true
	}
	const longest = 11
	return m[1], m[2], m[2] != "" && len(m[2]) <= longest
}

// dissect reads the digits of a number, and whether they begin with a country
// code.
func dissect(text string) (digits string, international, ok bool) {
	var b strings.Builder
	for _, r := range ascii(strings.TrimSpace(text)) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case (r == '+' || r == '＋') && b.Len() == 0:
			international = true
		case unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune(".()/[]~·•（）", r):
		default:
			return "", false, false
		}
	}
	digits = b.String()
	international = international || strings.HasPrefix(digits, "00")
	const fewest, most = 4, 17 // 4: Tokelau, Niue
	return digits, international, len(digits) >= fewest && len(digits) <= most
}

// phoneEvidence counts what the telephone numbers of a file look like.
type phoneEvidence struct{ national, american int }

func (e *phoneEvidence) add(text string) {
	main, _, _ := cutExtension(text)
	digits, international, ok := dissect(main)
	if !ok || international {
		return
	}
	e.national++
	digits = strings.TrimPrefix(digits, "1")
	// Three digits, three and four, set apart, are written in North America only.
	groups := strings.FieldsFunc(main, func(r rune) bool { return !unicode.IsDigit(r) })
	if len(groups) > 0 && groups[0] == "1" {
		groups = groups[1:]
	}
	if len(digits) == 10 && len(groups) >= 3 && len(groups[0]) == 3 && len(groups[1]) == 3 && len(groups[2]) == 4 {
		e.american++
	}
}

// country returns the country whose numbers most of those without a country
// code must be, or "" if nobody can tell.
func (e *phoneEvidence) country() string {
	if e.national > 0 && e.american*2 > e.national {
		return "US"
	}
	return ""
}
