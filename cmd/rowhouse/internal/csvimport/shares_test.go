package csvimport

import (
	"slices"
	"strings"
	"testing"
)

// Whether probabilities are shares or percents is decided by the whole column.
func TestSharesAndPercents(t *testing.T) {
	t.Parallel()
	for cells, want := range map[string]string{
		"0.6|1.0|1|0.05|0": "60 100 100 5 0",
		"60|1|0.5|100":     "60 1 1 100",
		"0,6|0,25":         "60 25",
		"60%|0.5%|0.5":     "60 1 50",
		"1|1":              "1 1",
		"33.4|50":          "33 50",
		"0.5|101|Inf":      "1 ! !",
	} {
		f := newFake(t)
		lines := []string{"Deal Name;Probability"}
		for c := range strings.SplitSeq(cells, "|") {
			lines = append(lines, "X;"+c)
		}
		cfg := config(f, write(t, strings.Join(lines, "\n")+"\n"))
		cfg.Object, cfg.InFlight = "deals", 1
		s, err := Run(t.Context(), cfg)
		got := f.each("deals", "probability")
		expect := slices.DeleteFunc(strings.Fields(want), func(w string) bool { return w == "!" })
		if err != nil || !slices.Equal(got, expect) || s.Refused != strings.Count(want, "!") {
			t.Errorf("%s: %v %v %+v", cells, err, got, s)
		}
	}
}
