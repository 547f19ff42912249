package csvimport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMapping(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		object, header string
		said           []string
		want           string
		product        string
	}{
		"our own names": {"contacts", "first_name,last_name,emails,phones,job_title,lifecycle,birth_date", nil, "first_name last_name emails phones job_title lifecycle birth_date", ""},
		"any spelling":  {"contacts", "FIRST NAME,last-name,E-Mail Address,phone number", nil, "first_name last_name emails phones", ""},
		"HubSpot contacts": {
			"contacts", "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status,Associated Company IDs,Associated Company", nil,
			"external_id first_name last_name emails phones . . company.external_id company", "hubspot",
		},
		"HubSpot deals": {
			"deals", "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Pipeline", nil, "external_id name stage close_date . amount pipeline", "hubspot",
		},
		"Salesforce report of contacts": {
			"contacts", "Salutation,First Name,Last Name,Title,Account Name,Mailing Street,Mailing City,Mailing State/Province,Mailing Zip/Postal Code,Mailing Country,Phone,Mobile,Email,Account Owner,Contact ID,Account ID", nil,
			". first_name last_name job_title company address.line1 address.city address.region address.postal_code address.country phones phones.mobile emails . external_id company.external_id", "salesforce",
		},
		"Salesforce data export of contacts": {
			"contacts", "Id,IsDeleted,AccountId,LastName,FirstName,MailingStreet,MailingCity,Phone,MobilePhone,Email,Title,OwnerId", nil,
			"external_id . company.external_id last_name first_name address.line1 address.city phones phones.mobile emails job_title .", "salesforce",
		},
		"Salesforce accounts": {
			"companies", "Account Owner,Account Name,Billing City,Shipping City,Website,Employees,Account ID", nil,
			". name billing_address.city shipping_address.city domains employee_count external_id", "salesforce",
		},
		"Salesforce opportunities": {
			"deals", "Opportunity Owner,Account Name,Opportunity Name,Stage,Amount,Probability (%),Close Date,Opportunity ID,Account ID", nil,
			". company name stage amount probability close_date external_id company.external_id", "salesforce",
		},
		"German":                          {"contacts", "Vorname;Nachname;E-Mail;Telefon;Firma;Straße;PLZ;Ort;Land", nil, "first_name last_name emails phones company address.line1 address.postal_code address.city address.country", ""},
		"said":                            {"contacts", "A,B,C,Email", []string{"A=first_name", "B=external_ids.erp", "c = -"}, "first_name external_ids.erp - emails", ""},
		"said against what the name says": {"contacts", "Name,Email,Company", []string{"Company=last_name"}, "name emails last_name", ""},
		"equals sign in a name":           {"contacts", "a=b", []string{"a=b=last_name"}, "last_name", ""},
		"several addresses and numbers":   {"contacts", "Email 1,Email 2,Phone,Home Phone", nil, "emails emails phones phones.home", ""},
		"two columns for one field":       {"contacts", "Id,Contact ID,Last Name,Surname", nil, ". external_id last_name .", "salesforce"},
		"with the name of the kind":       {"contacts", "Contact First Name,Contact Email", nil, "first_name emails", ""},
		"tasks":                           {"tasks", "Subject,Due Date,Priority,Status,Assigned To", nil, "title due_at priority status .", ""},
		"an errors file":                  {"contacts", "rowhouse_line,rowhouse_result,rowhouse_column,rowhouse_code,rowhouse_reason,Last Name", nil, "- - - - - last_name", ""},
		"a column without a name":         {"contacts", "Last Name,,Email", nil, "last_name . emails", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sep := ","
			if strings.Contains(test.header, ";") {
				sep = ";"
			}
			m, err := newMapping(objectNamed(test.object), strings.Split(test.header, sep), test.said)
			if err != nil {
				t.Fatal(err)
			}
			fields := slices.Clone(m.fields)
			for i, f := range fields {
				if f == "" {
					fields[i] = "."
				}
			}
			if diff := cmp.Diff(strings.Fields(test.want), fields); diff != "" {
				t.Error(diff)
			}
			if m.product != test.product {
				t.Errorf("product %q", m.product)
			}
		})
	}
}

// Headers must not mean two things, except where a field says so on purpose.
func TestHeadersAreClear(t *testing.T) {
	t.Parallel()
	for _, o := range objects {
		seen := map[string]string{}
		for _, f := range o.fields {
			for _, h := range f.headers {
				if other, ok := seen[squeeze(h)]; ok && other != f.name {
					t.Errorf("%s: %q is %s and %s", o.collection, h, other, f.name)
				}
				seen[squeeze(h)] = f.name
			}
		}
		for _, need := range o.needs {
			if o.field(need) == nil {
				t.Errorf("%s needs %q, which is no field", o.collection, need)
			}
		}
	}
}

