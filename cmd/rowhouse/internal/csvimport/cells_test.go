package csvimport

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/encoding/charmap"
)

func TestCleanText(t *testing.T) {
	t.Parallel()
	for was, want := range map[string]string{
		`="00451"`: "00451", `=""00451""`: "00451", `= "00451"`: "00451", `=T("00451")`: "00451", `=""`: "", `="say ""hi"""`: `say "hi"`,
		"'00451": "00451", "'00451'": "00451", "'+49 30 1": "+49 30 1", "'-5": "-5", "'=1+1": "=1+1", "'@ada": "@ada", `'="007"`: "007", "'1-2": "1-2", "'1E5": "1E5",
		"\t00451": "00451", "\u00a000451": "00451", " 00451": "00451", `"00451"`: "00451",
		"'Abd": "'Abd", "'t Hart": "'t Hart", "'68er Verein": "'68er Verein", "=1+1": "=1+1", "O'Brien": "O'Brien", `"Acme"`: `"Acme"`, "'": "'", "=": "=", "'n Sync": "'n Sync",
		"e\u0301": "é", "A\u030angstro\u0308m": "Ångström", "\ufeffAda": "Ada", "A\u200bda": "Ada", "A\u00adda": "Ada", "\u202aAda\u202c": "Ada", "Ada\u200e": "Ada", "A\u2060da": "Ada",
		"\x01Ada": "Ada", "Ada_x000D_\nB": "Ada\nB", "a\u2028b": "a\nb",
		"👩\u200d💻": "👩\u200d💻", "می\u200cخواهم": "می\u200cخواهم", "\U0001F3F4\U000E0067\U000E0062\U000E007F": "\U0001F3F4\U000E0067\U000E0062\U000E007F",
		"MÃ¼ller": "Müller", "JosÃ©": "José", "ÐœÐ¾ÑÐºÐ²Ð°": "", "RÃ©mi CÃ´tÃ©": "Rémi Côté", "SÃO PAULO": "SÃO PAULO", "Müller": "Müller", "Ângela": "Ângela", "Москва": "Москва",
		"Ñandú": "Ñandú", "Ä Ö Ü": "Ä Ö Ü", "Œuvre": "Œuvre",
	} {
		if was == "ÐœÐ¾ÑÐºÐ²Ð°" {
			continue // some of its bytes are none in Windows-1252
		}
		d := newDraft(&plan{mapping: &mapping{object: &contacts, header: []string{"X"}, fields: []string{"last_name"}}}, []string{was})
		if got := d.cells[0]; strings.TrimSpace(got) != want || len(d.faults) > 0 {
			t.Errorf("%q is %q %v, and not %q", was, got, d.faults, want)
		}
		if told := len(d.changes) > 0; told != (strings.TrimSpace(was) != want) {
			t.Errorf("%q: %v", was, d.changes)
		}
	}
}

// What was encoded twice is decoded, whatever it was taken for, in each language
// whose letters the wrong encoding has.
func TestDecodedTwice(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Müller", "José Núñez", "Małgorzata Łódź", "François", "Dvořák", "Москва", "Γιώργος", "佐藤", "naïve", "Ångström", "Zoë"} {
		for _, m := range []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1, charmap.Windows1250, charmap.Windows1251, charmap.CodePage437, charmap.CodePage850, charmap.Macintosh} {
			var b strings.Builder
			whole := true
			for _, c := range []byte(text) {
				r := m.DecodeByte(c)
				whole = whole && r != '\ufffd'
				b.WriteRune(r)
			}
			if got, _ := decodedTwice(b.String()); whole && got != text {
				t.Errorf("%s in %v: %q is %q", text, m, b.String(), got)
			}
		}
		if got, partly := decodedTwice(text); got != text || partly {
			t.Errorf("%s is right, and was %q %v", text, got, partly)
		}
	}
	if _, partly := decodedTwice("Jörg MÃ¼ller"); !partly {
		t.Error("a part of it was encoded twice")
	}
}

