// Package objecttype is about object types: which fields of their own the records of a
// kind have in a tenant. It does not know the records.
package objecttype

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// Aggregate describes object types. Its arguments are all that can happen to one.
var Aggregate = domain.NewAggregate[ObjectType](own.Kind, own.Prefix,
	Defined{}, FieldAdded{}, FieldUpdated{}, FieldArchived{}, FieldRestored{}, OptionAdded{}, OptionArchived{},
)

// Event is a fact about an object type.
type Event = domain.Event[ObjectType]

// ObjectType is what decisions about the fields of a kind of record depend on, and what
// clients see of it. The zero ObjectType has not been defined yet.
type ObjectType struct { //nolint:recvcheck // fields are asked for by value, and changed in place
	Key    own.Owner   `json:"key" class:"internal" search:"true" doc:"The kind of record" example:"contact"`
	Fields []own.Field `json:"fields" doc:"Its fields of the tenant's own, in the order in which they were added; also those that are archived"`
}

// Named returns the ID of the object type of a kind of record, if it is one.
func Named(tenant domain.TenantID, key string) (domain.ID, bool) {
	return own.IDOf(tenant, key), slices.Contains(own.Kinds(), key)
}

// Field implements [own.Definitions].
func (t ObjectType) Field(key string) (f own.Field, ok bool) {
	i := t.index(key)
	if i < 0 {
		return f, false
	}
	return t.Fields[i], true
}

func (t ObjectType) index(key string) int {
	return slices.IndexFunc(t.Fields, func(f own.Field) bool { return f.Key == key })
}

// field returns a field that is named by a command.
func (t ObjectType) field(key string) (own.Field, error) {
	f, ok := t.Field(key)
	if t.Key == "" {
		return f, errNotFound
	}
	return f, domain.Check(ok, "/key", "unknown_field", "is no field of the object type")
}

var errNotFound = domain.NotFound.Refusef("not_found", "the object type has no fields of your own yet")

// with returns the fields with another definition in the place of one.
func (t ObjectType) with(f own.Field) []own.Field {
	fields := slices.Clone(t.Fields)
	if i := t.index(f.Key); i >= 0 {
		fields[i] = f
		return fields
	}
	return append(fields, f)
}

// change changes a field as it is stored.
func (t *ObjectType) change(key string, change func(*own.Field)) {
	if f, ok := t.Field(key); ok {
		change(&f)
		t.Fields = t.with(f)
	}
}

// mayBeSearched refuses one field more that q looks into than there may be.
func (t ObjectType) mayBeSearched(f own.Field) error {
	n := 0
	for _, other := range t.Fields {
		if other.Searchable && !other.Archived && other.Key != f.Key {
			n++
		}
	}
	return domain.Check(!f.Searchable || n < own.MostSearchable, "/searchable", "too_many", fmt.Sprintf("is for at most %d fields of an object type", own.MostSearchable))
}

// roomFor refuses the definition of a field that makes all of them too large: they are read
// for every list that is about fields of the tenant's own.
func (t ObjectType) roomFor(f own.Field, pointer string) error {
	before, after := sizeOf(t.Fields), sizeOf(t.with(f))
	return domain.Check(after <= max(own.MostDefined, before), pointer, "too_large", "makes the definitions of the object type larger than "+strconv.Itoa(own.MostDefined>>10)+" kB in all")
}

// sizeOf returns how many bytes definitions take.
func sizeOf(fields []own.Field) int {
	data, err := domain.Marshal(fields)
	if err != nil {
		return math.MaxInt // never: they came as JSON
	}
	return len(data)
}

// Define says that a kind of record has fields of the tenant's own. To add the first one
// says that as well.
type Define struct {
	Key own.Owner `json:"key" doc:"The kind of record" example:"contact"`
}

// Defined says that a kind of record has fields of the tenant's own.
type Defined struct {
	Key own.Owner `json:"key" class:"internal"`
}

