package csvimport

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language/display"
	"golang.org/x/text/message"
	textnumber "golang.org/x/text/number"

	"github.com/rowhouse/rowhouse/domain"
)

// Amounts are read as every locale of CLDR writes them, once the column tells
// which sign is which.
func TestAmountsOfAllLocales(t *testing.T) {
	t.Parallel()
	n := 0
	for _, tag := range display.Supported.Tags() {
		p := message.NewPrinter(tag)
		var e pointEvidence
		column := map[string]string{"1234567.5": p.Sprint(textnumber.Decimal(1234567.5)), "1234": p.Sprint(textnumber.Decimal(1234)), "0.125": p.Sprint(textnumber.Decimal(0.125)), "99.25": p.Sprint(textnumber.Decimal(99.25))}
		for _, text := range column {
			e.add(text, 2)
		}
		point, _ := e.decimal()
		for want, text := range column {
			n++
			if got, _, ok := parseAmount(text, point); !ok || got != want {
				t.Errorf("%s: %q is %q, and not %s (the point is %q)", tag, text, got, want, point)
			}
			if got, _, ok := parseAmount("-"+text, point); !ok || got != "-"+want {
				t.Errorf("%s: -%q is %q", tag, text, got)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d amounts", n)
	}
}

func TestAmountsThatAreOpen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0.125": "0.125", "0,125": "0.125", "00.125": "0.125", "1234.567": "1234.567", "1234,567": "1234.567", ".125": "0.125", "0.125.000": "", "1,0000": "1",
		"5.-": "5", "1.000,-": "1000", "1'234.—": "1234", "50:-": "50", "CHF 5.-": "5 CHF", "12,34,567.00": "1234567", "1\u2009234,5": "1234.5", "1\u202f234,5": "1234.5",
		"١٬٢٣٤٫٥": "1234.5", "１，２３４．５": "1234.5", "१२३": "123", "1‘234.5": "1234.5", "–5": "-5", "kr 5": "5 kr", "5 kr.": "5 kr", "R$ 1.234,50": "1234.5 BRL", "1 234,50 zł": "1234.5 PLN",
		"₹12,34,567": "1234567 INR", "Fr. 5": "5 CHF", "US$5": "5 USD", "1.5E+06": "", "0.99999": "", "1234567.890000001": "1234567.89", "5%": "",
	} {
		amount, code, ok := parseAmount(text, 0)
		got := strings.TrimSpace(amount + " " + code)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q is %q, and not %q", text, got, want)
		}
	}
	for _, test := range []struct {
		texts string
		minor int
		point byte
		open  bool
	}{
		{"1.250 2.500", 2, 0, true}, {"1.250 2.500", 3, '.', true}, {"1,250 2,500", 3, ',', true}, {"0.125 1.250", 2, '.', false}, {"1.250 9,5", 3, ',', false}, {"100", 3, 0, false},
	} {
		var e pointEvidence
		for text := range strings.FieldsSeq(test.texts) {
			e.add(text, test.minor)
		}
		if point, open := e.decimal(); point != test.point || open != test.open {
			t.Errorf("%s with %d decimals: %q %v", test.texts, test.minor, point, open)
		}
	}
}

// Each sign of a currency stands for a code that there is, or for several.
func TestCurrencySigns(t *testing.T) {
	t.Parallel()
	for sign, code := range symbols {
		for _, text := range []string{sign + "5", sign + " 1,234.50", "5 " + sign, "-5 " + sign} {
			if _, got, ok := parseAmount(text, 0); !ok || got != code {
				t.Errorf("%q is in %q, and not %q", text, got, code)
			}
		}
		if _, err := domain.ParseCurrency(code); err != nil {
			t.Errorf("%s: %v", sign, err)
		}
	}
	for sign, codes := range shared {
		for code := range strings.FieldsSeq(codes) {
			if _, err := domain.ParseCurrency(code); err != nil {
				t.Errorf("%s: %v", sign, err)
			}
		}
	}
}

func TestAmountsInAFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows   string
		change func(*Config)
		want   []string
		errs   []string
		says   string
	}{
		"nought":     {"a,0.125,KWD\nb,0.375,KWD\n", nil, []string{"0.125", "0.375"}, nil, ""},
		"open":       {"a,1.250,KWD\n", nil, []string{"1.250"}, nil, "--decimal"},
		"open, EUR":  {"a,1.250,EUR\n", nil, []string{"1250.00"}, nil, "--decimal"},
		"said":       {"a,1.250,EUR\n", func(c *Config) { c.Decimal = "point" }, []string{"1.25"}, nil, ""},
		"crowns":     {"a,100 kr,\n", nil, nil, []string{"2 Amount invalid_currency"}, ""},
		"Swedish":    {"a,100 kr,\n", func(c *Config) { c.Currency = "SEK" }, []string{"100.00"}, nil, ""},
		"of the row": {"a,100 kr,DKK\n", nil, []string{"100.00"}, nil, ""},
		"another":    {"a,€5,GBP\n", nil, nil, []string{"2 Amount invalid_currency"}, ""},
		"exponent":   {"a,1.5E+06,EUR\n", nil, nil, []string{"2 Amount invalid_amount"}, ""},
		"noise":      {"a,99.9900000001,EUR\n", nil, []string{"99.99"}, nil, "rounded"},
		"too exact":  {"a,0.99999,EUR\n", nil, nil, []string{"2 Amount invalid_amount"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			path := write(t, "Deal Name,Amount,Currency\n"+test.rows)
			var out bytes.Buffer
			cfg := config(f, path)
			cfg.Object, cfg.Out = "deals", &out
			if test.change != nil {
				test.change(&cfg)
			}
			if _, err := Run(t.Context(), cfg); err != nil && test.want != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range f.all("deals") {
				got = append(got, d["amount"].(map[string]any)["amount"].(string))
			}
			if !slices.Equal(got, test.want) || !slices.Equal(errorsOf(t, path), test.errs) || !strings.Contains(out.String(), test.says) {
				t.Errorf("%v %v\n%s", got, errorsOf(t, path), out.String())
			}
		})
	}
}

func TestDatesOfManyForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1972-04-09T00:00:00+02:00": "1972-04-09", "1972-04-09T00:00:00-05:00": "1972-04-09", "1972-04-09T23:59:59Z": "1972-04-09", "1972-04-09 00:00:00 +0200": "1972-04-09",
		"1972-04-09t00:00:00z": "1972-04-09", "09.04.1972 00:00 +02:00": "1972-04-09", "Sun, 9 Apr 1972 00:00:00 +0200": "1972-04-09", "1972-04-09T00:00:00.000+0200": "1972-04-09",
		"1972-04-09T00:00+02": "", "9 Apr 1972 2:30 p.m.": "1972-04-09", "1972-W14-7": "1972-04-09", "1972W147": "1972-04-09", "1972-100": "1972-04-09", "1972-W54-1": "", "1973-366": "",
		"26398": "1972-04-09", "26398.5": "1972-04-09", "9999": "", "1972": "", "99999": "", "1972年4月9日": "1972-04-09", "1972년 4월 9일": "1972-04-09", "1972. 4. 9.": "1972-04-09",
		"９/４/１９７２": "1972-04-09", "٩/٤/١٩٧٢": "1972-04-09", "9 kwietnia 1972": "1972-04-09", "9. dubna 1972": "1972-04-09", "9 avril 1972": "1972-04-09", "9 de abril de 1972": "1972-04-09",
		"9 апреля 1972": "1972-04-09", "9 Απριλίου 1972": "1972-04-09", "9. huhtikuuta 1972": "1972-04-09", "9 Nisan 1972": "1972-04-09", "9 kwi 1972": "1972-04-09", "9 října 1972": "1972-10-09",
		"9 Marvin 1972": "", "9 ma 1972": "", "9 listopada 1972": "",
	} {
		if got, _ := parseDate(text, dayFirst); string(got) != want {
			t.Errorf("%q is %q, and not %q", text, got, want)
		}
	}
	if got, _ := parseDate("72/04/09", yearFirst); got != "1972-04-09" {
		t.Errorf("with the year first: %q", got)
	}
}

// Every month is known by its name in every language of the table.
func TestMonths(t *testing.T) {
	t.Parallel()
	for m := time.January; m <= time.December; m++ {
		for name := range strings.FieldsSeq(months[m]) {
			if got, ok := monthNamed(name); !ok || got != m {
				t.Errorf("%s is %v, and not %v", name, got, m)
			}
		}
	}
}

func TestDatesInAFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows   string
		change func(*Config)
		want   []string
		says   string
	}{
		"day with offset": {"a,1972-04-09T00:00:00+02:00\n", nil, []string{"1972-04-09"}, ""},
		"asked":           {"a,03/04/1972\n", nil, nil, "--date-order"},
		"said":            {"a,03/04/1972\n", func(c *Config) { c.DateOrder = "dmy" }, []string{"1972-04-03"}, ""},
		"told by another": {"a,03/04/1972\nb,13/04/1972\n", nil, []string{"1972-04-03", "1972-04-13"}, ""},
		"contradiction":   {"a,03/04/1972\nb,13/04/1972\nc,04/13/1972\n", nil, nil, "--date-order"},
		"two digits":      {"a,01.03.68\nb,01.03.31\n", nil, []string{"1968-03-01", "1931-03-01"}, "two digits"},
		"serial":          {"a,26398\n", nil, []string{"1972-04-09"}, "spreadsheet"},
		"Buddhist":        {"a,2515-04-09\n", nil, nil, ""},
		"Persian":         {"a,1351-01-20\n", nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var out bytes.Buffer
			cfg := config(f, write(t, "First Name,Birthday\n"+test.rows))
			cfg.Out, cfg.InFlight = &out, 1
			if test.change != nil {
				test.change(&cfg)
			}
			_, err := Run(t.Context(), cfg)
			if err != nil {
				out.WriteString(err.Error())
			}
			if got := f.each("contacts", "birth_date"); !slices.Equal(got, test.want) || !strings.Contains(out.String(), test.says) {
				t.Errorf("%v\n%s", got, out.String())
			}
		})
	}
}

func TestTimesInAFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		due, zone, want string
		assumed         bool
	}{
		"no zone":       {"2026-07-01 14:30", "", "2026-07-01T14:30:00Z", true},
		"said":          {"2026-07-01 14:30", "Europe/Berlin", "2026-07-01T12:30:00Z", false},
		"written":       {"2026-07-01T14:30:00+02:00", "America/New_York", "2026-07-01T12:30:00Z", false},
		"small letters": {"2026-07-01t14:30:00z", "", "2026-07-01T14:30:00Z", false},
		"a day":         {"2026-07-01", "Europe/Berlin", "2026-07-01T00:00:00Z", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var out bytes.Buffer
			cfg := config(f, write(t, "Subject,Due Date\nCall,"+test.due+"\n"))
			cfg.Object, cfg.Out, cfg.TimeZone = "tasks", &out, test.zone
			if _, err := Run(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if got := f.each("tasks", "due_at"); !slices.Equal(got, []string{test.want}) || strings.Contains(out.String(), "--time-zone") != test.assumed {
				t.Errorf("%v\n%s", got, out.String())
			}
		})
	}
}

// The numbers of all countries are read as they are written there and abroad.
func TestPhonesOfAllCountries(t *testing.T) {
	t.Parallel()
	for country := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			n := phonenumbers.GetExampleNumberForType(country, kind)
			if n == nil || country == "AR" && kind == phonenumbers.MOBILE { // whose example lacks an area
				continue
			}
			want := phonenumbers.Format(n, phonenumbers.E164)
			for _, form := range []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.INTERNATIONAL, phonenumbers.NATIONAL} {
				text := phonenumbers.Format(n, form)
				got, ok := parsePhone(text, country)
				if !ok || string(got.phone) != want {
					t.Errorf("%s: %q is %q, and not %s", country, text, got.phone, want)
				}
				got, ok = parsePhone(text+" ext. 12", country)
				if !ok || string(got.phone) != want || got.extension != "12" {
					t.Errorf("%s: %q with an extension is %+v", country, text, got)
				}
			}
		}
	}
}

// A country is known by its name in the languages of the atlas.
func TestCountriesInManyLanguages(t *testing.T) {
	t.Parallel()
	a := theAtlas()
	for name, want := range map[string]string{
		"Česko": "CZ", "Německo": "DE", "Polska": "PL", "Németország": "DE", "Tyskland": "DE", "Saksa": "DE", "Almanya": "DE", "Германия": "DE", "Německo ": "DE", "Γερμανία": "DE", "ドイツ": "DE",
		"德国": "DE", "독일": "DE", "المانيا": "DE", "ألمانيا": "DE", "U.S.A.": "US", "UK": "GB", "Deutschland": "DE", "Côte d’Ivoire": "CI", "Cote d'Ivoire": "CI", "Czechia": "CZ", "Czech Republic": "CZ",
		"Magyarország": "HU", "Україна": "UA", "Österreich": "AT", "Oesterreich": "", "Niger": "NE", "Nigeria": "NG", "Dominica": "DM", "Georgia": "GE", "Ísland": "IS", "Eesti": "EE", "Lietuva": "LT",
	} {
		if got := a.country(name); got != want {
			t.Errorf("%q is %q, and not %q", name, got, want)
		}
	}
}

