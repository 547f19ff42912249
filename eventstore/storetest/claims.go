package storetest

import (
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/rowhouse/rowhouse/eventstore"
)

// claiming makes a command that begins a stream which claims a key.
func (l *law) claiming(key string, soft bool) eventstore.Command {
	c := write(l.stream(), 0, 1)
	c.Claim = []eventstore.Claim{{Scope: "contact.email", Key: key, Stream: c.Writes[0].Stream, Soft: soft, Pointer: "/email"}}
	return c
}

// claimed checks that a result is refused because of the command's first claim.
func (l *law) claimed(r eventstore.Result, c eventstore.Command, holder eventstore.StreamID) {
	l.Helper()
	refusal, ok := errors.AsType[*eventstore.Claimed](r.Err)
	if !ok || *refusal != (eventstore.Claimed{Claim: c.Claim[0], Holder: holder}) {
		l.Errorf("got %+v, want that %v holds it", r, holder)
	}
}

func (l *law) holds(s eventstore.StreamID, key string) {
	l.Helper()
	if got := l.holder("contact.email", key); got != s {
		l.Errorf("%q is held by %v, want %v", key, got, s)
	}
}

func claims(l *law) {
	c := l.claiming("a", false)
	s := c.Writes[0].Stream
	l.do(c)
	l.holds(s, "a")
	l.holds(eventstore.StreamID{}, "b")
	if got := l.holder("company.domain", "a"); got != (eventstore.StreamID{}) {
		l.Errorf("held in another scope by %v", got)
	}
	other := l.claiming("a", false)
	l.claimed(l.try(other), other, s)
	if n := len(l.history(other.Writes[0].Stream)); n > 0 {
		l.Errorf("%d events were recorded nevertheless", n)
	}
	again := write(s, 1, 1) // claims what it holds already, and then some
	again.Claim = []eventstore.Claim{c.Claim[0], {Scope: "contact.email", Key: "b", Stream: s}, {Scope: "contact.email", Key: "b", Stream: s}}
	l.do(again)
	l.holds(s, "a")
	l.holds(s, "b")
	mute := eventstore.Command{ID: newID(), Claim: []eventstore.Claim{{Scope: "contact.email", Key: "c", Stream: s}}}
	l.do(mute)
	l.holds(s, "c")
}

func manyHolders(l *law) {
	one, two := l.claiming("a", false), l.claiming("b", false)
	l.do(one)
	l.do(two)
	none := eventstore.StreamID{}
	ask := []eventstore.Claim{{Scope: "contact.email", Key: "b"}, {Scope: "company.domain", Key: "a"}, {Scope: "contact.email", Key: "a"}, {Scope: "contact.email", Key: "c"}, {Scope: "contact.email", Key: "b"}}
	want := []eventstore.StreamID{two.Writes[0].Stream, none, one.Writes[0].Stream, none, two.Writes[0].Stream}
	if got, err := l.store.Holders(l.Context(), l.tenant, ask...); err != nil || !slices.Equal(got, want) {
		l.Errorf("got %v, %v, want %v", got, err, want)
	}
	many := make([]eventstore.Claim, 20_000)
	for i := range many {
		many[i] = eventstore.Claim{Scope: "contact.email", Key: strconv.Itoa(i)}
	}
	many[len(many)-1].Key = "a"
	got, err := l.store.Holders(l.Context(), l.tenant, many...)
	if err != nil || len(got) != len(many) || got[len(got)-1] != one.Writes[0].Stream || slices.ContainsFunc(got[:len(got)-1], func(s eventstore.StreamID) bool { return s != none }) {
		l.Errorf("of many: %d holders, %v", len(got), err)
	}
	if got, err := l.store.Holders(l.Context(), l.tenant); len(got) != 0 || err != nil {
		l.Errorf("of no claims: %v, %v", got, err)
	}
	if got, err := l.store.Holders(l.Context(), l.newTenant(), ask...); err != nil || slices.ContainsFunc(got, func(s eventstore.StreamID) bool { return s != none }) {
		l.Errorf("another tenant sees %v, %v", got, err)
	}
}

