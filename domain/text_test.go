package domain_test

import (
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/domain"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada":                  "Ada",
		" \u00a0\u3000Ada\t\n": "Ada",
		"Zoe\u0308":            "Zoë",
		"Ada\nLovelace":        "Ada Lovelace",
		"Ada\u2028Lovelace":    "Ada Lovelace",
		"\ufeffAda\u200b":      "Ada",
		"a\u202egpj.exe":       "agpj.exe",
		"\u2066Ada\u2069":      "Ada",
		"\u06cc\u200c\u0627":   "\u06cc\u200c\u0627", // Persian joins letters or not
		"👩\u200d🚀 ❤\ufe0f":     "👩\u200d🚀 ❤\ufe0f",
		"\u200b\u3164\u2800":   "",
		"\u0301":               "",
		"\xff":                 "\xff",
	} {
		if got := domain.Line(in); got != want {
			t.Errorf("%q is stored as %q, want %q", in, got, want)
		}
	}
	if got := domain.Lines(" one\r\n\ttwo\u0308 "); got != " one\r\n\ttwö " {
		t.Errorf("lines are stored as %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if once := domain.Line(s); domain.Line(once) != once {
			t.Fatalf("%q is stored as %q, and then as %q", s, once, domain.Line(once))
		}
		if once := domain.Folded(s); domain.Folded(once) != once {
			t.Fatalf("%q is folded to %q, and then to %q", s, once, domain.Folded(once))
		}
	})
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for _, r := range "a0.-ä漢ه👍€\u0e01" {
		if !domain.Visible(" \u200b" + string(r)) {
			t.Errorf("%q is not seen", r)
		}
	}
	// White space, controls, format characters, fillers, marks that stand on nothing.
	for _, table := range []*unicode.RangeTable{
		unicode.White_Space, unicode.Cc, unicode.Cf, unicode.Z, unicode.Mn, unicode.Me, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point,
	} {
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if unicode.Is(table, r) && domain.Visible(string(r)) {
				t.Errorf("%U is seen", r)
			}
		}
	}
	for _, r := range "\u3164\u115f\u1160\uffa0\u2800\u00ad\u034f\u180e\u2060\ufeff\U000e0020" {
		if domain.Visible(string(r)) {
			t.Errorf("%U is seen", r)
		}
	}
}

func TestFolded(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Straße", "STRASSE", "strasse", "STRAẞE"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", "Σίσυφοσ"},
		{"Zoë", "ZOE\u0308", "zoe\u0308", " zoë "},
		{"V I  P", "v i p", "v\u00a0i p", "v\u200b i p"},
		{"ﬁne", "FINE"},
	} {
		for _, s := range same {
			if domain.Folded(s) != domain.Folded(same[0]) {
				t.Errorf("%q and %q are two", s, same[0])
			}
		}
	}
	if domain.Folded("résumé") == domain.Folded("resume") {
		t.Error("accents make no difference")
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		for x := unicode.SimpleFold(r); x != r; x = unicode.SimpleFold(x) {
			if domain.Folded("a"+string(x)) != domain.Folded("a"+string(r)) {
				t.Errorf("%U and %U are two letters", r, x)
			}
		}
	}
}