// Each guess and each change has a line: signs that several currencies have, numbers
// that are all 0 or 1, separators in whole numbers, times that clocks skip or show twice.
func TestGuessesAreTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		object, file string
		set          func(*Config)
		member       string
		want         []string
		says, not    string
	}{
		"dollars":         {"companies", "Name,Annual Revenue\na,$5.00\n", nil, "annual_revenue", []string{`{"amount":"5.00","currency":"USD"}`}, `currency of $ in "Annual Revenue": USD`, ""},
		"yen":             {"companies", "Name,Annual Revenue\na,¥700\n", nil, "annual_revenue", []string{`{"amount":"700","currency":"JPY"}`}, `currency of ¥ in "Annual Revenue": JPY`, ""},
		"pounds":          {"companies", "Name,Annual Revenue\na,£3\n", nil, "annual_revenue", []string{`{"amount":"3.00","currency":"GBP"}`}, `currency of £`, ""},
		"rand":            {"companies", "Name,Annual Revenue\na,R 3\n", nil, "annual_revenue", []string{`{"amount":"3.00","currency":"ZAR"}`}, `currency of R`, ""},
		"said":            {"companies", "Name,Annual Revenue\na,$5.00\n", func(c *Config) { c.Currency = "CAD" }, "annual_revenue", []string{`{"amount":"5.00","currency":"CAD"}`}, "", "currency of"},
		"said of another": {"companies", "Name,Annual Revenue\na,$5.00\n", func(c *Config) { c.Currency = "EUR" }, "annual_revenue", []string{`{"amount":"5.00","currency":"USD"}`}, "currency of $", ""},
		"no guess":        {"companies", "Name,Annual Revenue\na,€5.00\n", nil, "annual_revenue", []string{`{"amount":"5.00","currency":"EUR"}`}, "", "currency of"},
		"whole numbers":   {"companies", "Name,Employees\na,250.000\nb,250\n", nil, "employee_count", []string{"250000", "250"}, `point or comma before three digits in "Employees": before thousands`, ""},
		"with decimals":   {"companies", "Name,Employees\na,250.000\nb,250\n", func(c *Config) { c.Decimal = "point" }, "employee_count", []string{"250", "250"}, "", "point or comma"},
		"by the column":   {"companies", "Name,Employees\na,250.000\nb,12.00\n", nil, "employee_count", []string{"250", "12"}, "", "point or comma"},
		"negative":        {"deals", "Deal Name,Deal Stage,Amount,Currency\na,New,(-5),EUR\nb,New,(−5),EUR\nc,New,(5),EUR\n", nil, "amount", []string{`{"amount":"-5.00","currency":"EUR"}`, `{"amount":"-5.00","currency":"EUR"}`, `{"amount":"-5.00","currency":"EUR"}`}, "", ""},
		"noughts and ones": {
			"deals", "Deal Name,Deal Stage,Probability\na,New,1\nb,New,0\n", nil, "probability", []string{"1", "0"}, `probabilities in "Probability": percents`, "",
		},
		"skipped": {
			"tasks", "Title,Due Date\na,2026-03-29 02:30\n", func(c *Config) { c.TimeZone = "Europe/Berlin" }, "due_at", []string{"2026-03-29T01:30:00Z"}, "1 values " + ruleSkipped, "",
		},
		"twice": {
			"tasks", "Title,Due Date\na,2026-10-25 02:30\n", func(c *Config) { c.TimeZone = "Europe/Berlin" }, "due_at", []string{"2026-10-25T00:30:00Z"}, "1 values " + ruleShownTwice, "",
		},
		"once": {
			"tasks", "Title,Due Date\na,2026-10-25 03:00\nb,2026-03-29 03:00\nc,2026-03-29 01:59\nd,2026-10-25 01:59\n", func(c *Config) { c.TimeZone = "Europe/Berlin" }, "due_at",
			[]string{"2026-10-25T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T00:59:00Z", "2026-10-24T23:59:00Z"},
			"", "values are times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var out bytes.Buffer
			cfg := config(f, write(t, test.file))
			cfg.Object, cfg.Out = test.object, &out
			if test.set != nil {
				test.set(&cfg)
			}
			if s, err := Run(t.Context(), cfg); err != nil || s.Refused > 0 {
				t.Fatalf("%v %+v %s", err, s, out.String())
			}
			if got := f.each(test.object, test.member); !slices.Equal(got, test.want) {
				t.Errorf("%v, and not %v", got, test.want)
			}
			if !strings.Contains(out.String(), test.says) || test.not != "" && strings.Contains(out.String(), test.not) {
				t.Errorf("does not say %q, or says %q:\n%s", test.says, test.not, out.String())
			}
		})
	}
}
