package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// Create makes a record with these fields, owned by whoever makes it if they name no
// owner. Clients give the fields as its data.
type Create[S any, F Fields[F], K Kind[S, F]] struct{ Fields F }

// References implements [domain.Referrer].
func (c Create[S, F, K]) References(s S, o domain.Origin) []domain.Ref {
	return K(&s).Needs(c.Fields, o)
}

// Decide makes a record that is not there yet.
func (c Create[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	return Make[S](K(&s), o, c.Fields)
}

// Given returns the data: the fields.
func (c Create[S, F, K]) Given() any { return c.Fields }

// Of returns the command with this data.
func (Create[S, F, K]) Of(data any) any { return Create[S, F, K]{data.(F)} } //nolint:forcetypeassert // as it was given

// Make decides that a record is made with these fields, for kinds whose command has more
// members than these.
func Make[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, f F) ([]domain.Event[S], error) {
	f, err := New[S](s, o, f)
	if err != nil {
		return nil, err
	}
	return []domain.Event[S]{Created[S, F, K]{f}}, nil
}

// New returns the fields that a record is made with, for kinds that have an
// event of their own for it.
func New[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, f F) (F, error) {
	if s.base().life != notMade {
		return f, domain.Conflict.Refusef("already_exists", "there is a record with this id")
	}
	if c := commonOf(&f); c.OwnerID.IsZero() && o.Actor.ID.Prefix == "usr" {
		c.OwnerID = o.Actor.ID
	}
	f = Normal(f)
	var none F
	f, err := takeOwn(o, none, f, false)
	if err := errors.Join(domain.CheckShape(f), err); err != nil {
		return f, err
	}
	return f, referable[S](s, o, f)
}

// Modify decides that a live record has other fields. Fields whose change is an
// event of its own get that; the others are in one [Updated].
func Modify[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, to F) ([]domain.Event[S], error) {
	return modify[S](s, o, to, 0)
}

// References lists what it takes to [Modify] a record. Nothing, if there is no
// live record: to say that comes first.
func References[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, to F) []domain.Ref {
	if !s.Live() {
		return nil
	}
	return s.Needs(to, o)
}

func modify[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, to F, restoredFrom int) ([]domain.Event[S], error) {
	if err := s.base().MustBeLive(); err != nil {
		return nil, err
	}
	from := s.base().Fields
	to, wrong := takeOwn(o, from, normal(from, to), restoredFrom != 0)
	if err := domain.CheckShape(to); err != nil && restoredFrom == 0 { // what goes back to how it was is not asked anew
		wrong = errors.Join(news(from, to, err), wrong)
	}
	if wrong != nil {
		return nil, wrong
	}
	changes := diff(from, to)
	if len(changes) == 0 {
		return nil, nil
	}
	if err := referable[S](s, o, to); err != nil {
		return nil, err
	}
	own := Own[S, F]{}
	if k, ok := any(s).(Owning[S, F]); ok {
		maps.Copy(own, k.Own())
	}
	own[ownerField] = ownerAssigned[S, F, K]
	own[tagsField] = tagsChanged[S, F, K]

	var events []domain.Event[S]
	for _, name := range names(changes) {
		if event, ok := own[name]; ok {
			events = append(events, event(from, to))
			delete(changes, name)
		}
	}
	if len(changes) > 0 || restoredFrom != 0 {
		events = append([]domain.Event[S]{Updated[S, F, K]{Changes: changes, RestoredFrom: restoredFrom}}, events...)
	}
	return events, nil
}

// news returns what is wrong with changed fields. What was there before and was
// let in by rules of its time is no reason to refuse a change of something else.
func news[F Fields[F]](from, to F, wrong error) error {
	type mistake struct{ pointer, code string }
	was := map[mistake]bool{}
	for _, err := range domain.Refusals(domain.CheckShape(from)) {
		if e, ok := errors.AsType[*domain.Error](err); ok {
			was[mistake{e.Pointer, e.Code}] = true
		}
	}
	a, b := reflect.ValueOf(&from).Elem(), reflect.ValueOf(&to).Elem()
	var errs []error
	for _, err := range domain.Refusals(wrong) {
		e, _ := errors.AsType[*domain.Error](err)
		name, _, _ := strings.Cut(strings.TrimPrefix(e.Pointer, "/"), "/")
		x, ok := member(a, name)
		y, _ := member(b, name)
		if !was[mistake{e.Pointer, e.Code}] || ok && !equal(x, y) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// referable refuses fields that refer to what is not there.
func referable[S any, F Fields[F], K Kind[S, F]](s K, o domain.Origin, to F) error {
	for _, ref := range s.Needs(to, o) {
		if _, err := domain.Find[any](o, ref); err != nil && !ref.Setting {
			return err
		}
	}
	return nil
}

func ownerAssigned[S any, F Fields[F], K Kind[S, F]](from, to F) domain.Event[S] {
	return OwnerAssigned[S, F, K]{from.common().OwnerID, to.common().OwnerID}
}

func tagsChanged[S any, F Fields[F], K Kind[S, F]](from, to F) domain.Event[S] {
	a, b := from.common().Tags, to.common().Tags
	return TagsChanged[S, F, K]{Added: without(b, a), Removed: without(a, b)}
}

// Update changes fields by merge patch (RFC 7396): what the patch does not
// mention stays, null takes away. Its JSON is the patch.
type Update[S any, F Fields[F], K Kind[S, F]] struct {
	Patch map[string]json.RawMessage `json:"-"`

	// Add says that lists get the items of the patch besides those that they
	// have, instead of in their place. An empty list then changes nothing; null
	// takes a list away all the same.
	Add bool `json:"-"`

	// Expected is what the record must have in members that are no fields.
	Expected map[string]Expected `json:"-"`
}

// Adding returns the same change, with [Update.Add].
func (c Update[S, F, K]) Adding() any {
	c.Add = true
	return c
}

// Expecting returns the same change, with [Update.Expected].
func (c Update[S, F, K]) Expecting(members map[string]Expected) any {
	c.Expected = members
	return c
}

// Shape returns a type whose members may be in the patch, each or none.
func (Update[S, F, K]) Shape() reflect.Type {
	var f F
	if form, ok := any(f).(Form); ok {
		return reflect.TypeOf(form.Form())
	}
	return reflect.TypeFor[F]()
}

// Form is implemented by fields of kinds that are created, and updated, with
// more members than the fields: "allow_duplicate".
type Form interface {
	// Form returns the command that creates a record.
	Form() any
}

// duplicates is the member that makes a command lenient.
const duplicates = "allow_duplicate"

// AllowDuplicate implements [domain.Lenient].
func (c Update[S, F, K]) AllowDuplicate() bool {
	return string(bytes.TrimSpace(c.Patch[duplicates])) == "true"
}

// Touches implements [domain.Toucher].
func (c Update[S, F, K]) Touches() []string { return patchNames(c.fields()) }

// Expects returns the members that the record is said to have something in.
func (c Update[S, F, K]) Expects() []string { return names(c.Expected) }

// References implements [domain.Referrer].
func (c Update[S, F, K]) References(s S, o domain.Origin) []domain.Ref {
	to, err := patched(K(&s).base().Fields, c.fields(), c.Add)
	if err != nil {
		return nil // Decide says what is wrong
	}
	refs := References[S](K(&s), o, to)
	if r, ok := any(K(&s)).(Renaming); ok && K(&s).Live() && len(unexpected(&s, c.Expected)) > 0 {
		refs = append(refs, r.Renames()...)
	}
	return refs
}

// Decide changes those of the fields that are not so already.
func (c Update[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	if err := K(&s).base().MustBeLive(); err != nil {
		return nil, err
	}
	if err := asExpected(&s, c.Expected, o); err != nil {
		return nil, err
	}
	to, err := patched(K(&s).base().Fields, c.fields(), c.Add)
	if err != nil {
		return nil, err
	}
	return Modify[S](K(&s), o, to)
}

// fields returns the part of the patch that is about fields.
func (c Update[S, F, K]) fields() map[string]json.RawMessage {
	var f F
	if _, ok := any(f).(Form); !ok || c.Patch[duplicates] == nil {
		return c.Patch
	}
	rest := maps.Clone(c.Patch)
	delete(rest, duplicates)
	return rest
}

// MarshalJSON implements [json.Marshaler].
func (c Update[S, F, K]) MarshalJSON() ([]byte, error) { return json.Marshal(c.Patch) }

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Update[S, F, K]) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &c.Patch) != nil || c.Patch == nil {
		return domain.Check(false, "", "wrong_type", "must be an object")
	}
	return nil
}

// AssignOwner makes somebody responsible for a record, or nobody.
type AssignOwner[S any, F Fields[F], K Kind[S, F]] struct {
	OwnerID domain.ID `json:"owner_id,omitzero" prefix:"usr" doc:"The member who is responsible from now on. Nobody, if left out." example:"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`
}

// Touches implements [domain.Toucher].
func (AssignOwner[S, F, K]) Touches() []string { return []string{ownerField} }

// Decide assigns an owner who is not the owner already.
func (c AssignOwner[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	to := K(&s).base().Fields
	commonOf(&to).OwnerID = c.OwnerID
	return Modify[S](K(&s), o, to)
}

// AddTags adds tags to a record.
type AddTags[S any, F Fields[F], K Kind[S, F]] struct {
	Tags []string `json:"tags" minItems:"1" maxItems:"50" maxLength:"50" doc:"The tags to add" example:"[\"vip\"]"`
}

// Touches implements [domain.Toucher].
func (AddTags[S, F, K]) Touches() []string { return []string{tagsField} }

// Decide adds the tags that the record does not have.
func (c AddTags[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	to := K(&s).base().Fields
	tags := commonOf(&to)
	tags.Tags = append(without(tags.Tags, nil), c.Tags...) // those that it has come first, and stay as they are
	return Modify[S](K(&s), o, to)
}

// RemoveTags takes tags away from a record.
type RemoveTags[S any, F Fields[F], K Kind[S, F]] struct {
	Tags []string `json:"tags" minItems:"1" maxItems:"50" maxLength:"50" doc:"The tags to take away" example:"[\"vip\"]"`
}

// Touches implements [domain.Toucher].
func (RemoveTags[S, F, K]) Touches() []string { return []string{tagsField} }

// Decide removes the tags that the record has.
func (c RemoveTags[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	to := K(&s).base().Fields
	tags := commonOf(&to)
	gone := folded(c.Tags)
	tags.Tags = slices.DeleteFunc(without(tags.Tags, nil), func(t string) bool { return gone[domain.Folded(t)] })
	return Modify[S](K(&s), o, to)
}

// Delete puts a record into the bin, from where it can be restored.
type Delete[S any, F Fields[F], K Kind[S, F]] struct{}

// Decide deletes a live record.
func (Delete[S, F, K]) Decide(s S, _ domain.Origin) ([]domain.Event[S], error) {
	if err := K(&s).base().MustBeLive(); err != nil {
		return nil, err
	}
	return []domain.Event[S]{Deleted[S, F, K]{}}, nil
}

// Restore takes a record out of the bin, as it was. What it claims must still
// be free.
type Restore[S any, F Fields[F], K Kind[S, F]] struct{}

// RestoreDuplicate is the [Restore] of kinds that can do without some of what
// they claim.
type RestoreDuplicate[S any, F Fields[F], K Kind[S, F]] struct {
	Duplicate bool `json:"allow_duplicate,omitzero" doc:"Restore it although another record has something now that only one should have"`
}

// CommandName says what it is called: see [CommandName].
func (RestoreDuplicate[S, F, K]) CommandName() string { return "restore" }

// AllowDuplicate implements [domain.Lenient].
func (c RestoreDuplicate[S, F, K]) AllowDuplicate() bool { return c.Duplicate }

// Decide restores a deleted record. One that is live has nothing to be restored.
func (RestoreDuplicate[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	return Restore[S, F, K]{}.Decide(s, o)
}

// Decide restores a deleted record. One that is live has nothing to be restored.
func (Restore[S, F, K]) Decide(s S, _ domain.Origin) ([]domain.Event[S], error) {
	switch K(&s).base().life {
	case live:
		return nil, nil
	case deleted:
		return []domain.Event[S]{Restored[S, F, K]{}}, nil
	case notMade, purged:
	}
	return nil, errNotFound
}

// RestoreVersion gives a live record the fields that it had at a version. What
// is not a field, such as the stage of a deal, stays.
type RestoreVersion[S any, F Fields[F], K Kind[S, F]] struct {
	Version int `json:"version" minimum:"1" maximum:"2147483647" doc:"The version to go back to" example:"5"`
}

// References implements [domain.Referrer]: the record as it was, and what it
// referred to then.
func (c RestoreVersion[S, F, K]) References(s S, o domain.Origin) []domain.Ref {
	if !K(&s).Live() {
		return nil // Decide says so
	}
	refs := []domain.Ref{c.ref()}
	if then, err := domain.Find[K](o, c.ref()); err == nil {
		refs = append(refs, K(&s).Needs(then.base().Fields, o)...)
	}
	return refs
}

func (c RestoreVersion[S, F, K]) ref() domain.Ref {
	return domain.Ref{Kind: kindName[F](), Version: c.Version, Pointer: "/version", Dead: true}
}

// Decide changes those of the fields that were different then.
func (c RestoreVersion[S, F, K]) Decide(s S, o domain.Origin) ([]domain.Event[S], error) {
	if err := K(&s).base().MustBeLive(); err != nil {
		return nil, err
	}
	then, err := domain.Find[K](o, c.ref())
	if err != nil {
		return nil, err
	}
	return modify[S](K(&s), o, then.base().Fields, c.Version)
}

// Purge removes a deleted record for good. Its events stay in the log, and what is
// in them is shown to nobody any more.
type Purge[S any, F Fields[F], K Kind[S, F]] struct{}

// Decide purges a record that is in the bin.
func (Purge[S, F, K]) Decide(s S, _ domain.Origin) ([]domain.Event[S], error) {
	switch K(&s).base().life {
	case live:
		return nil, domain.StateConflict(string(live), "purge")
	case deleted:
		return []domain.Event[S]{Purged[S, F, K]{}}, nil
	case notMade, purged:
	}
	return nil, errNotFound
}
