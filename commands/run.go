package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/viewer"
)

// readers bounds how many records of one batch are read at a time.
const readers = 8

// attempt is an operation of a batch on its way.
type attempt struct {
	op       Operation
	stream   eventstore.StreamID
	command  uuid.UUID
	tries    int
	rivals   []eventstore.StreamID // what others have changed when it came to the log
	looked   bool                  // it was not enough to guess that the record is not there: see guess
	past     *past
	whole    *whole // what it is a part of; nil if it came alone
	decision *decision
	missing  error // why it could not decide: something it refers to is not there
	request  eventstore.Command
	result   Result
	done     bool
}

func (t *attempt) finish(o Outcome, err error) { t.result, t.done = Result{o, err}, true }

// All carries out operations of one tenant, each by itself, and returns as many
// results in the same order. Those for one record are carried out in the order
// given; one that refers to a record that an earlier one makes finds it. The
// others go to the log together, which is what makes a batch fast.
func (r *Runner) All(ctx context.Context, o viewer.Caller, ops []Operation) []Result {
	return r.all(ctx, o, nil, ops)
}

// whole is what operations are parts of that are carried out each by itself.
type whole struct {
	command  uuid.UUID
	hash     []byte
	recorded bool
	reused   error // it is another command that has the name
}

// Parts is All for the operations of a request that has a name of its own: no
// other request, whatever it is, can have that name once one of the operations
// was carried out. What is left of the request can still be done by asking for it
// again. If the name is another's, it is refused as a whole, and none of the
// operations is carried out.
func (r *Runner) Parts(ctx context.Context, o viewer.Caller, command uuid.UUID, hash []byte, ops []Operation) ([]Result, error) {
	if len(hash) == 0 {
		return r.All(ctx, o, ops), nil
	}
	if _, _, err := r.store.Recall(ctx, o.Tenant, command, hash); err != nil {
		return nil, r.explain(err)
	}
	w := &whole{command: command, hash: hash}
	results := r.all(ctx, o, w, ops)
	return results, w.reused
}

// begin records that parts of a command are carried out from now on.
func (r *Runner) begin(ctx context.Context, o viewer.Caller, w *whole) error {
	if w == nil || w.recorded {
		return nil
	}
	res := r.store.Append(ctx, o.Tenant, eventstore.Command{ID: w.command, Hash: w.hash})[0]
	w.recorded = res.Err == nil
	err := r.explain(res.Err)
	if errors.Is(res.Err, eventstore.ErrReused) {
		w.reused = err
	}
	return err
}

func (r *Runner) all(ctx context.Context, o viewer.Caller, w *whole, ops []Operation) []Result {
	attempts, past := make([]*attempt, len(ops)), newPast()
	for i, op := range ops {
		attempts[i] = &attempt{op: op, stream: op.stream(o.Tenant), command: op.target().Command, past: past, whole: w}
		if attempts[i].command == uuid.Nil {
			attempts[i].command = r.newID()
		}
	}
	for pending := attempts; len(pending) > 0; {
		for _, t := range pending {
			// Nobody pushes in who comes alone: those who wait would never have their turn.
			if !t.done && (t.tries > 0 || len(attempts) == 1 && r.turns.busy(t.stream)) {
				r.takeTurn(ctx, o, t)
			}
		}
		round := nextRound(pending)
		r.decide(ctx, o, round)
		r.record(ctx, o, round)
		pending = slices.DeleteFunc(slices.Clone(pending), func(t *attempt) bool { return t.done })
	}
	results := make([]Result, len(attempts))
	for i, t := range attempts {
		results[i] = t.result
	}
	return results
}

// takeTurn carries out, alone among those of this node that want the same record,
// an operation that somebody else was faster than. So a record that many change
// at once is changed by one after the other, instead of by whoever is lucky. The
// same goes for a record that it refers to, if that is what has changed.
func (r *Runner) takeTurn(ctx context.Context, o viewer.Caller, t *attempt) {
	for known := -1; !t.done && t.missing == nil && known < len(t.rivals); {
		known = len(t.rivals)
		release, err := r.turns.take(ctx, append(t.rivals[:known:known], t.stream)...)
		if err != nil {
			t.finish(Outcome{}, err)
			return
		}
		r.inTurn(ctx, o, t, known)
		release()
	}
}

