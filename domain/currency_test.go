package domain_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/rowhouse/rowhouse/domain"
)

// active is list one of ISO 4217 (1 January 2026): each code with its minor unit.
const active = `
AED 2 AFN 2 ALL 2 AMD 2 AOA 2 ARS 2 AUD 2 AWG 2 AZN 2 BAM 2 BBD 2 BDT 2 BHD 3 BIF 0 BMD 2 BND 2 BOB 2 BOV 2 BRL 2 BSD 2 BTN 2 BWP 2 BYN 2 BZD 2
CAD 2 CDF 2 CHE 2 CHF 2 CHW 2 CLF 4 CLP 0 CNY 2 COP 2 COU 2 CRC 2 CUP 2 CVE 2 CZK 2 DJF 0 DKK 2 DOP 2 DZD 2 EGP 2 ERN 2 ETB 2 EUR 2 FJD 2 FKP 2
GBP 2 GEL 2 GHS 2 GIP 2 GMD 2 GNF 0 GTQ 2 GYD 2 HKD 2 HNL 2 HTG 2 HUF 2 IDR 2 ILS 2 INR 2 IQD 3 IRR 2 ISK 0 JMD 2 JOD 3 JPY 0 KES 2 KGS 2 KHR 2
KMF 0 KPW 2 KRW 0 KWD 3 KYD 2 KZT 2 LAK 2 LBP 2 LKR 2 LRD 2 LSL 2 LYD 3 MAD 2 MDL 2 MGA 2 MKD 2 MMK 2 MNT 2 MOP 2 MRU 2 MUR 2 MVR 2 MWK 2 MXN 2
MXV 2 MYR 2 MZN 2 NAD 2 NGN 2 NIO 2 NOK 2 NPR 2 NZD 2 OMR 3 PAB 2 PEN 2 PGK 2 PHP 2 PKR 2 PLN 2 PYG 0 QAR 2 RON 2 RSD 2 RUB 2 RWF 0 SAR 2 SBD 2
SCR 2 SDG 2 SEK 2 SGD 2 SHP 2 SLE 2 SOS 2 SRD 2 SSP 2 STN 2 SVC 2 SYP 2 SZL 2 THB 2 TJS 2 TMT 2 TND 3 TOP 2 TRY 2 TTD 2 TWD 2 TZS 2 UAH 2 UGX 0
USD 2 USN 2 UYI 0 UYU 2 UYW 4 UZS 2 VED 2 VES 2 VND 0 VUV 0 WST 2 XAD 2 XAF 0 XCD 2 XCG 2 XOF 0 XPF 0 YER 2 ZAR 2 ZMW 2 ZWG 2
XAG - XAU - XBA - XBB - XBC - XBD - XDR - XPD - XPT - XSU - XUA -`

func TestCurrencies(t *testing.T) {
	t.Parallel()
	fields := strings.Fields(active)
	if len(fields)/2 < 175 {
		t.Fatalf("the list has %d currencies only", len(fields)/2)
	}
	for i := 0; i < len(fields); i += 2 {
		code, minor := fields[i], fields[i+1]
		want, rounded := map[string]string{"0": "7", "2": "7.00", "3": "7.000", "4": "7.0000", "-": "7"}[minor],
			map[string]string{"0": "1", "2": "1.23", "3": "1.235", "4": "1.2346", "-": "1.2346"}[minor]
		for _, written := range []string{code, strings.ToLower(code), code[:1] + strings.ToLower(code[1:])} {
			m, err := domain.ParseMoney("7", written)
			if err != nil || m.Currency != code || m.Amount != want {
				t.Errorf("7 %s is read as %s %s (%v), want %s %s", written, m.Amount, m.Currency, err, want, code)
			}
			if got, err := domain.ParseCurrency(written); err != nil || got != code {
				t.Errorf("%s is read as %s (%v)", written, got, err)
			}
		}
		// Sums that are more exact than the currency are kept as they are.
		if m, err := domain.ParseMoney("1.2345", code); err != nil || m.Amount != "1.2345" {
			t.Errorf("1.2345 %s is read as %s (%v)", code, m.Amount, err)
		}
		if m, err := domain.RoundMoney(decimal.RequireFromString("1.23456"), code); err != nil || strings.TrimRight(m.Amount, "0") != strings.TrimRight(rounded, "0") {
			t.Errorf("1.23456 %s is rounded to %s (%v), want %s", code, m.Amount, err, rounded)
		}
	}
	for _, yes := range []string{"EUR ", " eur", "\u00a0EUR\n", "\ufeffEUR"} {
		if got, err := domain.ParseCurrency(yes); err != nil || got != "EUR" {
			t.Errorf("%q is read as %q (%v)", yes, got, err)
		}
	}
	for _, no := range []string{"", "E", "EU", "EURO", "XXX", "XTS", "xxx", "ZZZ", "€", "EU€", "978", "E UR", "EUR .", "ЕUR", "eu\u0131"} {
		if got, err := domain.ParseCurrency(no); err == nil || got != "" {
			t.Errorf("%q is read as %q", no, got)
		}
	}
}

// Deals of the past are worth what they were.
func TestWithdrawnCurrencies(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"DEM", "ITL", "FRF", "HRK", "BGN", "ANG", "ZWL", "SLL", "MRO", "VEF", "CUC", "YUM"} {
		var m domain.Money
		data := `{"amount":"5","currency":"` + code + `"}`
		if err := json.Unmarshal([]byte(data), &m); err != nil || m.Currency != code {
			t.Errorf("%s is read as %v (%v)", data, m, err)
		}
	}
}
