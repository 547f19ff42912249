package domain_test

import (
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
	Normalize() error
}](t *testing.T, code string, readings []reading,
) {
	t.Helper()
	for _, r := range readings {
		var v T
		err := from[T, P](r.text, &v)
		if string(v) != r.want {
			t.Errorf("%q is read as %q, want %q", r.text, v, r.want)
		}
		if r.want == "" {
			if e, ok := errors.AsType[*domain.Error](err); !ok || e.Reason != domain.Invalid || e.Code != code {
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
		if from[T, P](text, &once) != nil {
			if once != "" {
				t.Fatalf("%q is refused, and comes in as %q", text, once)
			}
			return
		}
		if err := from[T, P](string(once), &twice); err != nil || twice != once {
			t.Fatalf("%q is read as %q, which is read as %q (%v)", text, once, twice, err)
		}
	})
}

// from reads a value as it comes from outside.
func from[T ~string, P interface {
	*T
	Normalize() error
}](text string, v *T,
) error {
	read := T(text)
	err := P(&read).Normalize()
	if err == nil {
		*v = read
	}
	return err
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
		{strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org"},
		{"zoe\u0308@example.org", "zoë@example.org"},
		{"eve@example.org\n", "eve@example.org"},
		{"eve@xn--bcher-kva.example", "eve@xn--bcher-kva.example"},
		{"eve@ｅxample.org", "eve@example.org"},
		{"kim@ example.org", ""},
		{"kim @example.org", ""},
		{"kim@example.org.", ""},
		{"kim@\u00a0example.org", ""},
		{"kim@exam\u200bple.org", ""},
		{"kim\u200b@example.org", ""},
		{"k\u3164m@example.org", ""},
		{"\u3164@example.org", ""},
		{"kim\n@example.org", ""},
		{"kim＠example.org", ""},
		{"kim＠example.org@example.org", ""},
		{"kim@[192.0.2.1]", ""},
		{"kim@192.0.2.1", ""},
		{"kim(park)@example.org", ""},
		{"kim@example..org", ""},
		{"kim.@example.org", ""},
		{"kim@-example.org", ""},
		{"kim@exa_mple.org", ""},
		{"kim@xn--a", ""},
		{"kim@xn--zz--.example", ""},
		{"mailto:kim@example.org", ""},
		{"kim@example.org,eve@example.org", ""},
		{"\"kim park\"@example.org", ""},
		{"a@" + strings.Repeat("a.", 130) + "org", ""},
	})
	for _, same := range [][]string{
		{"Ada@Example.ORG", "ada@example.org"},
		{"ada@bücher.example", "ADA@xn--bcher-kva.example", "ada@BU\u0308CHER.example", "ada@XN--BCHER-KVA.example"},
		{"zoë@example.org", "ZOE\u0308@example.org"},
		{"σίσυφος@example.org", "ΣΊΣΥΦΟΣ@example.org"},
	} {
		want := domain.Email(same[0]).Normalized()
		for _, s := range same {
			e, err := domain.ParseEmail(s)
			if e.Normalized() != want || domain.Email(s).Normalized() != want || err != nil {
				t.Errorf("%s is compared as %s (%v), want %s", s, e.Normalized(), err, want)
			}
		}
	}
	if domain.Email("a@faß.example").Normalized() == domain.Email("a@fass.example").Normalized() {
		t.Error("two domains are one") // since IDNA 2008
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
		{"BU\u0308CHER.example", "bücher.example"},
		{"bücher。example", "bücher.example"},
		{"ab--c.example", "ab--c.example"},
		{"xn--a.example", ""},
		{"xn--.example", ""},
		{"1.2.3.4", ""},
		{"a-.example", ""},
		{"a .example", ""},
		{"a\u200b.example", ""},
		{"a..example", ""},
		{".example.com", ""},
		{"example.com..", ""},
		{strings.Repeat("a", 64) + ".example", ""},
		{strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example"},
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
		if err := domain.Unmarshal([]byte(c.json), &m); err != nil {
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
		if got := complaints(domain.Unmarshal([]byte(refused), &m)); got != pointers {
			t.Errorf("%s is refused with %q, want %q", refused, got, pointers)
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

// What is in the log is read as it is, also if nobody could write it today.
func TestStoredValues(t *testing.T) {
	t.Parallel()
	type record struct {
		Email    domain.Email    `json:"email,omitzero"`
		Host     domain.Hostname `json:"host,omitzero"`
		Phone    domain.Phone    `json:"phone,omitzero"`
		Money    domain.Money    `json:"money,omitzero"`
		Country  domain.Country  `json:"country,omitzero"`
		Language domain.Language `json:"language,omitzero"`
		Date     domain.Date     `json:"date,omitzero"`
		Decimal  domain.Decimal  `json:"decimal,omitzero"`
	}
	const stored = `{"email":"kim@ fields.example.","host":"xn--a.1","phone":"+49030123456","money":{"amount":"100","currency":"RSD"},` +
		`"country":"QQ","language":"qq","date":"0000-01-01","decimal":"1.50"}`
	var r record
	if err := json.Unmarshal([]byte(stored), &r); err != nil {
		t.Fatal(err)
	}
	if back, err := domain.Marshal(r); err != nil || string(back) != stored {
		t.Errorf("it is stored again as %s (%v)", back, err)
	}
	if got := complaints(domain.Normalize(&r)); got != "/email invalid_email, /host invalid_domain, /country invalid_country, /language invalid_language, /date invalid_date" {
		t.Errorf("from outside it is refused with %s", got)
	}
	if r.Phone != "+4930123456" || r.Money.Amount != "100.00" || r.Decimal != "1.5" {
		t.Errorf("from outside it is read as %v", r)
	}
	for _, name := range []string{"email", "host", "phone", "country", "language", "date", "decimal"} {
		if err := domain.Unmarshal([]byte(`{"`+name+`":""}`), &record{}); err == nil {
			t.Errorf("an empty %s is one", name)
		}
	}
	if err := domain.Unmarshal([]byte(`{"money":{"amount":"","currency":""}}`), &record{}); err == nil {
		t.Error("empty money is money")
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