// inTurn tries an operation until it is done, or meets one more rival than it has
// the turns of.
func (r *Runner) inTurn(ctx context.Context, o viewer.Caller, t *attempt, known int) {
	for !t.done && t.missing == nil && len(t.rivals) == known {
		t.decision = nil
		one := []*attempt{t}
		r.decide(ctx, o, one)
		r.record(ctx, o, one)
	}
}

// nextRound returns those that can be decided now: the first one for each
// record.
func nextRound(pending []*attempt) (round []*attempt) {
	taken := make(map[eventstore.StreamID]bool, len(pending))
	for _, t := range pending {
		if !t.done && !taken[t.stream] {
			taken[t.stream] = true
			t.decision, t.missing = nil, nil
			round = append(round, t)
		}
	}
	return round
}

// decide lets those of a round decide. One that refers to a record that
// is not there waits a round if one before it makes one now.
func (r *Runner) decide(ctx context.Context, o viewer.Caller, round []*attempt) {
	var g errgroup.Group
	g.SetLimit(readers)
	others := &reads{}
	for _, t := range round {
		g.Go(func() error {
			defer t.recover()
			r.decideOne(ctx, o, t, others)
			return nil
		})
	}
	_ = g.Wait() // they keep their errors
	making := false
	for _, t := range round {
		if d := t.decision; d != nil && d.makes() {
			making = true
		}
		if t.missing != nil && !making {
			t.finish(Outcome{}, t.missing)
		}
	}
}

// recover makes a fault of a panic: it is this operation's, and not that of the
// process.
func (t *attempt) recover() {
	if p := recover(); p != nil {
		t.finish(Outcome{}, fmt.Errorf("panic while a command was decided: %T", p)) // not p: it may hold what is in the record
	}
}

func (r *Runner) decideOne(ctx context.Context, o viewer.Caller, t *attempt, others *reads) {
	if err := t.op.permit(o); err != nil {
		t.finish(Outcome{}, err)
		return
	}
	d, err := r.guess(ctx, o, t, others)
	if d == nil && err == nil {
		if out, ok, err := r.recall(ctx, o, t); ok || err != nil {
			t.finish(out, err)
			return
		}
		d, err = t.op.decide(ctx, &view{run: r, others: others, past: t.past}, o)
	}
	if isMissing(err) {
		t.missing = err
		return
	}
	if err != nil {
		t.finish(Outcome{}, err)
		return
	}
	if d.isEmpty() && len(t.op.target().Hash) == 0 {
		// Nothing is recorded. What an earlier try would have recorded was refused.
		t.decision, t.request = d, eventstore.Command{}
		t.finish(t.outcome(eventstore.Receipt{}), nil)
		return
	}
	t.request, err = command(t.command, t.op.target().Hash, o, d)
	if err == nil && (d.parts != nil || d.isEmpty()) && len(t.request.Hash) > 0 {
		t.request.Note, err = noteOf([]Operation{t.op}, []*decision{d})
	}
	if err != nil {
		t.finish(Outcome{}, r.explain(err))
		return
	}
	t.decision = d
}

