package csvimport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// people makes a server with many contacts and companies, so that nobody reads all of
// them, and returns a directory of each.
func people(t *testing.T) (f *fake, contactsOf, companiesOf *directory) {
	t.Helper()
	f = newFake(t)
	add := func(collection, id string, data map[string]any) {
		f.records[collection+"/"+id] = data
		f.order = append(f.order, id)
		data["id"] = id
	}
	for i := range fewRecords + 1 {
		add("contacts", fmt.Sprintf("con_%d", i), map[string]any{
			"first_name": "Ann", "last_name": fmt.Sprintf("Number %d", i), "external_ids": map[string]any{"hubspot": strconv.Itoa(i)},
			"emails": []any{map[string]any{"address": fmt.Sprintf("p%d@example.com", i)}},
		})
		add("companies", fmt.Sprintf("cmp_%d", i), map[string]any{"name": fmt.Sprintf("Company %d", i), "external_ids": map[string]any{"hubspot": strconv.Itoa(i)}})
	}
	add("contacts", "con_ada", map[string]any{"first_name": "Ada", "last_name": "Lovelace"})
	add("contacts", "con_twin1", map[string]any{"first_name": "Mary Ann", "last_name": "Evans"})
	add("contacts", "con_twin2", map[string]any{"first_name": "Mary", "last_name": "Ann EVANS"})
	add("contacts", "con_cher", map[string]any{"last_name": "Cher"})
	add("companies", "cmp_odd", map[string]any{"name": "eBay GmbH"})
	add("companies", "cmp_twin1", map[string]any{"name": "Twin"})
	add("companies", "cmp_twin2", map[string]any{"name": "TWIN"})
	add("companies", "cmp_free", map[string]any{"name": "Free"})
	c, err := client.New(client.Config{URL: f.URL, Bearer: "crmk_test"})
	if err != nil {
		t.Fatal(err)
	}
	if contactsOf, err = openDirectory(t.Context(), c.Tenant("ten_1"), "contacts", "hubspot", fewRecords); err != nil {
		t.Fatal(err)
	}
	if companiesOf, err = openDirectory(t.Context(), c.Tenant("ten_1"), "companies", "hubspot", fewRecords); err != nil {
		t.Fatal(err)
	}
	f.queries = nil
	return f, contactsOf, companiesOf
}

