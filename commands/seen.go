package commands

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// This file is what callers may see and do, as far as it takes more than the name of
// a command: the record as it is, and the members that a command is about.

func forbidden(p domain.Permission) error {
	return &domain.Error{
		Reason: domain.Forbidden, Code: "forbidden", Detail: fmt.Sprintf("this takes the permission %q", p),
		Data: map[string]any{"permission": p},
	}
}

var errUnseen = domain.NotFound.Refusef("not_found", "there is no such record")

// sees refuses a command for a record that the caller does not see, or may not give
// it to, and one that is about members that the caller may not change. At is the
// version of the record before. Of one that is not there, nothing is said that would
// not be said of one that is not seen: that is for allowed.
func (op *operation[S]) sees(rules *viewer.Rules, at eventstore.Version, before *S) error {
	switch {
	case at == 0:
		return nil
	case !rules.Sees(op.to.ID, before):
		return errUnseen
	case !rules.Allows(op.action(), op.to.ID, before):
		return forbidden(op.takes)
	}
	return op.members(rules)
}

// members refuses a command that is about members that the caller may not change, or
// that says what is in members that the caller does not see.
func (op *operation[S]) members(rules *viewer.Rules) error {
	if rules.ChangesAll() {
		return nil
	}
	if e, ok := op.data.(interface{ Expects() []string }); ok {
		for _, m := range e.Expects() {
			if !rules.Shows(m) {
				return &domain.Error{
					Reason: domain.Forbidden, Code: "field_forbidden", Pointer: "/" + domain.EscapePointer(m),
					Detail: "is a field that you do not see",
				}
			}
		}
	}
	switch c := op.data.(type) {
	case domain.Toucher:
		return rules.Change(c.Touches()...) //nolint:wrapcheck // it is a refusal
	case record.Stepper:
		return rules.Change(record.Touches(c)...) //nolint:wrapcheck // likewise
	}
	return rules.Change(given(op.data)...) //nolint:wrapcheck // likewise
}

// allowed refuses what a command leads to if the caller may not do that: to make a
// record that the caller may not make, or to change members that they may not
// change. An event that does not say what it touches may touch any, unless it makes
// the record.
func (op *operation[S]) allowed(rules *viewer.Rules, at eventstore.Version, events []domain.Event[S], after *S) error {
	if at == 0 && len(events) > 0 {
		if err := op.members(rules); err != nil {
			return err
		}
		if !rules.Allows(op.action(), op.to.ID, after) {
			return forbidden(op.takes)
		}
	}
	if rules.ChangesAll() {
		return nil
	}
	for i, e := range events {
		_, says := e.(domain.Toucher)
		if made := at == 0 && i == 0; !says && !made && !domain.IsPurge(e.EventType()) {
			return errOtherField
		}
		for _, m := range touched(e) {
			err := rules.Change(m)
			if err != nil && !rules.Shows(m) {
				return errOtherField
			}
			if err != nil {
				return err //nolint:wrapcheck // it is a refusal
			}
		}
	}
	return nil
}

// errOtherField does not say which field it is: that it would change is more than
// those may know who do not see it.
var errOtherField = domain.Forbidden.Refusef("field_forbidden", "this changes a field that you may not change")

// action returns what the command is an action of, as permissions name it.
func (op *operation[S]) action() string {
	_, action, _ := strings.Cut(string(op.takes), ":")
	return action
}

// given returns the members of a command that say something.
func given(cmd any) (names []string) {
	v := reflect.ValueOf(cmd)
	if v.Kind() != reflect.Struct {
		return nil
	}
	for _, m := range domain.Members(v.Type()) {
		if !v.FieldByIndex(m.Index).IsZero() && m.Name != own.Member {
			names = append(names, m.Name)
		}
	}
	if c, ok := cmd.(interface{ GivenNames() []string }); ok {
		names = append(names, c.GivenNames()...)
	}
	return names
}

