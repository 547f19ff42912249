package csvimport

import (
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
// number without a country code is of the given country (ISO 3166), if there is one.
func parsePhone(text, country string) (number, bool) {
	digits, international, extension, ok := dissect(text)
	if !ok {
		return number{}, false
	}
	n := number{extension: extension}
	switch code := callingCodes[country]; {
	case international:
	case code == "":
		n.local = true
		return n, true
	case len(digits) > 10 && code == "1" && strings.HasPrefix(digits, "1"): // 1 (555) 010-0199
	default:
		digits = code + strings.TrimPrefix(digits, trunkPrefix(country))
	}
	p, err := domain.ParsePhone("+" + digits)
	n.phone = p
	return n, err == nil
}

// dissect reads the digits of a number.
func dissect(text string) (digits string, international bool, extension string, ok bool) {
	text = strings.TrimSpace(strings.ToLower(text))
	text = strings.TrimPrefix(strings.TrimPrefix(text, "tel:"), "'") // a URL; a cell of a spreadsheet
	for _, mark := range []string{"extension", "ext.", "ext", "x", "#", "durchwahl", "poste"} {
		if before, after, found := strings.Cut(text, mark); found {
			text, extension = strings.TrimRight(before, " ,;"), strings.Trim(after, " .:")
			if extension == "" || !isDigits(extension) || len(extension) > 11 {
				return "", false, "", false
			}
			break
		}
	}
	text = strings.Replace(text, "(0)", "", 1) // the trunk prefix: not dialled from abroad
	var b strings.Builder
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && i == 0, r == '+' && b.Len() == 0:
			international = true
		case unicode.IsSpace(r) || strings.ContainsRune(".-()/[]–‐‑\u200e\u202a\u202c", r):
		default:
			return "", false, "", false
		}
	}
	digits = b.String()
	if !international && strings.HasPrefix(digits, "00") {
		digits, international = digits[2:], true
	}
	const fewest, most = 5, 15
	return digits, international, extension, len(digits) >= fewest && len(digits) <= most
}

// phoneEvidence counts what the telephone numbers of a file look like.
type phoneEvidence struct{ national, american int }

func (e *phoneEvidence) add(text string) {
	digits, international, _, ok := dissect(text)
	if !ok || international {
		return
	}
	e.national++
	digits = strings.TrimPrefix(digits, "1")
	// Three digits, three and four, set apart, are written in North America only.
	groups := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsDigit(r) })
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

// trunkPrefix returns what is dialled before a number inside of the country,
// and left out from abroad.
func trunkPrefix(country string) string {
	switch country {
	case "US", "CA", "PR", "DO", "JM", "BS", "BB", "TT":
		return "1"
	case "RU", "KZ", "BY", "TM":
		return "8"
	case "HU":
		return "06"
	case "LT", "MX", "IT", "SM", "VA", "ES", "PT", "PL", "CZ", "GR", "DK", "NO", "EE", "LV", "LU", "MT", "IS", "CY", "HK", "SG", "QA", "KW", "OM", "BH", "CI", "GA", "CR", "PA", "GT", "SV", "HN", "NI":
		return "" // numbers are dialled whole
	}
	return "0"
}

// callingCodes are the country codes of E.164.
var callingCodes = parseCallingCodes(`
1 US CA PR DO JM BS BB TT AG AI BM VG KY GD TC MS MP GU AS SX LC DM VC KN VI
20 EG 211 SS 212 MA EH 213 DZ 216 TN 218 LY 220 GM 221 SN 222 MR 223 ML 224 GN 225 CI 226 BF 227 NE 228 TG 229 BJ
230 MU 231 LR 232 SL 233 GH 234 NG 235 TD 236 CF 237 CM 238 CV 239 ST 240 GQ 241 GA 242 CG 243 CD 244 AO 245 GW
246 IO 248 SC 249 SD 250 RW 251 ET 252 SO 253 DJ 254 KE 255 TZ 256 UG 257 BI 258 MZ 260 ZM 261 MG 262 RE YT 263 ZW
264 NA 265 MW 266 LS 267 BW 268 SZ 269 KM 27 ZA 290 SH 291 ER 297 AW 298 FO 299 GL
30 GR 31 NL 32 BE 33 FR 34 ES 350 GI 351 PT 352 LU 353 IE 354 IS 355 AL 356 MT 357 CY 358 FI AX 359 BG 36 HU 370 LT
371 LV 372 EE 373 MD 374 AM 375 BY 376 AD 377 MC 378 SM 379 VA 380 UA 381 RS 382 ME 383 XK 385 HR 386 SI 387 BA
389 MK 39 IT 40 RO 41 CH 420 CZ 421 SK 423 LI 43 AT 44 GB GG JE IM 45 DK 46 SE 47 NO SJ 48 PL 49 DE
500 FK 501 BZ 502 GT 503 SV 504 HN 505 NI 506 CR 507 PA 508 PM 509 HT 51 PE 52 MX 53 CU 54 AR 55 BR 56 CL 57 CO
58 VE 590 GP BL MF 591 BO 592 GY 593 EC 594 GF 595 PY 596 MQ 597 SR 598 UY 599 CW BQ
60 MY 61 AU CX CC 62 ID 63 PH 64 NZ 65 SG 66 TH 670 TL 672 NF 673 BN 674 NR 675 PG 676 TO 677 SB 678 VU 679 FJ
680 PW 681 WF 682 CK 683 NU 685 WS 686 KI 687 NC 688 TV 689 PF 690 TK 691 FM 692 MH
7 RU KZ 81 JP 82 KR 84 VN 850 KP 852 HK 853 MO 855 KH 856 LA 86 CN 880 BD 886 TW
90 TR 91 IN 92 PK 93 AF 94 LK 95 MM 960 MV 961 LB 962 JO 963 SY 964 IQ 965 KW 966 SA 967 YE 968 OM 970 PS 971 AE
972 IL 973 BH 974 QA 975 BT 976 MN 977 NP 98 IR 992 TJ 993 TM 994 AZ 995 GE 996 KG 998 UZ
`)

func parseCallingCodes(table string) map[string]string {
	codes := map[string]string{}
	code := ""
	for word := range strings.FieldsSeq(table) {
		if isDigits(word) {
			code = word
		} else {
			codes[word] = code
		}
	}
	return codes
}
