package csvimport

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// mapping says which column holds what.
type mapping struct {
	object  *object
	header  []string
	fields  []string         // of each column; empty if it is not imported
	said    []bool           // of each column, whether the caller said so
	columns map[string][]int // of each field, the columns that hold it
	product string           // the one that wrote the file, if its headers tell: hubspot or salesforce

	twice    []string // names that several columns have
	isErrors bool     // it is an errors file of ours
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// also returns the field with more names that columns may have. They come
// first: they say more than the others.
func (f field) also(headers ...string) field {
	f.headers = slices.Concat(headers, f.headers)
	return f
}

// without returns the field without some of the names.
func (f field) without(headers ...string) field {
	f.headers = slices.DeleteFunc(slices.Clone(f.headers), func(h string) bool { return slices.Contains(headers, h) })
	return f
}

// ignored is what a column is mapped to that shall not be imported.
const ignored = "-"

// newMapping finds out what the columns hold. What the caller says, as "CSV
// column=field", comes before what the headers say.
func newMapping(o *object, header, said []string) (*mapping, error) {
	m := &mapping{object: o, header: header, fields: make([]string, len(header)), said: make([]bool, len(header)), columns: map[string][]int{}, product: productOf(header)}
	for _, s := range said {
		if err := m.say(s); err != nil {
			return nil, err
		}
	}
	known := map[string]*field{}
	rank := map[string]int{}
	for i := range o.fields {
		for r, h := range o.fields[i].headers {
			if s := headerKey(h); known[s] == nil {
				known[s], rank[s] = &o.fields[i], r
			}
		}
		if s := headerKey(o.fields[i].name); known[s] == nil {
			known[s] = &o.fields[i]
		}
	}
	if m.isErrors = isErrorsFile(header); m.isErrors { // our own columns of an errors file
		for i := range reportColumns {
			m.fields[i] = ignored
		}
	}
	m.assign(known, rank)
	return m, m.index()
}

// index finds the columns of each field. A field that makes a record what it is
// must have one.
func (m *mapping) index() error {
	clear(m.columns)
	for i, name := range m.fields {
		if name != "" && name != ignored {
			m.columns[name] = append(m.columns[name], i)
		}
	}
	if !slices.ContainsFunc(m.object.needs, func(name string) bool { return len(m.columns[name]) > 0 }) {
		return m.missing()
	}
	return nil
}

// assign gives the columns that are not spoken for to the fields that their
// headers name. Of several columns for one field it is the one with the best
// name that gets it.
func (m *mapping) assign(known map[string]*field, rank map[string]int) {
	order := make([]int, len(m.header))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank[headerKey(m.header[a])] - rank[headerKey(m.header[b])] })
	taken := map[string]bool{}
	for _, name := range m.fields {
		taken[name] = name != "" && name != ignored
	}
	for _, i := range order {
		f := known[headerKey(m.header[i])]
		if f == nil {
			f = known[headerKey(strings.TrimPrefix(strings.ToLower(m.header[i]), m.object.one()+" "))]
		}
		if f == nil || m.fields[i] != "" || taken[f.name] && !f.many {
			continue
		}
		m.fields[i], taken[f.name] = f.name, true
	}
}

// headerKey returns what column names are compared by: Prénom is also written
// PRENOM.
func headerKey(name string) string { return unaccented(squeeze(name)) }

// one returns the name of one record.
func (o *object) one() string {
	if stem, ok := strings.CutSuffix(o.collection, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(o.collection, "s")
}

// dynamic are fields whose name says whose ID they hold.
var dynamic = regexp.MustCompile(`^external_ids\.[a-z0-9_-]{1,50}$`)

// say maps a column as the caller wants it.
func (m *mapping) say(text string) error {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return fmt.Errorf("a column is mapped by \"CSV column=field\", and not by %q", text)
	}
	column, name := strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:])
	at := slices.IndexFunc(m.header, func(h string) bool { return strings.EqualFold(h, column) })
	if at < 0 {
		at = slices.IndexFunc(m.header, func(h string) bool { return squeeze(h) == squeeze(column) })
	}
	if at < 0 {
		return fmt.Errorf("there is no column %q; there are: %s", column, strings.Join(m.header, ", "))
	}
	m.said[at] = true
	if name == "" || name == ignored {
		m.fields[at] = ignored
		return nil
	}
	f := m.object.field(name)
	if f == nil && !dynamic.MatchString(name) {
		return fmt.Errorf("%s have no field %q; there are: %s, external_ids.NAME", m.object.collection, name, strings.Join(m.object.names(), ", "))
	}
	if f != nil && !f.many && slices.Contains(m.fields, name) {
		return fmt.Errorf("two columns are mapped to %s, which can hold one", name)
	}
	m.fields[at] = name
	return nil
}

func (o *object) names() []string {
	var names []string
	for _, f := range o.fields {
		names = append(names, f.name)
	}
	return names
}

// missing says which column the file would need.
func (m *mapping) missing() error {
	f := m.object.field(m.object.needs[0])
	return fmt.Errorf("no column of the file holds the %s of %s: it would be called %q, for example; the columns are: %s (a column can be mapped with --map \"CSV column=%s\")",
		f.name, m.object.collection, f.headers[0], strings.Join(m.header, ", "), f.name)
}

// unmapped lists the columns that are not imported.
func (m *mapping) unmapped() []string {
	var names []string
	for i, name := range m.fields {
		if name == "" && m.header[i] != "" {
			names = append(names, m.header[i])
		}
	}
	return names
}

// name returns the name of a column, for people.
func (m *mapping) name(column int) string {
	if column < 0 || column >= len(m.header) {
		return ""
	}
	if m.header[column] == "" {
		return fmt.Sprintf("column %d", column+1)
	}
	return m.header[column]
}

// What only the headers of one product's exports look like.
var products = map[string][]string{
	"hubspot":    {"Record ID", "Lifecycle Stage", "Contact owner", "Company owner", "Deal owner", "Company Domain Name", "Associated Company IDs", "Associated Contact IDs", "Marketing contact status", "hs_object_id"},
	"salesforce": {"Contact ID", "Account ID", "Opportunity ID", "AccountId", "OwnerId", "SystemModstamp", "IsDeleted", "Mailing Street", "MailingStreet", "Billing Street", "BillingStreet", "Account Owner", "Opportunity Owner", "StageName", "LastModifiedById"},
}

func productOf(header []string) string {
	best, most := "", 0
	for _, name := range []string{"hubspot", "salesforce"} {
		n := 0
		for _, h := range products[name] {
			if slices.ContainsFunc(header, func(c string) bool { return squeeze(c) == squeeze(h) }) {
				n++
			}
		}
		if n > most {
			best, most = name, n
		}
	}
	return best
}
