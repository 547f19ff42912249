package domain_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/domain"
)

// reading is what text becomes when it is read as a value; "" if it is refused.
type reading struct{ text, want string }

// read checks readings of a kind of value, and that what comes out is read as
// itself, which is what the log depends on.
func read[T interface {
	~string
	Check() error
}, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, code string, readings []reading,
) {
	t.Helper()
	for _, r := range readings {
		var v T
		err := P(&v).UnmarshalText([]byte(r.text))
		if string(v) != r.want {
			t.Errorf("%q is read as %q, want %q", r.text, v, r.want)
		}
		if r.want == "" {
			if e, ok := errors.AsType[*domain.Error](err); !ok || e.Kind != domain.Invalid || e.Code != code {
				t.Errorf("%q is refused with %v, want %s", r.text, err, code)
			}
			continue
		}
		if err := v.Check(); err != nil {
			t.Errorf("%q is read as %q, which is not valid: %v", r.text, v, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,40}`), rapid.StringMatching(`[+a-zA-Z0-9.@-]{0,20}`)).Draw(t, "text")
		var once, twice T
		if P(&once).UnmarshalText([]byte(text)) != nil {
			if once != "" {
				t.Fatalf("%q is refused, and comes in as %q", text, once)
			}
			return
		}
		if err := P(&twice).UnmarshalText([]byte(once)); err != nil || twice != once {
			t.Fatalf("%q is read as %q, which is read as %q (%v)", text, once, twice, err)
		}
	})
}

func TestEmail(t *testing.T) {
	t.Parallel()
	read[domain.Email](t, "invalid_email", []reading{
		{"Ada.Lovelace+crm@Example.org", "Ada.Lovelace+crm@Example.org"},
		{" ada@example.org ", "ada@example.org"},
		{"ådá@exämple.org", "ådá@exämple.org"},
		{"o'neil@example.co.uk", "o'neil@example.co.uk"},
		{"", ""},
		{"ada", ""},
		{"ada@", ""},
		{"@example.org", ""},
		{"ada@localhost", ""},
		{"a..b@example.org", ""},
		{".a@example.org", ""},
		{"a b@example.org", ""},
		{"Ada <ada@example.org>", ""},
		{"ada@example.org\r\nBcc: all@example.org", ""},
		{`"ada"@example.org`, ""},
		{"a\x00b@example.org", ""},
		{strings.Repeat("a", 65) + "@example.org", ""},
		{"a@" + strings.Repeat("a.", 130) + "org", ""},
	})
	if got := domain.Email("Ada@Example.ORG").Normalized(); got != "ada@example.org" {
		t.Errorf("normalized = %q", got)
	}
}

func TestHostname(t *testing.T) {
	t.Parallel()
	read[domain.Hostname](t, "invalid_domain", []reading{
		{"Example.COM.", "example.com"},
		{"bücher.example", "bücher.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"localhost", ""},
		{"https://example.com", ""},
		{"example.com/path", ""},
		{"-a.example", ""},
		{"a_b.example", ""},
		{"..", ""},
		{"", ""},
	})
}

func TestDate(t *testing.T) {
	t.Parallel()
	read[domain.Date](t, "invalid_date", []reading{
		{"2026-03-01", "2026-03-01"},
		{"2024-02-29", "2024-02-29"},
		{"2026-02-29", ""},
		{"0000-01-01", ""},
		{"2026-3-1", ""},
		{"2026-03-01T00:00:00Z", ""},
		{"", ""},
	})
	if got := domain.Date("2026-03-01").Time().Format("2 Jan 2006 15:04 MST"); got != "1 Mar 2026 00:00 UTC" {
		t.Error(got)
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	read[domain.Language](t, "invalid_language", []reading{
		{"de", "de"},
		{"PT-br", "pt-BR"},
		{"zh-Hans-CN", "zh-Hans-CN"},
		{"iw", "he"},
		{"und", ""},
		{"qq", ""},
		{"deutsch", ""},
		{strings.Repeat("de-", 20), ""},
		{"", ""},
	})
}

func TestCountry(t *testing.T) {
	t.Parallel()
	read[domain.Country](t, "invalid_country", []reading{
		{"DE", "DE"},
		{"gb", "GB"},
		{"EU", ""},
		{"ZZ", ""},
		{"276", ""},
		{"DEU", ""},
		{"", ""},
	})
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	read[domain.Decimal](t, "invalid_decimal", []reading{
		{"1", "1"},
		{"2.50", "2.5"},
		{"-0", "0"},
		{"007", "7"},
		{"99999999999999.9999", "99999999999999.9999"},
		{"1.00001", ""},
		{"100000000000000", ""},
		{"1e5", ""},
		{"1e1000000000", ""},
		{"+1", ""},
		{".5", ""},
		{"5.", ""},
		{"1,5", ""},
		{"NaN", ""},
		{"", ""},
	})
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		json, amount, currency string
		units                  int64
	}{
		{`{"amount":"1250","currency":"EUR"}`, "1250.00", "EUR", 12_500_000},
		{`{"amount":"1250.5","currency":"eur"}`, "1250.50", "EUR", 12_505_000},
		{`{"amount":"1.2500","currency":"EUR"}`, "1.25", "EUR", 12_500},
		{`{"amount":"0.0125","currency":"USD"}`, "0.0125", "USD", 125},
		{`{"amount":"-0","currency":"USD"}`, "0.00", "USD", 0},
		{`{"amount":"1250","currency":"JPY"}`, "1250", "JPY", 12_500_000},
		{`{"amount":"1","currency":"KWD"}`, "1.000", "KWD", 10_000},
		{`{"amount":"1","currency":"ZWG"}`, "1.00", "ZWG", 10_000},
		{`{"amount":"-99999999999999.9999","currency":"EUR"}`, "-99999999999999.9999", "EUR", -999_999_999_999_999_999},
	} {
		var m domain.Money
		if err := json.Unmarshal([]byte(c.json), &m); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if m.Amount != c.amount || m.Currency != c.currency || m.Units() != c.units {
			t.Errorf("%s is read as %s %s, %d units", c.json, m.Amount, m.Currency, m.Units())
		}
		var again domain.Money
		data, _ := json.Marshal(m)
		if err := json.Unmarshal(data, &again); err != nil || again != m {
			t.Errorf("%s comes back as %v (%v)", data, again, err)
		}
	}
	for refused, pointers := range map[string]string{
		`{"amount":"100000000000000","currency":"EUR"}`: "/amount invalid_decimal",
		`{"amount":"1.00001","currency":"EUR"}`:         "/amount invalid_decimal",
		`{"amount":"1e9","currency":"XXX"}`:             "/amount invalid_decimal, /currency invalid_currency",
		`{"amount":"1","currency":"ZZZ"}`:               "/currency invalid_currency",
		`{"amount":1,"currency":"EUR"}`:                 "/amount wrong_type",
		`{"amount":"1","currency":"EUR","x":1}`:         "/x unknown_member",
		`{"amount":"1"}`:                                "/currency required",
		`"1 EUR"`:                                       " wrong_type",
	} {
		m := domain.Money{Amount: "7.00", Currency: "EUR"}
		if got := complaints(json.Unmarshal([]byte(refused), &m)); got != pointers {
			t.Errorf("%s is refused with %q, want %q", refused, got, pointers)
		}
		if m.Amount != "7.00" {
			t.Errorf("%s comes in as %v", refused, m)
		}
	}
}

func TestRoundMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"1.005": "1.01", "1.0049": "1.00", "0.125": "0.13", "2.5": "2.50"} {
		m, err := domain.RoundMoney(decimal.RequireFromString(text), "EUR")
		if err != nil || m.Amount != want {
			t.Errorf("%s rounds to %s (%v), want %s", text, m.Amount, err, want)
		}
	}
	if m, _ := domain.RoundMoney(decimal.RequireFromString("2.5"), "JPY"); m.Amount != "3" {
		t.Errorf("2.5 yen round to %s", m.Amount)
	}
	if _, err := domain.RoundMoney(decimal.New(1, 1<<30), "EUR"); err == nil {
		t.Error("an amount out of all bounds is money")
	}
}

// complaints returns the pointers and codes of refusals.
func complaints(err error) string {
	var all []string
	for _, err := range domain.Refusals(err) {
		e, _ := errors.AsType[*domain.Error](err)
		all = append(all, e.Pointer+" "+e.Code)
	}
	return strings.Join(all, ", ")
}