// Decide defines what is not defined yet.
func (c Define) Decide(t ObjectType, o domain.Origin) ([]Event, error) {
	if t.Key != "" {
		return nil, domain.Conflict.Refusef("already_exists", "the object type is defined")
	}
	if err := domain.Check(o.Self == own.IDOf(o.Tenant, string(c.Key)), "/id", "not_yours_to_choose", "follows from the key"); err != nil {
		return nil, err
	}
	return []Event{Defined(c)}, nil
}

func (Defined) EventType() string { return "object_type.defined" }
func (e Defined) Apply(t *ObjectType) {
	t.Key, t.Fields = e.Key, []own.Field{}
}

// AddField adds a field to a kind of record.
type AddField struct {
	Key         string       `json:"key" minLength:"1" maxLength:"63" pattern:"^[a-z][a-z0-9_]{0,62}$" doc:"What the field is called in custom. It is for good." example:"policy_no"`
	Type        own.Type     `json:"type" enum:"text,long_text,number,decimal,money,bool,date,datetime,select,multi_select,email,phone,url,reference,user" doc:"What its values are. It is for good." example:"text"`
	Label       string       `json:"label,omitzero" maxLength:"100" doc:"What people call it" example:"Policy number"`
	Description string       `json:"description,omitzero" maxLength:"1000" text:"lines" doc:"What it is for"`
	Class       domain.Class `json:"class,omitzero" enum:"internal,personal,sensitive" doc:"How much care its values need. Texts are personal if it is left out, and all else is internal."`
	Searchable  bool         `json:"searchable,omitzero" doc:"Whether q looks into it; texts, options and addresses only"`
	Object      own.Target   `json:"object,omitzero" doc:"The kind of record that a reference is to"`
	Options     []NewOption  `json:"options,omitzero" maxItems:"200" doc:"What can be selected"`
}

// NewOption is an option of a new field.
type NewOption struct {
	Key   string `json:"key" minLength:"1" maxLength:"63" pattern:"^[a-z0-9][a-z0-9_]{0,62}$" doc:"What is kept of it. It is for good." example:"gold"`
	Label string `json:"label,omitzero" maxLength:"100" doc:"What people call it" example:"Gold"`
}

// FieldAdded says that a kind of record has one field more.
type FieldAdded struct {
	Field own.Field `json:"field"`
}

// field returns the definition that the command asks for.
func (c AddField) field() own.Field {
	f := own.Field{
		Key: c.Key, Type: c.Type, Label: domain.Line(c.Label), Description: domain.Lines(c.Description),
		Class: c.Class, Searchable: c.Searchable, Object: c.Object,
	}
	for _, o := range c.Options {
		f.Options = append(f.Options, own.Option{Key: o.Key, Label: domain.Line(o.Label)})
	}
	return f.Complete()
}

