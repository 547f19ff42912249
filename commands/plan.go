package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// A Planner turns a command for one record, whose data is C, into commands for
// several records of the tenant. It is pure: it knows the state of the record as it
// is, what C refers to, if C is a [domain.Referrer] (see [domain.Find]), and who
// asks. It names new records by ids.
//
// The steps are carried out in their order, each of them sees what those before it
// have done, and all of them are recorded as one, or nothing is.
type Planner[C, S any] func(c C, s S, o domain.Origin, ids *IDs) ([]Step, error)

// A Step is one command of a plan.
type Step struct {
	record  domain.ID
	cmd     any
	pointer string
}

// Give is the step of giving a command to a record. The pointer says which member of
// the data of the plan it comes from, such as "/deal": what is wrong with the command
// at /amount is then answered as wrong at /deal/amount.
func Give[S any](id domain.ID, cmd domain.Command[S], pointer string) Step {
	return Step{id, cmd, pointer}
}

// String says what the step does, for people.
func (s Step) String() string { return fmt.Sprintf("%T to %s, from %q", s.cmd, s.record, s.pointer) }

// IDs names new records of a plan. The same plan names them alike each time that it
// is made, however often that is until it is recorded.
type IDs struct {
	newID func() uuid.UUID
	made  []uuid.UUID
	used  int
}

// NewIDs returns IDs for a plan, of which newID makes as many as it asks for.
func NewIDs(newID func() uuid.UUID) *IDs { return &IDs{newID: newID} }

// New returns the ID of a record that is not there yet, of a kind such as
// contact.Aggregate.
func (ids *IDs) New(of interface{ Prefix() string }) domain.ID {
	if ids.used == len(ids.made) {
		ids.made = append(ids.made, ids.newID())
	}
	ids.used++
	return domain.ID{Prefix: of.Prefix(), UUID: ids.made[ids.used-1]}
}

// isNew reports whether an ID was made by New.
func (ids *IDs) isNew(id domain.ID) bool { return slices.Contains(ids.made[:ids.used], id.UUID) }

// plan lets clients who have the permission give a command that becomes several
// commands, for the record and for others. Whoever gives it needs the permissions of
// all of them, and must see what the plan takes from records: see [Reader]. C may be
// a [domain.Referrer] and a [domain.Toucher].
func plan[C, S any](name string, p domain.Permission, summary, example string, planner Planner[C, S]) clause[S] {
	return func(policy *Policy[S]) {
		policy.offers = append(policy.offers, Offer{
			Name: name, Permission: p, Summary: summary, Example: example, Type: reflect.TypeFor[C](),
			Prepare: func(to Target, cmd any) Operation {
				c := cmd.(C) //nolint:forcetypeassert // it is of Type
				return &planned[S]{
					operation: operation[S]{policy: policy, to: to, data: c, takes: p},
					steps:     func(s S, o domain.Origin, ids *IDs) ([]Step, error) { return planner(c, s, o, ids) },
				}
			},
		})
	}
}

// planned is a plan for a record that is ready to be carried out.
type planned[S any] struct {
	operation[S] // without a command

	steps func(S, domain.Origin, *IDs) ([]Step, error)
	ids   *IDs
}

// decide makes the plan, and lets its commands decide one after another.
func (op *planned[S]) decide(ctx context.Context, v *view, o viewer.Caller) (*decision, error) {
	d := &decision{stream: op.stream(o.Tenant)}
	before, rules, err := op.before(ctx, v, d, o)
	if err == nil && d.at > 0 {
		err = mayRead(op.data, rules, op.policy.Kind(), "")
	}
	if err != nil {
		return nil, err
	}
	o.Self = op.ID()
	found, err := domain.Resolve(op.data, before, o.Origin, func(ref domain.Ref) (any, error) { return op.find(ctx, v, o, d, ref) })
	if err != nil {
		return nil, discreet(rules, err)
	}
	if op.ids == nil {
		op.ids = NewIDs(v.run.newID)
	}
	op.ids.used = 0
	steps, err := op.steps(before, found, op.ids)
	if err != nil {
		return nil, discreet(rules, err)
	}
	d.after = before
	// What the plan has looked at must still be so when it is recorded.
	own := eventstore.Check{Stream: d.stream, At: d.at}
	d.parts = []*decision{{stream: d.stream, at: d.at, after: before, checks: append(d.checks, own)}}
	d.checks = nil
	ahead := &view{run: v.run, seen: maps.Clone(v.seen), others: v.others, past: v.past}
	if ahead.seen == nil {
		ahead.seen = map[eventstore.StreamID]baseline{}
	}
	ahead.seen[d.stream] = baseline{state: before, at: d.at}
	for _, s := range steps {
		part, err := op.take(ctx, ahead, o, s)
		if err != nil {
			return nil, domain.At(s.pointer, err)
		}
		ahead.seen[part.stream] = baseline{state: part.after, at: part.end()}
		if d.parts = append(d.parts, part); part.stream == d.stream {
			d.events, d.after = append(d.events, part.events...), part.after
		}
	}
	return d, nil
}

