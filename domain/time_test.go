package domain_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2027-03-01T08:00:00Z":                "2027-03-01T08:00:00Z",
		"2027-03-01t08:00:00z":                "2027-03-01T08:00:00Z",
		"2027-03-01T08:00:00z":                "2027-03-01T08:00:00Z",
		"2027-03-01t08:00:00Z":                "2027-03-01T08:00:00Z",
		"2027-03-01 08:00:00Z":                "2027-03-01T08:00:00Z",
		"2027-03-01 08:00:00z":                "2027-03-01T08:00:00Z",
		"2027-03-01T08:00:00+00:00":           "2027-03-01T08:00:00Z",
		"2027-03-01T08:00:00-00:00":           "2027-03-01T08:00:00Z",
		"2027-03-01t08:00:00+05:30":           "2027-03-01T02:30:00Z",
		"2027-03-01T08:00:00-23:59":           "2027-03-02T07:59:00Z",
		"2027-03-01T08:00:00.5Z":              "2027-03-01T08:00:00.5Z",
		"2027-03-01T08:00:00.123456789Z":      "2027-03-01T08:00:00.123456789Z",
		"2027-03-01T08:00:00.1234567899999z":  "2027-03-01T08:00:00.123456789Z",
		"2016-12-31T23:59:60Z":                "2017-01-01T00:00:00Z",
		"2016-12-31t23:59:60.25z":             "2017-01-01T00:00:00.25Z",
		"1990-12-31T15:59:60-08:00":           "1991-01-01T00:00:00Z",
		"2024-02-29T00:00:00Z":                "2024-02-29T00:00:00Z",
		"0001-01-01T00:00:00.000001Z":         "0001-01-01T00:00:00.000001Z",
		"9999-12-31T23:59:59.999999999Z":      "9999-12-31T23:59:59.999999999Z",
		"9999-12-31T23:59:59-00:01":           "",
		"0001-01-01T00:00:00Z":                "", // which Go takes for none
		"0001-01-01T00:00:00+00:01":           "",
		"0000-06-01T00:00:00Z":                "",
		"10000-01-01T00:00:00Z":               "",
		"-0001-01-01T00:00:00Z":               "",
		"2027-03-01T08:00:60Z":                "",
		"2027-03-15T23:59:60Z":                "",
		"2027-03-01T08:00:61Z":                "",
		"2027-03-01T24:00:00Z":                "",
		"2027-02-29T00:00:00Z":                "",
		"2027-13-01T00:00:00Z":                "",
		"2027-03-01T8:00:00Z":                 "",
		"2027-03-01T08:00:00,5Z":              "",
		"2027-03-01T08:00:00.Z":               "",
		"2027-03-01T08:00:00":                 "",
		"2027-03-01T08:00Z":                   "",
		"2027-03-01T08:00:00+24:00":           "",
		"2027-03-01T08:00:00+23:60":           "",
		"2027-03-01T08:00:00+0100":            "",
		"2027-03-01T08:00:00+01":              "",
		"2027-03-01_08:00:00Z":                "",
		"2027-03-01  08:00:00Z":               "",
		" 2027-03-01T08:00:00Z":               "",
		"2027-03-01T08:00:00Z ":               "",
		"2027-03-01":                          "",
		"":                                    "",
		strings.Repeat("2027-03-01T", 10_000): "",
		"2027-03-01T08:00:00." + strings.Repeat("3", 100_000) + "Z": "2027-03-01T08:00:00.333333333Z",
	} {
		got, err := domain.ParseTime(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("%.50q is %v", in, got)
		case want != "" && (err != nil || domain.FormatTime(got) != want || got.Location() != time.UTC):
			t.Errorf("%.50q is %v, %v; want %s", in, got, err, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2027-03-01t08:00:00z", "2016-12-31T23:59:60Z", "2027-03-01 08:00:00.123+01:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := domain.ParseTime(s)
		if err != nil {
			return
		}
		again, err := domain.ParseTime(domain.FormatTime(got))
		if err != nil || !again.Equal(got) {
			t.Errorf("%q is %v, and that %v, %v", s, got, again, err)
		}
		if want, err := time.Parse(time.RFC3339, s); err == nil && !want.Equal(got) {
			t.Errorf("%q is %v, and %v for Go", s, got, want)
		}
	})
}

func TestPlainNumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"40": "40", "40.0": "40", "40.000": "40", "4e1": "40", "4E+1": "40", "400e-1": "40", "0.4e2": "40", "-40.0": "-40",
		"1E2": "100", "0": "0", "-0": "0", "-0.0": "0", "0e99999999999999999999": "0", "0.000e-5": "0",
		"1.5": "1.5", "1.50": "1.50", "-1.5": "-1.5", "15e-1": "1.5", "1.5e0": "1.5", "1e-3": "0.001", "-12.5e-1": "-1.25",
		"12.34e1": "123.4", "9223372036854775807.0": "9223372036854775807",
		"1e999999999": "1e999999999", "1e-999999999": "1e-999999999", "1e99999999999999999999": "1e99999999999999999999",
		"1" + strings.Repeat("0", 50_000) + "e-50000": "1",
		"1." + strings.Repeat("0", 50_000):            "1",
		// What is no number is not touched.
		"": "", "-": "-", ".5": ".5", "5.": "5.", "01.0": "01.0", "1e": "1e", "1e+": "1e+", "1e+-1": "1e+-1", "+1.0": "+1.0", "x": "x", "1.0x": "1.0x", "--1": "--1", "1e1e1": "1e1e1", "0x10": "0x10", " 1.0": " 1.0",
	} {
		if got := domain.PlainNumber(in); got != want {
			t.Errorf("%.40q is %.40q, want %q", in, got, want)
		}
	}
}

func FuzzPlainNumber(f *testing.F) {
	for _, seed := range []string{"40.0", "4e1", "-0.00e5", "123.456e-2", "1e64", "100e-300"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := domain.PlainNumber(s); got != s {
			checkSame(t, s, got)
		}
	})
}

// checkSame checks that two texts are numbers of JSON, and the same number.
func checkSame(t *testing.T, s, got string) {
	t.Helper()
	if !json.Valid([]byte(s)) || !json.Valid([]byte(got)) {
		t.Fatalf("%q became %q", s, got)
	}
	a, ok := new(big.Rat).SetString(s)
	b, okToo := new(big.Rat).SetString(got)
	if ok && okToo && a.Cmp(b) != 0 {
		t.Errorf("%q became %q", s, got)
	}
}
