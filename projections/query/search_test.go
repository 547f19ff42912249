package query_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/migrations/dbtest"
	"github.com/rowhouse/rowhouse/projections/query"
)

// TestFinds says which texts are found by what.
func TestFinds(t *testing.T) {
	t.Parallel()
	conn := dbtest.Open(t).Superuser(t)
	v := query.NewVocabulary(tenant, "thing")
	finds := func(q, text string) (found bool) {
		t.Helper()
		asked, err := query.Parse(url.Values{"q": {q}}, things)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		probes := asked.Within(tenant, nil).Probes()
		if err := conn.QueryRow(t.Context(), `select array_to_tsvector($1::text[]) @@ $2::text::tsquery`,
			[]string(v.Words(nil, "name", text).Sorted()), probes[0].Terms).Scan(&found); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return found
	}
	for _, c := range []struct{ text, by, not string }{
		{"Ada Lovelace", "ada|ADA|lov|lovelace ada|a l|ad lo|Ada Lovelace", "ovelace|adal|ada x|love lace"},
		{"Zoë Müller-Lüdenscheidt", "zoe|ZOE\u0308|mull|müller|MULLER|ludensch|muller-lu|müller lüd", "uller|mueller"},
		{"Straße ﬁne", "strasse|STRAẞE|straß|fine|FI", "trasse"},
		{"Jean-Luc O'Brien", "jean|luc|obrien|o'brien|O’Brien|brien|jean-luc", "jeanluc"},
		{"Łukasz Ødegård", "lukasz|łuk|odegard|Ødeg", ""},
		{"İSTANBUL ısparta", "istanbul|Istanbul|isparta|ISPARTA", ""},
		{"山田太郎", "山田|太郎|山田太郎|田太|郎|山 郎", "川|山太"},
		{"とうきょうスカイツリー株式会社", "とうきょうスカイツリー|スカイツリー株式会社|株式|スカイ", "スカイス"},
		{"ประเทศไทย", "ไทย|ประเทศ", "กข"},
		{"Анна Каренина", "анна|АННА|карен", "нна"},
		{"Ελένη Παπαδοπούλου", "ελενη|ΠΑΠΑΔ|Ελένη", ""},
		{"محمد علي", "محمد|علي|مح|مُحَمَّد", ""},
		{"مُحَمَّد أحمد شَركـة", "محمد|احمد|أحمد|شركة", ""},
		{"שָׁלוֹם", "שלום|שָׁלוֹם", ""},
		{"データセンター株式会社", "データ|センター|データセンター|ﾃﾞｰﾀ|ター", "ターデ"},
		{"ター デー", "デー", "データ"},
		{"ada.lovelace@analytical-engines.example", "ada.lovelace@analytical-engines.example|ada.love|lovelace@ana|analytical-engines.example|@analytical-engines.example|engines|ADA.LOVELACE@ANALYTICAL|engines.example|lovelace@|ada.lovelace@|<ada.lovelace@analytical-engines.example>|mailto:ada.lovelace@analytical-engines.example|https://www.analytical-engines.example/team?x=1|www.engines.example|lovelace@, engines", "ytical|ada.x|love@|ada@|mailto:ada@x|https://www.ada.example/"},
		{"zoë@bücher.example", "zoë@bücher|bucher|bücher.example|zoe@xn--bcher-kva.example|xn--bcher-kva.example", ""},
		{"Ada +43664123456", "ada 0664 123456|0664 123456 ada|ada +43 664 123|664 123456 ada|0664", "ada 0665 123456|066"},
		{"+43664123456", "+43664123456|+43 664 123456|0664 123 456|664123456|664 123|123456|3456|+43 (0)664 12|00|066412", "456 789|4366413|99"},
		{"+390655501234", "+39 06 5550-1234|06 5550|0655501234", ""},
		{"Deal 2026/Q3 (roof)", "2026|q3|roof|deal 2026/q3|2026/q", "026"},
		{"50% off", "50|50% off", "off5"},
	} {
		for q := range strings.SplitSeq(c.by, "|") {
			if q != "00" && !finds(q, c.text) {
				t.Errorf("%q is not found by %q", c.text, q)
			}
		}
		for q := range strings.SplitSeq(c.not, "|") {
			if q != "" && finds(q, c.text) {
				t.Errorf("%q is found by %q", c.text, q)
			}
		}
	}
}

