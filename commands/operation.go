package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/viewer"
)

// Operation is a command for one record that is ready to be carried out.
type Operation interface {
	// ID returns the ID of the record it is for.
	ID() domain.ID

	target() Target
	stream(domain.TenantID) eventstore.StreamID
	permit(viewer.Caller) error
	decide(context.Context, *view, viewer.Caller) (*decision, error)
}

type operation[S any] struct {
	policy *Policy[S]
	to     Target
	cmd    domain.Command[S]
	data   any               // the command, or what came in its place; see planned
	takes  domain.Permission // "" if nobody may
}

// Prepare returns a command as an operation, for [Runner.All] and
// [Runner.Atomic].
func (p *Policy[S]) Prepare(to Target, cmd domain.Command[S]) Operation {
	takes, _ := p.Permission(cmd)
	data := any(cmd)
	if of, ok := data.(fieldsOnly); ok {
		data = of.Given()
	}
	return &operation[S]{p, to, cmd, data, takes}
}

// view is the records as one or several decisions see them.
type view struct {
	run    *Runner
	seen   map[eventstore.StreamID]baseline // what was decided already, and not recorded yet
	others *reads                           // what others have read a moment ago; may be nil
	past   *past                            // what was read of histories
	blank  bool                             // the record that a command makes is taken not to be there
}

// reads keeps the records that operations of a batch refer to while they decide,
// so that a thousand contacts of one company read it once. It need not be right
// any more when their outcomes are recorded: the log checks that.
type reads struct {
	mu sync.Mutex
	by map[eventstore.StreamID]func() (baseline, error)
}

// get returns what read returned when it was first called for the stream. A nil
// reads calls it each time.
func (r *reads) get(s eventstore.StreamID, read func() (baseline, error)) (baseline, error) {
	if r == nil {
		return read()
	}
	r.mu.Lock()
	once, ok := r.by[s]
	if !ok {
		if r.by == nil {
			r.by = map[eventstore.StreamID]func() (baseline, error){}
		}
		once = sync.OnceValues(read)
		r.by[s] = once
	}
	r.mu.Unlock()
	return once()
}

// decision is what one command leads to.
type decision struct {
	stream eventstore.StreamID
	at     eventstore.Version // of the record before
	events []content.Event
	checks []eventstore.Check
	claim  []eventstore.Claim
	free   []eventstore.Claim
	after  any // the state of the record once the events are recorded, but for numbers that they get then

	// parts, of a plan, is what each of its commands leads to, in their order. The
	// events above are then those of the record that the plan is for, from all parts.
	parts []*decision
}

// all returns the decision itself, or the parts of which it is made.
func (d *decision) all() []*decision {
	if d.parts != nil {
		return d.parts
	}
	return []*decision{d}
}

// isEmpty reports whether a decision leads to no events.
func (d *decision) isEmpty() bool {
	return !slices.ContainsFunc(d.all(), func(p *decision) bool { return len(p.events) > 0 })
}

// makes reports whether a decision makes a record.
func (d *decision) makes() bool {
	return slices.ContainsFunc(d.all(), func(p *decision) bool { return p.at == 0 && len(p.events) > 0 })
}

// end returns the version of the record after the decision.
func (d *decision) end() eventstore.Version { return d.at + eventstore.Version(len(d.events)) }

func (op *operation[S]) ID() domain.ID {
	return domain.ID{Prefix: op.policy.Prefix(), UUID: op.to.ID}
}

func (op *operation[S]) target() Target { return op.to }

func (op *operation[S]) stream(t domain.TenantID) eventstore.StreamID {
	return eventstore.StreamID{Tenant: t, Kind: op.policy.Kind(), ID: op.to.ID}
}

func (op *operation[S]) permit(o viewer.Caller) error {
	if op.takes == "" || !o.Viewer.May(op.takes) {
		return forbidden(op.takes)
	}
	return domain.CheckShape(op.data)
}

func (op *operation[S]) decide(ctx context.Context, v *view, o viewer.Caller) (*decision, error) {
	d := &decision{stream: op.stream(o.Tenant)}
	before, rules, err := op.before(ctx, v, d, o)
	if err != nil {
		return nil, err
	}
	o.Self = op.ID()
	if o.Origin, err = op.selected(ctx, v, o, before); err != nil {
		return nil, discreet(rules, err)
	}
	events, after, err := op.policy.agg.Decide(op.cmd, before, o.Origin, func(ref domain.Ref) (any, error) { return op.find(ctx, v, o, d, ref) })
	if err != nil {
		return nil, discreet(rules, err)
	}
	for _, e := range events {
		d.events = append(d.events, e)
	}
	if err := op.allowed(rules, d.at, events, &after); err != nil {
		return nil, err
	}
	d.after = after
	lenient, _ := op.cmd.(domain.Lenient)
	soft := lenient != nil && lenient.AllowDuplicate()
	d.claim, d.free = difference(d.stream, claims(&before), claims(&after), soft)
	return d, nil
}

