package commands

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// Atomic carries out operations of one tenant as one: all of them, or none. Each
// sees what those before it have done. The error says why nothing was done: a
// refusal, whose pointer begins with the index of the operation, or a fault.
// Command and hash are those of the whole; see [Target].
func (r *Runner) Atomic(ctx context.Context, o viewer.Caller, id uuid.UUID, hash []byte, ops []Operation) ([]Outcome, error) {
	if id == uuid.Nil {
		id = r.newID()
	}
	streams := streamsOf(o.Tenant, ops)
	inTurn := false
	for try := range maxAttempts {
		if !inTurn && (try > 0 || r.turns.busy(streams...)) {
			// As in [Runner.All]: somebody was faster, so one goes after another now.
			release, err := r.turns.take(ctx, streams...)
			if err != nil {
				return nil, err
			}
			defer release()
			inTurn = true
		}
		if len(hash) > 0 {
			rc, ok, err := r.store.Recall(ctx, o.Tenant, id, hash)
			if err != nil {
				return nil, r.explain(err)
			}
			if ok {
				return r.repeatedAll(ctx, o, id, ops, rc)
			}
		}
		decisions, err := r.decideAll(ctx, o, ops)
		if err != nil {
			return nil, err
		}
		outs, again, err := r.recordAll(ctx, o, id, hash, ops, decisions)
		if !again {
			return outs, err
		}
	}
	return nil, errBusy
}

// streamsOf returns the records that operations are for.
func streamsOf(t domain.TenantID, ops []Operation) []eventstore.StreamID {
	streams := make([]eventstore.StreamID, len(ops))
	for i, op := range ops {
		streams[i] = op.stream(t)
	}
	return streams
}

// decideAll lets the operations decide one after another.
func (r *Runner) decideAll(ctx context.Context, o viewer.Caller, ops []Operation) ([]*decision, error) {
	v := &view{run: r, seen: map[eventstore.StreamID]baseline{}, past: newPast()}
	decisions := make([]*decision, len(ops))
	for i, op := range ops {
		err := op.permit(o)
		if err == nil {
			decisions[i], err = op.decide(ctx, v, o)
		}
		if err != nil {
			return nil, domain.At("/"+strconv.Itoa(i), err)
		}
		for _, d := range decisions[i].all() {
			d.place("/" + strconv.Itoa(i))
			v.seen[d.stream] = baseline{state: d.after, at: d.end()}
		}
	}
	return decisions, nil
}

// recordAll hands the decisions to the log as one command. They have to be
// taken again if something has changed meanwhile.
func (r *Runner) recordAll(ctx context.Context, o viewer.Caller, id uuid.UUID, hash []byte, ops []Operation, decisions []*decision) (outs []Outcome, again bool, err error) {
	c, err := command(id, hash, o, decisions...)
	if err == nil && len(hash) > 0 {
		c.Note, err = noteOf(ops, decisions)
	}
	if err != nil {
		return nil, false, r.explainTo(ctx, o, err)
	}
	var rc eventstore.Receipt
	if len(c.Writes) > 0 || len(hash) > 0 {
		res := r.store.Append(ctx, o.Tenant, c)[0]
		if r.changed(res.Err) {
			return nil, true, nil
		}
		if res.Err != nil {
			return nil, false, r.explainTo(ctx, o, res.Err)
		}
		if rc = res.Receipt; rc.Repeated && len(hash) > 0 {
			return nil, true, nil // somebody else was faster: see what was noted then
		}
		if c, err = r.asRecorded(ctx, o.Tenant, c, res); err != nil {
			return nil, false, err
		}
	}
	r.remember(ctx, decisions, c, rc)
	return outcomes(ops, decisions, c, rc), false, nil
}

// outcomes divides the events of the command between the operations.
func outcomes(ops []Operation, decisions []*decision, c eventstore.Command, rc eventstore.Receipt) []Outcome {
	left := map[eventstore.StreamID][]eventstore.Recorded{}
	for i, w := range c.Writes {
		left[w.Stream] = recorded(c, i, rc)
	}
	outs := make([]Outcome, len(ops))
	for i, d := range decisions {
		outs[i] = Outcome{ID: ops[i].ID(), Command: c.ID, Position: rc.Last, Version: d.end()}
		for _, p := range d.all() {
			n := len(p.events)
			outs[i].add(d.stream, left[p.stream][:n]...)
			left[p.stream] = left[p.stream][n:]
		}
	}
	return outs
}

// repeatedAll reads what the operations have led to when they were carried out
// first. Commands of earlier releases left no note of each: they are answered
// with each one's record as it was after all of them.
func (r *Runner) repeatedAll(ctx context.Context, o viewer.Caller, id uuid.UUID, ops []Operation, rc eventstore.Receipt) ([]Outcome, error) {
	events, err := r.eventsOf(ctx, o.Tenant, rc)
	if err != nil {
		return nil, err
	}
	if rc.Note != "" {
		return fromNote(id, rc, events)
	}
	made := births(events)
	outs := make([]Outcome, len(ops))
	for i, op := range ops {
		outs[i] = Outcome{ID: op.ID(), Command: id, Position: rc.Last, Repeated: true}
		s := op.stream(o.Tenant)
		if same := made[s.Kind]; op.target().New && len(same) > 0 {
			s, made[s.Kind] = same[0], same[1:]
		}
		for _, e := range events {
			if e.Stream == s {
				outs[i].Events, outs[i].Version = append(outs[i].Events, e), e.Version
				outs[i].ID.UUID = s.ID
			}
		}
	}
	return outs, nil
}

// births returns the streams that begin with one of the events, by kind and in
// their order. An operation that is repeated makes a record under a fresh ID, and
// must be answered with the one that it made first: those of a kind are made in
// the order of the operations.
func births(events []eventstore.Recorded) map[string][]eventstore.StreamID {
	made := map[string][]eventstore.StreamID{}
	for _, e := range events {
		if e.Version == 1 {
			made[e.Stream.Kind] = append(made[e.Stream.Kind], e.Stream)
		}
	}
	return made
}
