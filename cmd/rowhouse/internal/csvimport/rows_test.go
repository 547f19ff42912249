package csvimport

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/charset"
)

func readAll(t testing.TB, text string, comma byte, width int) []row {
	t.Helper()
	r := &rowReader{lines: newLineReader(strings.NewReader(text), '\n', charset.UTF8.Line), comma: comma, width: width}
	var all []row
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
}

// brief shows rows as people would: the line, and the cells or the fault.
func brief(rows []row) []string {
	var out []string
	for _, r := range rows {
		text := strings.Join(r.cells, "|")
		if r.fault != nil {
			text = "!" + r.fault.code
		}
		out = append(out, string(rune('0'+r.line))+" "+strings.ReplaceAll(text, "\n", "~"))
	}
	return out
}

func TestRowReader(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"plain":                             {"a,b,c\nd,e,f\n", []string{"1 a|b|c", "2 d|e|f"}},
		"no newline at the end":             {"a,b,c", []string{"1 a|b|c"}},
		"CRLF, and CR CR LF":                {"a,b,c\r\nd,e,f\r\r\n", []string{"1 a|b|c", "2 d|e|f"}},
		"quotes":                            {`"a","b,b","c""c"`, []string{`1 a|b,b|c"c`}},
		"empty quotes":                      {`"","",""` + "\nx,\"\",z", []string{"2 x||z"}},
		"blanks around quotes":              {`a, "b, b" ,c`, []string{"1 a|b, b|c"}},
		"nickname in quotes":                {`Bob "Bob" Smith,b,c`, []string{`1 Bob "Bob" Smith|b|c`}},
		"cell over two lines":               {"a,\"b\nb\",c\nd,e,f", []string{"1 a|b~b|c", "3 d|e|f"}},
		"cell over lines of prose":          {"a,\"Hello, Ada, you\n\nbye, for, now\",c\nd,e,f", []string{"1 a|Hello, Ada, you~~bye, for, now|c", "4 d|e|f"}},
		"blank lines are no rows":           {"a,b,c\n\n  \n,,\nd,e,f\n", []string{"1 a|b|c", "5 d|e|f"}},
		"empty cells beyond the last":       {"a,b,c,,\nd,e,f", []string{"1 a|b|c", "2 d|e|f"}},
		"too few":                           {"a,b\nd,e,f", []string{"1 !wrong_column_count", "2 d|e|f"}},
		"too many":                          {"a,b,c,d\nd,e,f", []string{"1 !wrong_column_count", "2 d|e|f"}},
		"quote in the middle":               {"a,b\"b,c\nd,e,f", []string{"1 !broken_quotes", "2 d|e|f"}},
		"text after a quote":                {"\"a\" a,b,c\nd,e,f", []string{"1 !broken_quotes", "2 d|e|f"}},
		"unescaped quotes":                  {`"He said "hi" there",b,c` + "\nd,e,f", []string{"1 !broken_quotes", "2 d|e|f"}},
		"open quote, no other":              {"a,\"b,c\nd,e,f\ng,h,i", []string{"1 !broken_quotes", "2 d|e|f", "3 g|h|i"}},
		"open quote, then quoted":           {"a,\"b,c\n\"d\",\"e\",\"f\"", []string{"1 !broken_quotes", "2 d|e|f"}},
		"open quote, then empty quotes":     {"a,b,\"c\nd,\"\",f\ng,h,i", []string{"1 !broken_quotes", "2 d||f", "3 g|h|i"}},
		"open quote, then a quoted comma":   {"a,\"b,c\nd,\",\",f", []string{"1 !broken_quotes", "2 d|,|f"}},
		"two open quotes around good rows":  {"a,b,\"c\nd,e,f\ng,h,i\nj,k,l\"\nm,n,o", []string{"1 !broken_quotes", "2 d|e|f", "3 g|h|i", "4 !broken_quotes", "5 m|n|o"}},
		"open quotes that end in one":       {"a,b,\"c\nd,e,f\nx\"\nm,n,o", []string{"1 !broken_quotes", "2 d|e|f", "3 !broken_quotes", "4 m|n|o"}},
		"open quote in the last row":        {"a,b,c\nd,e,\"f\n", []string{"1 a|b|c", "2 !broken_quotes"}},
		"missing opening quote":             {"1\",\"b\",\"c\"\nd,e,f", []string{"1 !broken_quotes", "2 d|e|f"}},
		"a row over lines that is not wide": {"a,\"b\nb\"\nd,e,f", []string{"1 !broken_quotes", "2 !broken_quotes", "3 d|e|f"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, brief(readAll(t, test.text, ',', 3))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRowReaderLimits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord+10)
	t.Run("a line that is too long costs one row", func(t *testing.T) {
		t.Parallel()
		got := brief(readAll(t, "a,b,c\nd,"+long+",f\ng,h,i\n", ',', 3))
		if diff := cmp.Diff([]string{"1 a|b|c", "2 !row_too_long", "3 g|h|i"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("an open quote is not followed for ever", func(t *testing.T) {
		t.Parallel()
		rows := readAll(t, "\"a,b,c\n"+strings.Repeat("d,e,f\n", 300_000), ',', 3)
		if len(rows) != 300_001 || rows[0].fault == nil || rows[300_000].fault != nil {
			t.Errorf("%d rows, first %v", len(rows), rows[0])
		}
	})
	t.Run("a cell of 64 KiB is fine", func(t *testing.T) {
		t.Parallel()
		rows := readAll(t, "a,\""+strings.Repeat("y\n", 32<<10)+"\",c\nd,e,f", ',', 3)
		if len(rows) != 2 || rows[0].fault != nil || rows[1].line != 32<<10+2 {
			t.Errorf("%d rows", len(rows))
		}
	})
}

// Whatever encoding/csv writes is read as it was.
func FuzzRowsOfEncodingCSV(f *testing.F) {
	f.Add("a\x1fb\x1fc\x1ed\x1fe\x1ff", byte(','))
	f.Add("\"\x1f\n\x1f,\x1e\x1f\x1fx", byte(';'))
	f.Fuzz(func(t *testing.T, text string, comma byte) {
		if comma == '"' || comma == '\r' || comma == '\n' || comma == ' ' || comma == 0 || comma >= 0x80 || strings.Contains(text, "\r") {
			return
		}
		want := [][]string{{"first", "second", "third", "fourth"}}
		for r := range strings.SplitSeq(text, "\x1e") {
			cells := make([]string, 4)
			copy(cells, strings.Split(r, "\x1f"))
			if len(r) > 10_000 || allEmpty(cells) || looksBroken(cells, comma) {
				return
			}
			want = append(want, cells)
		}
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.Comma = rune(comma)
		if err := w.WriteAll(want); err != nil {
			return // not a delimiter
		}
		var got [][]string
		line := 1
		for i, r := range readAll(t, b.String(), comma, 4) {
			if r.fault != nil {
				t.Fatalf("%q: row %d: %v", b.String(), i, r.fault)
			}
			if r.line != line {
				t.Fatalf("%q: row %d is on line %d, and not %d", b.String(), i, line, r.line)
			}
			line += 1 + strings.Count(strings.Join(r.cells, ""), "\n")
			got = append(got, r.cells)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", b.String(), diff)
		}
	})
}

// looksBroken reports whether a cell over several lines holds what would be a
// row of its own.
func looksBroken(cells []string, comma byte) bool {
	p := record{reader: &rowReader{comma: comma, width: len(cells)}}
	for _, c := range cells {
		// Quotes are doubled when they are written, which does not matter here.
		if slices.ContainsFunc(strings.Split(c, "\n")[1:], p.likeRow) {
			return true
		}
	}
	return false
}

// Whatever a line holds, it costs no good row before or after it.
func FuzzBadLine(f *testing.F) {
	for _, seed := range []string{`a,"b,c`, `"`, `""`, `"a"b,c`, `,,"`, `a,b`, "\xff\xfe", `"",","`, `x"`, `"a,b,c" `, "\t\"", "'"} {
		f.Add(seed)
	}
	good := []string{`1,a,b`, `2,"a","b"`, `3,"","x"`, `4,",","y, z"`, `5,"say ""hi""",z`, `6,,`, `"7","",""`, `8,""",""",z`}
	f.Fuzz(func(t *testing.T, bad string) {
		if strings.ContainsAny(bad, "\r\n") || len(bad) > 1000 {
			return
		}
		for at := range len(good) + 1 {
			lines := slices.Insert(slices.Clone(good), at, bad)
			found := map[int]bool{}
			for _, r := range readAll(t, strings.Join(lines, "\n")+"\n", ',', 3) {
				if r.fault == nil && r.line != at+1 {
					found[r.line] = true
				}
				if r.fault != nil && r.line != at+1 {
					t.Fatalf("%q: line %d is good: %v", lines, r.line, r.fault)
				}
			}
			if len(found) != len(good) {
				t.Fatalf("%q: found lines %v", lines, found)
			}
		}
	})
}

// No file makes the reader panic, hang or lose its place.
func FuzzAnyFile(f *testing.F) {
	f.Add("a,b,c\n\"d\n,e\",f\n", 3)
	f.Add("\"\"\"\n\"\"\n,\"", 0)
	f.Fuzz(func(t *testing.T, text string, width int) {
		last, lines := 0, strings.Count(text, "\n")+1
		for _, r := range readAll(t, text, ',', max(0, width%10)) {
			if r.line <= last || r.line > lines {
				t.Fatalf("line %d after %d of %d", r.line, last, lines)
			}
			if r.fault == nil && width%10 > 0 && len(r.cells) != width%10 {
				t.Fatalf("%d cells", len(r.cells))
			}
			if last = r.line; r.fault != nil && r.fault.code == "" {
				t.Fatal("a fault without a code")
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	text := strings.Repeat("501,Ada,Lovelace,ada@example.com,+44 7700 900123,\"Analytical Engines, Ltd\",2026-03-01\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		readAll(b, text, ',', 7)
	}
}