// before returns the record as it is before a command, if the caller may give it and
// has seen the record so, and what the caller may see and do of it. It puts the
// version into the decision.
func (op *operation[S]) before(ctx context.Context, v *view, d *decision, o viewer.Caller) (s S, rules *viewer.Rules, err error) {
	if !op.to.New && !v.blank {
		if s, d.at, err = op.policy.load(ctx, v, d.stream); err != nil {
			return s, nil, err
		}
	}
	if rules, err = rulesOf(o, d.stream); err != nil {
		return s, nil, err
	}
	if err := op.sees(rules, d.at, &s); err != nil {
		return s, nil, err
	}
	return s, rules, discreet(rules, op.match(ctx, v, d, &s))
}

// match refuses a command whose caller has not seen the record as it is.
func (op *operation[S]) match(ctx context.Context, v *view, d *decision, before *S) error {
	want := op.to.Match
	if d.at > 0 && !ended(before) && (op.to.Absent || slices.Contains(op.to.Unless, d.at)) {
		return &domain.Error{
			Reason: domain.Stale, Code: "version_conflict", Detail: "the record has the version that it must not have",
			Data: map[string]any{"current_version": d.at, "changed_fields": []string{}},
		}
	}
	if want == nil || slices.Contains(want, d.at) || d.at == 0 || ended(before) {
		return nil // a record that does not exist, or not any more, is the command's own business
	}
	stale := &domain.Error{
		Reason: domain.Stale, Code: "version_conflict", Detail: "the record has changed meanwhile",
		Data: map[string]any{"current_version": d.at},
	}
	seen := lastUpTo(d.at, want)
	disjoint := op.to.Disjoint && seen > 0
	if seen == 0 {
		seen = lastUpTo(d.at, op.to.Seen)
	}
	if seen == 0 {
		stale.Data["changed_fields"] = []string{} // what the caller has seen is no version of the record
		return stale
	}
	changed, known, err := changedSince(ctx, v, op.policy.agg, since{d.stream, seen}, d.at)
	if err != nil {
		return err
	}
	if known {
		stale.Data["changed_fields"] = changed
	}
	if mine := touched(op.data); known && disjoint && len(mine) > 0 && !overlap(mine, changed) {
		return nil
	}
	return stale
}

// overlap reports whether there is a member in both lists, or one that is a part of one in
// the other, as custom.policy_no is of custom.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool {
			return x == y || strings.HasPrefix(x, y+".") || strings.HasPrefix(y, x+".")
		})
	})
}

// ended reports whether a record is gone for good. It takes a pointer to its state.
func ended(state any) bool {
	e, ok := state.(interface{ Ended() bool })
	return ok && e.Ended()
}

// lastUpTo returns the highest of some versions that a record at a version has
// had, or 0 if there is none.
func lastUpTo(at eventstore.Version, versions []eventstore.Version) (last eventstore.Version) {
	for _, v := range versions {
		if v <= at {
			last = max(last, v)
		}
	}
	return last
}

// touched returns the fields that a command or an event says it changes.
func touched(x any) []string {
	if t, ok := x.(domain.Toucher); ok {
		return t.Touches()
	}
	return nil
}

// selected returns the origin with the records that the command selects.
func (op *operation[S]) selected(ctx context.Context, v *view, o viewer.Caller, before S) (domain.Origin, error) {
	return domain.Select(op.cmd, before, o.Origin, func(s domain.Selection) (domain.Selected, error) {
		if v.run.selector == nil {
			return domain.Selected{}, fmt.Errorf("%T selects records, and there is nothing here that finds them", op.cmd)
		}
		if s.Most == 0 {
			return v.run.selector.Select(ctx, o.Viewer, s)
		}
		if err := v.past.mayHave(op.stream(o.Tenant), 1); err != nil {
			return domain.Selected{}, err
		}
		found, err := v.run.selector.Select(ctx, o.Viewer, s)
		if err == nil {
			err = v.past.mayHave(op.stream(o.Tenant), len(found.IDs))
		}
		return found, err
	})
}

// find returns a pointer to the state of a record that a command refers to, and
// makes the log check that it is still what it is now when the outcome is
// recorded. One that the caller does not see is not there.
func (op *operation[S]) find(ctx context.Context, v *view, o viewer.Caller, d *decision, ref domain.Ref) (any, error) {
	id := ref.ID
	if id.IsZero() {
		id = op.ID()
	}
	k, ok := v.run.kinds[ref.Kind]
	if ref.Kind == "" {
		k, ok = v.run.byPrefix[id.Prefix]
	}
	if !ok {
		return nil, fmt.Errorf("%s refers to %s, which is no kind in commands.All", op.policy.Kind(), ref.Kind)
	}
	if k.Prefix() != id.Prefix {
		return nil, nil //nolint:nilnil // an ID of something else names no such record
	}
	s := eventstore.StreamID{Tenant: d.stream.Tenant, Kind: k.Kind(), ID: id.UUID}
	if s == d.stream && eventstore.Version(ref.Version) > d.at {
		return nil, nil //nolint:nilnil // it never came to that version
	}
	state, at, err := k.fold(ctx, v, s, eventstore.Version(ref.Version))
	if err != nil || state == nil {
		return nil, err
	}
	if s != d.stream && !ref.Setting {
		rules, err := rulesOf(o, s)
		if err != nil || !rules.Sees(s.ID, state) {
			return nil, err
		}
	}
	if s != d.stream && ref.Version == 0 {
		d.checks = append(d.checks, eventstore.Check{Stream: s, At: at})
	}
	return state, nil
}

