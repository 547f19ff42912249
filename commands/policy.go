package commands

import (
	"context"
	"reflect"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
)

// All lists the policies of every kind. This is the index of what can be changed:
// by it, a command finds the records that it refers to.
var All = []AnyPolicy{
	Companies,
	Contacts,
	Deals,
	Leads,
	Lists,
	Notes,
	ObjectTypes,
	Pipelines,
	Products,
	Tasks,
}

// Kinds returns the names of all kinds.
func Kinds() []string {
	names := make([]string, len(All))
	for i, p := range All {
		names[i] = p.Kind()
	}
	return names
}

// AnyPolicy is the [Policy] of whatever kind of record.
type AnyPolicy interface {
	Kind() string                 // its name, such as "deal"
	Prefix() string               // of the IDs of its records
	About() string                // what it is, for people
	Offers() []Offer              // the commands that clients can give
	Matches() []string            // the members that a record can be found by, see Claims
	Claims([]byte) []domain.Claim // of a record with this data

	// Named returns the ID of the record that has a name, in kinds whose records are
	// known by names, and NamedBy the member of the data of create that has the name; ""
	// in all other kinds.
	Named(tenant domain.TenantID, name string) (domain.ID, bool)
	NamedBy() string

	// EventTypes returns the type of each event that is recorded of the kind, by its name.
	EventTypes() map[string]reflect.Type

	fold(ctx context.Context, v *view, s eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error)
	prepare(to Target, cmd any) (Operation, bool)
	form(build string) eventstore.Form
	freeze(state any) ([]byte, bool)
}

// Policy lists the commands that may be given to one kind of record, and the
// permission each takes. A command that is not listed is refused. It is immutable.
type Policy[S any] struct {
	agg         *domain.Aggregate[S]
	about       string
	permissions map[reflect.Type]domain.Permission
	offers      []Offer
	update      string // the example of an update
	matches     []string
	claims      func(data []byte) []domain.Claim
	named       func(tenant domain.TenantID, name string) (domain.ID, bool)
	namedBy     string
}

// An Offer is a command that clients can give.
type Offer struct {
	Name       string            // as clients write it after the kind: "move_stage" in deal.move_stage
	Permission domain.Permission // that it takes
	Summary    string            // for people: "Move a deal to another stage"
	Example    string            // of its data; empty if it has none
	Type       reflect.Type      // of the command
	Under      string            // what is made by it, if it is served as a part of the record: "fields"

	// Prepare returns a command of Type as an operation.
	Prepare func(to Target, cmd any) Operation
}

// The commands that are not given like all others.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
	Purge  = "purge" // after which there is nothing to answer with
)

// A clause is one line of a policy.
type clause[S any] func(*Policy[S])

// allow lets clients who have the permission give a command.
func allow[C domain.Command[S], S any](name string, p domain.Permission, summary, example string) clause[S] {
	return func(policy *Policy[S]) {
		system[C](p)(policy)
		policy.offers = append(policy.offers, Offer{
			Name: name, Permission: p, Summary: summary, Example: example, Type: reflect.TypeFor[C](),
			Prepare: func(to Target, cmd any) Operation { return policy.Prepare(to, cmd.(C)) }, //nolint:forcetypeassert // it is of Type
		})
	}
}

// system lets the server give a command by itself. Clients cannot.
func system[C domain.Command[S], S any](p domain.Permission) clause[S] {
	return func(policy *Policy[S]) { policy.permissions[reflect.TypeFor[C]()] = p }
}

// fieldsOnly is implemented by commands whose data is the fields of a record and nothing
// else.
type fieldsOnly interface {
	Given() any // the data
	Of(data any) any
}

// create lets clients make a record.
func create[C domain.Command[S], S any](example string) clause[S] {
	return func(policy *Policy[S]) {
		allow[C](Create, policy.permission("create"), "Create "+policy.one(), example)(policy)
		offer := &policy.offers[len(policy.offers)-1]
		if of, ok := reflect.TypeAssert[fieldsOnly](reflect.Zero(offer.Type)); ok {
			offer.Type = reflect.TypeOf(of.Given())
			offer.Prepare = func(to Target, data any) Operation { return policy.Prepare(to, of.Of(data).(C)) } //nolint:forcetypeassert // it returns its own type
		}
	}
}

// updateExample says what an update may look like.
func updateExample[S any](example string) clause[S] {
	return func(policy *Policy[S]) { policy.update = example }
}

// namedBy says that the IDs of records follow from names, which are in a member of the
// data of create.
func namedBy[S any](member string, named func(tenant domain.TenantID, name string) (domain.ID, bool)) clause[S] {
	return func(policy *Policy[S]) { policy.named, policy.namedBy = named, member }
}

// under says that a command of the policy makes a part of a record, such as a field. It
// is served where such parts would be listed.
func under[S any](name, parts string) clause[S] {
	return func(policy *Policy[S]) {
		for i := range policy.offers {
			if policy.offers[i].Name == name {
				policy.offers[i].Under = parts
			}
		}
	}
}

// findBy names members that a record can be found by, because no other record
// of its kind has the same. Those with the tag unique:"true" and external IDs are among
// them always.
func findBy[S any](members ...string) clause[S] {
	return func(policy *Policy[S]) { policy.matches = append(members, policy.matches...) }
}

