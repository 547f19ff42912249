package domain

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// Phone is a telephone number in the form of E.164: a plus sign and up to 15
// digits, the first of which begin the country code.
type Phone string

// ParsePhone reads a number in its international form, which begins with a plus
// sign; see [ParsePhoneIn].
func ParsePhone(s string) (Phone, error) { return ParsePhoneIn(s, "") }

// ParsePhoneIn reads a number as people write it in a country, or in its
// international form. Without a country only the latter can be read. White space,
// dots, hyphens, slashes and parentheses between the digits are left out, and
// digits of all scripts are digits.
//
// What is dialled before a number within its country and not from abroad (the
// trunk prefix, in parentheses or not), and what is dialled to get out of a
// country, follow the numbering plans as libphonenumber has them. What the plans
// do not know, such as a range that is new, is kept as it is written. Letters
// are refused, and extensions, which E.164 has no place for.
func ParsePhoneIn(s string, country Country) (Phone, error) {
	text, err := phoneText(s)
	if err != nil {
		return "", err
	}
	international := strings.HasPrefix(text, "+")
	if !international && country == "" {
		return "", refusedPhone("is not a telephone number with its country code, in the form of E.164, such as +4930123456")
	}
	p, ok, err := planned(text, country)
	if ok || err != nil {
		return p, err
	}
	if international {
		return checked(Phone(digitsOf(strings.ReplaceAll(text, "(0)", ""))))
	}
	return "", refusedPhone("is not a telephone number of the country")
}

// HasPhones reports whether there is a numbering plan for a country.
func (c Country) HasPhones() bool { return phonenumbers.GetCountryCodeForRegion(string(c)) != 0 }

// planned returns the number that some text is by the numbering plans. It refuses
// text that is a number of somebody with a zero, and one of somebody else without.
func planned(text string, country Country) (Phone, bool, error) {
	without := strings.ReplaceAll(text, "(0)", "")
	closely := without != text || !strings.HasPrefix(text, "+")
	whole, ok := parsePlanned(text, country, closely)
	if without == text || ok && !whole.zero {
		return whole.phone, ok, nil
	}
	// A zero in parentheses that is no trunk prefix where it is written. It may be
	// a part of the number, as in Italy, or somebody's habit.
	switch short, possible := parsePlanned(without, country, closely); {
	case ok && possible && whole.valid && short.valid:
		return "", false, refusedPhone("has a zero in parentheses that may be a part of the number or not; write it without parentheses, or leave it out")
	case possible && !whole.valid && (short.valid || !ok || !whole.leads):
		return short.phone, true, nil
	}
	return whole.phone, ok, nil
}

// reading is what the numbering plans make of some text.
type reading struct {
	phone Phone
	valid bool // in a range that is given out, as far as the plans know
	zero  bool // the number has a zero in front, behind the country code
	leads bool // so have other numbers of the country
}

// parsePlanned reads the digits of a number. Of one with its country code it is
// asked that it is not too long or too short, because plans change; of one
// without, also that it is not what is dialled within a town only. Whether it is
// in a range that is given out is looked up if it has to be read closely: that
// costs as much as all the rest.
func parsePlanned(text string, country Country, closely bool) (reading, bool) {
	n, err := phonenumbers.Parse(digitsOf(text), string(country))
	if err != nil {
		return reading{}, false
	}
	r := reading{zero: n.GetItalianLeadingZero()}
	if closely {
		r.valid = phonenumbers.IsValidNumber(n)
		r.leads = phonenumbers.GetExampleNumber(phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))).GetItalianLeadingZero()
	}
	possible := phonenumbers.IsPossibleNumberWithReason(n)
	ok := possible == phonenumbers.IS_POSSIBLE || possible == phonenumbers.IS_POSSIBLE_LOCAL_ONLY
	if !strings.HasPrefix(text, "+") {
		prefix := phonenumbers.GetNddPrefixForRegion(string(country), true)
		local := possible == phonenumbers.IS_POSSIBLE_LOCAL_ONLY || prefix == "0" && !strings.HasPrefix(digitsOf(text), prefix)
		ok = ok && (r.valid || !local)
	}
	if !ok {
		return reading{}, false
	}
	r.phone, err = checked(Phone(phonenumbers.Format(n, phonenumbers.E164)))
	return r, err == nil
}