// discreet takes out of a refusal what tells of members that the caller does not see,
// and lets a record that is not there be refused as one that is not seen.
func discreet(rules *viewer.Rules, err error) error {
	e, ok := errors.AsType[*domain.Error](err)
	if ok && e.Reason == domain.NotFound && e.Pointer == "" {
		return errUnseen
	}
	if !ok || !rules.Restricted() {
		return err
	}
	if changed, ok := e.Data["changed_fields"].([]string); ok {
		e.Data["changed_fields"] = slices.DeleteFunc(slices.Clone(changed), func(m string) bool { return !rules.Shows(m) })
	}
	if e.Code == "state_conflict" && !rules.Shows("status") {
		return domain.Conflict.Refusef("state_conflict", "this is not possible in the state that the record is in")
	}
	return err
}

// rulesOf returns what a caller may see and do of records like that of a stream.
func rulesOf(o viewer.Caller, s eventstore.StreamID) (*viewer.Rules, error) {
	return o.Viewer.OfName(s.Kind) //nolint:wrapcheck // it says what it is about
}

// explainTo is explain for what the log says about records of others: it names them
// only to those who see them, and what they have.
func (r *Runner) explainTo(ctx context.Context, o viewer.Caller, err error) error {
	claimed, ok := errors.AsType[*eventstore.Claimed](err)
	if !ok {
		return r.explain(err)
	}
	rules, fault := rulesOf(o, claimed.Holder)
	if fault != nil {
		return fault
	}
	sees, fault := r.seesHolder(ctx, rules, claimed)
	if fault != nil {
		return fault
	}
	explained := r.explain(err)
	if e, ok := errors.AsType[*domain.Error](explained); ok && !sees {
		e.Data = nil
	}
	return explained
}

// seesHolder reports whether the holder of a claim is seen, and what it holds.
func (r *Runner) seesHolder(ctx context.Context, rules *viewer.Rules, claimed *eventstore.Claimed) (bool, error) {
	if rules.SeesAll() {
		return true, nil
	}
	kind, ok := r.kinds[claimed.Holder.Kind]
	if !ok {
		return false, nil
	}
	state, _, err := kind.fold(ctx, &view{run: r}, claimed.Holder, 0)
	if err != nil || state == nil || !rules.Sees(claimed.Holder.ID, state) {
		return false, err
	}
	return slices.ContainsFunc(claims(state), func(c domain.Claim) bool {
		return c.Scope == claimed.Claim.Scope && c.Key == claimed.Claim.Key && rules.Shows(memberOf(c.Pointer))
	}), nil
}

// memberOf returns the member of a record that a pointer leads into.
func memberOf(pointer string) string {
	member, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return member
}

func (r *Runner) sees(ctx context.Context, rules *viewer.Rules, kind AnyPolicy, s eventstore.StreamID) (bool, error) {
	state, _, err := kind.fold(ctx, &view{run: r}, s, 0)
	if err != nil || state == nil {
		return false, err
	}
	return rules.Sees(s.ID, state), nil
}

// State returns a record as it is now, by the log, if the viewer sees it, and its
// version. It is shared, and must not be changed. Otherwise it is domain.NotFound.
func State[S any](ctx context.Context, r *Runner, p *Policy[S], v *viewer.Viewer, id uuid.UUID) (s S, at eventstore.Version, err error) {
	rules, err := v.OfName(p.Kind())
	if err != nil {
		return s, 0, err
	}
	s, at, err = p.load(ctx, &view{run: r}, eventstore.StreamID{Tenant: v.Tenant(), Kind: p.Kind(), ID: id})
	if err == nil && (at == 0 || ended(&s) || !rules.Sees(id, &s)) {
		err = errUnseen
	}
	return s, at, err
}

// Sees reports which of some records a viewer sees as they are now, by the log, of
// whatever kinds they are.
func (r *Runner) Sees(ctx context.Context, v *viewer.Viewer, streams ...eventstore.StreamID) (map[eventstore.StreamID]bool, error) {
	seen := make(map[eventstore.StreamID]bool, len(streams))
	for _, s := range streams {
		if _, known := seen[s]; known {
			continue
		}
		rules, err := v.OfName(s.Kind)
		if err != nil {
			return nil, err
		}
		rows, some := rules.Rows()
		kind, ok := r.kinds[s.Kind]
		switch {
		case !some || s.Tenant != v.Tenant() || s.ID == uuid.Nil:
			seen[s] = false
		case rows == nil:
			seen[s] = true
		case ok:
			if seen[s], err = r.sees(ctx, rules, kind, s); err != nil {
				return nil, err
			}
		}
	}
	return seen, nil
}
