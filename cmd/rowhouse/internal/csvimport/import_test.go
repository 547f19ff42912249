package csvimport

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write writes a file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// config returns what imports contacts into a fake.
func config(f *fake, path string) Config {
	return Config{Server: f.URL, Key: "crmk_test", File: path, Options: Options{Object: "contacts", Wait: 5 * time.Second}}
}

// errorsOf returns the columns line, column, code of an errors file.
func errorsOf(t *testing.T, path string) (rows []string) {
	t.Helper()
	data, err := os.ReadFile(ErrorsPath(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	if header, _, _ := bytes.Cut(data, []byte("\n")); bytes.Contains(header, []byte("rowhouse_line;")) {
		r.Comma = ';'
	}
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all[1:] {
		rows = append(rows, strings.Join([]string{cells[0], cells[2], cells[3]}, " "))
	}
	return rows
}

func TestImportContacts(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, `Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lifecycle Stage,Associated Company,City,Country,Tags
501,Ada,Lovelace,ada@example.com,+44 7700 900123,Somebody,Customer,Analytical Engines,London,United Kingdom,a; b
502,Grace,Hopper,"grace@example.com; g@example.org",(202) 555-0143,,Sales Qualified Lead,US Navy,Arlington,US,
503,Alan,Turing,,,,(No value),analytical  engines,,,
`)
	s, err := Run(t.Context(), config(f, path))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 3}, s.Tally); diff != "" {
		t.Error(diff)
	}
	if got := f.each("companies", "name"); !slices.Equal(got, []string{"Analytical Engines", "US Navy"}) {
		t.Errorf("companies: %v", got)
	}
	company := f.all("companies")[0]["id"]
	var docs []map[string]any
	for _, d := range f.all("contacts") {
		delete(d, "id")
		delete(d, "version")
		delete(d, "orders")
		docs = append(docs, d)
	}
	want := `[
	{"external_ids":{"hubspot":"501"},"first_name":"Ada","last_name":"Lovelace","emails":[{"address":"ada@example.com","primary":true}],
	 "phones":[{"number":"+447700900123","kind":"work","primary":true}],"lifecycle":"customer","company_id":"` + company.(string) + `",
	 "addresses":[{"city":"London","country":"GB"}],"tags":["a","b"]},
	{"external_ids":{"hubspot":"502"},"first_name":"Grace","last_name":"Hopper","emails":[{"address":"grace@example.com","primary":true},{"address":"g@example.org","primary":false}],
	 "phones":[{"number":"+12025550143","kind":"work","primary":true}],"lifecycle":"lead","company_id":"` + f.all("companies")[1]["id"].(string) + `",
	 "addresses":[{"city":"Arlington","country":"US"}]},
	{"external_ids":{"hubspot":"503"},"first_name":"Alan","last_name":"Turing","company_id":"` + company.(string) + `"}]`
	var wanted []map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, docs); diff != "" {
		t.Error(diff)
	}
}

func TestImportAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, "First Name,Last Name\nAda,Lovelace\nBob,Smith\nBob,Smith\n,\n")
	run := func(change func(*Config)) Tally {
		t.Helper()
		cfg := config(f, path)
		if change != nil {
			change(&cfg)
		}
		s, err := Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s.Tally
	}
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 3}, run(nil)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(Tally{Rows: 3, Present: 3}, run(nil)); diff != "" {
		t.Errorf("the same file again: %s", diff)
	}
	if err := os.Remove(statePath(path)); err != nil {
		t.Fatal(err)
	}
	// That the server remembers the first time must not count as a second.
	if diff := cmp.Diff(Tally{Rows: 3, Present: 3}, run(nil)); diff != "" {
		t.Errorf("without the state file: %s", diff)
	}
	f.forget()
	if diff := cmp.Diff(Tally{Rows: 3, Present: 3}, run(nil)); diff != "" {
		t.Errorf("without the state file, after a long time: %s", diff)
	}
	if err := os.WriteFile(path, []byte("First Name,Last Name\nZoe,First\nBob,Smith\nAda,Lovelace\nBob,Smith\nBob,Smith\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Tally{Rows: 5, Imported: 2, Present: 3}, run(nil)); diff != "" {
		t.Errorf("with two more rows: %s", diff)
	}
	if diff := cmp.Diff(Tally{Rows: 5, Imported: 5}, run(func(c *Config) { c.Again = true })); diff != "" {
		t.Errorf("on purpose: %s", diff)
	}
	if n := len(f.all("contacts")); n != 10 {
		t.Errorf("%d contacts", n)
	}
}

