package csvimport

import (
	"slices"
	"strings"
)

// object describes a kind of record that files hold. There is one for each, in
// a file of its own, and [objects] lists them.
type object struct {
	collection string // as in paths of the API
	prefix     string // of its IDs
	fields     []field
	needs      []string     // names of fields, one of which the file must have
	build      func(*draft) // makes a record of a row

	check func(data map[string]any) error // says whether a record may be so, without asking the server
}

// field is something that a column can hold.
type field struct {
	name    string // as in the API, as far as it is one there
	kind    kind
	many    bool     // several columns can hold one each
	headers []string // what columns are called that hold it, in any spelling
}

// kind says how the values of a column are looked at before any is imported.
type kind int

const (
	plain kind = iota
	aDate
	anAmount
	aNumber // a whole one
	aPhone
)

// The kinds of records that can be imported.
var objects = []*object{&contacts, &companies, &deals, &tasks}

// Objects lists what can be imported.
func Objects() []string {
	var names []string
	for _, o := range objects {
		names = append(names, o.collection)
	}
	return names
}

// objectNamed finds an object by the name that a person gives it.
func objectNamed(name string) *object {
	name = squeeze(name)
	for _, o := range objects {
		if name == o.collection || name == strings.TrimSuffix(o.collection, "s") || name == "company" && o == &companies {
			return o
		}
	}
	return nil
}

func (o *object) field(name string) *field {
	i := slices.IndexFunc(o.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &o.fields[i]
}

// squeeze leaves letters and digits of a header, folded and composed, so that
// "First Name", "first_name" and "FirstName" are the same. What has neither is
// left as it is.
func squeeze(header string) string {
	key := nameKey(header)
	words := strings.Map(func(r rune) rune {
		if isWordRune(r) {
			return r
		}
		return -1
	}, key)
	return firstOf(words, key)
}

// Fields that several kinds of records have.

var externalID = field{name: "external_id", headers: []string{
	"Record ID", "Id", "External ID", "Source ID", "Legacy ID", "CRM ID", "HubSpot ID", "Salesforce ID", "Record Object ID", "hs_object_id",
}}

var tags = field{name: "tags", many: true, headers: []string{"Tags", "Tag", "Labels", "Label", "Schlagworte", "Étiquettes", "Etiquetas"}}

// addressFields returns the fields of one address. The words are what its
// headers begin with, the empty one among them if nothing else is meant.
func addressFields(name string, words ...string) []field {
	parts := []struct {
		part    string
		headers []string
	}{
		{"line1", []string{"Street", "Street Address", "Address", "Address 1", "Address Line 1", "Street 1", "Straße", "Strasse", "Adresse", "Dirección", "Indirizzo", "Rue"}},
		{"line2", []string{"Address 2", "Address Line 2", "Street Address 2", "Street 2", "Adresszusatz"}},
		{"city", []string{"City", "Town", "Locality", "Ort", "Stadt", "Ville", "Ciudad", "Città"}},
		{"region", []string{"State", "State/Province", "State/Region", "Province", "Region", "County", "Bundesland", "Provincia"}},
		{"postal_code", []string{"Postal Code", "Zip", "Zip Code", "Zip/Postal Code", "Postcode", "Post Code", "PLZ", "Postleitzahl", "Code postal", "Código postal", "CAP"}},
		{"country", []string{"Country", "Country/Region", "Country Code", "Country Name", "Land", "Pays", "País", "Paese"}},
	}
	var fields []field
	for _, p := range parts {
		f := field{name: name + "." + p.part}
		for _, w := range words {
			for _, h := range p.headers {
				f.headers = append(f.headers, w+" "+h)
			}
		}
		fields = append(fields, f)
	}
	return fields
}
