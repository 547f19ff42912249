package csvimport

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A corrected errors file is read as the file was that it came from, with the
// same options, whatever its few rows tell.
func TestErrorsFileIsReadAsItsFileWas(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, strings.Join([]string{
		"Deal Name;Deal Stage;Amount;Close Date",
		"O\xb6ka;New;1.250,50;25/03/2026",
		"\xa3ukasz;New;1,250;04/05/2026",
		"Bad;Nowhere Else;1,250;04/05/2026x",
	}, "\n")+"\n")
	cfg := config(f, path)
	cfg.Object, cfg.Encoding, cfg.Delimiter, cfg.Currency = "deals", "iso-8859-2", ";", "KWD"
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 2 || s.Refused != 1 {
		t.Fatalf("%v %+v %v", err, s, errorsOf(t, path))
	}
	data, err := os.ReadFile(ErrorsPath(path))
	if err != nil || !bytes.HasPrefix(data, []byte("\ufeffrowhouse_line;")) {
		t.Fatalf("%v %q", err, data)
	}
	fixed := strings.ReplaceAll(strings.ReplaceAll(string(data), "2026x", "2026"), "Bad;", "Świt;")
	if err := os.WriteFile(ErrorsPath(path), []byte(fixed), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg.File, cfg.Out = ErrorsPath(path), &out
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 1 {
		t.Fatalf("%v %+v\n%s", err, s, out.String())
	}
	if diff := cmp.Diff([]string{"2026-03-25", "2026-05-04", "2026-05-04"}, f.each("deals", "close_date")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`{"amount":"1250.500","currency":"KWD"}`, `{"amount":"1.250","currency":"KWD"}`, `{"amount":"1.250","currency":"KWD"}`}, f.each("deals", "amount")); diff != "" {
		t.Error(diff)
	}
	if got := f.each("deals", "name"); got[2] != "Świt" {
		t.Errorf("%q", got)
	}
	if !strings.Contains(out.String(), `order of day and month in "Close Date": day first, because it is so in the file that these rows came from`) {
		t.Error(out.String())
	}
}