func TestImportUpdates(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, "Record ID,First Name,Last Name\n1,Ada,Byron\n2,Bob,Smith\n")
	cfg := config(f, path)
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("Record ID,First Name,Last Name\n1,Ada,Lovelace\n2,Bob,Smith\n3,Cy,Young\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 1, Present: 1, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got := errorsOf(t, path); !slices.Equal(got, []string{"2 Record ID duplicate"}) {
		t.Errorf("errors: %v", got)
	}
	cfg.Update = true
	s, err = Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 3, Updated: 3}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got := f.each("contacts", "last_name"); !slices.Equal(got, []string{"Lovelace", "Smith", "Young"}) {
		t.Errorf("contacts: %v", got)
	}
}

func TestBadRowsAreReported(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.strict = func(data map[string]any) string {
		if data["job_title"] == "Wizard" {
			return "/job_title"
		}
		return ""
	}
	path := write(t, strings.Join([]string{
		"First Name,Last Name,Email,Phone,Birthday,Job Title,Lifecycle Stage",
		"Ada,Lovelace,ada@example.com,,,,",
		`Bob,"Open,bob@example.com,,,,`,
		"Cy,Short",
		"Dee,Mail,not an address,,,,",
		"Eve,Dup,ADA@example.com,,,,",
		"Flo,Date,flo@example.com,,31.02.1990,,Alien",
		"Gus,Odd,gus@example.com,,,Wizard,",
		"Hal,Latin,hal\xe9\xff\xfe@example.com,,,,",
		",,,,,CEO,",
		"Ivy,Local,ivy@example.com,030 123456,,,",
		"=1+1,Formula,jo@example.com,+49 30 12345 x7,,,",
		"Kim,Übung,kim@example.com,,1990-01-01,,",
	}, "\n")+"\n")
	s, err := Run(t.Context(), config(f, path))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Tally{Rows: 12, Imported: 4, Refused: 8, Partial: 2}, s.Tally); diff != "" {
		t.Error(diff)
	}
	if got := f.each("contacts", "first_name"); !slices.Equal(got, []string{"Ada", "Ivy", "=1+1", "Kim"}) {
		t.Errorf("contacts: %v", got)
	}
	want := []string{
		"3  broken_quotes",
		"4  wrong_column_count",
		"5 Email invalid_email",
		"6 Email duplicate",
		"7 Birthday; Lifecycle Stage invalid_date; unknown_value",
		"8 Job Title too_odd",
		"9 Email wrong_encoding",
		"10  nobody",
		"11 Phone no_country_code",
		"12 Phone extension",
	}
	if diff := cmp.Diff(want, errorsOf(t, path)); diff != "" {
		t.Error(diff)
	}
	if ExitCode(s, err) != 1 {
		t.Error("not all were imported")
	}
	data, err := os.ReadFile(ErrorsPath(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"rowhouse_line,rowhouse_result,rowhouse_column,rowhouse_code,rowhouse_reason,First Name,",
		`"Bob,""Open,bob@example.com,,,,"`,
		"imported_in_part,Phone,extension,", ",=1+1,Formula,", "halé",
	} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("the errors file lacks %s:\n%s", want, data)
		}
	}
}

