package domain

import (
	"strings"

	"golang.org/x/text/currency"
)

// currencies is list one of ISO 4217 as of 1 January 2026 (ISO 4217 Maintenance
// Agency, SIX Group): the active codes by their minor unit. They are the
// decimals that a currency has, and not those that it is customary to show,
// which is what the tables of CLDR say.
var currencies = parseCurrencies(`
0 BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
2 AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP
2 COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
2 JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
2 NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
2 THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
3 BHD IQD JOD KWD LYD OMR TND
4 CLF UYW
` +
	// Not applicable, says the standard of metals and units of account. We write
	// such an amount as it is, and round it to what money can hold.
	`
- XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XUA
` +
	// Codes of list three that were withdrawn since 2010, and are in the books of
	// many: they stay readable, with the minor unit that they had.
	`
0 BYR
2 ANG BGN CUC EEK HRK LTL LVL MRO SLL STD TMM VEF ZMK ZWL ZWR
`)

// noMinorUnit is the minor unit of what has none.
const noMinorUnit = -1

func parseCurrencies(table string) map[string]int32 {
	units := map[string]int32{}
	unit := int32(0)
	for word := range strings.FieldsSeq(table) {
		switch {
		case word == "-":
			unit = noMinorUnit
		case len(word) == 1:
			unit = int32(word[0] - '0')
		default:
			units[word] = unit
		}
	}
	return units
}

// ParseCurrency reads a code of ISO 4217 in either case, with or without white space
// around it, and returns it in upper case. Active codes are accepted, and withdrawn
// ones, because old deals are recorded in them; those for no currency (XXX) and for
// tests (XTS) are not.
func ParseCurrency(s string) (string, error) {
	code, _, err := parseCurrency(Line(s))
	return code, err
}

// parseCurrency returns the canonical code of a currency, and how many decimals
// it has: [noMinorUnit] if the standard does not say.
func parseCurrency(s string) (code string, minor int32, err error) {
	refused := &Error{Reason: Invalid, Code: "invalid_currency", Detail: "is not a currency code of ISO 4217, such as EUR"}
	if len(s) != 3 {
		return "", 0, refused
	}
	code = strings.ToUpper(s)
	if minor, ok := currencies[code]; ok {
		return code, minor, nil
	}
	// What was withdrawn earlier. The standard keeps no minor units of it.
	unit, err := currency.ParseISO(code)
	if err != nil || code == "XXX" || code == "XTS" {
		return "", 0, refused
	}
	scale, _ := currency.Standard.Rounding(unit)
	return unit.String(), int32(scale), nil
}