func softClaims(l *law) {
	c := l.claiming("a", true)
	l.do(c)
	l.holds(c.Writes[0].Stream, "a")
	other := l.claiming("a", true)
	other.Claim = append(other.Claim, eventstore.Claim{Scope: "contact.email", Key: "b", Stream: other.Writes[0].Stream, Soft: true})
	l.do(other)
	l.holds(c.Writes[0].Stream, "a")
	l.holds(other.Writes[0].Stream, "b")
}

func claimsOfTwoTenants(l *law) {
	l.do(l.claiming("a", false))
	l.tenant = l.newTenant()
	l.holds(eventstore.StreamID{}, "a")
	c := l.claiming("a", false)
	l.do(c)
	l.holds(c.Writes[0].Stream, "a")
}

func claimsAreFreed(l *law) {
	c := l.claiming("a", false)
	s := c.Writes[0].Stream
	l.do(c)
	thief := write(l.stream(), 0, 1)
	thief.Free = []eventstore.Claim{{Scope: "contact.email", Key: "a", Stream: thief.Writes[0].Stream}}
	l.do(thief)
	l.holds(s, "a")
	free := write(s, 1, 1)
	free.Free = []eventstore.Claim{c.Claim[0], {Scope: "contact.email", Key: "never held", Stream: s}}
	l.do(free)
	l.holds(eventstore.StreamID{}, "a")
	other := l.claiming("a", false)
	l.do(other)
	l.holds(other.Writes[0].Stream, "a")
}

// claimsChangeHands frees and takes a claim in one command.
func claimsChangeHands(l *law) {
	c := l.claiming("a", false)
	from := c.Writes[0].Stream
	l.do(c)
	heir := l.claiming("a", false)
	to := heir.Writes[0].Stream
	heir.Free = []eventstore.Claim{c.Claim[0]}
	heir.Checks = []eventstore.Check{{Stream: from, At: 1}}
	l.do(heir)
	l.holds(to, "a")

	renewed := write(to, 1, 1) // frees it and takes it again
	renewed.Claim = heir.Claim
	renewed.Free = heir.Claim
	l.do(renewed)
	l.holds(to, "a")

	wrong := l.claiming("a", false) // frees it for one who does not hold it
	wrong.Free = []eventstore.Claim{c.Claim[0]}
	l.claimed(l.try(wrong), wrong, to)
	l.holds(to, "a")
}

// claimsOfARefused makes sure that a command which is refused leaves no claim
// behind, and frees none.
func claimsOfARefused(l *law) {
	a := l.claiming("a", false)
	l.do(a)
	c := l.claiming("b", false)
	c.Free = a.Claim
	c.Checks = []eventstore.Check{{Stream: a.Writes[0].Stream, At: 9}}
	l.conflict(l.try(c))
	l.holds(a.Writes[0].Stream, "a")
	l.holds(eventstore.StreamID{}, "b")
	c.Checks = nil
	c.Free = nil
	c.Claim = append(c.Claim, l.claiming("a", false).Claim...)
	c.Claim[1].Stream = c.Writes[0].Stream
	if r := l.try(c); r.Err == nil {
		l.Error("recorded although one of two claims is held")
	}
	l.holds(eventstore.StreamID{}, "b")
}

// claimsAtOnce has many streams claim the same key in the same instant.
func claimsAtOnce(l *law) {
	cmds := make([]eventstore.Command, 50)
	results := make([]eventstore.Result, len(cmds))
	var ready, wg sync.WaitGroup
	ready.Add(len(cmds))
	for i := range cmds {
		cmds[i] = l.claiming("a", false)
		wg.Go(func() {
			ready.Done()
			ready.Wait()
			results[i] = l.store.Append(l.Context(), l.tenant, cmds[i])[0]
		})
	}
	wg.Wait()
	holder := l.holder("contact.email", "a")
	n := 0
	for i, r := range results {
		if r.Err == nil {
			n++
			l.holds(cmds[i].Writes[0].Stream, "a")
			continue
		}
		l.claimed(r, cmds[i], holder)
	}
	if log := l.log(l.tenant); n != 1 || len(log) != 1 {
		l.Errorf("%d commands went through, and %d events are there, want 1", n, len(log))
	}
}