func TestDirectoryAsks(t *testing.T) {
	t.Parallel()
	_, contactsOf, companiesOf := people(t)
	for name, test := range map[string]struct {
		dir     *directory
		ref     reference
		id      string
		several bool
	}{
		"an ID elsewhere":             {contactsOf, reference{ids: []string{"7"}, names: []string{"Ann Number 8"}}, "con_7", false},
		"no such ID":                  {contactsOf, reference{ids: []string{"nobody"}}, "", false},
		"an address in another case":  {contactsOf, reference{names: []string{"P7@Example.com"}}, "con_7", false},
		"a full name":                 {contactsOf, reference{names: []string{"ada  LOVELACE"}}, "con_ada", false},
		"a name of several":           {contactsOf, reference{names: []string{"Mary Ann Evans"}}, "", true},
		"a name of one word":          {contactsOf, reference{names: []string{"cher"}}, "con_cher", false},
		"a first name alone":          {contactsOf, reference{names: []string{"Ann"}}, "", false},
		"the beginning of a name":     {contactsOf, reference{names: []string{"Ada Love"}}, "", false},
		"the second name":             {contactsOf, reference{names: []string{"Nobody Here", "Ada Lovelace"}}, "con_ada", false},
		"a name with another ID":      {contactsOf, reference{ids: []string{"x"}, names: []string{"Ann Number 8"}}, "", false},
		"a name without an ID there":  {contactsOf, reference{ids: []string{"x"}, names: []string{"Ada Lovelace"}}, "con_ada", false},
		"a company":                   {companiesOf, reference{names: []string{"Company 7"}}, "cmp_7", false},
		"a company in capitals":       {companiesOf, reference{names: []string{"COMPANY 7"}}, "cmp_7", false},
		"a company spelled oddly":     {companiesOf, reference{names: []string{"EBAY gmbh"}}, "cmp_odd", false},
		"several companies":           {companiesOf, reference{names: []string{"twin"}}, "", true},
		"the beginning of a company":  {companiesOf, reference{names: []string{"Comp"}}, "", false},
		"a company by its ID":         {companiesOf, reference{ids: []string{"9"}, names: []string{"Free"}}, "cmp_9", false},
		"a company with another ID":   {companiesOf, reference{ids: []string{"x"}, names: []string{"Company 9"}}, "", false},
		"a company without an ID yet": {companiesOf, reference{ids: []string{"x"}, names: []string{"Free"}}, "cmp_free", false},
	} {
		if test.dir.whole {
			t.Fatal("all records were read")
		}
		if err := test.dir.learn(t.Context(), []reference{test.ref}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if id, several := test.dir.find(test.ref.ids, test.ref.names); id != test.id || several != test.several {
			t.Errorf("%s: found %q, several %t, want %q, %t", name, id, several, test.id, test.several)
		}
	}
}

// TestDirectoryAsksServer asks a server that has indexes and rules of its own.
func TestDirectoryAsksServer(t *testing.T) {
	t.Parallel()
	_, tenant := real(t)
	create := func(collection string, data map[string]any) {
		t.Helper()
		if err := tenant.Create(t.Context(), collection, "", data); err != nil {
			t.Fatal(err)
		}
	}
	create("companies", map[string]any{"name": "eBay GmbH", "external_ids": map[string]any{"salesforce": "001A0000006Vm9u"}})
	create("companies", map[string]any{"name": "Straße & Söhne"})
	create("companies", map[string]any{"name": "Twin"})
	create("companies", map[string]any{"name": "TWIN"})
	create("contacts", map[string]any{"first_name": "Ada", "last_name": "Lovelace", "emails": []any{map[string]any{"address": "ada@bücher.example", "primary": true}}})
	create("contacts", map[string]any{"first_name": "Mary Ann", "last_name": "Evans", "external_ids": map[string]any{"salesforce": "003A0000006Vm9uIAC"}})
	create("contacts", map[string]any{"last_name": "Cher"})
	head, err := tenant.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	open := func(collection string) *directory {
		t.Helper()
		dir, err := openDirectory(t.Context(), tenant.Since(head), collection, "salesforce", 0)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	contactsOf, companiesOf := open("contacts"), open("companies")
	for _, test := range []struct {
		dir     *directory
		ref     reference
		found   bool
		several bool
	}{
		{companiesOf, reference{ids: []string{"001A0000006Vm9uIAC"}}, true, false},
		{companiesOf, reference{ids: []string{"001A0000006Vm9u"}}, true, false},
		{companiesOf, reference{ids: []string{"nothing", strings.Repeat("x", 5000)}}, false, false},
		{companiesOf, reference{names: []string{"EBAY gmbh"}}, true, false},
		{companiesOf, reference{names: []string{"STRASSE & SÖHNE"}}, true, false},
		{companiesOf, reference{names: []string{"eBay"}}, false, false},
		{companiesOf, reference{names: []string{"twin"}}, false, true},
		{companiesOf, reference{names: []string{"a\x01b"}}, false, false},
		{contactsOf, reference{names: []string{"Ada@xn--bcher-kva.example"}}, true, false},
		{contactsOf, reference{names: []string{"ada lovelace"}}, true, false},
		{contactsOf, reference{names: []string{"MARY ANN EVANS"}}, true, false},
		{contactsOf, reference{ids: []string{"003A0000006Vm9u"}}, true, false},
		{contactsOf, reference{names: []string{"CHER"}}, true, false},
		{contactsOf, reference{names: []string{"Ada", "(", "x y z a b c d e f g h i j"}}, false, false},
	} {
		if err := test.dir.learn(t.Context(), []reference{test.ref, {names: []string{"Nobody in Particular"}}}); err != nil {
			t.Fatalf("%.100q: %v", test.ref, err)
		}
		if id, several := test.dir.find(test.ref.ids, test.ref.names); (id != "") != test.found || several != test.several {
			t.Errorf("%.100q: found %q, several %t", test.ref, id, several)
		}
	}
}

// TestDirectoryAsksFew counts the questions about the references of many rows.
func TestDirectoryAsksFew(t *testing.T) {
	t.Parallel()
	f, contactsOf, companiesOf := people(t)
	var persons, firms []reference
	for i := range fewRecords {
		persons = append(persons, reference{names: []string{fmt.Sprintf("p%d@example.com", i)}})
		firms = append(firms, reference{names: []string{fmt.Sprintf("Company %d", i)}})
	}
	for range 2 { // the second time everything is known
		if err := contactsOf.learn(t.Context(), persons); err != nil {
			t.Fatal(err)
		}
		if err := companiesOf.learn(t.Context(), firms); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(f.queries)
	want := append(slices.Repeat([]string{"companies name in"}, fewRecords*maxSpellings/maxValues), "contacts emails any")
	if diff := cmp.Diff(want, f.queries); diff != "" {
		t.Error(diff)
	}
	for i := range maxAnswers + 1 {
		contactsOf.known[key{anAddress, strconv.Itoa(i)}] = reply{}
	}
	for range 3 {
		if err := contactsOf.learn(t.Context(), persons[:1]); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(contactsOf.known); n > 1 {
		t.Errorf("%d answers are remembered beside the older ones", n)
	}
	if id, _ := contactsOf.find(nil, persons[0].names); id != "con_0" || len(f.queries) != len(want) {
		t.Errorf("found %q with %d questions", id, len(f.queries))
	}
}

// TestDirectoryReadsAll goes on to ask for nothing but names.
func TestDirectoryReadsAll(t *testing.T) {
	t.Parallel()
	f, contactsOf, companiesOf := people(t)
	companiesOf.disown("cmp_free")
	for i := range maxSlow {
		if contactsOf.learn(t.Context(), []reference{{names: []string{fmt.Sprintf("Nobody %d", i)}}}) != nil || contactsOf.whole {
			t.Fatalf("all records were read after %d questions", i)
		}
	}
	contactsOf.slow++
	companiesOf.slow = maxSlow + 1
	f.queries = nil
	for range 2 {
		if err := contactsOf.learn(t.Context(), []reference{{names: []string{"Ada Lovelace"}}}); err != nil {
			t.Fatal(err)
		}
		if err := companiesOf.learn(t.Context(), []reference{{names: []string{"Free"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.queries) != 2 || !contactsOf.whole || !companiesOf.whole {
		t.Errorf("asked %d times, want twice: %v", len(f.queries), f.queries)
	}
	if id, _ := contactsOf.find(nil, []string{"Ada Lovelace"}); id != "con_ada" {
		t.Errorf("found %q", id)
	}
	if id, _ := companiesOf.find(nil, []string{"Free"}); id != "" {
		t.Errorf("found %q, which the import makes itself", id)
	}
}

// TestDirectoryLeavesOut makes companies in an import that asks for some: they are found
// by who has made them only, whenever they can be seen.
func TestDirectoryLeavesOut(t *testing.T) {
	t.Parallel()
	_, _, companiesOf := people(t)
	companiesOf.disown("cmp_free")
	ref := reference{names: []string{"Free"}}
	if err := companiesOf.learn(t.Context(), []reference{ref}); err != nil {
		t.Fatal(err)
	}
	if id, several := companiesOf.find(nil, ref.names); id != "" || several {
		t.Errorf("found %q, several %t", id, several)
	}
}

func TestChecksum(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"001A0000006Vm9uIAC", "a0B4x00000ABCdeEAH"} {
		if got := checksum(id[:shortID]); len(got) != longID-shortID || strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345") != "" {
			t.Errorf("%s has the checksum %s", id, got)
		}
	}
	if got := checksum("001A0000006Vm9u"); got != "IAC" {
		t.Errorf("the checksum is %s, want IAC", got)
	}
}
