package csvimport

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example returns a copy of a file in examples: the import writes beside it.
func example(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return write(t, string(data))
}

// All examples go into one tenant of the real server, in the order that
// examples/README.md gives.
func TestExamples(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	run := func(object, name string, want Tally) (errs []string, said string) {
		t.Helper()
		cfg := cfg
		var out bytes.Buffer
		cfg.Object, cfg.File, cfg.Out = object, example(t, name), &out
		s, err := Run(t.Context(), cfg)
		errs = errorsOf(t, cfg.File)
		if diff := cmp.Diff(want, s.Tally); diff != "" || err != nil {
			t.Fatalf("%s: %v %s\n%s\n%s", name, err, diff, strings.Join(errs, "\n"), out.String())
		}
		return errs, out.String()
	}
	run("companies", "hubspot-companies.csv", Tally{Rows: 40, Imported: 40})
	run("contacts", "hubspot-contacts.csv", Tally{Rows: 100, Imported: 100})
	run("deals", "hubspot-deals.csv", Tally{Rows: 60, Imported: 60})
	run("companies", "salesforce-accounts.csv", Tally{Rows: 40, Imported: 40})
	run("contacts", "salesforce-contacts.csv", Tally{Rows: 100, Imported: 100})
	_, said := run("deals", "salesforce-opportunities.csv", Tally{Rows: 60, Imported: 60})
	if !strings.Contains(said, "not imported: Opportunity Owner") {
		t.Errorf("did not say what it left out:\n%s", said)
	}
	list(t, tenant, "companies", 80)
	list(t, tenant, "pipelines", 2)
	for _, deal := range list(t, tenant, "deals", 120) {
		if deal["company_id"] == nil || deal["amount"] == nil {
			t.Errorf("%v", deal)
		}
	}
	errs, _ := run("contacts", "messy.csv", Tally{Rows: 27, Imported: 14, Refused: 13, Partial: 3})
	want := []string{
		"6  broken_quotes",
		"8  wrong_column_count",
		"9  wrong_column_count",
		"13 E-Mail invalid_email",
		"14 E-Mail duplicate",
		"15 Birthday; Lifecycle Stage invalid_date; unknown_value",
		"16 Phone no_country_code",
		"17 Phone extension",
		"18 Phone invalid_phone",
		"19 First Name wrong_encoding",
		"20 First Name invalid_character",
		"21  nobody",
		"24  broken_quotes",
		"26 First Name too_long",
		"29 Country unknown_country",
		"30 Do Not Call invalid_boolean",
	}
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Error(diff)
	}
	// What the README says of the lines is what becomes of them.
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range want {
		line, rest, _ := strings.Cut(e, " ")
		for code := range strings.SplitSeq(rest[strings.LastIndex(rest[:len(rest)-1], " ")+1:], "; ") {
			if !strings.Contains(string(text), "| "+line+" |") || !strings.Contains(string(text), "`"+code+"`") {
				t.Errorf("README.md does not explain %s", e)
			}
		}
	}
}
