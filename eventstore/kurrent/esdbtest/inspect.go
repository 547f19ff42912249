package esdbtest

import (
	"slices"

	"github.com/google/uuid"
)

// Streams are the names of all streams in the log, sorted: metadata streams,
// streams that were deleted and those with a tombstone too.
func (s *Server) Streams() []string {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	names := make([]string, 0, len(s.store.streams))
	for name := range s.store.streams {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Events are all events of stream that the log holds, whether readers see them
// or not, its tombstone too.
func (s *Server) Events(stream string) []Event {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return values(s.store.streams[stream])
}

// Log is everything that the log holds, in order.
func (s *Server) Log() []Event {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return values(s.store.log)
}

func values(events []*Event) []Event {
	out := make([]Event, len(events))
	for i, e := range events {
		out[i] = *e
	}
	return out
}

// Len is how many events the log holds.
func (s *Server) Len() int {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return len(s.store.log)
}

// Scavenge removes from the log what tombstones, deletes and truncation hide,
// as POST /admin/scavenge does with a threshold of 0. It keeps the last event
// of every stream that can be revived, and all tombstones.
func (s *Server) Scavenge() (removed int) { return s.store.scavenge() }

// AppendForeign writes events behind the backs of all clients, whatever the
// revision. Of an event it takes Type, Data, Meta, JSON and ID; without an ID
// it gets one. It returns the events as written, and panics when the stream has
// a tombstone.
func (s *Server) AppendForeign(stream string, events ...Event) []Event {
	fresh := make([]*Event, len(events))
	for i, e := range events {
		if e.ID == uuid.Nil {
			e.ID = uuid.New()
		}
		fresh[i] = &Event{ID: e.ID, Type: e.Type, JSON: e.JSON, Data: e.Data, Meta: e.Meta}
	}
	if _, _, err := s.store.append(stream, expectAny, fresh); err != nil {
		panic(err)
	}
	return values(fresh)
}

// Empty takes its log from a node on its own that is stopped, as if it were
// another server that has come to its address.
func (s *Server) Empty() { s.store = newStoreOf(s.config) }

// newStoreOf makes the log of a server or cluster.
func newStoreOf(c config) *store {
	s := newStore(c.now)
	if !c.system {
		return s
	}
	for stream, events := range map[string][]*Event{
		"$settings":               {{Type: "$settings", JSON: true, Data: []byte(`{}`)}},
		"$$$stats-127.0.0.1:2113": {{Type: "$metadata", JSON: true, Data: []byte(`{"$maxAge":86400}`)}},
		"$user-admin":             {{Type: "$UserCreated", JSON: true, Data: []byte(`{"loginName":"admin"}`)}},
		"$stats-127.0.0.1:2113": {
			{Type: "$statsCollected", JSON: true, Data: []byte(`{}`)},
			{Type: "$statsCollected", JSON: true, Data: []byte(`{}`)},
		},
	} {
		for i, e := range events {
			e.ID = uuid.New()
			s.write(stream, int64(i), e)
		}
	}
	return s
}
