package esdbtest

import (
	"sort"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// subscription is a subscription to $all, as Enumerator.AllSubscription and
// AllSubscriptionFiltered run it.
type subscription struct {
	*query
	// reached is the last event or checkpoint that was sent.
	reached position
	// checkpointed is the last checkpoint that was sent.
	checkpointed position
	// joined is the end of the log when the subscription began; live counts
	// the records since towards the next live checkpoint.
	joined uint64
	live   int
	// next is where the first record lies that was not considered yet.
	next uint64
}

func (q *query) subscribeAll() error {
	s := &subscription{query: q, reached: beforeAll, checkpointed: beforeAll}
	last := beforeAll
	if log := q.server.view().all(); len(log) > 0 {
		e := log[len(log)-1]
		last, s.joined = e.at(), e.end()
	}
	if err := q.send(confirmation()); err != nil {
		return err
	}
	switch from := q.options.GetAll().GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		s.reached = wirePosition(from.Position)
	case *streams.ReadReq_Options_AllOptions_End:
		s.reached = last
	}
	if s.reached.less(last) {
		if err := s.catchUp(); err != nil {
			return err
		}
	} else {
		s.next = s.joined
	}
	return s.goLive()
}

// catchUp reads the log page by page. Checkpoints fall between pages, on the
// last event sent or on the beginning of the page, which need not be the
// beginning of a record.
func (s *subscription) catchUp() error {
	from, considered := s.reached, 0
	if from.less(first) {
		from = first
	}
	for {
		events, page := s.readPage(from)
		for _, e := range events {
			if !s.reached.less(e.at()) {
				continue
			}
			if err := s.sendEvent(e); err != nil {
				return err
			}
			s.reached = e.at()
		}
		if s.reached.less(from) && from.less(page.next) {
			s.reached = from
		}
		considered += page.considered
		if page.end {
			if s.reached.less(first) && first.less(page.next) {
				s.reached = first
			}
			return s.sendCheckpoint(s.reached)
		}
		if s.filter.given && considered >= s.filter.interval {
			considered %= s.filter.interval
			if err := s.sendCheckpoint(s.reached); err != nil {
				return err
			}
		}
		from = page.next
	}
}

// page is what AllReader.ReadAllEventsForwardInternal tells of one read.
type page struct {
	next       position
	considered int
	end        bool
}

func (s *subscription) readPage(from position) (events []*Event, p page) {
	p.next = from
	full := func() bool { return len(events) == pageSize || p.considered >= s.filter.window }
	for _, e := range s.server.view().from(uint64(from.commit)) {
		if full() {
			break
		}
		if e.at().less(from) {
			continue
		}
		p.considered++
		if e.Position >= s.joined {
			s.countLive()
		}
		if s.filter.allows(e) {
			events = append(events, e)
		}
		p.next = position{int64(e.end()), 0}
	}
	p.end = !full() // the end is only found by looking beyond it
	s.next = max(uint64(p.next.commit), s.joined)
	return events, p
}

func (s *subscription) countLive() (due bool) {
	if !s.filter.given {
		return false
	}
	s.live = (s.live + 1) % s.filter.interval
	return s.live == 0
}

func (s *subscription) goLive() error {
	if err := s.send(caughtUp()); err != nil {
		return err
	}
	for {
		changed := s.server.store.changes()
		for _, e := range s.server.view().from(s.next) {
			s.next = e.end()
			if err := s.offer(e); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-s.sender.stream.Context().Done():
			return ended(s.sender.stream.Context())
		}
	}
}

// offer handles one live record.
func (s *subscription) offer(e *Event) error {
	due := s.countLive()
	if s.reached.less(e.at()) && s.filter.allows(e) {
		if err := s.sendEvent(e); err != nil {
			return err
		}
		s.reached = e.at()
	}
	if due && !e.at().less(s.reached) {
		s.reached = e.at()
		return s.sendCheckpoint(s.reached)
	}
	return nil
}

func (s *subscription) sendCheckpoint(p position) error {
	if !s.filter.given || !s.checkpointed.less(p) {
		return nil
	}
	s.checkpointed = p
	return s.send(checkpoint(p))
}

// subscribeStream sends what follows the revision. A stream that does not exist
// may come; one that is tombstoned ends the subscription.
func (q *query) subscribeStream() error {
	after := int64(-1)
	state := q.server.view().stream(q.stream)
	switch from := q.options.GetStream().GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		after = int64(from.Revision)
	case *streams.ReadReq_Options_StreamOptions_End:
		if n := len(state.events); n > 0 {
			after = state.events[n-1].Number
		}
	}
	if err := q.send(confirmation()); err != nil {
		return err
	}
	for live := false; ; {
		changed := q.server.store.changes()
		state := q.server.view().stream(q.stream)
		if state.deleted {
			return streamDeleted(q.stream)
		}
		fresh := sort.Search(len(state.events), func(i int) bool { return state.events[i].Number > after })
		for _, e := range state.events[fresh:] {
			if err := q.sendEvent(e); err != nil {
				return err
			}
			after = e.Number
		}
		if !live {
			live = true
			if err := q.send(caughtUp()); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-q.sender.stream.Context().Done():
			return ended(q.sender.stream.Context())
		}
	}
}