// find is that of a command, for records that the plan may take something from.
func (op *planned[S]) find(ctx context.Context, v *view, o viewer.Caller, d *decision, ref domain.Ref) (any, error) {
	state, err := op.operation.find(ctx, v, o, d, ref)
	if err != nil || state == nil {
		return nil, err
	}
	kind := ref.Kind
	if k, ok := v.run.byPrefix[ref.ID.Prefix]; ok && kind == "" {
		kind = k.Kind()
	}
	rules, err := o.Viewer.OfName(kind)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return state, mayRead(op.data, rules, kind, ref.Pointer)
}

// A Reader is the data of a plan that takes something from records, and says from
// which members of each kind. What is not a Reader may take from all of them.
type Reader interface {
	Reads(kind string) []string
}

// mayRead refuses a plan that would take from a record what the caller does not see,
// and show it elsewhere. The pointer says which member of the data names the record.
func mayRead(data any, rules *viewer.Rules, kind, pointer string) error {
	if !rules.Restricted() {
		return nil
	}
	refused := &domain.Error{Reason: domain.Forbidden, Code: "field_forbidden", Pointer: pointer, Detail: "this takes fields of " + One(kind) + " that you do not see"}
	r, ok := data.(Reader)
	if !ok {
		return refused
	}
	unseen := slices.DeleteFunc(slices.Clone(r.Reads(kind)), rules.Shows)
	if len(unseen) == 0 {
		return nil
	}
	refused.Data = map[string]any{"fields": unseen}
	return refused
}

// take lets the command of a step decide, as if it came alone.
func (op *planned[S]) take(ctx context.Context, v *view, o viewer.Caller, s Step) (*decision, error) {
	kind, ok := v.run.byPrefix[s.record.Prefix]
	if !ok {
		return nil, fmt.Errorf("a plan of %s is about IDs that begin with %q, which is no kind in commands.All", op.policy.Kind(), s.record.Prefix)
	}
	_, seen := v.seen[eventstore.StreamID{Tenant: o.Tenant, Kind: kind.Kind(), ID: s.record.UUID}]
	step, ok := kind.prepare(Target{ID: s.record.UUID, New: !seen && op.ids.isNew(s.record)}, s.cmd)
	if !ok {
		return nil, fmt.Errorf("a plan of %s gives %T to a %s", op.policy.Kind(), s.cmd, kind.Kind())
	}
	if err := step.permit(o); err != nil {
		return nil, err
	}
	part, err := step.decide(ctx, v, o)
	if err != nil {
		return nil, err
	}
	part.place(s.pointer)
	return part, nil
}

// place says which member of the input a decision comes from.
func (d *decision) place(pointer string) {
	for i := range d.claim {
		d.claim[i].Pointer = pointer + d.claim[i].Pointer
	}
}

// prepare is Prepare for a command of whatever type. It reports whether it is one for
// records of the kind.
func (p *Policy[S]) prepare(to Target, cmd any) (Operation, bool) {
	c, ok := cmd.(domain.Command[S])
	return p.Prepare(to, c), ok
}

// A Draft is the data of a plan that fills in by itself what F has, such as the
// fields of new records: what a client gives is applied to that as a merge patch
// (RFC 7396). It may be any of the members of F, and null for what shall not be.
// Embed it in the data of the plan.
type Draft[F any] struct {
	given map[string]json.RawMessage
}

// Shape returns the type whose members may be given, each or none.
func (Draft[F]) Shape() reflect.Type { return reflect.TypeFor[F]() }

// Given returns the JSON of a member, if the client has said something of it.
func (d Draft[F]) Given(member string) (json.RawMessage, bool) {
	value, ok := d.given[member]
	return value, ok
}

// Over returns what the plan has filled in, with what the client gives in its place.
func (d Draft[F]) Over(f F) (F, error) { return record.Patched(f, d.given) }

// MarshalJSON implements [json.Marshaler].
func (d Draft[F]) MarshalJSON() ([]byte, error) { return json.Marshal(d.given) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Draft[F]) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &d.given) != nil || d.given == nil {
		return domain.Check(false, "", "wrong_type", "must be an object")
	}
	return nil
}

// patchOf returns a merge patch that gives members values.
func patchOf(members map[string]any) map[string]json.RawMessage {
	patch := make(map[string]json.RawMessage, len(members))
	for name, v := range members {
		patch[name], _ = domain.Marshal(v) // values of fields always have JSON
	}
	return patch
}
