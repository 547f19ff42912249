package objecttype_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/objecttype"
	"github.com/rowhouse/rowhouse/domain/own"
)

type events = []objecttype.Event

func TestObjectType(t *testing.T) {
	t.Parallel()
	as := domain.Origin{Self: own.IDOf(domain.TenantID{}, "contact")}
	policy := own.Field{Key: "policy_no", Type: own.Text, Label: "Policy", Class: domain.Personal}
	tier := own.Field{Key: "tier", Type: own.Select, Class: domain.Internal, Options: []own.Option{{Key: "gold", Label: "Gold"}}}
	defined, added := objecttype.Defined{Key: "contact"}, objecttype.FieldAdded{Field: policy}
	select1 := objecttype.FieldAdded{Field: tier}
	given := func(more ...objecttype.Event) events { return append(events{defined, added}, more...) }
	archived := objecttype.FieldArchived{Key: "policy_no"}

	searched := events{defined}
	for i := range own.MostSearchable {
		searched = append(searched, objecttype.FieldAdded{Field: own.Field{Key: fmt.Sprintf("f%d", i), Type: own.Text, Class: domain.Personal, Searchable: true}})
	}
	full := events{defined}
	for i := range own.MostFields {
		full = append(full, objecttype.FieldAdded{Field: own.Field{Key: fmt.Sprintf("f%d", i), Type: own.Text, Class: domain.Personal}})
	}
	large := append(given(select1), objecttype.FieldAdded{Field: own.Field{Key: "large", Type: own.Text, Class: domain.Personal, Description: strings.Repeat("x", own.MostDefined-230)}})
	updated := policy
	updated.Label, updated.Searchable, updated.Class = "Number", true, domain.Internal

	add := func(key string, of own.Type) objecttype.AddField { return objecttype.AddField{Key: key, Type: of} }
	domaintest.Run(t, objecttype.Aggregate, []domaintest.Case[objecttype.ObjectType]{
		{Name: "define", As: as, When: objecttype.Define{Key: "contact"}, Then: events{defined}},
		{Name: "only once", As: as, Given: events{defined}, When: objecttype.Define{Key: "contact"}, Err: domain.Conflict, Code: "already_exists"},
		{Name: "under its own ID", As: as, When: objecttype.Define{Key: "deal"}, Err: domain.Invalid, At: "/id"},
		{Name: "the first field defines the object type", As: as, When: objecttype.AddField{Key: "policy_no", Type: own.Text, Label: " Policy "}, Then: events{defined, added}},
		{Name: "of no kind", As: domain.Origin{Self: own.IDOf(domain.TenantID{}, "spaceship")}, When: add("x", own.Text), Err: domain.NotFound},
		{Name: "a key is used once", As: as, Given: given(), When: add("policy_no", own.Text), Err: domain.Invalid, Code: "duplicate_key", At: "/key"},
		{Name: "and never with another type", As: as, Given: given(archived), When: add("policy_no", own.Number), Err: domain.Invalid, Code: "key_was_used", At: "/key"},
		{Name: "keys are small letters", As: as, Given: given(), When: add("Policy-No", own.Text), Err: domain.Invalid, Code: "invalid_key", At: "/key"},
		{Name: "and begin with one", As: as, Given: given(), When: add("1st", own.Text), Err: domain.Invalid, Code: "invalid_key", At: "/key"},
		{Name: "types are known", As: as, Given: given(), When: add("x", "formula"), Err: domain.Invalid, Code: "unknown_value", At: "/type"},
		{Name: "a reference says to what", As: as, Given: given(), When: add("x", own.Reference), Err: domain.Invalid, At: "/object"},
		{Name: "and nothing else does", As: as, Given: given(), When: objecttype.AddField{Key: "x", Type: own.Text, Object: "deal"}, Err: domain.Invalid, At: "/object"},
		{Name: "only lists have options", As: as, Given: given(), When: objecttype.AddField{Key: "x", Type: own.Text, Options: []objecttype.NewOption{{Key: "a"}}}, Err: domain.Invalid, At: "/options"},
		{Name: "options are different", As: as, Given: given(), When: objecttype.AddField{Key: "x", Type: own.Select, Options: []objecttype.NewOption{{Key: "a"}, {Key: "a"}}}, Err: domain.Invalid, Code: "duplicate_key", At: "/options/1/key"},
		{Name: "dates are not searched", As: as, Given: given(), When: objecttype.AddField{Key: "x", Type: own.Date, Searchable: true}, Err: domain.Invalid, At: "/searchable"},
		{Name: "a select has options", As: as, Given: given(), When: objecttype.AddField{Key: "tier", Type: own.Select, Options: []objecttype.NewOption{{Key: "gold", Label: "Gold"}}}, Then: events{select1}},
		{Name: "so many are searched", As: as, Given: searched, When: objecttype.AddField{Key: "x", Type: own.Text, Searchable: true}, Err: domain.Invalid, Code: "too_many", At: "/searchable"},
		{Name: "so many there are", As: as, Given: full, When: add("x", own.Text), Err: domain.Invalid, Code: "too_many"},

		{Name: "so large they are", As: as, Given: large, When: add("x", own.Text), Err: domain.Invalid, Code: "too_large"},
		{Name: "with what they say", As: as, Given: large, When: objecttype.UpdateField{Key: "tier", Label: new("A label that is longer")}, Err: domain.Invalid, Code: "too_large"},
		{Name: "and their options", As: as, Given: large, When: objecttype.AddOption{Key: "tier", Option: objecttype.NewOption{Key: "silver"}}, Err: domain.Invalid, Code: "too_large", At: "/option"},

		{Name: "update", As: as, Given: given(), When: objecttype.UpdateField{Key: "policy_no", Label: new("Number"), Searchable: new(true), Class: new(domain.Internal)}, Then: events{objecttype.FieldUpdated{Field: updated}}},
		{Name: "nothing is different", As: as, Given: given(), When: objecttype.UpdateField{Key: "policy_no", Label: new("Policy ")}},
		{Name: "update what is not there", As: as, Given: given(), When: objecttype.UpdateField{Key: "x"}, Err: domain.Invalid, Code: "unknown_field", At: "/key"},
		{Name: "before there is a field", As: as, When: objecttype.UpdateField{Key: "x"}, Err: domain.NotFound},

		{Name: "archive", As: as, Given: given(), When: objecttype.ArchiveField{Key: "policy_no"}, Then: events{archived}},
		{Name: "once", As: as, Given: given(archived), When: objecttype.ArchiveField{Key: "policy_no"}},
		{Name: "restore", As: as, Given: given(archived), When: objecttype.RestoreField{Key: "policy_no"}, Then: events{objecttype.FieldRestored{Key: "policy_no"}}},
		{Name: "only what is archived", As: as, Given: given(), When: objecttype.RestoreField{Key: "policy_no"}},

		{Name: "add an option", As: as, Given: given(select1), When: objecttype.AddOption{Key: "tier", Option: objecttype.NewOption{Key: "silver", Label: "Silver"}}, Then: events{objecttype.OptionAdded{Key: "tier", Option: own.Option{Key: "silver", Label: "Silver"}}}},
		{Name: "that is there", As: as, Given: given(select1), When: objecttype.AddOption{Key: "tier", Option: objecttype.NewOption{Key: "gold", Label: "Gold"}}},
		{Name: "to a text", As: as, Given: given(), When: objecttype.AddOption{Key: "policy_no", Option: objecttype.NewOption{Key: "gold"}}, Err: domain.Invalid, At: "/key"},
		{Name: "archive an option", As: as, Given: given(select1), When: objecttype.ArchiveOption{Key: "tier", Option: "gold"}, Then: events{objecttype.OptionArchived{Key: "tier", Option: "gold"}}},
		{Name: "that is none", As: as, Given: given(select1), When: objecttype.ArchiveOption{Key: "tier", Option: "tin"}, Err: domain.Invalid, At: "/option"},
		{Name: "put an option back", As: as, Given: given(select1, objecttype.OptionArchived{Key: "tier", Option: "gold"}), When: objecttype.AddOption{Key: "tier", Option: objecttype.NewOption{Key: "gold", Label: "Gold"}}, Then: events{objecttype.OptionAdded{Key: "tier", Option: own.Option{Key: "gold", Label: "Gold"}}}},
	})
}
