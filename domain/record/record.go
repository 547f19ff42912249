// Package record is what most kinds of record have in common. Their fields are
// changed by merge patch, they have an owner, tags and names in other systems,
// they are deleted, restored, taken back to what they were, and purged. A kind
// of record states its fields and its rules, embeds [Base] in its state, and has
// all of that.
//
// The package knows no kind of record. A kind is three types to it: the state S,
// its fields F, and K, which is *S.
package record

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
)

// Common is the fields that every record has. Embed it in those of a kind.
type Common struct {
	OwnerID     domain.ID   `json:"owner_id,omitzero" prefix:"usr" doc:"The member who is responsible for the record. Who makes it, if nobody is named." example:"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"`
	Tags        []string    `json:"tags,omitzero" class:"internal" maxItems:"50" maxLength:"50" doc:"Words to find the record by, in alphabetical order. The same word in another case is the same tag." example:"[\"vip\"]"`
	Custom      own.Values  `json:"custom,omitzero" class:"personal" of:"self" maxProperties:"500" doc:"The values of fields of the tenant's own, by their keys; see object_types. Null takes one away." example:"{\"policy_no\":\"A-1\"}"`
	ExternalIDs ExternalIDs `json:"external_ids,omitzero" class:"personal" of:"self" maxProperties:"20" doc:"What the record is called in other systems, by the name of the system. No two records of a kind have the same." example:"{\"hubspot\":\"501\"}"`
}

func (c Common) common() Common { return c } //nolint:unused // it makes a struct that embeds it [Fields]

// Check is for kinds whose fields keep no rules among themselves.
func (Common) Check() error { return nil }

// normal returns the common fields in the form that is stored. Of tags that are the
// same when folded (see [domain.Folded]), the first one is kept.
func (c Common) normal() Common {
	c.Tags = tagSet(distinct(c.Tags))
	if len(c.ExternalIDs) == 0 {
		c.ExternalIDs = nil
	}
	if len(c.Custom) == 0 {
		c.Custom = nil
	}
	return c
}

// References is for kinds that refer to other records by fields with a prefix tag
// only, or to none. The owner is not looked up: members are not in the log yet, so
// only the prefix of the ID is checked, by its tag.
func (Common) References() []domain.Ref { return nil }

// Claims is for kinds of which nothing is unique but their external IDs and fields
// with the tag unique:"true".
func (Common) Claims() []domain.Claim { return nil }

