package storetest

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

func appendThenRead(l *law) {
	s := l.stream()
	first, then := write(s, 0, 2), write(s, 2, 1)
	a, b := l.do(first), l.do(then)
	if a.First != 1 || a.Last != 2 || b.First != 3 || b.Last != 3 || a.Repeated || b.Repeated {
		l.Errorf("receipts are %+v and %+v", a, b)
	}
	if a.Time.IsZero() || b.Time.Before(a.Time) || b.Time.Location() != time.UTC {
		l.Errorf("times are %s and %s", a.Time, b.Time)
	}
	var want []eventstore.Recorded
	for i, e := range slices.Concat(first.Writes[0].Events, then.Writes[0].Events) {
		want = append(want, eventstore.Recorded{Event: e, Stream: s, Version: eventstore.Version(i + 1), Position: eventstore.Position(i + 1), Time: a.Time})
	}
	want[2].Time = b.Time
	if diff := cmp.Diff(want, l.history(s)); diff != "" {
		l.Errorf("stream: %s", diff)
	}
	if diff := cmp.Diff(want, l.log(l.tenant)); diff != "" {
		l.Errorf("log: %s", diff)
	}
	if head, err := l.store.Head(l.Context(), l.tenant); head != 3 || err != nil {
		l.Errorf("head is %d, %v", head, err)
	}
	if got := l.after(s, 2); len(got) != 1 || got[0].Version != 3 {
		l.Errorf("after version 2 come %v", got)
	}
	if got := l.after(s, 3); len(got) != 0 {
		l.Errorf("after version 3 come %v", got)
	}
}

// bytesAreFinal appends data that is not in any canonical form, or no JSON.
func bytesAreFinal(l *law) {
	s := l.stream()
	forms := []string{
		`{"b": 1.0,  "a":[1e3, "é\u00e9\u0000"], "a":null}`, "{}\n", "\x00\xff\x00", "",
		string(bytes.Repeat([]byte("x"), 9000)), // kept outside of the row by some engines
	}
	c := write(s, 0, len(forms))
	for i, form := range forms {
		c.Writes[0].Events[i].Data = []byte(form)
		c.Writes[0].Events[i].Meta = []byte(form)
		c.Writes[0].Events[i].Schema = i + 1
	}
	l.do(c)
	for i, r := range l.history(s) {
		if string(r.Data) != forms[i] || string(r.Meta) != forms[i] || r.Schema != i+1 {
			l.Errorf("%q came back as %q, %q, schema %d", forms[i], r.Data, r.Meta, r.Schema)
		}
	}
}

// conflict returns what a result conflicts with.
func (l *law) conflict(r eventstore.Result) eventstore.Conflict {
	l.Helper()
	c, ok := errors.AsType[*eventstore.Conflict](r.Err)
	if !ok {
		l.Fatalf("got %+v, want a conflict", r)
	}
	return *c
}

func staleVersion(l *law) {
	s := l.stream()
	l.do(write(s, 0, 2))
	for _, at := range []eventstore.Version{0, 1, 3, 1000, -1, math.MaxInt32, math.MinInt32} {
		if got, want := l.conflict(l.try(write(s, at, 1))), (eventstore.Conflict{Stream: s, At: 2}); got != want {
			l.Errorf("written at %d: got %v, want %v", at, got, want)
		}
	}
	other := l.stream()
	if got, want := l.conflict(l.try(write(other, 1, 1))), (eventstore.Conflict{Stream: other}); got != want {
		l.Errorf("got %v, want %v", got, want)
	}
	if n := len(l.log(l.tenant)); n != 2 {
		l.Errorf("%d events, want 2", n)
	}
}

