package csvimport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/api/apitest"
	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// real starts the whole backend, and returns what imports into its first tenant.
func real(t *testing.T) (Config, client.Tenant) {
	t.Helper()
	server := apitest.New(t)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Login(t.Context(), apitest.Email, apitest.Password, "")
	if err != nil {
		t.Fatal(err)
	}
	tenant := c.As(session.AccessToken).Tenant(session.TenantID)
	key, err := tenant.NewKey(t.Context(), "import")
	if err != nil {
		t.Fatal(err)
	}
	return Config{Server: server.URL, Key: key, Options: Options{Wait: 10 * time.Second}}, tenant
}

// list returns the records of a collection, of which there must be n.
func list(t *testing.T, tenant client.Tenant, collection string, n int) (docs []map[string]any) {
	t.Helper()
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for doc, err := range tenant.Since(head).List(t.Context(), collection, url.Values{}) {
		if err != nil {
			t.Fatal(err)
		}
		var d map[string]any
		if err := json.Unmarshal(doc, &d); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	if len(docs) != n {
		t.Fatalf("%d %s, want %d", len(docs), collection, n)
	}
	return docs
}

func TestRealServer(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	run := func(object, text string) (Summary, []string) {
		t.Helper()
		cfg := cfg
		cfg.File, cfg.Object = write(t, text), object
		var out bytes.Buffer
		cfg.Out = &out
		s, err := Run(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v\n%s", object, err, out.String())
		}
		return s, errorsOf(t, cfg.File)
	}
	s, errs := run("companies", `Record ID,Company name,Company Domain Name,Phone Number,City,Country/Region,Industry,Number of Employees,Annual Revenue
1,Analytical Engines,analytical.example,+44 20 7946 0018,London,United Kingdom,MACHINERY,120,"1,250,000"
2,Difference Ltd,https://www.difference.example/about,,Bath,UK,,,
3,Another,analytical.example,,,,,,
`)
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 2, Refused: 1}, s.Tally); diff != "" {
		t.Errorf("%s %v", diff, errs)
	}
	if diff := cmp.Diff([]string{"4 Company Domain Name duplicate"}, errs); diff != "" {
		t.Error(diff)
	}
	contacts := `Record ID,First Name,Last Name,Email,Phone Number,Lifecycle Stage,Associated Company,Date of Birth,Do Not Call,Preferred language,Job Title,Street Address,City,Postal Code,Country/Region,Tags
501,Ada,Lovelace,ada@example.com,+44 7700 900123,Customer,Analytical Engines,1815-12-10,yes,English,Countess,12 St James's Square,London,SW1Y 4JH,United Kingdom,a;b
502,Charles,Babbage,charles@example.com;cb@example.org,,Lead,Difference Ltd,,,,,,,,,
503,Mary,Somerville,mary@example.com,,,New Company,,,,,,,,,
504,Eve,Copy,ADA@example.com,,,,,,,,,,,,
505,Ann,Long,ann@example.com,,,,,,,` + strings.Repeat("x", 300) + `,,,,,
`
	s, errs = run("contacts", contacts)
	if diff := cmp.Diff(Tally{Rows: 5, Imported: 3, Refused: 2}, s.Tally); diff != "" {
		t.Errorf("%s %v", diff, errs)
	}
	if diff := cmp.Diff([]string{"5 Email duplicate", "6 Job Title too_long"}, errs); diff != "" {
		t.Error(diff)
	}
	list(t, tenant, "companies", 3)
	for _, d := range list(t, tenant, "contacts", 3) {
		if d["company_id"] == nil {
			t.Errorf("no company: %v", d)
		}
	}
	deals := `Record ID,Deal Name,Deal Stage,Pipeline,Amount,Close Date,Closed Lost Reason,Associated Company,Associated Contact,Probability
1,Engine,Contract Sent,Sales,"1,234.50",2026-12-31,,Analytical Engines,Ada Lovelace (ada@example.com),0.9
2,Mill,Closed Won,Sales,€99,2026-01-02,,,charles@example.com,
3,Cards,Closed Lost,Sales,,,Too dear,,,
4,Loom,,Sales,-5,,,,,
`
	s, errs = run("deals", deals)
	if diff := cmp.Diff(Tally{Rows: 4, Imported: 3, Refused: 1}, s.Tally); diff != "" {
		t.Errorf("%s %v", diff, errs)
	}
	if diff := cmp.Diff([]string{"5 Amount too_small"}, errs); diff != "" {
		t.Error(diff)
	}
	states := map[any]any{}
	for _, d := range list(t, tenant, "deals", 3) {
		states[d["name"]] = fmt.Sprint(d["status"], " ", d["stage_key"], " ", d["lost_reason"])
	}
	want := map[any]any{"Engine": "open contract_sent <nil>", "Mill": "won closed_won <nil>", "Cards": "lost closed_lost Too dear"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	s, errs = run("tasks", `Task Title,Task Type,Priority,Due Date,Task Status,Associated Contact,Associated Company
Call,CALL,HIGH,2026-03-01 14:30,NOT_STARTED,Ada Lovelace,Analytical Engines
Mail,EMAIL,MEDIUM,2026-03-02,COMPLETED,,
Meet,MEETING,NONE,,IN_PROGRESS,,
`)
	if diff := cmp.Diff(Tally{Rows: 3, Imported: 3}, s.Tally); diff != "" {
		t.Errorf("%s %v", diff, errs)
	}
	list(t, tenant, "tasks", 3)

	// All of it once more, in files that have lost their state.
	for object, text := range map[string]string{"contacts": contacts, "deals": deals} {
		if s, _ := run(object, text); s.Imported+s.Present != 3 {
			t.Errorf("%s again: %+v", object, s.Tally)
		}
		list(t, tenant, object, 3)
	}
}

