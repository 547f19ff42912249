package csvimport

import (
	"math"
	"strconv"
	"strings"
)

// shareEvidence says whether the probabilities of a column are shares of one,
// as HubSpot writes them, or percents, as Salesforce does. One of 0.5 may be
// either, so the whole column decides: shares, if none is more than 1 and some
// have decimals.
type shareEvidence struct {
	decimals, more bool
	sample         string
	one            string // a 1, which is all or next to nothing
}

func (e *shareEvidence) add(text string) {
	f, isPercent, ok := parseShare(text)
	if !ok || isPercent || f == 0 {
		return
	}
	if e.more = e.more || f > 1; f == 1 {
		e.one = text
	}
	if strings.ContainsAny(text, ".,") {
		e.decimals = true
		if e.sample == "" {
			e.sample = text
		}
	}
}

// ofOne reports whether the numbers are shares of one.
func (e *shareEvidence) ofOne() bool { return e.decimals && !e.more }

// parseShare reads a number that may be followed by a percent sign.
func parseShare(text string) (f float64, isPercent, ok bool) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	f, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(number), ",", "."), 64)
	return f, isPercent, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// percent is a number from 0 to 100.
func (d *draft) percent(field string) {
	text, c, ok := d.value(field)
	if !ok {
		return
	}
	f, isPercent, ok := parseShare(text)
	if !isPercent && d.plan.shares[c] {
		f *= 100
	}
	if !ok || f < 0 || f > 100 {
		d.refuse(c, "invalid_probability", "is not a number from 0 to 100")
		return
	}
	whole := math.Round(f)
	if math.Abs(whole-f) > 1e-9 {
		d.change(c, "were rounded to whole percents", text, strconv.Itoa(int(whole)))
	}
	d.put(field, int(whole), c)
}

// concludeMeanings says what was assumed about probabilities and names.
func (s *survey) concludeMeanings() {
	p := s.plan
	for c, e := range s.chances {
		if p.shares[c] = e.ofOne(); p.shares[c] {
			f, _, _ := parseShare(e.sample)
			p.found.assume(guess{
				about: "probabilities", column: p.name(c), taken: "shares of one", because: "none is more than 1",
				samples: []sample{{Was: e.sample, Is: strconv.Itoa(int(math.Round(100*f))) + " %"}},
			})
		}
	}
	for c, e := range s.chances {
		if e.one != "" && !e.more && !e.decimals {
			p.found.assume(guess{
				about: "probabilities", column: p.name(c), taken: "percents", because: "none has decimals", doubt: true,
				samples: []sample{{Was: e.one, Is: "1 %"}},
			})
		}
	}
	if s.divided.Was != "" {
		p.found.assume(guess{
			about: "names of people", column: p.name(p.columns["name"][0]), taken: "the last word, or what is before a comma, is the last name",
			option: "--map", samples: []sample{s.divided},
		})
	}
	if len(p.columns["external_id"])+len(p.columns["company.external_id"])+len(p.columns["contact.external_id"]) > 0 && p.options.Source == "" {
		because := "its columns are called as there"
		if p.product == "" {
			because = "the file does not say whose they are"
		}
		p.found.assume(guess{about: "IDs in the file", taken: "those of " + p.source, because: because, option: "--source"})
	}
}
