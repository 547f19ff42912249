package csvimport

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	var f findings
	for range 2 {
		f.assume(guess{about: "encoding", taken: "Windows-1250", because: "it has fewer odd characters than the others", option: "--encoding"})
	}
	f.assume(guess{about: "order of day and month", column: "Born", taken: "day first", samples: []sample{{2, "3/4/2026", "2026-04-03"}}, option: "--date-order"})
	for line := range 5 {
		f.count(line+2, []changed{{"were cut off", "Name", strings.Repeat("x", line+59), "x"}, {"are numbers", "ID", "1E5", "100000"}})
	}
	var got []string
	for _, g := range f.Guesses {
		got = append(got, g.String())
	}
	for _, c := range f.Changes {
		got = append(got, c.String())
	}
	x := strings.Repeat("x", 59)
	want := []string{
		`encoding: Windows-1250, because it has fewer odd characters than the others (--encoding says otherwise)`,
		`order of day and month in "Born": day first; line 2: "3/4/2026" → "2026-04-03" (--date-order says otherwise)`,
		`Name: 5 values were cut off; line 2: "` + x + `" → "x", line 3: "` + x + `x" → "x", line 4: "` + x + `x…" → "x"`,
		`ID: 5 values are numbers; line 2: "1E5" → "100000", line 3: "1E5" → "100000", line 4: "1E5" → "100000"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