// claims returns what a record claims. It takes a pointer to its state.
func claims(state any) []domain.Claim {
	if c, ok := state.(domain.Claimer); ok {
		return c.Claims()
	}
	return nil
}

// difference returns what is to be claimed and what is to be freed when a
// record goes from one state to another.
func difference(s eventstore.StreamID, before, after []domain.Claim, soft bool) (claim, free []eventstore.Claim) {
	holds := func(all []domain.Claim, c domain.Claim) bool {
		return slices.ContainsFunc(all, func(x domain.Claim) bool { return x.Scope == c.Scope && x.Key == c.Key })
	}
	for _, c := range after {
		if !holds(before, c) {
			claim = append(claim, eventstore.Claim{Scope: c.Scope, Key: c.Key, Pointer: c.Pointer, Stream: s, Soft: soft && c.Optional})
		}
	}
	for _, c := range before {
		if !holds(after, c) {
			free = append(free, eventstore.Claim{Scope: c.Scope, Key: c.Key, Stream: s})
		}
	}
	return claim, free
}

// command returns the decisions as a command to be recorded. They are for
// different streams, except that one may continue another.
func command(id uuid.UUID, hash []byte, o viewer.Caller, decisions ...*decision) (eventstore.Command, error) {
	enc, err := content.NewEncoder(eventstore.Metadata{
		Actor: o.Actor, Command: id, Correlation: o.Correlation, Causation: o.Causation,
	})
	if err != nil {
		return eventstore.Command{}, err
	}
	c := eventstore.Command{ID: id, Hash: hash}
	n := uint64(0)
	for _, d := range partsOf(decisions) {
		w := slices.IndexFunc(c.Writes, func(w eventstore.Write) bool { return w.Stream == d.stream })
		if w < 0 && len(d.events) > 0 {
			w = len(c.Writes)
			c.Writes = append(c.Writes, eventstore.Write{Stream: d.stream, At: d.at})
		}
		for _, e := range d.events {
			made, err := enc.Encode(d.stream, eventID(id, n), e)
			if err != nil {
				return eventstore.Command{}, err
			}
			if err := number(&c, w, made, e); err != nil {
				return eventstore.Command{}, err
			}
			c.Writes[w].Events = append(c.Writes[w].Events, made)
			n++
		}
		if c.Claim, c.Free, err = settle(c.Claim, c.Free, d); err != nil {
			return eventstore.Command{}, err
		}
		c.Checks = append(c.Checks, d.checks...)
	}
	// What is written is checked by the write itself.
	c.Checks = slices.DeleteFunc(c.Checks, func(k eventstore.Check) bool {
		return slices.ContainsFunc(c.Writes, func(w eventstore.Write) bool { return w.Stream == k.Stream })
	})
	return c, nil
}

// partsOf returns the decisions, with the parts in the place of those that have some.
func partsOf(decisions []*decision) (all []*decision) {
	for _, d := range decisions {
		all = append(all, d.all()...)
	}
	return all
}

// settle adds what a decision claims and frees to what earlier ones did. What a
// record takes and gives back, or gives back and takes again, comes to nothing;
// what an earlier one takes is not left to take.
func settle(claim, free []eventstore.Claim, d *decision) (claimed, freed []eventstore.Claim, err error) {
	same := func(a eventstore.Claim) func(eventstore.Claim) bool {
		return func(b eventstore.Claim) bool { return a.Scope == b.Scope && a.Key == b.Key && a.Stream == b.Stream }
	}
	for _, f := range d.free {
		if i := slices.IndexFunc(claim, same(f)); i >= 0 {
			claim = slices.Delete(claim, i, i+1)
		} else {
			free = append(free, f)
		}
	}
	for _, c := range d.claim {
		holder := slices.IndexFunc(claim, func(h eventstore.Claim) bool { return h.Scope == c.Scope && h.Key == c.Key })
		i := slices.IndexFunc(free, same(c))
		switch {
		case holder >= 0 && c.Soft:
		case holder >= 0:
			return nil, nil, &eventstore.Claimed{Claim: c, Holder: claim[holder].Stream}
		case i >= 0:
			free = slices.Delete(free, i, i+1)
		default:
			claim = append(claim, c)
		}
	}
	return claim, free, nil
}

// eventID names the events of a command, the same way every time, so that a
// repeated command repeats its events.
func eventID(command uuid.UUID, n uint64) uuid.UUID {
	return uuid.NewSHA1(command, []byte{byte(n >> 8), byte(n)})
}

// isMissing reports whether a command was refused only because something it
// refers to is not there.
func isMissing(err error) bool {
	e, ok := errors.AsType[*domain.Error](err)
	return ok && e.Code == "reference_not_found"
}