func TestRealServerRecognisesRows(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.BatchSize = 100
	cfg.File, cfg.Object = write(t, many(120)), "contacts"
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 120 {
		t.Fatalf("%v %+v", err, s)
	}
	first := list(t, tenant, "contacts", 120)[0]["id"].(string)
	if s, err := Run(t.Context(), cfg); err != nil || s.Present != 120 {
		t.Errorf("once more: %v %+v", err, s)
	}
	if err := os.Remove(statePath(cfg.File)); err != nil {
		t.Fatal(err)
	}
	cfg.BatchSize = 27
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported+s.Present != 120 {
		t.Errorf("in other batches: %v %+v", err, s)
	}
	if _, _, err := tenant.Batch(t.Context(), "contacts", "delete", []client.Operation{{Op: "delete", ID: first}}); err != nil {
		t.Fatal(err)
	}
	list(t, tenant, "contacts", 119)
	cfg.Update = true
	s, err := Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 120, Present: 119, Refused: 1}, s.Tally); diff != "" || err != nil {
		t.Errorf("with one deleted: %v %s %v", err, diff, errorsOf(t, cfg.File))
	}
	cfg.Update, cfg.Again = false, true
	s, err = Run(t.Context(), cfg)
	if diff := cmp.Diff(Tally{Rows: 120, Imported: 1, Refused: 119}, s.Tally); diff != "" || err != nil {
		t.Errorf("again, with the same addresses: %v %s", err, diff)
	}
}

// What people have done with an imported deal stays as it is.
func TestRealServerKeepsLaterWork(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.File, cfg.Object = write(t, "Deal Name,Stage\nOne,Closed Won\nTwo,Closed Won\n"), "deals"
	if s, err := Run(t.Context(), cfg); err != nil || s.Imported != 2 || s.Partial != 0 {
		t.Fatalf("%v %+v", err, s)
	}
	id := list(t, tenant, "deals", 2)[0]["id"].(string)
	if _, _, err := tenant.Batch(t.Context(), "deals", "reopen", []client.Operation{{Op: "reopen", ID: id}}); err != nil {
		t.Fatal(err)
	}
	if s, err := Run(t.Context(), cfg); err != nil || s.Present != 2 || s.Refused != 0 {
		t.Errorf("%v %+v", err, s)
	}
	var deal map[string]any
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.Since(head).Get(t.Context(), "deals", id, "", &deal); err != nil || deal["status"] != "open" {
		t.Errorf("%v %v", err, deal)
	}
}

// How fast rows are imported, by what is in them.
func TestRealServerIsFast(t *testing.T) {
	if os.Getenv("ROWHOUSE_SPEED") == "" {
		t.Skip("set ROWHOUSE_SPEED to measure")
	}
	const n = 20_000
	for name, text := range map[string]string{"alone": many(n), "linked to 500 companies": linked(n, 500)} {
		t.Run(name, func(t *testing.T) {
			cfg, tenant := real(t)
			cfg.File, cfg.Object, cfg.Out = write(t, text), "contacts", t.Output()
			s, err := Run(t.Context(), cfg)
			if err != nil || s.Imported != n {
				t.Fatalf("%v %+v", err, s)
			}
			t.Logf("%.0f rows/s", n/s.Took.Seconds())
			begin := time.Now()
			list(t, tenant, "contacts", n)
			t.Logf("all seen %v later", time.Since(begin))
		})
	}
}

// linked returns a file of n contacts of some companies.
func linked(n, companies int) string {
	var b strings.Builder
	b.WriteString("Record ID,First Name,Last Name,Email,Company\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,First%d,Last,c%d@example.com,Company %d\n", i, i, i, i%companies)
	}
	return b.String()
}