func checks(l *law) {
	s, none := l.stream(), l.stream()
	l.do(write(s, 0, 3))
	checked := func(c ...eventstore.Check) eventstore.Command {
		cmd := write(l.stream(), 0, 1)
		cmd.Checks = c
		return cmd
	}
	l.do(checked(eventstore.Check{Stream: s, At: 3}, eventstore.Check{Stream: none}))
	for _, at := range []eventstore.Version{0, 2, 4} {
		c := checked(eventstore.Check{Stream: none}, eventstore.Check{Stream: s, At: at})
		if got, want := l.conflict(l.try(c)), (eventstore.Conflict{Stream: s, At: 3}); got != want {
			l.Errorf("checked at %d: got %v, want %v", at, got, want)
		}
	}
	onlyChecks := eventstore.Command{ID: newID(), Checks: []eventstore.Check{{Stream: s, At: 2}}}
	l.conflict(l.try(onlyChecks))
	if n := len(l.log(l.tenant)); n != 4 {
		l.Errorf("%d events, want 4", n)
	}
}

func severalStreams(l *law) {
	a, b := l.stream(), l.stream()
	both := func(atA, atB eventstore.Version) eventstore.Command {
		c := write(a, atA, 2)
		c.Writes = append(c.Writes, write(b, atB, 3).Writes...)
		return c
	}
	if r := l.do(both(0, 0)); r.First != 1 || r.Last != 5 {
		l.Errorf("receipt is %+v", r)
	}
	if got, want := l.conflict(l.try(both(2, 2))), (eventstore.Conflict{Stream: b, At: 3}); got != want {
		l.Errorf("got %v, want %v", got, want)
	}
	l.do(both(2, 3))
	if x, y := len(l.history(a)), len(l.history(b)); x != 4 || y != 6 {
		l.Errorf("streams have %d and %d events, want 4 and 6", x, y)
	}
	if n := len(l.log(l.tenant)); n != 10 {
		l.Errorf("%d events, want 10", n)
	}
}

// lastOfStreams asks for the last events of streams: of several at once, of those
// of another tenant, of another kind, and of none.
func lastOfStreams(l *law) {
	a, b, none, other := l.stream(), l.stream(), l.stream(), l.stream()
	other.ID, other.Kind = a.ID, "task"
	foreign := a
	foreign.Tenant = l.newTenant()
	last := func(s eventstore.StreamID, at eventstore.Version, eventType string) {
		c := write(s, at, 2)
		c.Writes[0].Events[1].Type = eventType
		l.do(c)
	}
	last(a, 0, "deal.won")
	last(b, 0, "deal.lost")
	last(other, 0, "task.done")
	want := map[eventstore.StreamID]string{a: "deal.won", b: "deal.lost", other: "task.done"}
	got, err := l.store.Last(l.Context(), l.tenant, a, b, none, other)
	if err != nil || !maps.Equal(got, want) {
		l.Errorf("got %v, %v, want %v", got, err, want)
	}
	last(a, 2, "deal.purged")
	got, err = l.store.Last(l.Context(), l.tenant, a)
	if err != nil || len(got) != 1 || got[a] != "deal.purged" {
		l.Errorf("got %v, %v", got, err)
	}
	if got, err := l.store.Last(l.Context(), l.tenant); len(got) != 0 || err != nil {
		l.Errorf("of no streams: %v, %v", got, err)
	}
	if got, err := l.store.Last(l.Context(), foreign.Tenant, foreign); len(got) != 0 || err != nil {
		l.Errorf("of another tenant: %v, %v", got, err)
	}
}

func streamHasAKind(l *law) {
	s := l.stream()
	task := s
	task.Kind = "task"
	l.do(write(s, 0, 2))
	l.do(write(task, 0, 1))
	if x, y := len(l.history(s)), len(l.history(task)); x != 2 || y != 1 {
		l.Errorf("streams have %d and %d events, want 2 and 1", x, y)
	}
}

// tenantsAreApart uses the same IDs in two tenants.
func tenantsAreApart(l *law) {
	other := l.newTenant()
	mine := l.stream()
	theirs := mine
	theirs.Tenant = other
	c := write(mine, 0, 2)
	c.Hash = []byte("hash")
	l.do(c)
	if n := len(l.history(theirs)); n > 0 {
		l.Errorf("another tenant has %d events of the stream", n)
	}
	if _, ok, err := l.store.Recall(l.Context(), other, c.ID, c.Hash); ok || err != nil {
		l.Errorf("another tenant has the command: %v", err)
	}
	c.Writes[0].Stream = theirs
	if r := l.store.Append(l.Context(), other, c)[0]; r.Err != nil || r.Receipt.First != 1 || r.Receipt.Repeated {
		l.Errorf("got %+v", r)
	}
	for _, tenant := range []domain.TenantID{l.tenant, other} {
		if n := len(l.log(tenant)); n != 2 {
			l.Errorf("%d events, want 2", n)
		}
	}
}

