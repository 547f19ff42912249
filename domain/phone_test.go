package domain_test

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/rowhouse/rowhouse/domain"
)

func TestPhone(t *testing.T) {
	t.Parallel()
	read[domain.Phone](t, "invalid_phone", []reading{
		{"+4930123456", "+4930123456"},
		{"+49 (0)30 123-456", "+4930123456"},
		{"+49 030 123456", "+4930123456"},
		{"(+49) 30 / 123456", "+4930123456"},
		{"\u202a+49\u00a030\u2011123456\u202c", "+4930123456"},
		{"＋４９３０１２３４５６", "+4930123456"},
		{"+٤٩٣٠١٢٣٤٥٦", "+4930123456"},
		{"tel:+49-30-123456", "+4930123456"},
		{"+1 (212) 555.0100", "+12125550100"},
		{"+1 (0)212 555 0100", "+12125550100"},
		{"+39 (0)6 5550 1234", "+390655501234"},
		{"+39 06 5550 1234", "+390655501234"},
		{"+39 (0)335 123 4567", "+393351234567"},
		{"+39 (0)312 345 6789", ""}, // one of Como, or a mobile one
		{"+378 (0)549 886377", "+3780549886377"},
		{"+225 (0)7 07 12 34 56", "+2250707123456"},
		{"+34 (0)91 123 45 67", "+34911234567"},
		{"+420 (0)212 345 678", "+420212345678"},
		{"+7 (8) 495 123-45-67", "+74951234567"},
		{"+36 (06) 1 234 5678", "+3612345678"},
		{"+54 9 11 2345-6789", "+5491123456789"},
		{"+9991234567", "+9991234567"}, // no plan has it
		{"+4961234567", "+4961234567"},
		{"+4930123", "+4930123"},
		{"+49 30 123456 ext. 7", ""},
		{"+1 202 555 0100 x42", ""},
		{"+1 202 555 0100;ext=42", ""},
		{"+1-800-FLOWERS", ""},
		{"030123456", ""},
		{"0049 30 123456", ""},
		{"+0301234567", ""},
		{"+49", ""},
		{"+49+30123456", ""},
		{"+1234567890123456", ""},
		{"+4930x23456", ""},
		{"\u3164", ""},
		{"", ""},
	})
}

func TestPhoneInACountry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, country, want string }{
		{"030 123456", "DE", "+4930123456"},
		{"(030) 123456", "DE", "+4930123456"},
		{"0049 30 123456", "DE", "+4930123456"},
		{"+1 212 555 0100", "DE", "+12125550100"},
		{"06 5550 1234", "IT", "+390655501234"},
		{"335 123 4567", "IT", "+393351234567"},
		{"(202) 555-0100", "US", "+12025550100"},
		{"1-202-555-0100", "US", "+12025550100"},
		{"011 49 30 123456", "US", "+4930123456"},
		{"8 495 123-45-67", "RU", "+74951234567"},
		{"8 10 49 30 123456", "RU", "+4930123456"},
		{"0011 49 30 123456", "AU", "+4930123456"},
		{"06 1 234 5678", "HU", "+3612345678"},
		{"8 5 212 3456", "LT", "+37052123456"},
		{"01 23 45 67 89", "FR", "+33123456789"},
		{"020 7946 0018", "GB", "+442079460018"},
		{"123456", "DE", ""},
		{"555-0100", "US", ""},
		{"030 123456", "", ""},
		{"030 123456", "ZZ", ""},
		{"555-HELP-ME", "US", ""},
		{"12", "DE", ""},
	} {
		got, err := domain.ParsePhoneIn(c.text, domain.Country(c.country))
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q in %q is read as %q (%v), want %q", c.text, c.country, got, err, c.want)
		}
	}
}

// Each country has its own trunk prefix, or none, and its own way out.
func TestPhonesOfAllCountries(t *testing.T) {
	t.Parallel()
	exits := map[string]string{
		"US": "011", "CA": "011", "AU": "0011", "JP": "010", "RU": "810", "HK": "001", "SG": "001", "DE": "00", "GB": "00", "BR": "0021",
	}
	leads := map[string]bool{"+39": true, "+241": true, "+247": true}
	regions := phonenumbers.GetSupportedRegions()
	if len(regions) < 240 {
		t.Fatalf("only %d countries", len(regions))
	}
	numbers := 0
	for region := range regions {
		country := domain.Country(region)
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE, phonenumbers.UAN} {
			n := phonenumbers.GetExampleNumberForType(region, kind)
			if n == nil {
				continue
			}
			numbers++
			want := phonenumbers.Format(n, phonenumbers.E164)
			national := phonenumbers.Format(n, phonenumbers.NATIONAL)
			code, rest, _ := strings.Cut(phonenumbers.Format(n, phonenumbers.INTERNATIONAL), " ")
			forms := []string{want, code + " " + rest, code + "." + strings.ReplaceAll(rest, " ", "-"), "(" + code + ")" + rest}
			if rest[0] != '0' {
				forms = append(forms, code+" (0)"+rest)
			} else {
				forms = append(forms, code+" (0)"+rest[1:])
			}
			for i, f := range forms {
				got, err := domain.ParsePhone(f)
				if i == len(forms)-1 && err != nil && leads[code] {
					continue // there is a number with the zero, and one without
				}
				if string(got) != want {
					t.Errorf("%s: %q is read as %q (%v), want %q", region, f, got, err, want)
				}
			}
			if region == "AR" && kind == phonenumbers.MOBILE {
				national = "011 15-2345-6789" // the library writes it in another way than it reads it
			}
			if got, err := domain.ParsePhoneIn(national, country); string(got) != want {
				t.Errorf("%s: %q within the country is read as %q (%v), want %q", region, national, got, err, want)
			}
			for from, exit := range exits {
				if got, err := domain.ParsePhoneIn(exit+" "+want[1:], domain.Country(from)); string(got) != want {
					t.Errorf("%q dialled in %s is read as %q (%v), want %q", exit+" "+want[1:], from, got, err, want)
				}
			}
		}
	}
	if numbers < 700 {
		t.Errorf("only %d numbers", numbers)
	}
	codes := phonenumbers.GetSupportedGlobalNetworkCallingCodes()
	for code := range codes {
		want := phonenumbers.Format(phonenumbers.GetExampleNumberForNonGeoEntity(code), phonenumbers.E164)
		if got, err := domain.ParsePhone(want); string(got) != want {
			t.Errorf("%s is read as %q (%v)", want, got, err)
		}
	}
}

// What plans say costs microseconds: their tables are there before the first number.
func BenchmarkPhone(b *testing.B) {
	for _, text := range []string{"+4930123456", "+49 (0)30 123456", "+390655501234"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := domain.ParsePhone(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