// phoneText returns the digits of a number in ASCII, what is written between
// them, and a plus sign in front if there is one. It refuses what no number is
// written with.
func phoneText(s string) (string, error) {
	const longest = 100 // of what is worth looking at
	if len(s) > longest {
		return "", refusedPhone("is not a telephone number")
	}
	s = strings.TrimPrefix(s, "tel:") // RFC 3966
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.IsDigit(r):
			b.WriteRune('0' + digitValue(r))
		case r == '+' || r == '\uff0b':
			if strings.Trim(b.String(), "(") != "" {
				return "", refusedPhone("has a plus sign inside of it")
			}
			b.WriteRune('+')
		case r == '(' || r == '\uff08':
			b.WriteRune('(')
		case r == ')' || r == '\uff09':
			b.WriteRune(')')
		case isPhonePunctuation(r):
		default:
			if hasExtension(s) {
				return "", refusedPhone("has an extension, which a number in the form of E.164 cannot have")
			}
			return "", refusedPhone("has characters that are no part of a telephone number, such as +4930123456")
		}
	}
	text := b.String()
	if strings.HasPrefix(strings.TrimLeft(text, "("), "+") { // (+49) 30 123456
		text = "+" + strings.TrimLeft(strings.TrimLeft(text, "("), "+")
	}
	return text, nil
}

// PhonePart reads a part of a telephone number as [ParsePhoneIn] reads all of it:
// it returns the digits in ASCII, a plus sign in front, and a zero in parentheses,
// which belongs to the number or not. See [PhoneForms].
func PhonePart(s string) (string, bool) {
	text, err := phoneText(s)
	const mark = "\x00"
	text = digitsOf(strings.ReplaceAll(text, "(0)", mark))
	return strings.ReplaceAll(text, mark, "(0)"), err == nil
}

// PhoneForms returns what a part of a telephone number may be in the form of E.164:
// with and without the zero in parentheses.
func PhoneForms(part string) []string {
	with, without := strings.ReplaceAll(part, "(0)", "0"), strings.ReplaceAll(part, "(0)", "")
	if with == without {
		return []string{with}
	}
	return []string{with, without}
}

// digitsOf returns the digits of the text of a number, and the plus sign.
func digitsOf(text string) string { return strings.NewReplacer("(", "", ")", "").Replace(text) }

// digitValue returns the value of a decimal digit: the digits of a script follow
// one another, beginning with its zero (Unicode 4.6).
func digitValue(r rune) rune {
	if r >= '\U0001d7ce' && r <= '\U0001d7ff' { // mathematical digits: five sets without a gap
		return (r - '\U0001d7ce') % 10
	}
	n := rune(0)
	for n < 9 && unicode.IsDigit(r-n-1) {
		n++
	}
	return n
}

// isPhonePunctuation reports whether a character is written between the digits
// of numbers, or is not seen at all.
func isPhonePunctuation(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("./[]~\u2212\u30fb\uff0e\uff0f\u2053\uff5e\u2022\u00b7", r)
}

func hasExtension(s string) bool {
	n, err := phonenumbers.Parse(s, "ZZ")
	if err == nil {
		return n.GetExtension() != ""
	}
	_, extension := phonenumbers.MaybeSeparateExtensionFromPhone(s)
	return extension != ""
}

func refusedPhone(detail string) error {
	return &Error{Reason: Invalid, Code: "invalid_phone", Detail: detail}
}

// Check says what is wrong with the number, if anything is.
func (p Phone) Check() error {
	digits, plus := strings.CutPrefix(string(p), "+")
	ok := plus && len(digits) >= 6 && len(digits) <= 15 && digits[0] != '0' && isDigits(digits)
	return Check(ok, "", "invalid_phone", "is not a telephone number in the form of E.164, such as +4930123456")
}

// Normalize brings the value into the form in which it is stored.
func (p *Phone) Normalize() error { return normalize(p, ParsePhone) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Phone) UnmarshalText(text []byte) error { return keep(p, text, refusedPhone("is empty")) }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