func TestArrange(t *testing.T) {
	t.Parallel()
	show := func(stages []stage) (out []string) {
		for _, s := range stages {
			out = append(out, fmt.Sprintf("%s %s %d", s.Key, s.Kind, s.Probability))
		}
		return out
	}
	for names, want := range map[string]string{
		"": "open open 10|closed_won won 100|closed_lost lost 0",
		"Closed Lost|Contract Sent|Closed Won|Appointment Scheduled": "appointment_scheduled open 20|contract_sent open 90|closed_won won 100|closed_lost lost 0",
		"First|Second|Third":        "first open 10|second open 36|third open 63|closed_won won 100|closed_lost lost 0",
		"Verloren|Gewonnen|Neu":     "neu open 63|gewonnen won 100|verloren lost 0",
		"Ünü|ü|1st":                 "n open 10|stage open 36|stage_1st open 63|closed_won won 100|closed_lost lost 0",
		"Won|Lost|Lost on price":    "open open 10|won won 100|lost lost 0|lost_on_price lost 0",
		"A B|A+B?|" + "a b c d e f": "a_b open 10|a_b_2 open 36|a_b_c_d_e_f open 63|closed_won won 100|closed_lost lost 0",
	} {
		list := strings.FieldsFunc(names, func(r rune) bool { return r == '|' })
		if diff := cmp.Diff(strings.Split(want, "|"), show(arrange(list, kindOf))); diff != "" {
			t.Errorf("%q: %s", names, diff)
		}
	}
}

func TestChoosePipeline(t *testing.T) {
	t.Parallel()
	sales := &funnel{Name: "Sales Pipeline", Stages: arrange([]string{"New", "Demo", "Offer"}, kindOf)}
	other := &funnel{Name: "Other", Stages: arrange([]string{"Alpha", "Beta"}, kindOf)}
	for name, test := range map[string]struct {
		all    []*funnel
		stages string
		want   string
	}{
		"none is there":        {nil, "New", "Sales Pipeline"},
		"the one that fits":    {[]*funnel{sales, other}, "Beta|Alpha|Closed Won", "Other"},
		"one stage is wrong":   {[]*funnel{sales, other}, "New|Demo|Offer|Dmeo", "Sales Pipeline"},
		"none fits":            {[]*funnel{sales, other}, "X|Y|Z|Closed Won", "Sales Pipeline (crm)"},
		"no stages, one":       {[]*funnel{other}, "", "Other"},
		"no stages, several":   {[]*funnel{sales, other}, "", "!"},
		"several fit the same": {[]*funnel{sales, other}, "Closed Won|Closed Lost", "!"},
	} {
		got, err := choose(test.all, strings.FieldsFunc(test.stages, func(r rune) bool { return r == '|' }), "crm")
		if err != nil {
			got = "!"
		}
		if got != test.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, test.want)
		}
	}
}

// Whatever a file calls its columns and has in its cells, what is made of a row
// is JSON with the members of the record, or a fault that names a column.
func FuzzMapping(f *testing.F) {
	f.Add("First Name,Email,Phone,Company,Country", "Ada,ada@example.com,+44 20 7946 0018,Acme,UK", 0)
	f.Add("Deal Name,Stage,Amount,Close Date,Probability", "One,Closed Won,\"€ 1.234,50\",31.12.2026,0.5", 2)
	f.Add("Name;Website;Employees;Street", "Acme;https://x.example/;1,000;\"a\nb\"", 1)
	f.Add("Subject\tDue Date\tStatus\tContact", "Call\t3/4/2026 2:30 PM\tCompleted\tAda", 3)
	all := theAtlas()
	f.Fuzz(func(t *testing.T, header, cells string, which int) {
		o := objects[max(0, which)%len(objects)]
		names := tidy(strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune(",;\t", r) }))
		m, err := newMapping(o, names, nil)
		if err != nil {
			return
		}
		sales := &funnel{ID: "pip_1", Name: "Sales", Stages: arrange([]string{"New", "Closed Won"}, kindOf)}
		p := &plan{
			mapping: m, file: &file{names: names}, source: "fuzz", currency: "EUR", country: "DE", atlas: all,
			funnels: &funnels{byName: map[string]*funnel{"": sales}}, people: &directory{whole: true, people: true, known: map[key]reply{{aName, "ada"}: {id: "con_1"}}},
			companies: &companyLinks{directory: &directory{whole: true}, create: true, coming: map[string]*newCompany{}, comingAs: map[string]*newCompany{}},
		}
		cellsOf := make([]string, len(names))
		copy(cellsOf, strings.FieldsFunc(cells, func(r rune) bool { return strings.ContainsRune(",;\t", r) }))
		fileRow := row{line: 2, cells: cellsOf}
		d := p.draft(cellsOf)
		for _, bad := range d.faults {
			if bad.code == "" || bad.reason == "" {
				t.Errorf("%+v", bad)
			}
		}
		if len(d.faults) > 0 {
			return
		}
		if b := mustJSON(d.data); !json.Valid(b) {
			t.Errorf("%s", b)
		}
		for pointer, c := range d.from {
			if c < 0 || c >= len(names) || d.columnAt(pointer) != c {
				t.Errorf("%s is from column %d", pointer, c)
			}
		}
		newBatch().add(fileRow, d, "x_1")
	})
}
