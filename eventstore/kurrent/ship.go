package kurrent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// shipment is a run of decided events of one stream.
type shipment struct {
	stream eventstore.StreamID
	at     eventstore.Version // of the stream before the first of them
	events []esdb.Event
}

// deliver ships what was decided for a caller, and makes what becomes of it the
// result. Nobody is told of a conflict before the events that they conflict with
// can be read.
func (s *Store) deliver(ctx context.Context, tenant domain.TenantID, commands []eventstore.Command, results []eventstore.Result) {
	ctx, cancel := s.insist(ctx)
	defer cancel()
	var own []shipment
	for i := range commands {
		if r := &results[i]; r.Err == nil && !r.Receipt.Repeated {
			c := eventstore.WithNumbers(commands[i], r.Numbers)
			own = append(own, shipments(&c, r.Receipt)...)
		}
	}
	late := s.shipAll(ctx, merge(own))
	for i := range commands {
		r := &results[i]
		if conflict, ok := errors.AsType[*eventstore.Conflict](r.Err); ok {
			if err := s.settleStream(ctx, conflict.Stream); err != nil {
				r.Err = err
			}
			continue
		}
		if r.Err != nil {
			continue
		}
		if r.Receipt.Repeated {
			r.Err = s.settle(ctx, tenant, r.Receipt.First, r.Receipt.Last)
			continue
		}
		for _, w := range commands[i].Writes {
			if err := late[w.Stream]; err != nil {
				r.Err = err
			}
		}
	}
}

// insist returns a context that lasts as long as our patience, or less if the
// caller's deadline says so: a decided command is not given up because its caller
// lost interest.
func (s *Store) insist(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(s.patience)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// shipments returns what is to be shipped of a command.
func shipments(c *eventstore.Command, r eventstore.Receipt) []shipment {
	all := make([]shipment, 0, len(c.Writes))
	at := r.First
	for _, w := range c.Writes {
		if len(w.Events) == 0 {
			continue
		}
		sh := shipment{w.Stream, w.At, make([]esdb.Event, len(w.Events))}
		for i, e := range w.Events {
			sh.events[i] = encode(&eventstore.Recorded{Event: e, Stream: w.Stream, Position: at, Time: r.Time})
			at++
		}
		all = append(all, sh)
	}
	return all
}

// merge joins shipments of the same stream that follow one another, and returns
// those of each stream, in the order of its versions, in which they come.
func merge(all []shipment) [][]shipment {
	index := make(map[eventstore.StreamID]int, len(all))
	var merged [][]shipment
	for _, sh := range all {
		i, ok := index[sh.stream]
		if !ok {
			index[sh.stream] = len(merged)
			merged = append(merged, []shipment{sh})
			continue
		}
		last := &merged[i][len(merged[i])-1]
		if last.at+eventstore.Version(len(last.events)) == sh.at {
			last.events = append(last.events, sh.events...)
		} else {
			merged[i] = append(merged[i], sh)
		}
	}
	return merged
}

// shipAll ships to several streams at once, and returns what went wrong with
// which.
func (s *Store) shipAll(ctx context.Context, all [][]shipment) map[eventstore.StreamID]error {
	const atOnce = 16 // of one caller
	errs := make([]error, len(all))
	ship := func(i int) {
		for k := 0; k < len(all[i]) && errs[i] == nil; k++ {
			errs[i] = s.ship(ctx, all[i][k])
		}
	}
	if len(all) == 1 {
		ship(0)
	} else {
		var g errgroup.Group
		g.SetLimit(atOnce)
		for i := range all {
			g.Go(func() error {
				ship(i)
				return nil
			})
		}
		_ = g.Wait() // the functions return nil
	}
	late := make(map[eventstore.StreamID]error, len(all))
	for i := range all {
		late[all[i][0].stream] = errs[i]
	}
	return late
}

// ship appends the events of a shipment. What was decided for the stream before
// them, and was not seen there yet, is shipped first: it may be that nobody came to
// it, or that somebody else has written in its place, and then nothing of ours
// must follow.
func (s *Store) ship(ctx context.Context, sh shipment) error {
	if arrived, ok := s.arrived.Get(sh.stream); sh.at > 0 && (!ok || arrived < sh.at) {
		before, err := s.pendingBefore(ctx, sh)
		if err != nil {
			return err
		}
		for _, b := range before {
			if err := s.ship(ctx, b); err != nil { // whose predecessors are pending no more
				return err
			}
		}
	}
	return s.load(ctx, sh)
}

// load appends the events of a shipment, as many at a time as the engine takes,
// and knows those that are there already.
func (s *Store) load(ctx context.Context, sh shipment) error {
	name := streamName(sh.stream)
	for most, wait := len(sh.events), time.Millisecond; len(sh.events) > 0; {
		n := s.fit(sh.events[:min(most, len(sh.events))])
		err := s.append(ctx, name, sh.at, sh.events[:n])
		conflict, isConflict := errors.AsType[*esdb.Conflict](err)
		switch {
		case err == nil:
			s.metrics.shipped.Add(float64(n))
		case isConflict && conflict.Actual >= revision(sh.at):
			n, err = s.recognize(ctx, name, sh)
		case isConflict:
			// What came before was seen, and the server does not show it: yet, or
			// any more.
			err = fmt.Errorf("%w: a stream ends at version %d, and what follows was there once", eventstore.ErrGap, conflict.Actual+1)
		case errors.Is(err, esdb.ErrTooLarge):
			if n > 1 {
				most = n / 2
				continue
			}
			return s.refuseLarger(ctx, err)
		default:
			return err
		}
		if errors.Is(err, eventstore.ErrGap) && wait < time.Second {
			pause(ctx, wait)
			wait *= 4
			continue
		}
		if err != nil {
			return err
		}
		sh.at, sh.events = sh.at+eventstore.Version(n), sh.events[n:]
		s.arrived.Add(sh.stream, sh.at)
	}
	return nil
}

// fit returns how many of some events the engine takes at once.
func (s *Store) fit(events []esdb.Event) int {
	size := 0
	for i := range events {
		if size += events[i].Size(); i > 0 && size > s.maxAppend() {
			return i
		}
	}
	return len(events)
}

// refuseLarger remembers that the server takes less than it was said to, so that
// nothing more of this size is decided. What was decided waits for an operator.
func (s *Store) refuseLarger(ctx context.Context, err error) error {
	if t, ok := errors.AsType[*esdb.TooLarge](err); ok && t.Limit > envelopeBytes {
		s.limit.Store(int64(t.Limit))
	}
	s.log.ErrorContext(ctx, "the event store does not take an event that was decided: raise MaxAppendSize there, or lower maxAppendSize in --events", "error", err)
	return fmt.Errorf("%w: its limit is lower than maxAppendSize says", eventstore.ErrUnavailable)
}

// append appends when it is its turn.
func (s *Store) append(ctx context.Context, name string, at eventstore.Version, events []esdb.Event) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	began := time.Now()
	_, err := s.events.Append(ctx, name, revision(at), events)
	switch {
	case err == nil:
		s.back(ctx)
		return s.known(ctx) // if another server has come meanwhile, it may be there
	case impatient(err, time.Since(began)):
		return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
	default:
		return s.failed(ctx, err, &stuck{name, at, events})
	}
}

