package api

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/projections"
)

// strange is a kind in which something is missing.
type strange struct {
	commands.AnyPolicy

	prefix, about string
	offers        []commands.Offer
}

func (s strange) Prefix() string           { return s.prefix }
func (s strange) About() string            { return s.about }
func (s strange) Offers() []commands.Offer { return s.offers }

// Whatever is forgotten of a kind is named before the server starts, with the
// place where it belongs.
func TestWhatIsForgottenIsNamed(t *testing.T) {
	t.Parallel()
	tables := map[string]projections.Projection{"company": projections.Companies}
	offers := commands.Companies.Offers()
	change := func(f func(o *commands.Offer)) []commands.Offer {
		changed := append([]commands.Offer(nil), offers...)
		f(&changed[len(changed)-1]) // company.set_parent, which takes data
		return changed
	}
	good := strange{commands.Companies, "cmp", "Companies.", offers}
	for name, tt := range map[string]struct {
		kinds  []commands.AnyPolicy
		tables map[string]projections.Projection
		want   string
	}{
		"nothing":             {[]commands.AnyPolicy{good}, tables, ""},
		"its table":           {[]commands.AnyPolicy{good}, nil, "the kind company has no table: add it to projections.All"},
		"its policy":          {nil, tables, "the table companies shows the kind company, which has no policy: add it to commands.All"},
		"a prefix of its own": {[]commands.AnyPolicy{strange{commands.Companies, "usr", "x", offers}}, tables, `begin with "usr"`},
		"the same prefix":     {[]commands.AnyPolicy{strange{commands.Companies, "com", "x", offers}}, tables, `"com" in commands and "cmp" in projections`},
		"a description":       {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "", offers}}, tables, "is not described"},
		"a way to make it":    {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", offers[:2]}}, tables, "add a create line"},
		"a permission":        {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Permission = "" })}}, tables, "company.set_parent takes no permission"},
		"a right":             {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Permission = "company:sell" })}}, tables, "company:sell, which no role has: add it to grants"},
		"a summary":           {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Summary = "" })}}, tables, "company.set_parent is not described"},
		"an example":          {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Example = "" })}}, tables, "company.set_parent needs an example"},
		"an example in JSON":  {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Example = "{" })}}, tables, "company.set_parent needs an example"},
		"a name of its own":   {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", change(func(o *commands.Offer) { o.Name = "create" })}}, tables, "company.create is there twice"},
		"a table and routes, of what only the server sees": {[]commands.AnyPolicy{strange{commands.Companies, "cmp", "x", nil}}, nil, ""},
		"its fields of the tenant's own":                   {[]commands.AnyPolicy{renamed{good, "chore"}}, map[string]projections.Projection{"chore": projections.Companies}, "correct Kinds there"},
		"the kind it refers to":                            {[]commands.AnyPolicy{strange{commands.Contacts, "con", "x", commands.Contacts.Offers()}}, map[string]projections.Projection{"contact": projections.Contacts}, `IDs that begin with "cmp", which no kind has`},
	} {
		err := incomplete(tt.kinds, tt.tables)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, ok := commands.Companies.Permission(company.SetParent{}); !ok {
		t.Error("nobody may set the parent of a company")
	}
}

// renamed is a kind by another name.
type renamed struct {
	commands.AnyPolicy

	name string
}

func (r renamed) Kind() string { return r.name }

type (
	counted struct {
		Number int64 `json:"number"`
	}
	uncounted struct {
		Number int64 `json:"number,omitzero"`
	}
	asText struct {
		Number int64 `json:"number,string"`
	}
)

func (counted) Series() string   { return "invoice" }
func (uncounted) Series() string { return "invoice" }
func (asText) Series() string    { return "invoice" }

// An event that gets a number must have a place for it, or each command would be a fault.
func TestEventsHaveAPlaceForTheirNumber(t *testing.T) {
	t.Parallel()
	for event, good := range map[reflect.Type]bool{
		reflect.TypeFor[counted](): true, reflect.TypeFor[company.ParentSet](): true, reflect.TypeFor[uncounted](): false, reflect.TypeFor[asText](): false,
	} {
		if err := unnumbered(oneEvent{commands.Companies, event}); (err == nil) != good || !good && !strings.Contains(err.Error(), "the kind company: company.renamed gets a number") {
			t.Errorf("%s: %v", event, err)
		}
	}
}