// records is the policy of a kind of record: the lines say which commands are its
// own. The commands that every record takes are there without a line.
func records[S any, F record.Fields[F], K record.Kind[S, F]](agg record.Aggregate[S, F, K], about string, lines ...clause[S]) *Policy[S] {
	p := policy(agg.Aggregate, about, lines...)
	p.claims, p.matches = agg.Claims, append(append(p.matches, agg.Unique()...), "external_ids")
	one, may := p.one(), p.permission
	own := p.offers
	p.offers = nil
	restore := allow[record.Restore[S, F, K]]("restore", may("delete"), "Restore "+one+" from the bin", "")
	if agg.AllowsDuplicates() {
		restore = allow[record.RestoreDuplicate[S, F, K]]("restore", may("delete"), "Restore "+one+" from the bin", `{}`)
	}
	for _, line := range []clause[S]{
		allow[record.Update[S, F, K]](Update, may("update"), "Update "+one, p.update),
		allow[record.Delete[S, F, K]](Delete, may("delete"), "Delete "+one, ""),
		restore,
		allow[record.RestoreVersion[S, F, K]]("restore_version", may("update"), "Restore the fields of "+one+" as they were at a version", `{"version":1}`),
		allow[record.Purge[S, F, K]](Purge, may("purge"), "Remove "+one+" for good", ""),
		allow[record.AssignOwner[S, F, K]]("assign_owner", may("assign"), "Assign an owner to "+one, `{"owner_id":"usr_01jh2xk3v8e4t9p5w7y0z2b4d6"}`),
		allow[record.AddTags[S, F, K]]("add_tags", may("update"), "Add tags to "+one, `{"tags":["vip"]}`),
		allow[record.RemoveTags[S, F, K]]("remove_tags", may("update"), "Remove tags from "+one, `{"tags":["vip"]}`),
	} {
		line(p)
	}
	p.offers = append(p.offers, own...)
	return p
}

// policy is the policy of a kind that is no record, or not yet one.
func policy[S any](agg *domain.Aggregate[S], about string, lines ...clause[S]) *Policy[S] {
	p := &Policy[S]{
		agg: agg, about: about, permissions: map[reflect.Type]domain.Permission{},
		claims: func([]byte) []domain.Claim { return nil },
	}
	for _, line := range lines {
		line(p)
	}
	return p
}

// permission returns that of doing something to a record of the kind.
func (p *Policy[S]) permission(action string) domain.Permission {
	return domain.Permission(p.Kind() + ":" + action)
}

// one returns what to call a record of the kind: "a deal".
func (p *Policy[S]) one() string { return One(p.Kind()) }

// One returns what to call one record of a kind: "a deal".
func One(kind string) string {
	article := "a "
	if strings.ContainsRune("aeio", rune(kind[0])) {
		article = "an "
	}
	return article + strings.ReplaceAll(kind, "_", " ")
}

// Kind returns the name of the kind of record, such as "deal".
func (p *Policy[S]) Kind() string { return p.agg.Name() }

// Prefix returns the prefix of the IDs of its records.
func (p *Policy[S]) Prefix() string { return p.agg.Prefix() }

// About says what the kind is, for people.
func (p *Policy[S]) About() string { return p.about }

// EventTypes returns the type of each event of the kind, by its name.
func (p *Policy[S]) EventTypes() map[string]reflect.Type { return p.agg.EventTypes() }

// Offers returns the commands that clients can give.
func (p *Policy[S]) Offers() []Offer { return p.offers }

// Matches returns the members that a record can be found by: no other record of
// the kind has the same there.
func (p *Policy[S]) Matches() []string { return p.matches }

// Claims returns what a record with this data claims.
func (p *Policy[S]) Claims(data []byte) []domain.Claim { return p.claims(data) }

// Named returns the ID of the record that has a name.
func (p *Policy[S]) Named(tenant domain.TenantID, name string) (domain.ID, bool) {
	if p.named == nil {
		return domain.ID{}, false
	}
	return p.named(tenant, name)
}

// NamedBy returns the member of the data of create that has the name of the record.
func (p *Policy[S]) NamedBy() string { return p.namedBy }

// Permission returns what it takes to give a command, or false if nobody may.
func (p *Policy[S]) Permission(cmd domain.Command[S]) (domain.Permission, bool) {
	perm, ok := p.permissions[reflect.TypeOf(cmd)]
	return perm, ok
}

// fold returns a pointer to the state of a record, and its version. If until is
// not 0, it is the record as it was at that version.
func (p *Policy[S]) fold(ctx context.Context, v *view, id eventstore.StreamID, until eventstore.Version) (any, eventstore.Version, error) {
	if until != 0 {
		return p.foldUntil(ctx, v, id, until)
	}
	read := v.others.get
	if _, ok := v.seen[id]; ok {
		read = (*reads)(nil).get // it is not as others see it
	}
	b, err := read(id, func() (baseline, error) {
		s, at, err := p.load(ctx, v, id)
		return baseline{state: &s, at: at}, err
	})
	if err != nil || b.at == 0 {
		return nil, 0, err
	}
	return b.state, b.at, nil
}

// load folds a record: from what the view has of it, or from the last baseline or
// snapshot and everything that came after.
func (p *Policy[S]) load(ctx context.Context, v *view, id eventstore.StreamID) (s S, at eventstore.Version, err error) {
	if b, ok := v.seen[id]; ok {
		return b.state.(S), b.at, nil
	}
	b, ok := v.run.baseline.Get(id)
	f := folding[S]{policy: p, run: v.run, id: id, at: b.at, kept: b.kept}
	if ok {
		f.state = b.state.(S)
	}
	if err := f.to(ctx, eventstore.Until{}); err != nil {
		return f.state, f.at, err
	}
	if f.at > b.at {
		v.run.baseline.Put(id, baseline{f.state, f.at, f.kept})
	}
	return f.state, f.at, nil
}
