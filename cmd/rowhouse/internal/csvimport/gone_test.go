package csvimport

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// do gives one command, and waits until lists show what it did: imports look into them.
func do(t *testing.T, tenant client.Tenant, collection string, op client.Operation) {
	t.Helper()
	results, _, err := tenant.Batch(t.Context(), collection, "", []client.Operation{op})
	if err != nil || results[0].Problem != nil {
		t.Fatalf("%s: %v %v", op.Op, err, results)
	}
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range tenant.Since(head).List(t.Context(), collection, url.Values{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
}

// imports runs an import of a text that must come to its end.
func imports(t *testing.T, cfg Config, object, text string) (Summary, []string, string) {
	t.Helper()
	var out bytes.Buffer
	cfg.File, cfg.Object, cfg.Out = write(t, text), object, &out
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%s: %v\n%s", object, err, out.String())
	}
	return s, errorsOf(t, cfg.File), out.String()
}

// What an import makes on its way is made again if it is gone, however it went,
// and however often.
func TestWhatIsGoneIsMadeAgain(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	for i, gone := range []string{"", "deleted", "purged", "deleted", "renamed"} {
		for _, kind := range []string{"contacts", "deals", "tasks"} {
			text := map[string]string{
				"contacts": "First Name,Last Name,Company\nNoa%d,Kim,Fields Ltd\nIda%d,Kim,fields  LTD\n",
				"deals":    "Deal Name,Pipeline,Deal Stage,Company\nGate %d,Partners,New,Fields Ltd\nFence %d,partners,Closed Won,Fields Ltd\n",
				"tasks":    "Task Title,Company\nCall %d,Fields Ltd\nWrite %d,Fields Ltd\n",
			}[kind]
			s, errs, out := imports(t, cfg, kind, fmt.Sprintf(text, i, i))
			if diff := cmp.Diff(Tally{Rows: 2, Imported: 2}, s.Tally); diff != "" {
				t.Fatalf("%s after %q: %s %v\n%s", kind, gone, diff, errs, out)
			}
		}
		company := list(t, tenant, "companies", 1)[0]["id"].(string)
		for _, d := range list(t, tenant, "contacts", 2*(i+1)) {
			if strings.HasSuffix(d["first_name"].(string), strconv.Itoa(i)) && d["company_id"] != company {
				t.Errorf("after %q: %v is not with %s", gone, d, company)
			}
		}
		switch i {
		case 0, 2:
			do(t, tenant, "companies", client.Operation{Op: "delete", ID: company})
		case 1:
			do(t, tenant, "companies", client.Operation{Op: "delete", ID: company})
			do(t, tenant, "companies", client.Operation{Op: "purge", ID: company})
		case 3: // the company that was made under the name is still the one
			do(t, tenant, "companies", client.Operation{Op: "update", ID: company, Data: []byte(`{"name":"Meadows Ltd"}`)})
		}
		for _, p := range list(t, tenant, "pipelines", i+1) {
			if p["status"] != "archived" && i < 4 {
				do(t, tenant, "pipelines", client.Operation{Op: "archive", ID: p["id"].(string)})
			}
		}
	}
}

// Rows whose records somebody removed are named, and imported again on demand.
func TestRowsThatAreGone(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	text := "First Name,Email\nNoa,noa@fields.example\nIda,ida@fields.example\nUma,uma@fields.example\n"
	imports(t, cfg, "contacts", text)
	for _, d := range list(t, tenant, "contacts", 3) {
		id := d["id"].(string)
		switch d["first_name"] {
		case "Noa":
			do(t, tenant, "contacts", client.Operation{Op: "delete", ID: id})
		case "Ida":
			do(t, tenant, "contacts", client.Operation{Op: "delete", ID: id})
			do(t, tenant, "contacts", client.Operation{Op: "purge", ID: id})
		}
	}
	for _, dry := range []bool{true, false} {
		cfg.DryRun = dry
		s, errs, out := imports(t, cfg, "contacts", text)
		want := Tally{Rows: 3, Present: 1, Refused: 2}
		if dry {
			want = Tally{Rows: 3, Imported: 1, Present: 1, Refused: 1} // nobody can tell what was purged
		}
		if diff := cmp.Diff(want, s.Tally); diff != "" {
			t.Errorf("dry %v: %s %v\n%s", dry, diff, errs, out)
		}
		if want := []string{"2  deleted", "3  purged"}; !dry && !slices.Equal(errs, want) {
			t.Errorf("%v", errs)
		}
	}
	cfg.File, cfg.Object = write(t, text), "contacts"
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	cfg.File, cfg.Again = ErrorsPath(cfg.File), true
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 2 {
		t.Errorf("%v %+v", err, s)
	}
	list(t, tenant, "contacts", 3)
}

// Of several records of a name none is picked.
func TestNamesThatSeveralHave(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.Source = "csv"
	imports(t, cfg, "companies", "Name,Record ID\nAcme,1\nAcme,2\nBolt,3\n")
	imports(t, cfg, "contacts", "First Name,Last Name,Email\nAnn,Lee,ann@acme.example\nAnn,Lee,lee@acme.example\n")
	s, errs, _ := imports(t, cfg, "deals", "Deal Name,Company,Company ID,Contact\nOne,ACME,,Ann Lee\nTwo,Acme,2,ann@acme.example\nThree,Bolt,9,Nobody\n")
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 3, Partial: 2}, s.Tally); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2 Company; Contact company_ambiguous; contact_ambiguous", "4 Contact contact_not_found"}, errs); diff != "" {
		t.Error(diff)
	}
	var ids []string
	for _, d := range list(t, tenant, "companies", 4) { // Bolt with the ID 9 is another one
		ids = append(ids, fmt.Sprint(d["name"], d["external_ids"]))
	}
	slices.Sort(ids)
	if want := []string{"Acmemap[csv:1]", "Acmemap[csv:2]", "Boltmap[csv:3]", "Boltmap[csv:9]"}; !slices.Equal(ids, want) {
		t.Errorf("%v", ids)
	}
}

