package csvimport

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-03-01":                   "2026-03-01",
		"2026-03-01T14:30:00Z":         "2026-03-01",
		"2026-03-01 14:30":             "2026-03-01",
		"2026-03-01 23:30:00 -0500":    "2026-03-01",
		"2026-03-01T14:30:00.123Z":     "2026-03-01",
		"2026/3/1":                     "2026-03-01",
		"20260301":                     "2026-03-01",
		"03/01/2026":                   "2026-03-01 mdy, 2026-01-03 dmy",
		"3/1/26":                       "2026-03-01 mdy, 2026-01-03 dmy",
		"3/1/2026 2:30 PM":             "2026-03-01 mdy, 2026-01-03 dmy",
		"13/02/2026":                   "2026-02-13",
		"02/13/2026":                   "2026-02-13",
		"01.03.2026":                   "2026-03-01",
		"1.3.68":                       "1968-03-01",
		"01-03-2026":                   "2026-01-03 mdy, 2026-03-01 dmy",
		"1 Mar 2026":                   "2026-03-01",
		"Mar 1, 2026":                  "2026-03-01",
		"March 1st, 2026":              "2026-03-01",
		"01-Mar-26":                    "2026-03-01",
		"1. März 2026":                 "2026-03-01",
		"1er mars 2026":                "2026-03-01",
		"1 mars 2026":                  "2026-03-01",
		"Sun, 1 Mar 2026 10:00:00 GMT": "2026-03-01",
		"1772323200000":                "2026-03-01",
		"1772323200":                   "2026-03-01",
		"31.02.2026":                   "",
		"2026-13-01":                   "",
		"13/13/2026":                   "",
		"tomorrow":                     "",
		"0001-01-01":                   "0001-01-01",
		"0000-01-01":                   "",
		"99999-01-01":                  "",
		"-1":                           "",
		"":                             "",
		"2026-03-01 25:00":             "",
	} {
		m, okM := parseDate(text, monthFirst)
		d, okD := parseDate(text, dayFirst)
		got := string(m)
		if m != d || okM != okD {
			got = string(m) + " mdy, " + string(d) + " dmy"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestDateOrder(t *testing.T) {
	t.Parallel()
	for texts, want := range map[string]string{
		"03/04/2026":                       "open",
		"13/04/2026 04/13/2026 03/04/2026": "open",
		"72/04/09 01/02/03":                "ymd",
		"04/04/2026":                       "",
		"03/04/2026 03/14/2026":            "mdy",
		"03/04/2026 14/03/2026 01/01/2026": "dmy",
		"2026-01-02":                       "",
		"01.02.2026":                       "",
		"26/03/15":                         "open", // 2026-03-15, or 2015-03-26
		"27/01/31":                         "open",
		"26-03-15 26-03-16":                "open",
		"03/04/26":                         "open",
		"26/03/15 03/15/26":                "open", // the one is wrong
		"26/03/15 15/03/45":                "dmy",
		"26/03/15 99/03/15":                "ymd",
		"26/13/15":                         "",
		"03/15/26 03/04/26":                "mdy",
		"26/03/15 14/03/2015":              "dmy",
		"26/01/15 26/02/16 26/03/17 26/04/18 26/05/19 26/06/20": "ymd",
		"15/01/26 16/02/26 17/03/26 18/04/26 19/05/26 20/06/26": "dmy",
		"12.25.1980":            "mdy.",
		"12.25.1980 01.02.1980": "mdy.",
		"25.12.1980 12.25.1980": "",
		"12/25/1980 12.25.1980": "mdy.",
		"12/25/1980 25.12.1980": "mdy",
	} {
		var e dateEvidence
		for text := range strings.FieldsSeq(texts) {
			e.add(text)
		}
		order, known := e.order()
		got := string(order)
		if !known {
			got += "open"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

// What an option says of the order of dates counts for each separator.
func TestDateOrderThatIsSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, order, want string }{
		{"03.04.2026", "mdy", "2026-03-04"},
		{"12.25.1980", "mdy", "1980-12-25"},
		{"25.12.1980", "mdy", "1980-12-25"},
		{"03.04.2026", "dmy", "2026-04-03"},
		{"03.04.2026", "auto", "2026-04-03"},
		{"26.03.04", "ymd", "2026-03-04"},
		{"26/03/04", "ymd", "2026-03-04"},
		{"26-03-04", "mdy", "2004-03-26"},
		{"03/04/2026", "ymd", ""},
		{"13/04/2026", "ymd", "2026-04-13"},
		{"03.04.2026", "ymd", "2026-04-03"},
	} {
		if got, _ := parseDate(test.text, saidOrder(strings.ReplaceAll(test.order, "auto", ""))); string(got) != test.want {
			t.Errorf("%s %s: %s, and not %s", test.order, test.text, got, test.want)
		}
	}
	f := newFake(t)
	path := write(t, "First Name,Birthday\nIda,26/03/15\nAda,27/01/31\n")
	_, err := Run(t.Context(), config(f, path))
	if err == nil || !strings.Contains(err.Error(), "--date-order dmy or --date-order ymd") || !strings.Contains(err.Error(), "2027-01-31") {
		t.Errorf("%v", err)
	}
	for order, want := range map[string][]string{"ymd": {"2026-03-15", "1927-01-31"}, "dmy": {"2015-03-26", "1931-01-27"}} {
		f := newFake(t)
		cfg := config(f, write(t, "First Name,Birthday\nIda,26/03/15\nAda,27/01/31\n"))
		cfg.DateOrder = order
		if _, err := Run(t.Context(), cfg); err != nil {
			t.Error(err)
		}
		if got := f.each("contacts", "birth_date"); !slices.Equal(got, want) {
			t.Errorf("%s: %v", order, got)
		}
	}
}

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1234":           "1234",
		"1,234":          "1234",
		"1.234":          "1234",
		"1,234.50":       "1234.5",
		"1.234,50":       "1234.5",
		"1 234,50":       "1234.5",
		"1\u00a0234,50":  "1234.5",
		"1'234.50":       "1234.5",
		"1’234.50":       "1234.5",
		"12,34,567.89":   "1234567.89",
		"1,234,567":      "1234567",
		"1.234.567":      "1234567",
		"0.5":            "0.5",
		".5":             "0.5",
		"5.":             "5",
		"007":            "7",
		"0.00":           "0",
		"-5":             "-5",
		"5-":             "-5",
		"(1,234.50)":     "-1234.5",
		"-0":             "0",
		"+5":             "5",
		"$1,234.50":      "1234.5 USD",
		"$ 5":            "5 USD",
		"-$5":            "-5 USD",
		"$-5":            "-5 USD",
		"€1.234,50":      "1234.5 EUR",
		"1.234,50 €":     "1234.5 EUR",
		"1.234,50 EUR":   "1234.5 EUR",
		"EUR 1.234,50":   "1234.5 EUR",
		"eur 5":          "5 EUR",
		"CA$5":           "5 CAD",
		"£1,234":         "1234 GBP",
		"CHF 1'234.50":   "1234.5 CHF",
		"1,2345":         "1.2345",
		"99.9900000001":  "99.99",
		"0.99999":        "",
		"-0.00001":       "",
		"1,23,45":        "",
		"1,234.56.78":    "",
		"1 2":            "",
		"$5 EUR":         "",
		"five":           "",
		"1e5":            "",
		"12abc":          "",
		"XXX 5":          "",
		"":               "",
		"$":              "",
		"5%":             "",
		"1,,234":         "",
		"٣":              "3",
		"99999999999999": "99999999999999",
	} {
		amount, code, ok := parseAmount(text, 0)
		got := strings.TrimSpace(amount + " " + code)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if amount, _, _ := parseAmount("1,234", ','); amount != "1.234" {
		t.Errorf("with a decimal comma: %s", amount)
	}
	if amount, _, _ := parseAmount("1.234", '.'); amount != "1.234" {
		t.Errorf("with a decimal point: %s", amount)
	}
}

func TestDecimalSeparator(t *testing.T) {
	t.Parallel()
	for texts, want := range map[string]byte{
		"1.234 2.500":          0,
		"1.234 12,50":          ',',
		"1.234 12.50":          '.',
		"1.234.567":            ',',
		"1,234.50":             '.',
		"€1.234,50 €99,00":     ',',
		"100 200":              0,
		"12,5 12.5 12.5":       '.',
		"not a number":         0,
		"1,234,567 1.5 1,5":    '.',
		"1'234.50 1'000":       '.',
		"(12,50) -3,1 7,25 EU": ',',
	} {
		var e pointEvidence
		for text := range strings.FieldsSeq(texts) {
			e.add(text, 2)
		}
		if got, _ := e.decimal(); got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, country, want string }{
		{"+49 30 123456", "", "+4930123456"},
		{"+49 (0)30 / 1234-56", "", "+4930123456"},
		{"0049 30 123456", "", "+4930123456"},
		{"tel:+1-202-555-0100", "", "+12025550100"},
		{"+1 202 555 0100 x42", "", "+12025550100 ext 42"},
		{"+1 202.555.0100 ext. 42", "", "+12025550100 ext 42"},
		{"(202) 555-0100", "", "local"},
		{"(202) 555-0100", "US", "+12025550100"},
		{"1-202-555-0100", "US", "+12025550100"},
		{"001 202 555 0100", "", "+12025550100"},
		{"202.555.0100x123", "US", "+12025550100 ext 123"},
		{"030 123456", "DE", "+4930123456"},
		{"020 7946 0018", "GB", "+442079460018"},
		{"07700 900123", "GB", "+447700900123"},
		{"01 23 45 67 89", "FR", "+33123456789"},
		{"06 12345678", "IT", "+390612345678"},
		{"8 495 123-45-67", "RU", "+74951234567"},
		{"030 123456", "", "local"},
		{"call me", "", "!"},
		{"12", "", "!"},
		{"+49", "", "!"},
		{"+1 2345678901234567", "", "!"},
		{"555-HELP-ME", "US", "!"},
		{"+0 30 1234567", "", "!"},
		{"ada@example.com", "", "!"},
		{"+49 30 123456 ext", "", "!"},
	} {
		n, ok := parsePhone(test.text, test.country)
		got := string(n.phone)
		switch {
		case !ok:
			got = "!"
		case n.local:
			got = "local"
		case n.extension != "":
			got += " ext " + n.extension
		}
		if got != test.want {
			t.Errorf("%q in %q: %q, want %q", test.text, test.country, got, test.want)
		}
	}
}

func TestAmericanNumbers(t *testing.T) {
	t.Parallel()
	for texts, want := range map[string]string{
		"(202) 555-0100|202-555-0101|202.555.0102x3": "US",
		"1-202-555-0100":                 "US",
		"030 123456|030 222222":          "",
		"+49 30 123456":                  "",
		"98765 43210|98765 43211":        "",
		"202-555-0100|030 12|0301234567": "",
	} {
		var e phoneEvidence
		for text := range strings.SplitSeq(texts, "|") {
			e.add(text)
		}
		if got := e.country(); got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

func TestAtlas(t *testing.T) {
	t.Parallel()
	a := theAtlas()
	for name, want := range map[string]string{
		"DE": "DE", "deu": "DE", "Germany": "DE", "DEUTSCHLAND": "DE", "Allemagne": "DE", "Alemania": "DE",
		"United States": "US", "USA": "US", "u.s.a.": "US", "Vereinigte Staaten": "US", "UK": "GB", "United Kingdom": "GB", "England": "GB",
		"Netherlands": "NL", "The Netherlands": "NL", "Schweiz": "CH", "Czech Republic": "CZ", "Czechia": "CZ", "Hong  Kong": "HK",
		"Atlantis": "", "": "", "XX": "", "EU": "", "ZZ": "", "South Korea": "KR", "Türkiye": "TR", "Turkey": "TR", "Ireland": "IE",
	} {
		if got := a.country(name); got != want {
			t.Errorf("country %q: %q, want %q", name, got, want)
		}
	}
	// Countries as generators of test data, the ISO and the UN write them.
	for name := range strings.SplitSeq(`Afghanistan|Antarctica (the territory South of 60 deg S)|Antigua and Barbuda|Bolivia|Bosnia and Herzegovina|
		Bouvet Island (Bouvetoya)|British Indian Ocean Territory (Chagos Archipelago)|British Virgin Islands|Brunei Darussalam|Cape Verde|
		Cocos (Keeling) Islands|Congo|Cote d'Ivoire|Côte d’Ivoire|Czech Republic|Curaçao|Falkland Islands (Malvinas)|French Southern Territories|
		Guinea-Bissau|Heard Island and McDonald Islands|Holy See (Vatican City State)|Iran|Iran, Islamic Republic of|Isle of Man|Jersey|Korea|
		Kyrgyz Republic|Lao People's Democratic Republic|Libyan Arab Jamahiriya|Macao|Micronesia|Moldova|Myanmar|Netherlands Antilles|
		Palestinian Territory|Pitcairn Islands|Reunion|Russian Federation|Saint Barthelemy|Saint Helena|Saint Kitts and Nevis|Saint Lucia|
		Saint Martin|Saint Pierre and Miquelon|Saint Vincent and the Grenadines|Sao Tome and Principe|Serbia|Slovakia (Slovak Republic)|
		South Georgia and the South Sandwich Islands|Svalbard & Jan Mayen Islands|Syrian Arab Republic|Taiwan|Tanzania|Timor-Leste|
		Trinidad and Tobago|Turks and Caicos Islands|United States Minor Outlying Islands|United States Virgin Islands|
		United States of America|United Kingdom of Great Britain and Northern Ireland|Venezuela|Viet Nam|Wallis and Futuna|Western Sahara`, "|") {
		name = strings.TrimSpace(name)
		if a.country(name) == "" && name != "Netherlands Antilles" { // there are none any more
			t.Errorf("country %q is not known", name)
		}
	}
	for name, want := range map[string]string{
		"en": "en", "de-AT": "de-AT", "pt_BR": "pt-BR", "English": "en", "german": "de", "Deutsch": "de", "français": "fr", "Klingonese": "", "": "",
	} {
		if got := a.language(name); got != want {
			t.Errorf("language %q: %q, want %q", name, got, want)
		}
	}
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"Ada Lovelace":           {"Ada", "Lovelace"},
		"Lovelace, Ada":          {"Ada", "Lovelace"},
		"Cher":                   {"", "Cher"},
		"Ada  Augusta  Lovelace": {"Ada Augusta", "Lovelace"},
		"":                       {"", ""},
	} {
		first, last := splitName(name)
		if diff := cmp.Diff(want, [2]string{first, last}); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

var amountForm = regexp.MustCompile(`^(-?[1-9]\d*|-?(0|[1-9]\d*)\.\d{0,3}[1-9]|0)$`)

// Whatever is in a cell, a value that comes out of it is one.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"03/04/2026 2:30 PM", "€ 1.234,50", "+49 (0)30 1 ext 5", "1e9", "((", "-$-5", "٣٤", "\xff", "1er mars", "$", ".", "x", "Mär 1 2026"} {
		f.Add(seed)
	}
	a := theAtlas()
	f.Fuzz(func(t *testing.T, text string) {
		for _, order := range []dateOrder{monthFirst, dayFirst} {
			if d, ok := parseDate(text, order); ok && d.Check() != nil {
				t.Errorf("%q is the date %q", text, d)
			}
		}
		for _, point := range []byte{0, ',', '.'} {
			amount, code, ok := parseAmount(text, point)
			if ok && !amountForm.MatchString(amount) {
				t.Errorf("%q is the amount %q", text, amount)
			}
			if ok && code != "" && currencyNamed(code) != code && shared[code] == "" {
				t.Errorf("%q is in the currency %q", text, code)
			}
		}
		for _, country := range []string{"", "US", "DE"} {
			if n, ok := parsePhone(text, country); ok && !n.local && n.phone.Check() != nil {
				t.Errorf("%q is the number %q", text, n.phone)
			}
		}
		if !utf8.ValidString(readable(text)) {
			t.Errorf("%q is not readable", text)
		}
		new(dateEvidence).add(text)
		new(pointEvidence).add(text, 2)
		new(phoneEvidence).add(text)
		a.country(text)
		a.language(text)
		hostOf(text)
		kindOf(text)
		stageKey(text, map[string]bool{})
	})
}
