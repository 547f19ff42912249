package esdbtest

import (
	"encoding/json"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	firstPosition = 1024 // what a fresh server has written for itself
	recordSize    = 102  // of an empty prepare record
	remembered    = 1 << 16
)

// store is the log that the nodes of a cluster share.
type store struct {
	now func() time.Time

	mu      sync.RWMutex
	log     []*Event
	streams map[string][]*Event // never with an empty value
	recent  recent
	next    uint64
	changed chan struct{} // nil while nobody waits
}

func newStore(now func() time.Time) *store {
	return &store{now: now, streams: map[string][]*Event{}, recent: newRecent(), next: firstPosition}
}

// changes is closed by the next write. Take it before looking.
func (s *store) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *store) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// restart forgets what servers remember in memory only.
func (s *store) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = newRecent()
}

// write puts e at the end of the log. The caller holds mu, and wakes.
func (s *store) write(stream string, number int64, e *Event) {
	e.Stream, e.Number, e.Created, e.Position = stream, number, s.now(), s.next
	e.size = uint64(recordSize + len(stream) + len(e.Type) + len(e.Data) + len(e.Meta))
	s.next = e.end()
	s.streams[stream] = append(s.streams[stream], e)
	s.log = append(s.log, e)
	s.recent.put(e)
}

func (s *store) writeMetadata(stream string, data []byte) *Event {
	e := &Event{ID: uuid.New(), Type: "$metadata", JSON: true, Data: data}
	s.write(metaOf(stream), s.last(metaOf(stream))+1, e)
	return e
}

// last is the number of the last event of stream, -1 without one.
func (s *store) last(stream string) int64 {
	if events := s.streams[stream]; len(events) > 0 {
		return events[len(events)-1].Number
	}
	return -1
}

func (s *store) softDeleted(stream string) bool {
	return limitsOf(stream, s.streams[metaOf(stream)]).softDeleted()
}

// append does what the storage writer does with one write. last is the number
// of the last event, at where it is.
func (s *store) append(stream string, expected int64, events []*Event) (last int64, at uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.check(stream, expected, events)
	switch v.decision {
	case idempotent:
		return v.last, v.at, nil
	case refused:
		return 0, 0, v.refusal
	case accepted:
	}
	revived := isMeta(stream) && s.softDeleted(originalOf(stream))
	last = v.current
	for _, e := range events {
		last++
		s.write(stream, last, e)
		at = e.Position
	}
	if v.softDeleted {
		s.revive(stream, v.current+1)
	}
	if revived {
		s.revive(originalOf(stream), s.last(originalOf(stream))+1)
	}
	s.wakeLocked()
	return last, at, nil
}

// revive ends a soft delete: what was deleted stays hidden.
func (s *store) revive(stream string, from int64) {
	metadata := s.streams[metaOf(stream)]
	fields := map[string]json.RawMessage{}
	if len(metadata) == 0 || json.Unmarshal(metadata[len(metadata)-1].Data, &fields) != nil {
		return
	}
	fields["$tb"], _ = json.Marshal(from)
	data, err := json.Marshal(fields)
	if err == nil {
		s.writeMetadata(stream, data)
	}
}

// remove deletes stream: softly, which takes all other metadata with it, or
// with a tombstone.
func (s *store) remove(stream string, expected int64, hard bool) (at uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &Event{ID: uuid.New(), Type: "$streamDeleted"}
	if v := s.check(stream, expected, []*Event{e}); v.decision != accepted {
		return 0, v.refusal
	}
	if hard {
		s.write(stream, tombstoned, e)
	} else {
		if s.last(stream) < 0 && s.last(metaOf(stream)) < 0 {
			return 0, &wrongVersion{stream: stream, expected: expected, actual: -1}
		}
		e = s.writeMetadata(stream, []byte(`{"$tb":9223372036854775807}`))
	}
	s.wakeLocked()
	return e.Position, nil
}

// scavenge removes what metadata and tombstones hide, but keeps the last event
// of every stream, and so every tombstone.
func (s *store) scavenge() (removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped := map[*Event]bool{}
	kept := make(map[string][]*Event, len(s.streams))
	for stream, events := range s.streams {
		keep := limitsOf(stream, s.streams[metaOf(stream)]).visible(events, s.now())
		if len(keep) == 0 {
			keep = events[len(events)-1:]
		}
		if isMeta(stream) && s.last(originalOf(stream)) == tombstoned {
			keep = nil // the metadata of a tombstoned stream is of no use
		}
		for _, e := range events[:len(events)-len(keep)] {
			dropped[e] = true
		}
		if len(keep) > 0 {
			kept[stream] = slices.Clone(keep)
		}
	}
	// Readers hold on to the old slices: make new ones.
	log := make([]*Event, 0, len(s.log)-len(dropped))
	for _, e := range s.log {
		if !dropped[e] {
			log = append(log, e)
		}
	}
	s.log, s.streams = log, kept
	return len(dropped)
}

// view is the log as one node sees it: up to a position. Its results stay
// valid, and never change.
type view struct {
	*store
	limit uint64
}

const everything uint64 = math.MaxUint64

func (v view) cut(events []*Event) []*Event {
	if v.limit == everything {
		return slices.Clip(events)
	}
	n := sort.Search(len(events), func(i int) bool { return events[i].Position >= v.limit })
	return events[:n:n]
}

func (v view) all() []*Event {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.cut(v.log)
}

// from are the events that begin at or after pos.
func (v view) from(pos uint64) []*Event {
	events := v.all()
	return events[sort.Search(len(events), func(i int) bool { return events[i].Position >= pos }):]
}

type streamState struct {
	events  []*Event // what readers see
	missing bool     // never written, or deleted softly
	deleted bool     // tombstoned
}

func (v view) stream(name string) streamState {
	v.mu.RLock()
	events, metadata := v.cut(v.streams[name]), v.cut(v.streams[metaOf(name)])
	v.mu.RUnlock()
	l := limitsOf(name, metadata)
	return streamState{
		events:  l.visible(events, v.now()),
		missing: len(events) == 0 || l.softDeleted(),
		deleted: len(events) > 0 && events[len(events)-1].Number == tombstoned,
	}
}

// recent is the cache of ids of the server: bounded, in memory, and one entry
// per id, whatever its stream.
type recent struct {
	events map[uuid.UUID]*Event
	ring   []*Event
	oldest int
}

func newRecent() recent { return recent{events: map[uuid.UUID]*Event{}} }

func (r *recent) put(e *Event) {
	r.events[e.ID] = e
	if len(r.ring) < remembered {
		r.ring = append(r.ring, e)
		return
	}
	if old := r.ring[r.oldest]; r.events[old.ID] == old {
		delete(r.events, old.ID)
	}
	r.ring[r.oldest] = e
	r.oldest = (r.oldest + 1) % remembered
}
