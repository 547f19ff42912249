package esdbtest

import "sort"

// Expected revisions that are not numbers.
const (
	expectNone   int64 = -1
	expectAny    int64 = -2
	expectExists int64 = -4
)

type decision int

const (
	accepted decision = iota
	refused
	idempotent
)

// verdict is the decision on one write.
type verdict struct {
	decision    decision
	refusal     error // of a refused one
	current     int64 // the stream's last number before it
	softDeleted bool  // an accepted write revives the stream
	last        int64 // of an idempotent one: what was written then
	at          uint64
}

// check is IndexWriter.CheckCommit: it compares ids, never payloads. The
// caller holds mu.
func (s *store) check(stream string, expected int64, events []*Event) verdict {
	current := s.last(stream)
	if current == tombstoned {
		return verdict{decision: refused, refusal: streamDeleted(stream)}
	}
	if expected == expectExists {
		if s.softDeleted(stream) {
			return verdict{decision: refused, refusal: streamDeleted(stream)}
		}
		if current < 0 && s.last(metaOf(stream)) < 0 {
			return wrong(stream, expected, current)
		}
	}
	switch {
	case expected == expectAny || expected == expectExists:
		return s.checkRemembered(stream, expected, current, events)
	case expected < current:
		return s.checkWritten(stream, expected, current, events)
	case expected > current:
		return wrong(stream, expected, current)
	default:
		return verdict{current: current, softDeleted: s.softDeleted(stream)}
	}
}

// checkRemembered recognizes a repeated write without a revision by the ids in
// memory alone: after a restart it is written a second time.
func (s *store) checkRemembered(stream string, expected, current int64, events []*Event) verdict {
	var earlier *Event
	for i, e := range events {
		was := s.recent.events[e.ID]
		if was == nil || was.Stream != stream {
			if i == 0 {
				break
			}
			return wrong(stream, expected, current) // CorruptedIdempotency
		}
		earlier = was
	}
	if earlier == nil {
		return verdict{current: current, softDeleted: s.softDeleted(stream)}
	}
	return verdict{decision: idempotent, last: earlier.Number, at: earlier.Position}
}

// checkWritten recognizes a repeated write by the ids at the numbers that it
// would have had.
func (s *store) checkWritten(stream string, expected, current int64, events []*Event) verdict {
	var earlier *Event
	for i, e := range events {
		was := s.at(stream, expected+1+int64(i))
		if was == nil {
			// Scavenged, but perhaps not forgotten.
			was = s.recent.events[e.ID]
		}
		if was != nil && was.ID == e.ID && was.Stream == stream && was.Number == expected+1+int64(i) {
			earlier = was
			continue
		}
		if i == 0 && expected == expectNone && s.softDeleted(stream) {
			return verdict{current: current, softDeleted: true}
		}
		return wrong(stream, expected, current) // or CorruptedIdempotency, which is answered alike
	}
	if earlier == nil {
		return wrong(stream, expected, current)
	}
	return verdict{decision: idempotent, last: earlier.Number, at: earlier.Position}
}

func (s *store) at(stream string, number int64) *Event {
	events := s.streams[stream]
	i := sort.Search(len(events), func(i int) bool { return events[i].Number >= number })
	if i < len(events) && events[i].Number == number {
		return events[i]
	}
	return nil
}

func wrong(stream string, expected, actual int64) verdict {
	return verdict{decision: refused, refusal: &wrongVersion{stream: stream, expected: expected, actual: actual}}
}
