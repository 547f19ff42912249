package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/eventstore"
)

// likeAModel appends random commands, few of which make sense, to the store and
// to a model that says what the store should do.
func likeAModel(l *law) {
	rapid.Check(l.T, func(rt *rapid.T) {
		tenant := l.newTenant()
		m := newModel(&law{T: l.T, store: l.store, newTenant: l.newTenant, tenant: tenant})
		for range rapid.IntRange(1, 8).Draw(rt, "calls") {
			cmds := make([]eventstore.Command, rapid.IntRange(1, 6).Draw(rt, "commands"))
			for i := range cmds {
				cmds[i] = m.draw(rt)
			}
			for i, r := range l.store.Append(l.Context(), tenant, cmds...) {
				if err := m.expect(cmds[i], r); err != nil {
					rt.Fatalf("command %d: %v", i, err)
				}
			}
		}
		if err := m.compare(); err != nil {
			rt.Fatal(err)
		}
	})
}

// model is what a store with one tenant should be.
type model struct {
	*law

	streams  [4]eventstore.StreamID
	history  map[eventstore.StreamID][]uuid.UUID
	commands map[uuid.UUID]remembered
	claims   map[string]eventstore.StreamID
	issued   []eventstore.Command // to be repeated
	at       map[uuid.UUID]eventstore.Position
}

type remembered struct {
	hash    string
	receipt eventstore.Receipt
}

func newModel(l *law) *model {
	m := &model{
		law: l, history: make(map[eventstore.StreamID][]uuid.UUID), commands: make(map[uuid.UUID]remembered),
		claims: make(map[string]eventstore.StreamID), at: make(map[uuid.UUID]eventstore.Position),
	}
	for i := range m.streams {
		m.streams[i] = l.stream()
	}
	m.streams[1].ID = m.streams[0].ID // they differ in kind only
	m.streams[1].Kind = "task"
	return m
}

// draw makes up a command. Those of the same call are made up before any of
// them has happened, so many of them come too late.
func (m *model) draw(rt *rapid.T) eventstore.Command {
	if len(m.issued) > 0 && rapid.IntRange(0, 4).Draw(rt, "repeat") == 0 {
		c := rapid.SampledFrom(m.issued).Draw(rt, "repeated")
		if rapid.IntRange(0, 3).Draw(rt, "rehash") == 0 {
			c.Hash = m.hash(rt)
		}
		return c
	}
	c := eventstore.Command{ID: newID(), Hash: m.hash(rt)}
	for _, s := range m.streams {
		at := max(0, eventstore.Version(len(m.history[s])+rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, -1}).Draw(rt, "off")))
		switch rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0:
			c.Writes = append(c.Writes, eventstore.Write{Stream: s, At: at, Events: events(rapid.IntRange(0, 3).Draw(rt, "events"))})
		case 1:
			c.Checks = append(c.Checks, eventstore.Check{Stream: s, At: at})
		}
	}
	for _, key := range []string{"a", "b"} {
		claim := eventstore.Claim{Scope: "name", Key: key, Stream: rapid.SampledFrom(m.streams[:]).Draw(rt, "claimant")}
		what := rapid.IntRange(0, 7).Draw(rt, "claim")
		if what == 0 || what == 1 {
			claim.Soft = what == 1
			c.Claim = append(c.Claim, claim)
		}
		if rapid.IntRange(0, 5).Draw(rt, "free") == 0 {
			c.Free = append(c.Free, eventstore.Claim{Scope: "name", Key: key, Stream: rapid.SampledFrom(m.streams[:]).Draw(rt, "freed")})
		}
	}
	m.issued = append(m.issued, c)
	return c
}

func (*model) hash(rt *rapid.T) []byte {
	return rapid.SampledFrom([][]byte{nil, []byte("h"), []byte("i")}).Draw(rt, "hash")
}

