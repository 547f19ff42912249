package csvimport

import (
	"maps"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// atlas knows countries and languages by what people call them.
type atlas struct {
	countries map[string]string // a name in lower case to its code in ISO 3166
	languages map[string]string // to its code in BCP 47
}

// newAtlas reads the names in the languages that most files are in.
func newAtlas() *atlas {
	a := &atlas{countries: map[string]string{}, languages: map[string]string{}}
	in := []*display.Dictionary{
		display.English, display.German, display.French, display.Spanish,
		display.Italian, display.Dutch, display.Portuguese, display.Polish,
	}
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			region, err := language.ParseRegion(code)
			if err == nil && region.IsCountry() && region.Canonicalize().String() == code {
				a.countries[strings.ToLower(code)] = code
				a.countries[strings.ToLower(region.ISO3())] = code
				for _, d := range in {
					a.countries[strings.ToLower(d.Regions().Name(region))] = code
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
	maps.Copy(a.countries, otherNames)
	delete(a.countries, "")
	delete(a.languages, "")
	return a
}

// otherNames are names that no dictionary has.
var otherNames = map[string]string{
	"usa": "US", "u.s.a.": "US", "u.s.": "US", "united states of america": "US", "america": "US", "the united states": "US",
	"uk": "GB", "u.k.": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB",
	"the netherlands": "NL", "holland": "NL", "czech republic": "CZ", "korea": "KR", "south korea": "KR", "republic of korea": "KR",
	"north korea": "KP", "russian federation": "RU", "uae": "AE", "viet nam": "VN", "ivory coast": "CI", "burma": "MM",
	"macedonia": "MK", "hong kong": "HK", "macau": "MO", "macao": "MO", "palestine": "PS", "republic of ireland": "IE",
	"schweiz": "CH", "suisse": "CH", "svizzera": "CH", "österreich": "AT", "türkiye": "TR", "turkey": "TR", "eswatini": "SZ",
	"brasil": "BR", "sverige": "SE", "norge": "NO", "danmark": "DK", "suomi": "FI", "ísland": "IS", "česko": "CZ",
	"magyarország": "HU", "románia": "RO", "ελλάδα": "GR", "日本": "JP", "中国": "CN", "россия": "RU",
}

// country returns the code of a country, or "" if there is none of that name.
func (a *atlas) country(name string) string {
	return a.countries[strings.ToLower(strings.Join(strings.Fields(name), " "))]
}

// language returns the tag of a language, or "" if there is none.
func (a *atlas) language(name string) string {
	name = strings.TrimSpace(name)
	if tag, err := language.Parse(strings.ReplaceAll(name, "_", "-")); err == nil && len(name) <= 35 && tag != language.Und {
		return tag.String()
	}
	return a.languages[strings.ToLower(name)]
}
