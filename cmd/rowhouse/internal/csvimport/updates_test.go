package csvimport

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// An update adds to each list and takes nothing away, unless an option says so.
func TestUpdateTakesNothingAway(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.Source, cfg.Update = "test", true
	do(t, tenant, "contacts", client.Operation{Op: "create", Data: []byte(`{"first_name":"Ida","last_name":"Park","job_title":"Clerk","language":"de","do_not_call":true,"external_ids":{"test":"77","erp":"9"},"tags":["gold"],
		"emails":[{"address":"ida@fields.example","kind":"work","primary":false},{"address":"ida@home.example","primary":true}],"phones":[{"number":"+4961234567","kind":"home"}],"addresses":[{"city":"Bath"}]}`)})
	do(t, tenant, "companies", client.Operation{Op: "create", Data: []byte(`{"name":"Fields","external_ids":{"test":"5"},"domains":["fields.example"],"tags":["gold"],"addresses":[{"kind":"billing","city":"Bath"}],"employee_count":7}`)})
	only := func(collection string) map[string]any {
		d := list(t, tenant, collection, 1)[0]
		for _, member := range []string{"id", "type", "version", "created_at", "updated_at", "created_by", "updated_by", "deleted_at", "owner_id", "position", "last_activity_at"} {
			delete(d, member)
		}
		return d
	}
	same := func(collection, want string) {
		t.Helper()
		var w map[string]any
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, only(collection)); diff != "" {
			t.Error(diff)
		}
	}
	s, errs, out := imports(t, cfg, "contacts", "Record ID,First Name,Job Title,Language,Email,Mobile,City,Tags\n77,,Buyer,,new@fields.example;IDA@fields.example,+4961234568,York,silver\n")
	if diff := cmp.Diff(Tally{Rows: 1, Updated: 1}, s.Tally); diff != "" {
		t.Fatalf("%s %v\n%s", diff, errs, out)
	}
	same("contacts", `{"first_name":"Ida","last_name":"Park","job_title":"Buyer","language":"de","do_not_call":true,"external_ids":{"test":"77","erp":"9"},"tags":["gold","silver"],
		"emails":[{"address":"IDA@fields.example","kind":"work","primary":false},{"address":"ida@home.example","primary":true},{"address":"new@fields.example","primary":false}],
		"phones":[{"number":"+4961234567","kind":"home","primary":true},{"number":"+4961234568","kind":"mobile","primary":false}],"addresses":[{"city":"Bath"},{"city":"York"}]}`)
	imports(t, cfg, "companies", "Record ID,Name,Website,Tags,Employees,Billing City,City\n5,Fields,meadows.example,silver,,Bath,York\n")
	same("companies", `{"name":"Fields","external_ids":{"test":"5"},"domains":["fields.example","meadows.example"],"tags":["gold","silver"],"addresses":[{"kind":"billing","city":"Bath"},{"city":"York"}],"employee_count":7}`)

	cfg.Replace, cfg.ClearEmpty = []string{"emails", "tags"}, true
	s, errs, out = imports(t, cfg, "contacts", "Record ID,First Name,Job Title,Language,Email,Mobile,Tags\n77,Ida,,,last@fields.example,,copper\n")
	if diff := cmp.Diff(Tally{Rows: 1, Updated: 1}, s.Tally); diff != "" {
		t.Fatalf("%s %v\n%s", diff, errs, out)
	}
	same("contacts", `{"first_name":"Ida","last_name":"Park","do_not_call":true,"external_ids":{"test":"77","erp":"9"},"tags":["copper"],
		"emails":[{"address":"last@fields.example","primary":true}],"addresses":[{"city":"Bath"},{"city":"York"}]}`)

	cfg.File, cfg.Object, cfg.Replace = write(t, "Name\nX\n"), "companies", []string{"emails"}
	if _, err := Run(t.Context(), cfg); err == nil {
		t.Error("companies have no e-mail addresses")
	}
}