// expect compares a result with what it should be, and does to the model what
// the command does to the store.
func (m *model) expect(c eventstore.Command, got eventstore.Result) error {
	if known, ok := m.commands[c.ID]; ok && c.Hash != nil {
		if known.hash != string(c.Hash) {
			if !errors.Is(got.Err, eventstore.ErrReused) {
				return fmt.Errorf("got %+v, want that the ID was reused", got)
			}
			return nil
		}
		return m.expectRepeated(got, known.receipt)
	}
	stale := m.stale(c)
	if first, there := m.there(c); len(stale) > 0 && there {
		return m.expectRepeated(got, eventstore.Receipt{First: first, Last: first + eventstore.Position(count(c)) - 1, Time: got.Receipt.Time})
	}
	held := m.held(c)
	if len(stale) > 0 || len(held) > 0 {
		if conflict, ok := errors.AsType[*eventstore.Conflict](got.Err); ok && slices.Contains(stale, *conflict) {
			return nil
		}
		if claimed, ok := errors.AsType[*eventstore.Claimed](got.Err); ok && slices.Contains(held, *claimed) {
			return nil
		}
		return fmt.Errorf("got %+v, want one of %v, %v", got, stale, held)
	}
	if got.Err != nil || got.Receipt.Repeated || got.Receipt.Last-got.Receipt.First+1 != eventstore.Position(count(c)) {
		return fmt.Errorf("got %+v, want it recorded", got)
	}
	m.record(c, got.Receipt)
	return nil
}

func (*model) expectRepeated(got eventstore.Result, want eventstore.Receipt) error {
	want.Repeated = true
	if got.Err != nil || got.Receipt != want {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

func count(c eventstore.Command) (n int) {
	for _, w := range c.Writes {
		n += len(w.Events)
	}
	return n
}

// stale returns what a command may conflict with.
func (m *model) stale(c eventstore.Command) (all []eventstore.Conflict) {
	look := func(s eventstore.StreamID, at eventstore.Version) {
		if now := eventstore.Version(len(m.history[s])); now != at {
			all = append(all, eventstore.Conflict{Stream: s, At: now})
		}
	}
	for _, w := range c.Writes {
		look(w.Stream, w.At)
	}
	for _, k := range c.Checks {
		look(k.Stream, k.At)
	}
	return all
}

// there reports whether all events of a command, at least one, are in the log
// already, and where the first one is.
func (m *model) there(c eventstore.Command) (first eventstore.Position, yes bool) {
	for _, w := range c.Writes {
		for i, e := range w.Events {
			h := m.history[w.Stream]
			if n := int(w.At) + i; n >= len(h) || h[n] != e.ID {
				return 0, false
			}
			if first == 0 {
				first = m.at[e.ID]
			}
		}
	}
	return first, first > 0
}

// held returns which claims may stand in the way of a command.
func (m *model) held(c eventstore.Command) (all []eventstore.Claimed) {
	for _, k := range c.Claim {
		holder, taken := m.claims[k.Key]
		freed := slices.ContainsFunc(c.Free, func(f eventstore.Claim) bool { return f.Key == k.Key && f.Stream == holder })
		if taken && holder != k.Stream && !freed && !k.Soft {
			all = append(all, eventstore.Claimed{Claim: k, Holder: holder})
		}
	}
	return all
}

func (m *model) record(c eventstore.Command, r eventstore.Receipt) {
	p := r.First
	for _, w := range c.Writes {
		for _, e := range w.Events {
			m.history[w.Stream] = append(m.history[w.Stream], e.ID)
			m.at[e.ID] = p
			p++
		}
	}
	if c.Hash != nil {
		m.commands[c.ID] = remembered{string(c.Hash), r}
	}
	for _, f := range c.Free {
		if m.claims[f.Key] == f.Stream {
			delete(m.claims, f.Key)
		}
	}
	for _, k := range c.Claim {
		if _, taken := m.claims[k.Key]; !taken {
			m.claims[k.Key] = k.Stream
		}
	}
}

// compare compares all that can be read with the model.
func (m *model) compare() error {
	log := m.log(m.tenant)
	if len(log) != len(m.at) {
		return fmt.Errorf("%d events, want %d", len(log), len(m.at))
	}
	for _, e := range log {
		if m.at[e.ID] != e.Position {
			return fmt.Errorf("the event at %d should be at %d", e.Position, m.at[e.ID])
		}
	}
	for _, s := range m.streams {
		var ids []uuid.UUID
		for _, e := range m.law.history(s) {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, m.history[s]) {
			return fmt.Errorf("stream %v has %v, want %v", s, ids, m.history[s])
		}
	}
	for _, key := range []string{"a", "b"} {
		if got := m.holder("name", key); got != m.claims[key] {
			return fmt.Errorf("%q is held by %v, want %v", key, got, m.claims[key])
		}
	}
	for id, want := range m.commands {
		got, ok, err := m.store.Recall(m.Context(), m.tenant, id, []byte(want.hash))
		if err == nil && !ok {
			err = errors.New("is not remembered")
		}
		if err == nil {
			err = m.expectRepeated(eventstore.Result{Receipt: got}, want.receipt)
		}
		if err != nil {
			return fmt.Errorf("command %v: %w", id, err)
		}
	}
	return nil
}