func (s *Store) take(ctx context.Context) error {
	select {
	case s.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: too much is under way: %w", eventstore.ErrUnavailable, ctx.Err())
	}
}

func (s *Store) give() { <-s.turns }

// recognize returns how many of the events of a shipment are in the stream
// already. If others are there in their place somebody wrote behind our back, and
// nothing can be done about that here.
func (s *Store) recognize(ctx context.Context, name string, sh shipment) (n int, err error) {
	if err := s.take(ctx); err != nil {
		return 0, err
	}
	defer s.give()
	for e, err := range s.events.ReadStream(ctx, name, uint64(sh.at), len(sh.events)) {
		if errors.Is(err, esdb.ErrNotFound) {
			break
		}
		if err != nil {
			return 0, s.failed(ctx, err, nil)
		}
		if e.ID != sh.events[n].ID {
			return 0, fmt.Errorf("%w: version %d of a stream", errForeign, int(sh.at)+n+1)
		}
		n++
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: the engine says that version %d of a stream is there, and does not show it", eventstore.ErrGap, sh.at+1)
	}
	return n, nil
}

// pendingBefore returns what is pending of a stream before a shipment.
func (s *Store) pendingBefore(ctx context.Context, sh shipment) (before []shipment, err error) {
	entries, err := s.ledger.PendingOf(ctx, sh.stream, few)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if e := &entries[i].Recorded; e.Version <= sh.at {
			before = append(before, shipment{e.Stream, e.Version - 1, []esdb.Event{encode(e)}})
		}
	}
	if len(before) == 0 {
		return nil, nil
	}
	return merge(before)[0], nil
}

// few is how many pending events are dealt with at a time.
const few = 1000

// settleStream ships whatever is pending of a stream, so that a reader can see
// what was decided.
func (s *Store) settleStream(ctx context.Context, id eventstore.StreamID) error {
	entries, err := s.ledger.PendingOf(ctx, id, few)
	if err != nil || len(entries) == 0 {
		return err
	}
	return s.shipEntries(ctx, entries)
}

// settle ships what is pending of a tenant at some positions.
func (s *Store) settle(ctx context.Context, tenant domain.TenantID, first, last eventstore.Position) error {
	for first <= last {
		entries, err := s.ledger.PendingBetween(ctx, tenant, first, last, few)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := s.shipEntries(ctx, entries); err != nil {
			return err
		}
		first = entries[len(entries)-1].Position + 1
	}
	return nil
}

// shipEntries ships entries that are in the order of their positions.
func (s *Store) shipEntries(ctx context.Context, entries []postgres.Entry) error {
	all := make([]shipment, 0, len(entries))
	for i := range entries {
		e := &entries[i].Recorded
		all = append(all, shipment{e.Stream, e.Version - 1, []esdb.Event{encode(e)}})
	}
	var errs []error
	for _, err := range s.shipAll(ctx, merge(all)) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