// A company that cannot be made costs its rows the link, and nothing else.
func TestCompanyThatCannotBeMade(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	long := strings.Repeat("x", 400)
	s, errs, out := imports(t, cfg, "contacts", "Last Name,Company\nOne,"+long+"\nTwo,"+long+"\nThree,Fine\n")
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 3, Partial: 2}, s.Tally); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
	if diff := cmp.Diff([]string{"2 Company company_not_made", "3 Company company_not_made"}, errs); diff != "" {
		t.Error(diff)
	}
	list(t, tenant, "companies", 1)
}

// A dry run says what an import then does, and writes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	imports(t, cfg, "contacts", "First Name,Email\nAda,ada@example.com\n")
	text := "First Name,Email,Company,Job Title,Phone\nAda,ada@example.com,,,\nBob,bob@example.com,Acme,,030 123456\nBeb,BOB@example.com,,,\nCy,cy(at)example.com,,,\nDee,dee@example.com,," + strings.Repeat("x", 300) + ",\n"
	dry := cfg
	dry.DryRun = true
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dry.File, dry.Object = write(t, text), "contacts"
	var said bytes.Buffer
	dry.Out = &said
	s, err := Run(t.Context(), dry)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := tenant.Head(t.Context()); err != nil || after != head {
		t.Errorf("it wrote: %v %d %d", err, head, after)
	}
	for _, path := range []string{statePath(dry.File), ErrorsPath(dry.File)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("it wrote %s", path)
		}
	}
	for _, want := range []string{"First Name → first_name", "Email: belongs to another record (duplicate), line 2, 4", "Email: is not an e-mail address (invalid_email), line 5", "Job Title: ", "1 company would be made", "nothing was written"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("did not say %q:\n%s", want, said.String())
		}
	}
	really, _, _ := imports(t, cfg, "contacts", text)
	if diff := cmp.Diff(really.Tally, s.Tally); diff != "" {
		t.Errorf("it is something else: %s\n%s", diff, said.String())
	}
}

// What does not fit is said before the import begins.
func TestWhatAHeaderDoesNotFit(t *testing.T) {
	t.Parallel()
	cfg := config(newFake(t), write(t, "Deal Name,Deal Stage,Amount,Close Date,Contact,Email,E-Mail,Job Title,job_title\nOne,Won,1,2026-01-01,Ann,a@example.com,,,\n"))
	var out bytes.Buffer
	cfg.Out, cfg.DryRun = &out, true
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"look like those of deals", `several columns "job_title"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("did not say %q:\n%s", want, out.String())
		}
	}
}

// Options say what a stage means; pipelines that are there say it first.
func TestKindsOfStagesThatSomebodySays(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.Won, cfg.Lost, cfg.Open = []string{"Signed, sealed"}, []string{"gone QUIET"}, []string{"Closed Won"}
	text := "Deal Name,Deal Stage,Pipeline\nA,\"Signed, sealed\",P\nB,Gone quiet,P\nC,Closed Won,P\nD,Closed Won,There\n"
	do(t, tenant, "pipelines", client.Operation{Op: "create", Data: []byte(`{"name":"THERE","stages":[{"key":"a","name":"A","kind":"open"},{"key":"b","name":"closed won","kind":"lost"},{"key":"c","name":"Not won","kind":"won"}]}`)})
	if s, errs, _ := imports(t, cfg, "deals", text); s.Imported != 4 || s.Partial != 0 {
		t.Fatalf("%+v %v", s, errs)
	}
	var got []string
	for _, d := range list(t, tenant, "deals", 4) {
		got = append(got, fmt.Sprint(d["name"], " ", d["status"]))
	}
	slices.Sort(got)
	if want := []string{"A won", "B lost", "C open", "D lost"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// An option that names no stage, or one stage twice, is refused before anything is
// written; one that a pipeline contradicts is told.
func TestOptionsThatNameNoStage(t *testing.T) {
	t.Parallel()
	text := "Deal Name,Deal Stage,Pipeline\nA,Signed,P\nB,Talks,P\n"
	for name, test := range map[string]struct {
		set  func(*Config)
		says string
	}{
		"won":   {func(c *Config) { c.Won = []string{"Singed"} }, `--won names a stage that there is not, "Singed"; there are "Signed", "Talks"`},
		"lost":  {func(c *Config) { c.Lost = []string{"Singed"} }, `--lost names a stage that there is not`},
		"open":  {func(c *Config) { c.Open = []string{"Talks", "x"} }, `--open names a stage that there is not, "x"`},
		"twice": {func(c *Config) { c.Won, c.Lost = []string{"Signed"}, []string{"SIGNED"} }, "--won and --lost name the same stage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			cfg := config(f, write(t, text))
			cfg.Object = "deals"
			test.set(&cfg)
			if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("did not say %q: %v", test.says, err)
			}
			if len(f.all("deals"))+len(f.all("pipelines")) != 0 {
				t.Error("something was written")
			}
		})
	}
	f := newFake(t)
	cfg := config(f, write(t, text))
	cfg.Object, cfg.Won = "deals", []string{"Signed"}
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg.Won, cfg.Lost, cfg.Out = nil, []string{"Signed"}, &out // it is there now, and for deals that are won
	if _, err := Run(t.Context(), cfg); err != nil || !strings.Contains(out.String(), `stage "Signed": for deals that are won`) {
		t.Errorf("%v %s", err, out.String())
	}
}
