package csvimport

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"
)

func TestEncodings(t *testing.T) {
	t.Parallel()
	plain := "First Name;E-Mail;Geburtsdatum\nJörg;joerg@example.com;01.03.1968\nBjørn;bjorn@example.com;\n"
	latin, err := charmap.Windows1252.NewEncoder().String(plain)
	if err != nil {
		t.Fatal(err)
	}
	sixteen := func(order utf16.Endianness, bom utf16.BOMPolicy) string {
		text, err := utf16.UTF16(order, bom).NewEncoder().String(plain)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, test := range map[string]struct{ text, says string }{
		"utf-8":            {plain, ""},
		"utf-8 with mark":  {"\ufeff" + plain, ""},
		"windows-1252":     {latin, "Windows-1252"},
		"utf-16le":         {sixteen(utf16.LittleEndian, utf16.UseBOM), ""},
		"utf-16be":         {sixteen(utf16.BigEndian, utf16.UseBOM), ""},
		"utf-16le no mark": {sixteen(utf16.LittleEndian, utf16.IgnoreBOM), ""},
		"old mac":          {strings.ReplaceAll(plain, "\n", "\r"), ""},
		"excel":            {"sep=;\r\n" + strings.ReplaceAll(plain, "\n", "\r\n"), ""},
		"tabs":             {strings.ReplaceAll(plain, ";", "\t"), ""},
		"commas":           {strings.ReplaceAll(plain, ";", ","), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var out bytes.Buffer
			cfg := config(f, write(t, test.text))
			cfg.Out = &out
			s, err := Run(t.Context(), cfg)
			if err != nil || s.Imported != 2 {
				t.Fatalf("%v %+v\n%s", err, s, out.String())
			}
			if got := f.each("contacts", "first_name"); !slices.Equal(got, []string{"Jörg", "Bjørn"}) {
				t.Errorf("contacts: %v", got)
			}
			if got := f.each("contacts", "birth_date"); got[0] != "1968-03-01" {
				t.Errorf("dates: %v", got)
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("did not say %q: %s", test.says, out.String())
			}
		})
	}
}

func TestOtherEncodingInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines []string
		want  []string
		errs  []string
	}{
		"latin in utf-8":   {[]string{"Jörg", "Zoë", "Bj\xf8rn", "Ada"}, []string{"Jörg", "Zoë", "Ada"}, []string{"4 First Name wrong_encoding"}},
		"rubbish in ascii": {[]string{"Ada", "B\xff\xfeb", "Cy"}, []string{"Ada", "Cy"}, []string{"3 First Name wrong_encoding"}},
		"bad utf-8 in ascii": {
			[]string{"Ada", "Jos\xc3\x28", "Cy"}, []string{"Ada", "Cy"}, []string{"3 First Name wrong_encoding"},
		},
		"utf-8 in latin": {
			append(slices.Repeat([]string{"J\xf6rg"}, 20), "Zoë", "Ada"),
			append(slices.Repeat([]string{"Jörg"}, 20), "Ada"),
			[]string{"22  wrong_encoding"},
		},
		"NUL": {[]string{"Ada", "B\x00b", "Cy"}, []string{"Ada", "Cy"}, []string{"3 First Name invalid_character"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			path := write(t, "First Name\n"+strings.Join(test.lines, "\n")+"\n")
			if _, err := Run(t.Context(), config(f, path)); err != nil {
				t.Fatal(err)
			}
			if got := f.each("contacts", "first_name"); !slices.Equal(got, test.want) {
				t.Errorf("contacts: %v", got)
			}
			if got := errorsOf(t, path); !slices.Equal(got, test.errs) {
				t.Errorf("errors: %v", got)
			}
		})
	}
}

// A file that is not of the West is read rightly, or not at all: then the
// message says what it could be, and the option decides.
func TestEncodingThatIsNotWestern(t *testing.T) {
	t.Parallel()
	polish := "First Name,Last Name,Email\nMa\xb3gorzata,Ka\xb3u\xbfy\xf1ski,mk@fields.example\n\xa3ucja,Wr\xf3bel,lw@fields.example\n"
	for name, test := range map[string]struct{ text, encoding, want, says string }{
		"found out":  {polish, "", "Małgorzata Łucja", "Windows-1250"},
		"said":       {polish, "CP1250", "Małgorzata Łucja", ""},
		"in doubt":   {"First Name\nT\xf5nu\n", "", "", "windows-1257"},
		"doubt gone": {"First Name\nT\xf5nu\n", "windows-1257", "Tõnu", ""},
		"late": {
			"First Name\n" + strings.Repeat("Ada\n", 9000) + "Ma\xb3gorzata\nKa\xb3u\xbfy\xf1ski\n", "",
			strings.Repeat("Ada ", 9000) + "Małgorzata Kałużyński", "Windows-1250",
		},
		"no such": {polish, "klingon", "", "there is no encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var out bytes.Buffer
			cfg := config(f, write(t, test.text))
			cfg.Out, cfg.Encoding, cfg.InFlight = &out, test.encoding, 1
			s, err := Run(t.Context(), cfg)
			if got := strings.Join(f.each("contacts", "first_name"), " "); got != test.want {
				t.Errorf("contacts: %.100q", got)
			}
			if said := out.String() + fmt.Sprint(err); !strings.Contains(said, test.says) {
				t.Errorf("did not say %q: %s", test.says, said)
			}
			if (err != nil) != (test.want == "") || s.Refused > 0 {
				t.Errorf("%v %+v", err, s)
			}
		})
	}
}
