// Package own is about fields of the tenants' own: what the definition of one says, and
// which values it can have. A value follows the same rules as that of a built-in field of
// its type.
//
// What is kept of a value is JSON. That it is one of its field is looked at when it comes
// in, by the definition of that time; afterwards it can be read without any, for ever.
package own

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Member is the member of records that has the values, by the keys of their fields.
const Member = "custom"

// Kind is the name of the records that hold definitions: an object type for each kind of
// record.
const Kind = "object_type"

// Prefix begins the IDs of object types.
const Prefix = "objt"

// IDOf returns the ID of the object type of a kind of record in a tenant. It follows from
// both, so nobody has to look for it.
func IDOf(tenant domain.TenantID, kind string) domain.ID {
	return domain.ID{Prefix: Prefix, UUID: uuid.NewSHA1(tenant.UUID, []byte(Kind+"\x00"+kind))}
}

// Name returns what a field is called wherever members of records are named, such as in
// filters, events and histories: custom.policy_no.
func Name(key string) string { return Member + "." + key }

// IsName reports whether a name is that of a field of the tenant's own.
func IsName(name string) bool { return strings.HasPrefix(name, Member+".") }

// Limits of definitions, and of what a record has.
const (
	MostFields     = 500 // of an object type, with those that are archived
	MostOptions    = 200 // of a field, likewise
	MostSearchable = 20  // fields of an object type that q looks into
	MostBytes      = 256 << 10
	MostDefined    = 512 << 10 // bytes of the definitions of an object type, as JSON
)

// Type says what the values of a field are.
type Type string

// The types.
const (
	Text        Type = "text"         // one line, up to 500 characters
	LongText    Type = "long_text"    // several lines, up to 20,000 characters
	Number      Type = "number"       // a whole number
	Decimal     Type = "decimal"      // an exact number, as text; see [domain.Decimal]
	Money       Type = "money"        // see [domain.Money]
	Bool        Type = "bool"         // true or false
	Date        Type = "date"         // a day
	DateTime    Type = "datetime"     // a moment
	Select      Type = "select"       // the key of one of its options
	MultiSelect Type = "multi_select" // the keys of some of its options
	Email       Type = "email"
	Phone       Type = "phone"
	URL         Type = "url"
	Reference   Type = "reference" // the ID of a record of a kind
	User        Type = "user"      // the ID of a member
)

// Types returns all types.
func Types() []Type {
	return []Type{Text, LongText, Number, Decimal, Money, Bool, Date, DateTime, Select, MultiSelect, Email, Phone, URL, Reference, User}
}

// IsText reports whether values are text that has words in it.
func (t Type) IsText() bool { return slices.Contains([]Type{Text, LongText, Email, Phone, URL}, t) }

// HasOptions reports whether a field of the type has options.
func (t Type) HasOptions() bool { return t == Select || t == MultiSelect }

// class is what values of the type are if nothing is said: free text may say anything of
// a person.
func (t Type) class() domain.Class {
	if t.IsText() {
		return domain.Personal
	}
	return domain.Internal
}

// Field is the definition of a field. Its key, its type and its object stay as they are.
type Field struct {
	Key         string       `json:"key" class:"internal" minLength:"1" maxLength:"63" pattern:"^[a-z][a-z0-9_]{0,62}$" doc:"What the field is called in custom. It is for good." example:"policy_no"`
	Type        Type         `json:"type" class:"internal" enum:"text,long_text,number,decimal,money,bool,date,datetime,select,multi_select,email,phone,url,reference,user" doc:"What its values are. It is for good." example:"text"`
	Label       string       `json:"label,omitzero" class:"internal" maxLength:"100" doc:"What people call it" example:"Policy number"`
	Description string       `json:"description,omitzero" class:"internal" maxLength:"1000" text:"lines" doc:"What it is for"`
	Class       domain.Class `json:"class,omitzero" class:"internal" enum:"internal,personal,sensitive" doc:"How much care its values need: internal, personal or sensitive. Texts are personal if nothing is said, and all else is internal."`
	Searchable  bool         `json:"searchable,omitzero" doc:"Whether q looks into it; texts, options and addresses only"`
	Object      Target       `json:"object,omitzero" class:"internal" doc:"The kind of record that a reference is to"`
	Options     []Option     `json:"options,omitzero" maxItems:"200" doc:"What can be selected"`
	Archived    bool         `json:"archived,omitzero" doc:"Whether it takes no new values. Those that there are stay."`
}

// Option is something that can be selected.
type Option struct {
	Key      string `json:"key" class:"internal" minLength:"1" maxLength:"63" pattern:"^[a-z0-9][a-z0-9_]{0,62}$" doc:"What is kept of it. It is for good." example:"gold"`
	Label    string `json:"label,omitzero" class:"internal" maxLength:"100" doc:"What people call it" example:"Gold"`
	Archived bool   `json:"archived,omitzero" doc:"Whether it cannot be selected any more. Where it was, it stays."`
}

var (
	fieldKey  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	optionKey = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,62}$`)
)

// IsKey reports whether a text can be the key of a field.
func IsKey(s string) bool { return fieldKey.MatchString(s) }

// Check refuses an option that cannot be.
func (o Option) Check() error {
	return domain.Check(optionKey.MatchString(o.Key), "/key", "invalid_key", "must be small letters, digits and underscores, at most 63 of them")
}

// Check refuses a definition that contradicts itself.
func (f Field) Check() error {
	errs := []error{
		domain.Check(IsKey(f.Key), "/key", "invalid_key", "must be a small letter, and then at most 62 small letters, digits and underscores"),
		domain.Check((f.Type == Reference) == (f.Object != ""), "/object", "not_for_type", "is there if the type is reference, and only then"),
		domain.Check(f.Type.HasOptions() || len(f.Options) == 0, "/options", "not_for_type", "are for fields of the types select and multi_select"),
		domain.Check(!f.Searchable || f.Type.IsText() || f.Type.HasOptions(), "/searchable", "not_for_type", "is for texts, options and addresses"),
	}
	for i, o := range f.Options {
		twice := slices.ContainsFunc(f.Options[:i], func(p Option) bool { return p.Key == o.Key })
		errs = append(errs, domain.Check(!twice, "/options/"+strconv.Itoa(i)+"/key", "duplicate_key", "is the key of another option"))
	}
	return errors.Join(errs...)
}

// Complete returns the definition with what it does not say.
func (f Field) Complete() Field {
	if f.Class == "" {
		f.Class = f.Type.class()
	}
	return f
}

// Option returns an option of the field.
func (f Field) Option(key string) (o Option, ok bool) {
	i := slices.IndexFunc(f.Options, func(o Option) bool { return o.Key == key })
	if i < 0 {
		return o, false
	}
	return f.Options[i], true
}

// Definitions is the fields of a kind of record in one tenant.
type Definitions interface {
	// Field returns the definition of a field, also of one that is archived.
	Field(key string) (Field, bool)
}

// Find returns the definitions of a kind that a command refers to by [Ref], or none.
func Find(o domain.Origin, kind string) Definitions {
	if d, err := domain.Find[Definitions](o, Ref(o, kind)); err == nil {
		return d
	}
	return none{}
}

// Ref refers to the definitions of a kind in the tenant of whoever gives a command.
func Ref(o domain.Origin, kind string) domain.Ref {
	return domain.Ref{Kind: Kind, ID: IDOf(o.Tenant, kind), Pointer: "/" + Member, Setting: true}
}

type none struct{}

func (none) Field(string) (Field, bool) { return Field{}, false }
