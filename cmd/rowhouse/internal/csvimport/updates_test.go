package csvimport

import (
	"encoding/json"
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