func TestErrorsFileCanBeImported(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, "First Name,Email\nAda,ada@example.com\nBob,bob(at)example.com\nCy,cy@example.com\nDee,@\n")
	if _, err := Run(t.Context(), config(f, path)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(ErrorsPath(path))
	if err != nil {
		t.Fatal(err)
	}
	fixed := strings.ReplaceAll(string(data), "(at)", "@")
	if err := os.WriteFile(ErrorsPath(path), []byte(fixed), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg := config(f, ErrorsPath(path))
	cfg.Out, cfg.Strict = &out, true
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 2, Imported: 1, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	// The corrected row is the one of the original, if that is corrected, too.
	if err := os.WriteFile(path, []byte("First Name,Email\nAda,ada@example.com\nBob,bob@example.com\nCy,cy@example.com\nDee,@\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Run(t.Context(), config(f, path))
	if diff := cmp.Diff(Tally{Rows: 4, Present: 3, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestFilesThatCannotBeImported(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for name, test := range map[string]struct {
		text   string
		change func(*Config)
		want   string
	}{
		"empty":            {"", nil, "empty"},
		"mark only":        {"\ufeff", nil, "empty"},
		"blank lines only": {"\n\n  \n", nil, "empty"},
		"header only":      {"First Name,Email\n", nil, "no rows"},
		"no column known":  {"Colour,Size\nred,5\n", nil, "no column"},
		"no header":        {"Ada,Lovelace\nBob,Smith\n", nil, "no column"},
		"company's name":   {"Website\nexample.com\n", func(c *Config) { c.Object = "companies" }, "--map"},
		"broken header":    {"\"First Name\nAda\n", nil, "header"},
		"strict":           {"First Name,Colour\nAda,red\n", func(c *Config) { c.Strict = true }, "Colour"},
		"bad map":          {"First Name\nAda\n", func(c *Config) { c.Map = []string{"nonsense"} }, "column=field"},
		"map of no column": {"First Name\nAda\n", func(c *Config) { c.Map = []string{"X=emails"} }, "no column \"X\""},
		"map to no field":  {"First Name,X\nAda,1\n", func(c *Config) { c.Map = []string{"X=colour"} }, "no field"},
		"wrong key":        {"First Name\nAda\n", func(c *Config) { c.Key = "wrong" }, "401"},
		"no URL":           {"First Name\nAda\n", func(c *Config) { c.Server = "here" }, "URL"},
		"no server":        {"First Name\nAda\n", func(c *Config) { c.Server, c.Wait = "http://127.0.0.1:1", 0 }, "cannot be reached"},
		"no such file":     {"x", func(c *Config) { c.File += "x" }, "no such file"},
		"a directory":      {"x", func(c *Config) { c.File = filepath.Dir(c.File) }, "directory"},
		"no such object":   {"x", func(c *Config) { c.Object = "notes" }, "cannot be imported"},
		"no such currency": {"First Name\nAda\n", func(c *Config) { c.Currency = "ZZZ" }, "currency"},
		"no such country":  {"First Name\nAda\n", func(c *Config) { c.Country = "Atlantis" }, "country"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(f, write(t, test.text))
			if test.change != nil {
				test.change(&cfg)
			}
			s, err := Run(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) || ExitCode(s, err) != 2 {
				t.Errorf("%v, exit %d, want %q", err, ExitCode(s, err), test.want)
			}
		})
	}
	if n := len(f.all("contacts")); n != 0 {
		t.Errorf("%d contacts", n)
	}
}

func TestImportDeals(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := write(t, `Record ID,Deal Name,Deal Stage,Pipeline,Amount,Currency,Close Date,Closed Lost Reason,Associated Company,Deal probability
1,One,Contract Sent (Partners),Partners,"1,234.50",EUR,12/31/2026,,Acme,0.9
2,Two,Closed Won (Partners),Partners,"€99",,01/02/2026,,Acme,1.0
3,Three,Closed Lost,Partners,,,,Too dear,,
4,Four,Nowhere Else,Direct,5000,,,,,
5,Five,,Direct,-5,GBP,,,,
6,Six,Nowhere Else,Partners,x,,,,,
`)
	cfg := config(f, path)
	cfg.Object = "deals"
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 6, Imported: 5, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Fatalf("%v %s %v", err, diff, errorsOf(t, path))
	}
	pipelines := f.all("pipelines")
	if got := f.each("pipelines", "name"); !slices.Equal(got, []string{"Partners", "Direct"}) {
		t.Fatalf("pipelines: %v", got)
	}
	var keys []string
	for _, s := range pipelines[0]["stages"].([]any) {
		keys = append(keys, s.(map[string]any)["key"].(string)+" "+s.(map[string]any)["kind"].(string))
	}
	if want := []string{"nowhere_else open", "contract_sent open", "closed_won won", "closed_lost lost"}; !slices.Equal(keys, want) {
		t.Errorf("stages: %v", keys)
	}
	if got := f.each("deals", "stage_key"); !slices.Equal(got, []string{"contract_sent", "contract_sent", "nowhere_else", "nowhere_else", "nowhere_else"}) {
		t.Errorf("stages: %v", got)
	}
	if got := f.each("deals", "orders"); !slices.Equal(got, []string{`[]`, `["move_stage"]`, `["move_stage"]`, `[]`, `[]`}) {
		t.Errorf("orders: %v", got)
	}
	want := []string{
		`{"amount":"1234.50","currency":"EUR"}`, `{"amount":"99.00","currency":"EUR"}`, `null`,
		`{"amount":"5000.00","currency":"USD"}`, `{"amount":"-5.00","currency":"GBP"}`,
	}
	if diff := cmp.Diff(want, f.each("deals", "amount")); diff != "" {
		t.Error(diff)
	}
	if got := f.each("deals", "close_date"); !slices.Equal(got, []string{"2026-12-31", "2026-01-02", "null", "null", "null"}) {
		t.Errorf("dates: %v", got)
	}
	if diff := cmp.Diff([]string{"7 Amount invalid_amount"}, errorsOf(t, path)); diff != "" {
		t.Error(diff)
	}
	// Once more: deals that were won stay won.
	s, err = Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 6, Present: 5, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if len(f.all("pipelines")) != 2 {
		t.Error("pipelines were made again")
	}
}

func TestImportTasks(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	if _, err := Run(t.Context(), config(f, write(t, "Contact ID,First Name,Last Name\n003A,Ada,Lovelace\n"))); err != nil {
		t.Fatal(err)
	}
	path := write(t, "Subject,Type,Priority,Due Date,Status,Contact,Company\nCall,Call,High,2026-03-01 14:30,Not Started,Ada Lovelace,Acme\nMail,E-mail,Normal,2026-03-02,Completed,Nobody,\n")
	cfg := config(f, path)
	cfg.Object, cfg.LinkCompanies = "tasks", "existing"
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 2, Imported: 2, Partial: 2}, s.Tally); diff != "" || err != nil {
		t.Fatalf("%v %s %v", err, diff, errorsOf(t, path))
	}
	if got := f.each("tasks", "due_at"); !slices.Equal(got, []string{"2026-03-01T14:30:00Z", "2026-03-02T00:00:00Z"}) {
		t.Errorf("due: %v", got)
	}
	if got := f.each("tasks", "orders"); !slices.Equal(got, []string{`[]`, `["complete"]`}) {
		t.Errorf("orders: %v", got)
	}
	if diff := cmp.Diff([]string{"2 Company company_not_found", "3 Contact contact_not_found"}, errorsOf(t, path)); diff != "" {
		t.Error(diff)
	}
}

// A column is believed to hold what its name says, until its values say
// otherwise.
func TestColumnThatIsSomethingElse(t *testing.T) {
	t.Parallel()
	file := func(types ...string) string {
		var b strings.Builder
		b.WriteString("Company,Type,Founded,Employees\n")
		for i, kind := range types {
			fmt.Fprintf(&b, "Company %d,%s,1999,%d\n", i, kind, i)
		}
		return b.String()
	}
	hotels, customers := slices.Repeat([]string{"Hotel"}, 30), slices.Repeat([]string{"Customer"}, 30)
	for name, test := range map[string]struct {
		text   string
		change func(*Config)
		want   Tally
		says   string
	}{
		"most are not":  {file(append(hotels, "Customer")...), nil, Tally{Rows: 31, Imported: 31}, "not imported: Type, because"},
		"some are not":  {file(append(customers, "Hotel")...), nil, Tally{Rows: 31, Imported: 30, Refused: 1}, ""},
		"few rows":      {file("Hotel", "Customer"), nil, Tally{Rows: 2, Imported: 1, Refused: 1}, ""},
		"somebody says": {file(hotels...), func(c *Config) { c.Map = []string{"Type=kind"} }, Tally{Rows: 30, Refused: 30}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			cfg := config(f, write(t, test.text))
			var out bytes.Buffer
			cfg.Object, cfg.Out = "companies", &out
			if test.change != nil {
				test.change(&cfg)
			}
			s, err := Run(t.Context(), cfg)
			if diff := cmp.Diff(test.want, s.Tally); diff != "" || err != nil || !strings.Contains(out.String(), test.says) {
				t.Errorf("%v %s\n%s", err, diff, out.String())
			}
		})
	}
	cfg := config(newFake(t), write(t, file(hotels...)))
	cfg.Object, cfg.Strict, cfg.Map = "companies", true, []string{"Founded=-"}
	if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "Type") {
		t.Errorf("strict: %v", err)
	}
}