// tagSet returns the tags in order, each once.
func tagSet(tags []string) []string {
	set := make([]string, 0, len(tags))
	for _, t := range tags {
		if t = strings.TrimSpace(t); t != "" {
			set = append(set, t)
		}
	}
	if len(set) == 0 {
		return nil
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// distinct returns the tags, each once, whatever its case.
func distinct(tags []string) []string {
	seen := make(map[string]bool, len(tags))
	var list []string
	for _, t := range tags {
		if key := domain.Folded(t); !seen[key] {
			seen[key] = true
			list = append(list, t)
		}
	}
	return list
}

// folded returns the tags as they are compared.
func folded(tags []string) map[string]bool {
	keys := make(map[string]bool, len(tags))
	for _, t := range tags {
		keys[domain.Folded(t)] = true
	}
	return keys
}

// ExternalIDs holds what a record is called in other systems: text that is
// compared as it is, but for how its letters are composed.
type ExternalIDs map[string]string

// Check bounds what systems and their IDs may be called.
func (ids ExternalIDs) Check() error {
	var errs []error
	for _, source := range names(ids) {
		id := ids[source]
		errs = append(errs, domain.Check(source != "" && len(source) <= 50 && id != "" && len(id) <= 255,
			"/"+domain.EscapePointer(source), "invalid_external_id", "must name a system in at most 50 bytes, and a record in at most 255"))
	}
	return errors.Join(errs...)
}

// Fields is implemented by the fields of a kind, a struct that embeds [Common].
// They are a value: whoever changes a copy puts new slices and maps in the place
// of old ones.
type Fields[F any] interface {
	// KindName returns the name of the aggregate, such as "contact".
	KindName() string

	// Check states the rules that the fields must keep among themselves.
	Check() error

	// References lists the other records that the fields name, beside those whose
	// IDs are fields with a prefix tag. They must be there and live when a
	// reference is made.
	References() []domain.Ref

	// Claims lists what no other live record of the tenant may have as well.
	Claims() []domain.Claim

	common() Common
}

// Base is the state that records have in common. Embed it in the state of a
// kind, and fold events that make a record with [Base.Begin].
type Base[F Fields[F]] struct {
	Fields F
	life   life
	at     time.Time
}

// Happens implements [domain.Timed].
func (b *Base[F]) Happens(at time.Time) { b.at = at.UTC() }

// EventTime returns when the event that is being folded was recorded. It is zero
// in tests of the domain.
func (b *Base[F]) EventTime() time.Time { return b.at }

// Hidden implements [domain.Hider].
func (b *Base[F]) Hidden() any {
	return &struct {
		Life *life      `json:"life"`
		At   *time.Time `json:"at"`
	}{&b.life, &b.at}
}

// life is where a record is between being made and being gone.
type life string

const (
	notMade life = ""
	live    life = "live"
	deleted life = "deleted"
	purged  life = "purged"
)

// Begin makes the record live.
func (b *Base[F]) Begin(f F) { b.Fields, b.life = f, live }

// Live implements [domain.Live].
func (b *Base[F]) Live() bool { return b.life == live }

// Ended reports whether the record was purged: there is nothing any more that a
// command could be meant for.
func (b *Base[F]) Ended() bool { return b.life == purged }

// MustBeLive refuses what cannot be done to a record that is not there.
func (b *Base[F]) MustBeLive() error {
	switch b.life {
	case live:
		return nil
	case deleted:
		return domain.Conflict.Refusef("deleted", "the record is deleted; it can be restored")
	case notMade, purged:
	}
	return errNotFound
}

var errNotFound = domain.NotFound.Refusef("not_found", "there is no such record")

// Claims implements [domain.Claimer]. A record that is not live claims nothing.
func (b *Base[F]) Claims() []domain.Claim {
	if b.life != live {
		return nil
	}
	claims := append(uniqueFields(b.Fields), b.Fields.Claims()...)
	ids := b.Fields.common().ExternalIDs
	for _, source := range names(ids) {
		claims = append(claims, domain.Keyed(b.Fields.KindName()+".external_id", "/external_ids/"+domain.EscapePointer(source),
			domain.Line(source)+"\x00"+domain.Line(ids[source]), source+"\x00"+ids[source])...)
	}
	return claims
}

// Guard lets every command go ahead. A kind that has a say in it, depending on its
// state, has a Guard of its own.
func (*Base[F]) Guard(cmd any, to F, o domain.Origin) error { return nil }

// Needs returns the references among new fields that the record does not have
// yet. Those that it has stay, even if what they name is deleted meanwhile.
func (b *Base[F]) Needs(to F, o domain.Origin) []domain.Ref {
	has := referencesOf(b.Fields)
	return append(slices.DeleteFunc(referencesOf(to), func(r domain.Ref) bool {
		return slices.ContainsFunc(has, func(h domain.Ref) bool { return h.Kind == r.Kind && h.ID == r.ID })
	}), ownReferences(o, b.Fields, to)...)
}

func (b *Base[F]) base() *Base[F] { return b }

// Kind is implemented by pointers to states that embed [Base]. Guard and Needs may be
// replaced, and a kind may be [Owning].
type Kind[S any, F Fields[F]] interface {
	*S
	domain.Live
	domain.Claimer

	// Guard refuses what the state does not allow. It is asked about every command
	// that would go ahead otherwise: also about one that changes nothing, makes the
	// record, restores or purges it, and whoever gives it. Cmd is the command, to the
	// fields as they would be afterwards. See [CommandName].
	Guard(cmd any, to F, o domain.Origin) error

	// Needs lists what a change of fields depends on; see [domain.Referrer].
	Needs(to F, o domain.Origin) []domain.Ref

	base() *Base[F]
}

// Owning is implemented by kinds that have fields whose change is an event of its own.
type Owning[S, F any] interface{ Own() Own[S, F] }

// Own says, by the name of a field, which event a change of it is. It is the
// same event whether the field was patched or changed by a command made for it.
type Own[S, F any] map[string]func(from, to F) domain.Event[S]

// An Aggregate describes a kind of record: its name, the prefix of its IDs, and
// its events. The types of the kind are in its type, so that what every record
// has can be made from it.
type Aggregate[S any, F Fields[F], K Kind[S, F]] struct{ *domain.Aggregate[S] }

// Describe describes a kind: the events that are its own, among them those that
// make a record, on top of the common ones.
func Describe[S any, F Fields[F], K Kind[S, F]](prefix string, own ...domain.Event[S]) Aggregate[S, F, K] {
	var f F
	if _, named := reflect.TypeFor[K]().MethodByName("Own"); named {
		_ = any(K(nil)).(Owning[S, F]) //nolint:forcetypeassert // a method Own of another form would never be asked
	}
	agg := domain.NewAggregate(f.KindName(), prefix, append([]domain.Event[S]{
		Updated[S, F, K]{},
		OwnerAssigned[S, F, K]{},
		TagsChanged[S, F, K]{},
		Deleted[S, F, K]{},
		Restored[S, F, K]{},
		Purged[S, F, K]{},
	}, own...)...)
	return Aggregate[S, F, K]{agg.Guarded(guard[S, F, K])}
}

// guard asks the kind. What is purged has the fields that it had until then.
func guard[S any, F Fields[F], K Kind[S, F]](cmd domain.Command[S], before, after S, o domain.Origin) error {
	to := K(&after).base()
	if to.Ended() {
		to = K(&before).base()
	}
	return K(&before).Guard(cmd, to.Fields, o)
}

// Resume returns the state of a record with these fields, which is live or in the
// bin, without what only its kind knows of.
func (Aggregate[S, F, K]) Resume(fields F, inBin bool) (s S) {
	K(&s).base().Begin(fields)
	if inBin {
		K(&s).base().life = deleted
	}
	return s
}

// Fields returns the fields of a record.
func (Aggregate[S, F, K]) Fields(s *S) *F { return &K(s).base().Fields }

// Common returns what the fields have in common with those of every kind.
func (Aggregate[S, F, K]) Common(fields *F) *Common { return commonOf(fields) }

// InBin reports whether a record was deleted, and not restored or purged since.
func (Aggregate[S, F, K]) InBin(s *S) bool { return K(s).base().life == deleted }

// Gone reports whether a record was purged.
func (Aggregate[S, F, K]) Gone(s *S) bool { return K(s).base().life == purged }

// AllowsDuplicates reports whether records of the kind can do without some of what
// they claim, if whoever gives the command says so; see [domain.Lenient].
func (Aggregate[S, F, K]) AllowsDuplicates() bool {
	var f F
	_, ok := any(f).(Form)
	return ok
}

// Unique returns the fields of which no two records have the same, by their tags.
func (Aggregate[S, F, K]) Unique() (names []string) {
	of := reflect.TypeFor[F]()
	for _, m := range domain.Members(of) {
		if of.FieldByIndex(m.Index).Tag.Get("unique") == "true" {
			names = append(names, m.Name)
		}
	}
	return names
}

// Claims returns what a record with these fields claims: nothing if they cannot be
// brought into the form that is stored.
func (Aggregate[S, F, K]) Claims(fields []byte) []domain.Claim {
	var f F
	if json.Unmarshal(fields, &f) != nil || domain.Normalize(&f) != nil {
		return nil // such as a part of a value, which is for a record that has the rest
	}
	k := K(new(S))
	k.base().Begin(f)
	return k.Claims()
}