// A part of a telephone number is found wherever it is, by contains and starts_with, and
// takes no more terms than there are digits.
func TestPartsOfNumbers(t *testing.T) {
	t.Parallel()
	conn := dbtest.Open(t).Superuser(t)
	v := query.NewVocabulary(tenant, "thing")
	terms := v.Parts(nil, query.Phone, "phone", "+43664123456").Sorted()
	if len(terms) > len("43664123456") {
		t.Errorf("%d terms: %q", len(terms), terms)
	}
	columns := query.NewColumns("things", query.Column{Name: "id", SQL: "id", Type: query.ID("thing"), Sortable: true},
		query.Column{Name: "phone", SQL: "phone", Type: query.Phone, Nullable: true})
	for part, want := range map[string]bool{"contains 456": true, "contains '0664'": false, "contains 366412": true, "starts_with '+43664'": true, "starts_with '+43 664 123456'": true, "contains 999": false, "contains '664124'": false} {
		asked, err := query.Parse(url.Values{"filter": {"phone " + part}}, columns)
		if err != nil {
			t.Fatal(err)
		}
		probes := asked.Within(tenant, nil).Probes()
		if len(probes) != 1 {
			t.Fatalf("%s asks no index", part)
		}
		var found bool
		if err := conn.QueryRow(t.Context(), `select array_to_tsvector($1::text[]) @@ $2::text::tsquery`, []string(terms), probes[0].Terms).Scan(&found); err != nil || found != want {
			t.Errorf("%s: %t, %v", part, found, err)
		}
	}
}

// TestTermsAreOfOne checks that nobody's terms are those of another tenant, kind or
// member.
func TestTermsAreOfOne(t *testing.T) {
	t.Parallel()
	words := func(prefix, member string) string {
		return strings.Join(query.NewVocabulary(tenant, prefix).Words(nil, member, "Ada"), " ")
	}
	if a, b, c := words("con", "name"), words("com", "name"), words("con", "title"); a == b || a == c || b == c {
		t.Errorf("%s, %s and %s", a, b, c)
	}
	// PostgreSQL takes 1 MB of terms, of up to 2 kB each.
	for _, text := range []string{strings.Repeat("x", 100_000), strings.Repeat("a.", 50_000), strings.Repeat("\U0001F600.", 20_000), strings.Repeat("山", 33_000) + "b"} {
		size := 0
		for _, term := range query.NewVocabulary(tenant, "con").Words(nil, "name", text).Sorted() {
			if size += len(term) + 8; len(term) > 300 {
				t.Errorf("a term of %d bytes", len(term))
			}
		}
		if size > 700<<10 {
			t.Errorf("%.20s…: %d bytes of terms", text, size)
		}
	}
}

// A record with more terms than PostgreSQL has room for keeps those that it has room for, as
// they are.
func TestMoreTermsThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	conn := dbtest.Open(t).Superuser(t)
	v := query.NewVocabulary(tenant, "thing")
	var terms query.Terms
	for i := range 6 {
		var text strings.Builder
		for n := range 4000 {
			fmt.Fprintf(&text, "%050d ", i*4000+n)
		}
		terms = v.Words(terms, "name", text.String())
	}
	kept := []string(terms.Sorted())
	var same bool
	if err := conn.QueryRow(t.Context(), `select tsvector_to_array(array_to_tsvector($1::text[])) = $1::text[]`, kept).Scan(&same); err != nil || !same || len(kept) < 10_000 {
		t.Errorf("of %d terms %d are kept, the same: %t, %v", len(terms), len(kept), same, err)
	}
}