func unknownTenant(l *law) {
	known := l.stream()
	l.tenant = domain.TenantID{UUID: newID()}
	for _, c := range []eventstore.Command{write(l.stream(), 0, 1), {ID: newID(), Hash: []byte("hash")}, {ID: newID()}} {
		if r := l.try(c); !errors.Is(r.Err, eventstore.ErrUnknownTenant) {
			l.Errorf("got %+v", r)
		}
	}
	if _, err := l.store.Head(l.Context(), l.tenant); !errors.Is(err, eventstore.ErrUnknownTenant) {
		l.Errorf("head: %v", err)
	}
	if all, err := l.store.Read(l.Context(), l.tenant, 0, 10); len(all) > 0 || err != nil {
		l.Errorf("read %d events, %v", len(all), err)
	}
	l.tenant = known.Tenant
	l.do(write(known, 0, 1))
}

func nothingToRecord(l *law) {
	l.do(write(l.stream(), 0, 2))
	s := l.stream()
	for _, c := range []eventstore.Command{
		{ID: newID()},
		{ID: newID(), Writes: []eventstore.Write{{Stream: s}}, Checks: []eventstore.Check{{Stream: l.stream()}}},
	} {
		if r := l.do(c); r.First != 3 || r.Last != 2 {
			l.Errorf("receipt is %+v, want 3 to 2", r)
		}
	}
	if got := l.store.Append(l.Context(), l.tenant); len(got) != 0 {
		l.Errorf("%d results for nothing", len(got))
	}
	if n := len(l.log(l.tenant)); n != 2 {
		l.Errorf("%d events, want 2", n)
	}
}

func capabilities(l *law) {
	c := l.store.Capabilities()
	if c != l.store.Capabilities() || c.Engine == "" || c.Decides == "" || c.Isolation == "" {
		l.Errorf("capabilities are %+v", c)
	}
	// Enough for whatever the API takes.
	if c.MaxEventBytes < 512<<10 || c.MaxEventBytes > eventstore.MaxEventBytes || c.MaxCommandBytes < 4*c.MaxEventBytes || c.MaxCommandBytes > eventstore.MaxCommandBytes {
		l.Errorf("limits are %+v", c)
	}
}

func tooLarge(l *law) {
	limits := l.store.Capabilities()
	large := write(l.stream(), 0, 1)
	large.Writes[0].Events[0].Data = make([]byte, limits.MaxEventBytes+1)
	heavy := write(l.stream(), 0, limits.MaxCommandBytes/limits.MaxEventBytes+1)
	for i := range heavy.Writes[0].Events {
		heavy.Writes[0].Events[i].Data = make([]byte, limits.MaxEventBytes-100)
	}
	wide, greedy := write(l.stream(), 0, 1), write(l.stream(), 0, 1)
	wide.Checks = slices.Repeat([]eventstore.Check{{Stream: l.stream()}}, eventstore.MaxStreams)
	greedy.Free = slices.Repeat([]eventstore.Claim{{Scope: "name", Key: "a", Stream: l.stream()}}, eventstore.MaxClaims+1)
	good := write(l.stream(), 0, 1)
	results := l.tryAll(large, write(l.stream(), 0, eventstore.MaxEvents+1), heavy, wide, greedy, good)
	for i, r := range results {
		last := i == len(results)-1
		if !last && !errors.Is(r.Err, eventstore.ErrTooLarge) || last && r.Err != nil {
			l.Errorf("command %d: %v", i, r.Err)
		}
	}
	if n := len(l.log(l.tenant)); n != 1 {
		l.Errorf("%d events, want 1", n)
	}
}

