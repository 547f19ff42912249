package storetest

import (
	"errors"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/eventstore"
)

// isRepeated checks that a command is answered as it was the first time.
func (l *law) isRepeated(c eventstore.Command, first eventstore.Receipt) {
	l.Helper()
	first.Repeated = true
	if got := l.try(c); got.Err != nil || got.Receipt != first {
		l.Errorf("got %+v, want %+v", got, first)
	}
}

func repeatedWithoutHash(l *law) {
	a, b := l.stream(), l.stream()
	c := write(a, 0, 2)
	c.Writes = append(c.Writes, write(b, 0, 3).Writes...)
	first := l.do(c)
	l.do(write(a, 2, 1)) // goes on meanwhile
	l.isRepeated(c, first)
	single := write(a, 3, 1)
	l.isRepeated(single, l.do(single))

	other := c
	other.Writes = write(a, 0, 2).Writes // not the same events
	if got := l.conflict(l.try(other)); got.At != 4 {
		l.Errorf("got %v", got)
	}
	half := c
	half.Writes = []eventstore.Write{c.Writes[0], {Stream: b, Events: events(3)}}
	l.conflict(l.try(half))
	if n := len(l.log(l.tenant)); n != 7 {
		l.Errorf("%d events, want 7", n)
	}
}

func repeatedWithHash(l *law) {
	s := l.stream()
	c := write(s, 0, 2)
	c.Hash = []byte("hash")
	c.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: s}}
	first := l.do(c)
	l.do(write(s, 2, 1))
	l.isRepeated(c, first)
	// Whoever decides anew comes to something else.
	again := write(s, 3, 1)
	again.ID, again.Hash = c.ID, c.Hash
	l.isRepeated(again, first)
	simple := write(l.stream(), 0, 1)
	simple.Hash = []byte("hash")
	l.isRepeated(simple, l.do(simple))

	first.Repeated = true
	if got, ok, err := l.store.Recall(l.Context(), l.tenant, c.ID, c.Hash); got != first || !ok || err != nil {
		l.Errorf("recalled %+v, %t, %v", got, ok, err)
	}
	if _, ok, err := l.store.Recall(l.Context(), l.tenant, newID(), c.Hash); ok || err != nil {
		l.Errorf("recalled what never was: %v", err)
	}
	again.Hash = []byte("other")
	if got := l.try(again); !errors.Is(got.Err, eventstore.ErrReused) {
		l.Errorf("got %+v", got)
	}
	if _, _, err := l.store.Recall(l.Context(), l.tenant, c.ID, again.Hash); !errors.Is(err, eventstore.ErrReused) {
		l.Errorf("recalled with another hash: %v", err)
	}
	if n := len(l.log(l.tenant)); n != 4 {
		l.Errorf("%d events, want 4", n)
	}
}

func repeatedWithNothing(l *law) {
	l.do(write(l.stream(), 0, 2))
	c := eventstore.Command{ID: newID(), Hash: []byte("hash")}
	first := l.do(c)
	l.do(write(l.stream(), 0, 1))
	l.isRepeated(c, first)
	if got, ok, err := l.store.Recall(l.Context(), l.tenant, c.ID, c.Hash); got.First != 3 || got.Last != 2 || !ok || err != nil {
		l.Errorf("recalled %+v, %t, %v", got, ok, err)
	}
	c.Hash = []byte("other")
	if got := l.try(c); !errors.Is(got.Err, eventstore.ErrReused) {
		l.Errorf("got %+v", got)
	}
}

// notes appends commands of every size, some with a note, in one call: Recall
// returns each one's own note as it was given the first time.
func notes(l *law) {
	var all []eventstore.Command
	for i, note := range []string{"", `{"a":"ä\"}`, "", "b", strings.Repeat("c", 20_000)} {
		for n := range 3 {
			c := eventstore.Command{ID: newID(), Hash: []byte("hash"), Note: note}
			if n > 0 {
				c.Writes = write(l.stream(), 0, n*(i+1)).Writes
			}
			all = append(all, c)
		}
	}
	receipts := l.tryAll(all...)
	for i, c := range all {
		other := c
		other.Note = "another"
		l.isRepeated(other, receipts[i].Receipt)
		want := receipts[i].Receipt
		want.Note, want.Repeated = c.Note, true
		if got, ok, err := l.store.Recall(l.Context(), l.tenant, c.ID, c.Hash); got != want || !ok || err != nil {
			l.Errorf("recalled %.200v, %t, %v, want %.200v", got, ok, err, want)
		}
	}
}

// refusedIsForgotten repeats commands that were refused, when nothing is in
// their way any more.
func refusedIsForgotten(l *law) {
	s := l.stream()
	tooEarly := []eventstore.Command{write(s, 1, 1), {ID: newID(), Checks: []eventstore.Check{{Stream: s, At: 1}}}}
	for i := range tooEarly {
		c := &tooEarly[i]
		c.Hash = []byte("hash")
		l.conflict(l.try(*c))
		if _, ok, err := l.store.Recall(l.Context(), l.tenant, c.ID, c.Hash); ok || err != nil {
			l.Errorf("a refused command is remembered: %v", err)
		}
	}
	l.do(write(s, 0, 1))
	for _, c := range []eventstore.Command{tooEarly[1], tooEarly[0]} {
		if r := l.do(c); r.Repeated {
			l.Error("a refused command is said to be repeated")
		}
	}
}

// repeatedAtOnce appends commands from many callers in the same instant.
func repeatedAtOnce(l *law) {
	plain, hashed, nothing := write(l.stream(), 0, 2), write(l.stream(), 0, 3), eventstore.Command{ID: newID()}
	hashed.Hash, nothing.Hash = []byte("hash"), []byte("hash")
	for _, c := range []eventstore.Command{plain, hashed, nothing} {
		results := make([]eventstore.Result, 100)
		var ready, wg sync.WaitGroup
		ready.Add(len(results))
		for i := range results {
			wg.Go(func() {
				ready.Done()
				ready.Wait()
				results[i] = l.store.Append(l.Context(), l.tenant, c)[0]
			})
		}
		wg.Wait()
		firsts := 0
		for _, r := range results {
			if !r.Receipt.Repeated {
				firsts++
			}
			if r.Err != nil || r.Receipt.First != results[0].Receipt.First || r.Receipt.Last != results[0].Receipt.Last {
				l.Fatalf("got %+v and %+v", r, results[0])
			}
		}
		if firsts != 1 {
			l.Errorf("recorded %d times", firsts)
		}
	}
	if n := len(l.log(l.tenant)); n != 5 {
		l.Errorf("%d events, want 5", n)
	}
}
