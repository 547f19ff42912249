package record

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
)

// Beginner is implemented by kinds whose records have more than fields when they
// are made, such as a status.
type Beginner interface{ Begun() }

// Created says that a record was made.
type Created[S any, F Fields[F], K Kind[S, F]] struct {
	Fields F `json:"fields"`
}

func (e Created[S, F, K]) EventType() string { return e.Fields.KindName() + ".created" }
func (e Created[S, F, K]) Apply(s *S) {
	K(s).base().Begin(e.Fields)
	if b, ok := any(K(s)).(Beginner); ok {
		b.Begun()
	}
}

// Upcasters implements [domain.Upcast].
func (Created[S, F, K]) Upcasters() []domain.Upcaster { return upcasters[F]("created") }

// Updated says that fields changed. Fields whose change is an event of its own
// are never among them.
type Updated[S any, F Fields[F], K Kind[S, F]] struct {
	Changes      map[string]Change `json:"changes" class:"field"`
	RestoredFrom int               `json:"restored_from,omitzero"` // the version that was gone back to

	read *F // has the values of the changed fields, if it was decoded
}

// Change is the JSON of one field, before and after; null if there is nothing.
type Change struct {
	Old json.RawMessage `json:"old"`
	New json.RawMessage `json:"new"`
}

func (Updated[S, F, K]) EventType() string { return kindName[F]() + ".updated" }
func (e Updated[S, F, K]) Apply(s *S)      { e.Set(&K(s).base().Fields) }

// FieldNames implements [domain.FieldNamer].
func (Updated[S, F, K]) FieldNames() reflect.Type { return reflect.TypeFor[F]() }

// Set changes the fields accordingly.
func (e Updated[S, F, K]) Set(f *F) {
	v := reflect.ValueOf(f).Elem()
	if e.read != nil {
		from := reflect.ValueOf(e.read).Elem()
		for name := range e.Changes {
			if key, ok := ownKey(name); ok {
				setOwn(v, key, ownValue(from, key))
				continue
			}
			to, _ := member(v, name)
			value, _ := member(from, name)
			to.Set(value)
		}
		return
	}
	for name, c := range e.Changes {
		_ = set(v, name, c.New) // it was tried when the event was made
	}
}

// Touches implements [domain.Toucher].
func (e Updated[S, F, K]) Touches() []string { return names(e.Changes) }

// Upcasters implements [domain.Upcast].
func (Updated[S, F, K]) Upcasters() []domain.Upcaster { return upcasters[F]("updated") }

// UnmarshalJSON implements [json.Unmarshaler]. A field that the kind does not have is
// domain.ErrNewerSchema: a newer build has added it. If the kind has it no more, an
// upcaster has to say what became of it.
func (e *Updated[S, F, K]) UnmarshalJSON(data []byte) error {
	type plain Updated[S, F, K]
	*e = Updated[S, F, K]{}
	if err := domain.UnmarshalStored(data, (*plain)(e)); err != nil {
		return err
	}
	e.read = new(F)
	for name, c := range e.Changes {
		if err := set(reflect.ValueOf(e.read).Elem(), name, c.New); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	return nil
}

// OwnerAssigned says that somebody else is responsible, or nobody any more.
type OwnerAssigned[S any, F Fields[F], K Kind[S, F]] struct {
	From domain.ID `json:"from,omitzero"`
	To   domain.ID `json:"to,omitzero"`
}

func (OwnerAssigned[S, F, K]) EventType() string { return kindName[F]() + ".owner_assigned" }
func (e OwnerAssigned[S, F, K]) Apply(s *S)      { e.Set(&K(s).base().Fields) }

// Set changes the fields accordingly.
func (e OwnerAssigned[S, F, K]) Set(f *F) { commonOf(f).OwnerID = e.To }

// Touches implements [domain.Toucher].
func (OwnerAssigned[S, F, K]) Touches() []string { return []string{ownerField} }

// TagsChanged says which tags came and went.
type TagsChanged[S any, F Fields[F], K Kind[S, F]] struct {
	Added   []string `json:"added,omitzero" class:"internal"`
	Removed []string `json:"removed,omitzero" class:"internal"`
}

func (TagsChanged[S, F, K]) EventType() string { return kindName[F]() + ".tags_changed" }
func (e TagsChanged[S, F, K]) Apply(s *S)      { e.Set(&K(s).base().Fields) }

// Set changes the fields accordingly.
func (e TagsChanged[S, F, K]) Set(f *F) {
	c := commonOf(f)
	c.Tags = tagSet(append(without(c.Tags, e.Removed), e.Added...))
}

// Touches implements [domain.Toucher].
func (TagsChanged[S, F, K]) Touches() []string { return []string{tagsField} }

// Deleted says that a record was put into the bin.
type Deleted[S any, F Fields[F], K Kind[S, F]] struct{}

func (Deleted[S, F, K]) EventType() string { return kindName[F]() + ".deleted" }
func (Deleted[S, F, K]) Apply(s *S)        { K(s).base().life = deleted }

// Touches implements [domain.Toucher].
func (Deleted[S, F, K]) Touches() []string { return []string{"deleted_at"} }

// Restored says that a record was taken out of the bin, as it was.
type Restored[S any, F Fields[F], K Kind[S, F]] struct{}

func (Restored[S, F, K]) EventType() string { return kindName[F]() + ".restored" }
func (Restored[S, F, K]) Apply(s *S)        { K(s).base().life = live }

// Touches implements [domain.Toucher].
func (Restored[S, F, K]) Touches() []string { return []string{"deleted_at"} }

// Purged says that a record is gone for good. Nothing of it is left in the
// state.
type Purged[S any, F Fields[F], K Kind[S, F]] struct{}

func (Purged[S, F, K]) EventType() string { return domain.PurgeOf(kindName[F]()) }
func (Purged[S, F, K]) Apply(s *S) {
	var none S
	*s = none
	K(s).base().life = purged
}

// The fields that every record has, and whose change is an event of its own.
const (
	ownerField = "owner_id"
	tagsField  = "tags"
)

func kindName[F Fields[F]]() string {
	var f F
	return f.KindName()
}

func commonOf[F Fields[F]](f *F) *Common {
	return reflect.ValueOf(f).Elem().FieldByName("Common").Addr().Interface().(*Common)
}

// without returns a new slice of what is in all and not in out.
func without(all, out []string) []string {
	var rest []string
	for _, x := range all {
		if !slices.Contains(out, x) {
			rest = append(rest, x)
		}
	}
	return rest
}

// An Evolved kind has fields whose stored form has changed. Upcasters returns
// what brings old events of a type, "created" or "updated", up to date.
type Evolved interface {
	Upcasters(event string) []domain.Upcaster
}

func upcasters[F any](event string) []domain.Upcaster {
	var f F
	if e, ok := any(f).(Evolved); ok {
		return e.Upcasters(event)
	}
	return nil
}