// An amount that names no currency leaves a record its own; one that has none gets
// the one that is assumed. A row that changes nothing is not counted as an update.
func TestUpdateKeepsTheCurrency(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.Source, cfg.Update = "test", true
	do(t, tenant, "companies", client.Operation{Op: "create", Data: []byte(`{"name":"A","external_ids":{"test":"1"},"annual_revenue":{"amount":"5","currency":"EUR"}}`)})
	do(t, tenant, "companies", client.Operation{Op: "create", Data: []byte(`{"name":"B","external_ids":{"test":"2"}}`)})
	do(t, tenant, "companies", client.Operation{Op: "create", Data: []byte(`{"name":"C","external_ids":{"test":"3"},"annual_revenue":{"amount":"7","currency":"JPY"}}`)})
	revenues := func() (all []any) {
		for _, c := range list(t, tenant, "companies", 3) {
			m, _ := c["annual_revenue"].(map[string]any)
			all = append(all, c["name"], m["amount"], m["currency"])
		}
		return all
	}
	rows := "Record ID,Name,Annual Revenue\n1,A,7\n2,B,7\n3,C,7\n"
	for _, want := range []Tally{{Rows: 3, Updated: 2, Present: 1}, {Rows: 3, Present: 3}} {
		s, errs, out := imports(t, cfg, "companies", rows)
		if diff := cmp.Diff(want, s.Tally); diff != "" {
			t.Fatalf("%s %v\n%s", diff, errs, out)
		}
		byName := revenues()
		for _, want := range [][]any{{"A", "7.00", "EUR"}, {"B", "7.00", "USD"}, {"C", "7", "JPY"}} {
			at := slices.Index(byName, want[0])
			if diff := cmp.Diff(want, byName[at:at+3]); diff != "" {
				t.Error(diff)
			}
		}
	}
	cfg.Currency = "GBP" // is said, and counts
	if s, errs, out := imports(t, cfg, "companies", rows); s.Updated != 3 {
		t.Errorf("%+v %v\n%s", s.Tally, errs, out)
	}
	if got := revenues(); got[2] != "GBP" || got[5] != "GBP" || got[8] != "GBP" {
		t.Error(got)
	}
}

// A host is the same in letters and in ASCII, and an address of a country only is
// the same the next time: in a cell, in a record, and in what a dry run says.
func TestUpdateWithTheSameInAnotherForm(t *testing.T) {
	t.Parallel()
	cfg, tenant := real(t)
	cfg.Source, cfg.Update = "test", true
	do(t, tenant, "companies", client.Operation{Op: "create", Data: []byte(`{"name":"A","external_ids":{"test":"1"},"domains":["müller-rv.de"],"addresses":[{"country":"DE"}]}`)})
	rows := "Record ID,Name,Website,Country\n1,A,xn--mller-rv-65a.de,Germany\n2,B,grün-two.de;xn--grn-two-o2a.de,France\n"
	for _, want := range []Tally{{Rows: 2, Imported: 1, Present: 1}, {Rows: 2, Present: 2}} {
		s, errs, out := imports(t, cfg, "companies", rows)
		if diff := cmp.Diff(want, s.Tally); diff != "" {
			t.Fatalf("%s %v\n%s", diff, errs, out)
		}
	}
	byName := map[any]string{}
	for _, c := range list(t, tenant, "companies", 2) {
		byName[c["name"]] = string(mustJSON([]any{c["domains"], c["addresses"]}))
	}
	if diff := cmp.Diff(map[any]string{"A": `[["müller-rv.de"],[{"country":"DE"}]]`, "B": `[["grün-two.de"],[{"country":"FR"}]]`}, byName); diff != "" {
		t.Error(diff)
	}
	cfg.Update, cfg.DryRun = false, true
	if s, _, out := imports(t, cfg, "companies", "Record ID,Name,Website\n3,New,xn--grn-two-o2a.de\n"); s.Imported != 0 || s.Refused != 1 {
		t.Errorf("%+v\n%s", s.Tally, out)
	}
	do(t, tenant, "contacts", client.Operation{Op: "create", Data: []byte(`{"first_name":"A","emails":[{"address":"a@müller-rv.de"}]}`)})
	if s, _, out := imports(t, cfg, "contacts", "Record ID,First Name,Email\n3,New,A@xn--mller-rv-65a.de\n"); s.Imported != 0 || s.Refused != 1 {
		t.Errorf("%+v\n%s", s.Tally, out)
	}
}
