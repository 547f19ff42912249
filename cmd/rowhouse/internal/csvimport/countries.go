package csvimport

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"
)

// atlas knows countries and languages by what people call them.
type atlas struct {
	countries map[string]string // a folded name to its code in ISO 3166
	languages map[string]string // to its code in BCP 47
	twice     map[string]string // names that languages give to several countries: to none
}

// know adds the name of a country in one of the languages. The first languages
// are those of most files; a name that later ones give to two countries is nobody's.
func (a *atlas) know(name, code string, language int) {
	const first = 8
	switch have := a.countries[name]; {
	case have == "" || language == 0:
		a.countries[name] = code
	case have != code && language >= first && a.twice[name] != "first":
		a.twice[name] = ""
	}
	if language < first {
		a.twice[name] = "first"
	}
}

// theAtlas returns the atlas, which nobody changes. It is read once, when it is needed.
var theAtlas = sync.OnceValue(readAtlas)

// readAtlas reads the names in the languages that most files are in.
func readAtlas() *atlas {
	a := &atlas{countries: map[string]string{}, languages: map[string]string{}, twice: map[string]string{}}
	in := []*display.Dictionary{
		display.English, display.German, display.French, display.Spanish,
		display.Italian, display.Dutch, display.Portuguese, display.Polish,
		display.Czech, display.Slovak, display.Hungarian, display.Slovenian, display.Croatian, display.Romanian, display.Bulgarian, display.Greek,
		display.Swedish, display.Danish, display.Norwegian, display.Finnish, display.Icelandic, display.Estonian, display.Latvian, display.Lithuanian,
		display.Russian, display.Ukrainian, display.Serbian, display.Turkish, display.Catalan, display.Albanian,
		display.Arabic, display.Hebrew, display.Persian, display.Hindi, display.Thai, display.Vietnamese, display.Indonesian,
		display.Japanese, display.Korean, display.Chinese, display.TraditionalChinese,
	}
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			region, err := language.ParseRegion(code)
			if err == nil && region.IsCountry() && region.Canonicalize().String() == code {
				a.countries[fold(code)] = code
				a.countries[fold(region.ISO3())] = code
				for i, d := range in {
					a.know(fold(d.Regions().Name(region)), code, i)
				}
			}
			base, err := language.ParseBase(strings.ToLower(code))
			if err != nil {
				continue
			}
			for _, d := range in {
				a.languages[strings.ToLower(d.Languages().Name(base))] = base.String()
			}
			tag, _ := language.Compose(base) // a language alone always makes one
			a.languages[strings.ToLower(display.Self.Name(tag))] = base.String()
		}
	}
	for name, code := range a.twice {
		if code == "" {
			delete(a.countries, name)
		}
	}
	for name, code := range otherNames {
		a.countries[fold(name)] = code
	}
	delete(a.countries, "")
	delete(a.languages, "")
	return a
}

// otherNames are names that no dictionary has.
var otherNames = map[string]string{
	"usa": "US", "u.s.": "US", "united states of america": "US", "america": "US",
	"uk": "GB", "u.k.": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB",
	"holland": "NL", "czech republic": "CZ", "slovak republic": "SK", "korea": "KR", "south korea": "KR", "republic of korea": "KR",
	"north korea": "KP", "democratic people's republic of korea": "KP", "russian federation": "RU", "uae": "AE", "viet nam": "VN",
	"ivory coast": "CI", "burma": "MM", "kyrgyz republic": "KG", "united kingdom of great britain and northern ireland": "GB", "macedonia": "MK", "hong kong": "HK", "macau": "MO", "macao": "MO", "republic of ireland": "IE",
	"palestine": "PS", "palestinian territory": "PS", "state of palestine": "PS", "vatican": "VA", "holy see": "VA", "cape verde": "CV",
	"lao people's democratic republic": "LA", "libyan arab jamahiriya": "LY", "syrian arab republic": "SY", "brunei darussalam": "BN",
	"islamic republic of iran": "IR", "republic of moldova": "MD", "united republic of tanzania": "TZ", "swaziland": "SZ", "turkey": "TR",
	"plurinational state of bolivia": "BO", "bolivarian republic of venezuela": "VE", "federated states of micronesia": "FM",
	"congo": "CG", "democratic republic of the congo": "CD", "republic of the congo": "CG", "people's republic of china": "CN",
	"taiwan, province of china": "TW", "timor leste": "TL", "east timor": "TL", "united states virgin islands": "VI", "virgin islands": "VI",
	"svalbard and jan mayen islands": "SJ", "saint martin": "MF", "sint maarten": "SX", "pitcairn": "PN", "réunion": "RE",
	"united states minor outlying islands": "UM", "french southern territories": "TF", "heard island and mcdonald islands": "HM",
	"south georgia and the south sandwich islands": "GS", "saint helena": "SH", "åland": "AX", "eswatini": "SZ", "türkiye": "TR",
	"schweiz": "CH", "suisse": "CH", "svizzera": "CH", "österreich": "AT", "brasil": "BR", "sverige": "SE", "norge": "NO",
	"danmark": "DK", "suomi": "FI", "ísland": "IS", "česko": "CZ", "magyarország": "HU", "românia": "RO", "ελλάδα": "GR",
	"日本": "JP", "中国": "CN", "россия": "RU",
}

// country returns the code of a country, or "" if there is none of that name.
// What is in parentheses says it in other words.
func (a *atlas) country(name string) string {
	if code, ok := a.countries[fold(name)]; ok {
		return code
	}
	if before, after, ok := strings.Cut(name, ","); ok { // Iran, Islamic Republic of
		return firstOf(a.countries[fold(after+" "+before)], a.countries[fold(before)])
	}
	before, rest, ok := strings.Cut(name, "(")
	if !ok {
		return ""
	}
	inner, after, _ := strings.Cut(rest, ")")
	return firstOf(a.countries[fold(before)], a.countries[fold(before+after)], a.countries[fold(inner)])
}

// fold leaves out of a name what people write in different ways: accents, case,
// articles, punctuation, Saint or St.
func fold(name string) string {
	var words []string
	for w := range strings.FieldsFuncSeq(norm.NFD.String(strings.ToLower(name)), func(r rune) bool {
		return !isWordRune(r) && !unicode.Is(unicode.Mn, r) && r != '&' && r != '.' && r != '\'' && r != '’'
	}) {
		w = strings.Map(func(r rune) rune {
			if r == '&' || unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, w)
		switch w {
		case "the", "":
			continue
		case "&":
			w = "and"
		case "saint", "sainte":
			w = "st"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// language returns the tag of a language, or "" if there is none.
func (a *atlas) language(name string) string {
	name = strings.TrimSpace(name)
	if tag, err := language.Parse(strings.ReplaceAll(name, "_", "-")); err == nil && len(name) <= 35 && tag != language.Und {
		return tag.String()
	}
	return a.languages[strings.ToLower(name)]
}