// Decide adds a field whose key no other one has or had. It defines the object type, if
// that is not defined yet.
func (c AddField) Decide(t ObjectType, o domain.Origin) ([]Event, error) {
	var events []Event
	if t.Key == "" {
		kinds := own.Kinds()
		i := slices.IndexFunc(kinds, func(key string) bool { return own.IDOf(o.Tenant, key) == o.Self })
		if i < 0 {
			return nil, domain.NotFound.Refusef("not_found", "there is no such object type")
		}
		events = append(events, Defined{own.Owner(kinds[i])})
	}
	f := c.field()
	had, twice := t.Field(f.Key)
	wrong := []error{
		f.Check(),
		domain.Check(len(t.Fields) < own.MostFields, "", "too_many", fmt.Sprintf("an object type has at most %d fields, with those that are archived", own.MostFields)),
		domain.Check(!twice || !had.Archived, "/key", "key_was_used", "is the key of a field that is archived, and can be restored"),
		domain.Check(!twice || had.Archived, "/key", "duplicate_key", "is the key of another field"),
		t.mayBeSearched(f),
		t.roomFor(f, ""),
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return append(events, FieldAdded{f}), nil
}

// Touches implements [domain.Toucher].
func (AddField) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (FieldAdded) Touches() []string { return []string{"fields"} }

func (FieldAdded) EventType() string     { return "object_type.field_added" }
func (e FieldAdded) Apply(t *ObjectType) { t.Fields = t.with(e.Field) }

// UpdateField changes what a field is called and how it is dealt with. What is left out
// stays.
type UpdateField struct {
	Key         string        `json:"key" minLength:"1" maxLength:"63" doc:"The field" example:"policy_no"`
	Label       *string       `json:"label,omitzero" maxLength:"100" doc:"What people call it" example:"Policy number"`
	Description *string       `json:"description,omitzero" maxLength:"1000" text:"lines" doc:"What it is for"`
	Class       *domain.Class `json:"class,omitzero" enum:"internal,personal,sensitive" doc:"How much care its values need"`
	Searchable  *bool         `json:"searchable,omitzero" doc:"Whether q looks into it"`
}

// FieldUpdated says what the definition of a field is now.
type FieldUpdated struct {
	Field own.Field `json:"field"`
}

// Decide changes a field. Its key, its type and its options stay.
func (c UpdateField) Decide(t ObjectType, _ domain.Origin) ([]Event, error) {
	f, err := t.field(c.Key)
	if err != nil {
		return nil, err
	}
	was := f
	set(&f.Label, c.Label)
	set(&f.Description, c.Description)
	set(&f.Class, c.Class)
	set(&f.Searchable, c.Searchable)
	f.Label, f.Description = domain.Line(f.Label), domain.Lines(f.Description)
	if f.Label == was.Label && f.Description == was.Description && f.Class == was.Class && f.Searchable == was.Searchable {
		return nil, nil
	}
	if err := errors.Join(f.Check(), t.mayBeSearched(f), t.roomFor(f, "")); err != nil {
		return nil, err
	}
	return []Event{FieldUpdated{f}}, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Touches implements [domain.Toucher].
func (UpdateField) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (FieldUpdated) Touches() []string { return []string{"fields"} }

func (FieldUpdated) EventType() string     { return "object_type.field_updated" }
func (e FieldUpdated) Apply(t *ObjectType) { t.Fields = t.with(e.Field) }

// ArchiveField lets a field take no new values any more. Those that there are stay, and
// can be asked for.
type ArchiveField struct {
	Key string `json:"key" minLength:"1" maxLength:"63" doc:"The field" example:"policy_no"`
}

// FieldArchived says that a field takes no new values any more.
type FieldArchived struct {
	Key string `json:"key" class:"internal"`
}

// Decide archives a field that is not archived already.
func (c ArchiveField) Decide(t ObjectType, _ domain.Origin) ([]Event, error) {
	f, err := t.field(c.Key)
	if err != nil || f.Archived {
		return nil, err
	}
	return []Event{FieldArchived(c)}, nil
}

// Touches implements [domain.Toucher].
func (ArchiveField) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (FieldArchived) Touches() []string { return []string{"fields"} }

func (FieldArchived) EventType() string { return "object_type.field_archived" }
func (e FieldArchived) Apply(t *ObjectType) {
	t.change(e.Key, func(f *own.Field) { f.Archived = true })
}

// RestoreField lets a field that was archived take new values again.
type RestoreField struct {
	Key string `json:"key" minLength:"1" maxLength:"63" doc:"The field" example:"policy_no"`
}

// FieldRestored says that a field takes new values again.
type FieldRestored struct {
	Key string `json:"key" class:"internal"`
}

// Decide restores a field that is archived.
func (c RestoreField) Decide(t ObjectType, _ domain.Origin) ([]Event, error) {
	f, err := t.field(c.Key)
	if err != nil || !f.Archived {
		return nil, err
	}
	if err := t.mayBeSearched(f); err != nil {
		return nil, domain.Conflict.Refusef("too_many", "q looks into as many other fields as it may: let it not look into one of them before")
	}
	return []Event{FieldRestored(c)}, nil
}

// Touches implements [domain.Toucher].
func (RestoreField) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (FieldRestored) Touches() []string { return []string{"fields"} }

func (FieldRestored) EventType() string { return "object_type.field_restored" }
func (e FieldRestored) Apply(t *ObjectType) {
	t.change(e.Key, func(f *own.Field) { f.Archived = false })
}

// AddOption adds an option to a field, or puts one that was archived back.
type AddOption struct {
	Key    string    `json:"key" minLength:"1" maxLength:"63" doc:"The field" example:"tier"`
	Option NewOption `json:"option" doc:"The option"`
}

// OptionAdded says that something more can be selected.
type OptionAdded struct {
	Key    string     `json:"key" class:"internal"`
	Option own.Option `json:"option"`
}

// Decide adds an option that the field does not have so already.
func (c AddOption) Decide(t ObjectType, _ domain.Origin) ([]Event, error) {
	f, err := t.field(c.Key)
	if err != nil {
		return nil, err
	}
	o := own.Option{Key: c.Option.Key, Label: domain.Line(c.Option.Label)}
	was, twice := f.Option(o.Key)
	if twice && was == o {
		return nil, nil
	}
	more := f
	more.Options = withOption(f.Options, o)
	if err := errors.Join(
		domain.At("/option", o.Check()),
		domain.Check(f.Type.HasOptions(), "/key", "not_for_type", "is a field without options"),
		domain.Check(twice || len(f.Options) < own.MostOptions, "/option", "too_many", "is one more than the "+strconv.Itoa(own.MostOptions)+" that a field has at most"),
		t.roomFor(more, "/option"),
	); err != nil {
		return nil, err
	}
	return []Event{OptionAdded{c.Key, o}}, nil
}

// Touches implements [domain.Toucher].
func (AddOption) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (OptionAdded) Touches() []string { return []string{"fields"} }

func (OptionAdded) EventType() string { return "object_type.option_added" }
func (e OptionAdded) Apply(t *ObjectType) {
	t.change(e.Key, func(f *own.Field) { f.Options = withOption(f.Options, e.Option) })
}

func withOption(options []own.Option, o own.Option) []own.Option {
	options = slices.Clone(options)
	if i := slices.IndexFunc(options, func(p own.Option) bool { return p.Key == o.Key }); i >= 0 {
		options[i] = o
		return options
	}
	return append(options, o)
}

// ArchiveOption lets an option not be selected any more. Where it was, it stays.
type ArchiveOption struct {
	Key    string `json:"key" minLength:"1" maxLength:"63" doc:"The field" example:"tier"`
	Option string `json:"option" minLength:"1" maxLength:"63" doc:"The key of the option" example:"gold"`
}

// OptionArchived says that an option cannot be selected any more.
type OptionArchived struct {
	Key    string `json:"key" class:"internal"`
	Option string `json:"option" class:"internal"`
}

// Decide archives an option that is not archived already.
func (c ArchiveOption) Decide(t ObjectType, _ domain.Origin) ([]Event, error) {
	f, err := t.field(c.Key)
	if err != nil {
		return nil, err
	}
	o, ok := f.Option(c.Option)
	if err := domain.Check(ok, "/option", "unknown_option", "is no option of the field"); err != nil || o.Archived {
		return nil, err
	}
	return []Event{OptionArchived(c)}, nil
}

// Touches implements [domain.Toucher].
func (ArchiveOption) Touches() []string { return []string{"fields"} }

// Touches implements [domain.Toucher].
func (OptionArchived) Touches() []string { return []string{"fields"} }

func (OptionArchived) EventType() string { return "object_type.option_archived" }
func (e OptionArchived) Apply(t *ObjectType) {
	t.change(e.Key, func(f *own.Field) {
		if o, ok := f.Option(e.Option); ok {
			o.Archived = true
			f.Options = withOption(f.Options, o)
		}
	})
}
