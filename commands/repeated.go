package commands

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// noted is what is kept of what became of one operation, where it does not follow
// from the events of the command: because there are none, or because they are
// those of several operations.
type noted struct {
	Kind    string             `json:"kind"`
	ID      domain.ID          `json:"id"`
	Version eventstore.Version `json:"version"`
	Events  int                `json:"events"`
}

// noteOf returns what is to be kept of decisions, as text. Operations and decisions
// are in the same order.
func noteOf(ops []Operation, decisions []*decision) (string, error) {
	all := make([]noted, len(decisions))
	for i, d := range decisions {
		n := len(d.events)
		all[i] = noted{d.stream.Kind, ops[i].ID(), d.end(), n}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("encode note: %w", err)
	}
	return string(text), nil
}

// Recall returns what became of the operations of a command that was carried out
// before, in their order, or false if it was not, or if what is known of it is too
// little to tell without the operations. Another hash than the first time is
// refused.
func (r *Runner) Recall(ctx context.Context, tenant domain.TenantID, id uuid.UUID, hash []byte) ([]Outcome, bool, error) {
	if len(hash) == 0 {
		return nil, false, nil
	}
	rc, ok, err := r.store.Recall(ctx, tenant, id, hash)
	if err != nil || !ok || rc.Note == "" {
		return nil, false, r.explain(err)
	}
	events, err := r.eventsOf(ctx, tenant, rc)
	if err != nil {
		return nil, false, err
	}
	outs, err := fromNote(id, rc, events)
	return outs, err == nil, err
}

// fromNote returns what became of operations, as it was noted.
func fromNote(id uuid.UUID, rc eventstore.Receipt, events []eventstore.Recorded) ([]Outcome, error) {
	var all []noted
	if err := json.Unmarshal([]byte(rc.Note), &all); err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	outs := make([]Outcome, len(all))
	for i, n := range all {
		outs[i] = Outcome{ID: n.ID, Command: id, Version: n.Version, Position: rc.Last, Repeated: true}
		for _, e := range events {
			if e.Stream.Kind == n.Kind && e.Stream.ID == n.ID.UUID && e.Version > n.Version-eventstore.Version(n.Events) && e.Version <= n.Version {
				outs[i].Events = append(outs[i].Events, e)
			}
		}
	}
	return outs, nil
}

// oneFromNote is fromNote for one operation.
func oneFromNote(id uuid.UUID, rc eventstore.Receipt, events []eventstore.Recorded) (Outcome, error) {
	outs, err := fromNote(id, rc, events)
	if err == nil && len(outs) != 1 {
		err = fmt.Errorf("a note is about %d operations and not one", len(outs))
	}
	if err != nil {
		return Outcome{}, err
	}
	return outs[0], nil
}

// eventsOf reads the events of a command.
func (r *Runner) eventsOf(ctx context.Context, tenant domain.TenantID, rc eventstore.Receipt) (events []eventstore.Recorded, err error) {
	for after := rc.First - 1; after < rc.Last; after = events[len(events)-1].Position {
		page, err := r.store.Read(ctx, tenant, after, int(rc.Last-after))
		if err == nil && len(page) == 0 {
			err = eventstore.ErrGap
		}
		if err != nil {
			return nil, fmt.Errorf("read repeated command: %w", err)
		}
		events = append(events, page...)
	}
	return events, nil
}

// About returns the ID of the record that a command was about when it was carried
// out before, or false if it was not, or if that is not known.
func (r *Runner) About(ctx context.Context, tenant domain.TenantID, id uuid.UUID, hash []byte) (uuid.UUID, bool, error) {
	if len(hash) == 0 {
		return uuid.Nil, false, nil
	}
	rc, ok, err := r.store.Recall(ctx, tenant, id, hash)
	if err != nil || !ok {
		return uuid.Nil, false, r.explain(err)
	}
	if rc.First <= rc.Last && rc.Note == "" {
		events, err := r.store.Read(ctx, tenant, rc.First-1, 1)
		if err != nil || len(events) == 0 {
			return uuid.Nil, false, err
		}
		return events[0].Stream.ID, true, nil
	}
	if rc.Note == "" {
		return uuid.Nil, false, nil
	}
	outs, err := fromNote(id, rc, nil)
	if err != nil || len(outs) == 0 {
		return uuid.Nil, false, err
	}
	return outs[0].ID.UUID, true, nil
}

// recall returns what became of a command that was carried out before.
func (r *Runner) recall(ctx context.Context, o viewer.Caller, t *attempt) (Outcome, bool, error) {
	to := t.op.target()
	if len(to.Hash) == 0 {
		return Outcome{}, false, nil
	}
	rc, ok, err := r.store.Recall(ctx, o.Tenant, to.Command, to.Hash)
	if err != nil || !ok {
		return Outcome{}, false, r.explain(err)
	}
	out, err := r.repeated(ctx, o, t, rc)
	return out, true, err
}

// recallAgain returns what became of a command that was carried out before, as
// the log said when it was to be recorded.
func (r *Runner) recallAgain(ctx context.Context, o viewer.Caller, t *attempt, res eventstore.Result) (Outcome, error) {
	rc := res.Receipt
	switch {
	case rc.First > rc.Last:
	case t.decision.parts == nil:
		return r.repeated(ctx, o, t, rc)
	case len(t.request.Hash) == 0: // then it was this very request
		var err error
		if t.request, err = r.asRecorded(ctx, o.Tenant, t.request, res); err != nil {
			return Outcome{}, err
		}
		out := t.outcome(rc)
		out.Repeated = true
		return out, nil
	}
	out, ok, err := r.recall(ctx, o, t) // there is more to know
	if err == nil && !ok {
		err = fmt.Errorf("a command was forgotten meanwhile: %w", eventstore.ErrUnavailable)
	}
	return out, err
}

// repeated reads what a command has led to when it was carried out first. The
// record may be another than the one now asked for: a repeated create comes
// with a fresh ID.
func (r *Runner) repeated(ctx context.Context, o viewer.Caller, t *attempt, rc eventstore.Receipt) (Outcome, error) {
	out := Outcome{ID: t.op.ID(), Command: t.command, Position: rc.Last, Repeated: true}
	if rc.Last < rc.First {
		return r.changedNothing(ctx, out, t.stream, rc)
	}
	events, err := r.eventsOf(ctx, o.Tenant, rc)
	if err != nil {
		return out, err
	}
	if rc.Note != "" {
		return oneFromNote(t.command, rc, events)
	}
	for _, e := range events {
		if e.Stream == t.stream || e.Stream.Kind == t.stream.Kind && t.op.target().New && e.Version == 1 || len(out.Events) > 0 && e.Stream == out.Events[0].Stream {
			out.Events = append(out.Events, e)
			out.ID.UUID, out.Version = e.Stream.ID, e.Version
		}
	}
	return out, nil
}

// changedNothing says at which version of which record a command was found to
// have nothing to do. Commands of earlier releases left no note of that: they are
// answered with the record as it was when they were remembered, which others may
// have changed a moment before.
func (r *Runner) changedNothing(ctx context.Context, out Outcome, s eventstore.StreamID, rc eventstore.Receipt) (Outcome, error) {
	if rc.Note != "" {
		return oneFromNote(out.Command, rc, nil)
	}
	for e, err := range r.store.ReadStream(ctx, s, 0) {
		if err != nil {
			return out, fmt.Errorf("read %s: %w", s.Kind, err)
		}
		if e.Position > rc.Last {
			break
		}
		out.Version = e.Version
	}
	return out, nil
}
