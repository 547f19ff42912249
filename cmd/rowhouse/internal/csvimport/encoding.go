package csvimport

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/charset"
)

// errDoubtful says that nobody can tell in which encoding a file is, and what it
// could be.
type errDoubtful struct{ choices []charset.Choice }

func (e errDoubtful) Error() string {
	return "the file is not UTF-8, and which encoding it has is not certain; say it with --encoding NAME. It could be " + listed(e.choices)
}

// listed shows what the same text is in several encodings.
func listed(choices []charset.Choice) string {
	var parts []string
	for _, c := range choices {
		parts = append(parts, fmt.Sprintf("%s (%s)", c.Name, clipped(c.Sample)))
	}
	return strings.Join(parts, ", ")
}

// tellEncoding says which encoding was assumed.
func (p *plan) tellEncoding() {
	if len(p.broken) > 0 {
		p.found.assume(guess{
			about: "encoding", taken: "utf-8", because: "few lines are anything else: they are refused, and could be " + listed(p.broken),
			option: "--encoding", doubt: true,
		})
	}
	if !p.guessed {
		return
	}
	g := guess{about: "encoding", taken: title(p.encoding.Name()), because: "the file is not UTF-8, and no other encoding makes as much sense of its letters", option: "--encoding"}
	for _, s := range p.sampled {
		g.samples = append(g.samples, sample{Was: s.Sample, Is: s.Sample})
	}
	p.found.assume(g)
}

// title writes the name of an encoding as people do.
func title(name string) string {
	if rest, ok := strings.CutPrefix(name, "windows"); ok {
		return "Windows" + rest
	}
	return strings.ToUpper(name)
}

// readable returns text without what cannot be decoded, for people: what is not
// UTF-8 was most probably Windows-1252, if it is a letter there that western
// languages have. Anything else becomes U+FFFD, which is not imported.
func readable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && text[i] != 0xEF {
			if c := charmap.Windows1252.DecodeByte(text[i]); strings.ContainsRune("äöüÄÖÜßéèêëàâáãåçíîïñóôõøúùûÉÅØæÆ", c) {
				r = c
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