// Correct text is never decoded once more, whatever letter stands before whatever
// sign; what was encoded twice is, in all languages.
func TestCorrectTextIsNotDecoded(t *testing.T) {
	t.Parallel()
	texts := []string{"NESCAFÉ®", "JOSÉ’S GRILL", "ANDRÉ’S", "Weiß™ GmbH", "“IRMÔ", "„BÄ“", "MAÇÃ®", "Groß–Enzersdorf", "ßƒ", "Ö…", "SÃO PAULO®", "L’ÎLE®", "CAFÉ©", "É®", "Ο Γιώργος’", "ÀÉ®", "Ñ™"}
	for r := 'À'; r <= 'ž'; r++ {
		for _, sign := range "®™©’”“»›…–—·•" {
			up, low := string(unicode.ToUpper(r)), string(unicode.ToLower(r))
			texts = append(texts, "CAF"+up+string(sign), "Caf"+low+string(sign), "CAF"+up+string(sign)+" BAR", strings.ReplaceAll(up, "Â", "Ä")+string(sign)) // no word is Â
			if sign == '’' {
				texts = append(texts, "ANDR"+up+"’S BAR", "Andr"+low+"’s Bar", "ANDR"+up+"’S")
			}
		}
	}
	for _, text := range texts {
		if got, partly := decodedTwice(text); got != text || partly {
			t.Errorf("%q is right, and was %q %v", text, got, partly)
		}
	}
	for was, want := range map[string]string{
		"MÃ¼ller": "Müller", "Ã‰mile": "Émile", "Ã“scar": "Óscar", "CAFÃ‰": "CAFÉ", "MÃœLLER": "MÜLLER", "BucureÈ™ti": "București", "donâ€™t": "don’t", "10 â‚¬": "10 €", "Acmeâ„¢": "Acme™", "Acme Â®": "Acme ®",
		"Nguyá»…n": "Nguyễn", "MÉ™mmÉ™dov": "Məmmədov", "Å“uvre": "œuvre", "NICOLÃ’ CANTÃ™": "NICOLÒ CANTÙ", "æ±äº¬": "", "DvoÅ™Ã¡k": "Dvořák", "ÅŸ": "ş", "Â£5": "£5",
	} {
		if got, _ := decodedTwice(was); want != "" && got != want {
			t.Errorf("%q is %q, and not %q", was, got, want)
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ field, was, want string }{
		{"external_id", "1.23457E+11", "!"},
		{"external_id", "1,23457E+11", "!"},
		{"external_id", "1E+05", "!"},
		{"external_id", "1.2e11", "!"},
		{"external_id", "5E10", "5E10"},
		{"external_id", "003E000001abc", "003E000001abc"},
		{"external_id", "12e45", "12e45"},
		{"external_id", "45.0", "45"},
		{"external_id", "123456789012.00", "123456789012"},
		{"external_id", "45,00", "45"},
		{"external_id", "1,234", "1234"},
		{"external_id", "1,234,567", "1234567"},
		{"external_id", "1 234", "1234"},
		{"external_id", "1\u00a0234", "1234"},
		{"external_id", "1'234", "1234"},
		{"external_id", "45,000", "45000"},
		{"external_id", "45.000", "!"},
		{"external_id", "00451", "00451"},
		{"external_id", "'A-1", "A-1"},
		{"external_id", "1.2.3", "1.2.3"},
		{"external_id", "12,34", "12,34"},
		{"external_ids.erp", "45.0", "45"},
		{"company.external_id", "45.0", "45"},
		{"company.external_id", "1.5E+10", "!"},
		{"address.postal_code", "4109.0", "4109"},
		{"address.postal_code", "4.109E+03", "!"},
		{"address.postal_code", "1,234", "1,234"},
		{"address.postal_code", "SW1Y 4JH", "SW1Y 4JH"},
		{"phones", "4.93012E+11", "!"},
		{"phones", "493012345678.0", "493012345678"},
		{"phones", "+49 30 12.00", "+49 30 12.00"},
		{"phones", "030.00", "030.00"},
		{"last_name", "1E+05", "1E+05"},
		{"last_name", "45.0", "45.0"},
		{"last_name", "#REF!", "!"},
		{"last_name", "#########", "!"},
		{"job_title", "#NAME?", "!"},
	} {
		d := newDraft(&plan{mapping: &mapping{object: &contacts, header: []string{"X"}, fields: []string{test.field}}}, []string{test.was})
		got := d.cells[0]
		if len(d.faults) > 0 {
			got = "!"
		}
		if got != test.want {
			t.Errorf("%s %q is %q, and not %q", test.field, test.was, got, test.want)
		}
		if told := len(d.changes) > 0; told != (test.want != "!" && test.want != test.was) {
			t.Errorf("%s %q: %v", test.field, test.was, d.changes)
		}
	}
	d := newDraft(&plan{mapping: &mapping{object: &contacts, header: []string{"X"}, fields: []string{"external_id"}}}, []string{"123456789012345000"})
	if len(d.changes) != 1 || d.changes[0].rule != ruleRounded {
		t.Errorf("%v", d.changes)
	}
}

// Cells that are armoured against a spreadsheet are what they show, in every
// column of every kind of record; the report counts them and shows some.
func TestArmourInEveryColumn(t *testing.T) {
	t.Parallel()
	for _, o := range objects {
		for _, f := range o.fields {
			p := &plan{mapping: &mapping{object: o, header: []string{"X"}, fields: []string{f.name}}}
			for _, was := range []string{`="00451"`, `'00451`, `=T("00451")`, "\t00451"} {
				if d := newDraft(p, []string{was}); d.cells[0] != "00451" {
					t.Errorf("%s %s: %q is %q", o.collection, f.name, was, d.cells[0])
				}
			}
		}
	}
	f := newFake(t)
	path := write(t, "Record ID,First Name,Last Name,Email,Postal Code,Phone\n"+
		`="00451",Ida,Park,ida@fields.example,="04109",'+49 30 123456`+"\n"+`"=""00452""",Ada,"'t Hart",ada@fields.example,'04110,`+"\n")
	var out bytes.Buffer
	cfg := config(f, path)
	cfg.Out = &out
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 2 {
		t.Fatalf("%v %+v %v", err, s, errorsOf(t, path))
	}
	if got := f.each("contacts", "external_ids"); !slices.Equal(got, []string{`{"hubspot":"00451"}`, `{"hubspot":"00452"}`}) {
		t.Errorf("IDs: %v", got)
	}
	if got := f.each("contacts", "last_name"); !slices.Equal(got, []string{"Park", "'t Hart"}) {
		t.Errorf("names: %v", got)
	}
	if got := f.each("contacts", "addresses"); !slices.Equal(got, []string{`[{"postal_code":"04109"}]`, `[{"postal_code":"04110"}]`}) {
		t.Errorf("postal codes: %v", got)
	}
	if want := `Record ID: 2 values ` + ruleArmour; !strings.Contains(out.String(), want) {
		t.Errorf("did not say %q:\n%s", want, out.String())
	}
}