// guess decides a command that makes a record as if neither the record nor the
// command had been there before, which the log will say if it is not so: that
// saves asking it twice. Without a decision and an error, it has to be asked.
func (r *Runner) guess(ctx context.Context, o viewer.Caller, t *attempt, others *reads) (*decision, error) {
	to := t.op.target()
	likely := to.Fresh || to.New && len(to.Hash) > 0
	if t.looked || !likely || r.knows(t.stream) {
		t.looked = true
		return nil, nil //nolint:nilnil // see above
	}
	d, err := t.op.decide(ctx, &view{run: r, others: others, past: t.past, blank: true}, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || d.isEmpty() {
		t.looked = true // it may be refused for another reason, or not at all
		return nil, nil //nolint:nilerr,nilnil // likewise
	}
	return d, nil
}

// record hands what was decided to the log in one go. What it refuses because
// something has changed stays to be decided anew.
func (r *Runner) record(ctx context.Context, o viewer.Caller, round []*attempt) {
	decided := slices.DeleteFunc(round, func(t *attempt) bool { return t.done || t.decision == nil })
	if len(decided) == 0 {
		return
	}
	if err := r.begin(ctx, o, decided[0].whole); err != nil {
		for _, t := range decided {
			t.finish(Outcome{}, err)
		}
		return
	}
	requests := make([]eventstore.Command, len(decided))
	for i, t := range decided {
		requests[i] = t.request
	}
	for i, res := range r.store.Append(ctx, o.Tenant, requests...) {
		t := decided[i]
		switch {
		case res.Err == nil && res.Receipt.Repeated:
			t.finish(r.recallAgain(ctx, o, t, res))
		case res.Err == nil:
			t.request = eventstore.WithNumbers(t.request, res.Numbers)
			t.finish(t.outcome(res.Receipt), nil)
			r.remember(ctx, []*decision{t.decision}, t.request, res.Receipt)
		case !t.looked && isGuessedWrong(res.Err):
			t.looked = true
		case !r.changed(res.Err):
			t.finish(Outcome{}, r.explainTo(ctx, o, res.Err))
		default:
			t.rivals = withRival(t.rivals, t.stream, res.Err)
			if t.tries++; t.tries == maxAttempts {
				t.finish(Outcome{}, errBusy)
			}
		}
	}
}

// isGuessedWrong reports whether the log refused a command because of something
// that whoever had looked would have known.
func isGuessedWrong(err error) bool {
	if _, ok := errors.AsType[*eventstore.Conflict](err); ok {
		return true
	}
	_, ok := errors.AsType[*eventstore.Claimed](err)
	return ok
}

// withRival adds the stream that a command has met with a change in, unless it is
// its own.
func withRival(rivals []eventstore.StreamID, own eventstore.StreamID, err error) []eventstore.StreamID {
	c, ok := errors.AsType[*eventstore.Conflict](err)
	if !ok || c.Stream == own || slices.Contains(rivals, c.Stream) {
		return rivals
	}
	return append(rivals, c.Stream)
}

// changed reports whether the log refused a command because something is not
// as it was when the command was decided. If the log has less than we have seen
// of it, it was taken back to an earlier state, and what we know is worth
// nothing.
func (r *Runner) changed(err error) bool {
	var c *eventstore.Conflict
	if !errors.As(err, &c) {
		return false
	}
	if b, ok := r.baseline.Peek(c.Stream); ok && b.at > c.At {
		r.baseline.Remove(c.Stream)
	}
	return true
}

// knows reports whether it is remembered how a record was.
func (r *Runner) knows(s eventstore.StreamID) bool {
	_, ok := r.baseline.Peek(s)
	return ok
}

// remember keeps records as they are after decisions, but for those with events
// that have got a number since. The request is the command as it was recorded.
func (r *Runner) remember(ctx context.Context, decisions []*decision, request eventstore.Command, rc eventstore.Receipt) {
	numbered := map[eventstore.StreamID]bool{}
	after := map[eventstore.StreamID]any{}
	for _, p := range partsOf(decisions) {
		if p.isNumbered() {
			numbered[p.stream] = true
		}
		if len(p.events) > 0 {
			after[p.stream] = p.after
		}
	}
	for i, w := range request.Writes {
		if state, ok := after[w.Stream]; ok && !numbered[w.Stream] {
			events := recorded(request, i, rc)
			r.rememberAs(ctx, state, events[len(events)-1])
		}
	}
}

// outcome says what became of a decision that was recorded.
func (t *attempt) outcome(rc eventstore.Receipt) Outcome {
	d := t.decision
	out := Outcome{ID: t.op.ID(), Command: t.command, Version: d.end(), Position: rc.Last}
	for i := range t.request.Writes {
		out.add(d.stream, recorded(t.request, i, rc)...)
	}
	return out
}

// recorded returns the events of one write of a command as they are in the log:
// in the order of the command, one position after another.
func recorded(c eventstore.Command, write int, rc eventstore.Receipt) []eventstore.Recorded {
	at := rc.First
	for _, w := range c.Writes[:write] {
		at += eventstore.Position(len(w.Events))
	}
	w := c.Writes[write]
	out := make([]eventstore.Recorded, len(w.Events))
	for i, e := range w.Events {
		out[i] = eventstore.Recorded{
			Event: e, Stream: w.Stream, Time: rc.Time,
			Version: w.At + eventstore.Version(i+1), Position: at + eventstore.Position(i),
		}
	}
	return out
}