func asLargeAsItGets(l *law) {
	many := write(l.stream(), 0, eventstore.MaxEvents)
	limits := l.store.Capabilities()
	heavy := write(l.stream(), 0, limits.MaxCommandBytes/limits.MaxEventBytes)
	for i := range heavy.Writes[0].Events {
		heavy.Writes[0].Events[i].Data = bytes.Repeat([]byte{'x', byte(i)}, limits.MaxEventBytes/2-50)
	}
	var wide eventstore.Command
	for i := range eventstore.MaxStreams {
		s := l.stream()
		wide.Writes = append(wide.Writes, write(s, 0, 1).Writes...)
		wide.Claim = append(wide.Claim, eventstore.Claim{Scope: "name", Key: strconv.Itoa(i), Stream: s})
	}
	for _, r := range l.tryAll(many, heavy, wide, write(l.stream(), 0, 1)) {
		if r.Err != nil {
			l.Error(r.Err)
		}
	}
	if got := len(l.log(l.tenant)); got != eventstore.MaxEvents+eventstore.MaxStreams+len(heavy.Writes[0].Events)+1 {
		l.Errorf("%d events", got)
	}
	for i, r := range l.history(heavy.Writes[0].Stream) {
		if want := heavy.Writes[0].Events[i]; r.ID != want.ID || !bytes.Equal(r.Data, want.Data) {
			l.Errorf("large event %d came back changed", i)
		}
	}
}

func malformed(l *law) {
	s := l.stream()
	foreign := s
	foreign.Tenant = l.newTenant()
	twice := write(s, 0, 1)
	twice.Writes = append(twice.Writes, write(s, 1, 1).Writes...)
	torn := write(s, 0, 1)
	torn.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: s}, {Scope: "name", Key: "a", Stream: l.stream()}}
	halfHearted := write(s, 0, 1)
	halfHearted.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: s}, {Scope: "name", Key: "a", Stream: s, Soft: true}}
	for name, c := range map[string]eventstore.Command{
		"a write of another tenant": write(foreign, 0, 1),
		"a check of another tenant": {ID: newID(), Checks: []eventstore.Check{{Stream: foreign}}},
		"a claim of another tenant": {ID: newID(), Claim: []eventstore.Claim{{Scope: "name", Key: "a", Stream: foreign}}},
		"freeing another tenant's":  {ID: newID(), Free: []eventstore.Claim{{Scope: "name", Key: "a", Stream: foreign}}},
		"a stream written twice":    twice,
		"a claim for two streams":   torn,
		"a claim hard and soft":     halfHearted,
	} {
		if r := l.try(c); !errors.Is(r.Err, eventstore.ErrMalformed) {
			l.Errorf("%s: got %+v", name, r)
		}
	}
	if len(l.log(l.tenant))+len(l.log(foreign.Tenant)) > 0 {
		l.Error("something was recorded")
	}
}

func readInPages(l *law) {
	for range 5 {
		l.do(write(l.stream(), 0, 5))
	}
	for limit := range 30 {
		c := checker{tenant: l.tenant, limit: limit + 1}
		if err := c.readOn(l.Context(), l.store); err != nil || len(c.seen) != 25 {
			l.Errorf("%d at a time: %d events, %v", limit+1, len(c.seen), err)
		}
	}
}

func longStream(l *law) {
	s := l.stream()
	const n = 2300
	for at := eventstore.Version(0); at < n; {
		k := min(eventstore.MaxEvents, n-int(at))
		l.do(write(s, at, k))
		at += eventstore.Version(k)
	}
	if got := len(l.history(s)); got != n {
		l.Errorf("%d events, want %d", got, n)
	}
	seen := 0
	for r, err := range l.store.ReadStream(l.Context(), s, 0) {
		if seen++; err != nil || int(r.Version) != seen {
			l.Errorf("event %d is version %d, %v", seen, r.Version, err)
		}
		if seen == 700 {
			break // half-way through a page, if there are pages
		}
	}
	if seen != 700 {
		l.Errorf("saw %d events", seen)
	}
}
