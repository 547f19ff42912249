package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// numbered makes a command whose events get numbers of some series.
func numbered(s eventstore.StreamID, at eventstore.Version, series ...string) eventstore.Command {
	c := write(s, at, len(series))
	for i, name := range series {
		c.Writes[0].Events[i].Data = []byte(`{"number":0,"zeros":"000"}`)
		c.Numbers = append(c.Numbers, eventstore.Number{Series: name, Event: i, At: len(`{"number":`)})
	}
	return c
}

// numbersIn returns the numbers that events of a tenant have, by series: here the
// series is the kind of the stream.
func (l *law) numbersIn(tenant domain.TenantID) map[string][]int64 {
	l.Helper()
	all := map[string][]int64{}
	for _, e := range l.log(tenant) {
		var data struct {
			Number int64  `json:"number"`
			Zeros  string `json:"zeros"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil || data.Zeros != "000" {
			l.Errorf("%s: %v", e.Data, err)
		}
		all[e.Stream.Kind] = append(all[e.Stream.Kind], data.Number)
	}
	return all
}

// upTo returns the numbers from 1 to n.
func upTo(n int) (all []int64) {
	for i := range n {
		all = append(all, int64(i+1))
	}
	return all
}

func (l *law) wantNumbers(tenant domain.TenantID, series string, n int) {
	l.Helper()
	if got := slices.Sorted(slices.Values(l.numbersIn(tenant)[series])); !slices.Equal(got, upTo(n)) {
		l.Errorf("numbers of %s are %v, want 1 to %d", series, got, n)
	}
}

func (l *law) of(kind string) eventstore.StreamID {
	s := l.stream()
	s.Kind = kind
	return s
}

// numbers gives out numbers of several series in several ways, in one call and in
// several, some of which are refused or come again.
func numbers(l *law) {
	invoice, other := l.of("invoice"), l.newTenant()
	first := numbered(invoice, 0, "invoice", "invoice")
	if r := l.try(first); r.Err != nil || !slices.Equal(r.Numbers, []int64{1, 2}) {
		l.Errorf("got %+v", r)
	}
	// In one call: a plain command, one that is refused, two that are not, one of
	// another series, one that came before, and one with a claim that is taken.
	claimed := numbered(l.of("invoice"), 0, "invoice")
	claimed.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: claimed.Writes[0].Stream}}
	taken := numbered(l.of("invoice"), 0, "invoice")
	taken.Claim = []eventstore.Claim{{Scope: "name", Key: "a", Stream: taken.Writes[0].Stream}}
	plain := write(l.of("deal"), 0, 1)
	plain.Writes[0].Events[0].Data = []byte(`{"zeros":"000"}`)
	results := l.tryAll(
		plain, numbered(invoice, 1, "invoice"), claimed, numbered(l.of("quote"), 0, "quote"), first, taken,
		numbered(l.of("invoice"), 0, "invoice"))
	for i, want := range [][]int64{nil, nil, {3}, {1}, nil, nil, {4}} {
		refused := i == 1 || i == 5
		if r := results[i]; !slices.Equal(r.Numbers, want) || (r.Err != nil) != refused || r.Receipt.Repeated != (i == 4) {
			l.Errorf("command %d: got %+v, want %v", i, r, want)
		}
	}
	hashed := numbered(l.of("quote"), 0, "quote")
	hashed.Hash, hashed.Note = []byte("hash"), "note"
	for i := range 3 {
		if r := l.try(hashed); r.Err != nil || r.Receipt.Repeated != (i > 0) || (len(r.Numbers) == 1) != (i == 0) {
			l.Errorf("got %+v", r)
		}
	}
	theirs := numbered(eventstore.StreamID{Tenant: other, Kind: "invoice", ID: newID()}, 0, "invoice")
	if r := l.store.Append(l.Context(), other, theirs)[0]; r.Err != nil || !slices.Equal(r.Numbers, []int64{1}) {
		l.Errorf("another tenant got %+v", r)
	}
	l.wantNumbers(l.tenant, "invoice", 4)
	l.wantNumbers(l.tenant, "quote", 2)
	l.wantNumbers(other, "invoice", 1)
	if want := eventstore.WithNumbers(first, []int64{1, 2}).Writes[0].Events; !bytes.Equal(l.history(invoice)[1].Data, want[1].Data) || !bytes.Equal(first.Writes[0].Events[1].Data, []byte(`{"number":0,"zeros":"000"}`)) {
		l.Errorf("the event is %s", l.history(invoice)[1].Data)
	}
}

// numbersAtOnce lets many ask for numbers at the same time, alone and several in one
// call, of whom some are refused: those who are not get 1, 2, 3 and so on.
func numbersAtOnce(l *law) {
	busy := l.of("invoice")
	l.do(numbered(busy, 0, "invoice"))
	const n = 100
	var all sync.WaitGroup
	var mu sync.Mutex
	got := []int64{1}
	for i := range n {
		all.Go(func() {
			cmds := []eventstore.Command{numbered(l.of("invoice"), 0, "invoice")}
			if i%4 == 0 {
				cmds = append(cmds, numbered(busy, 0, "invoice"), numbered(l.of("invoice"), 0, "invoice", "invoice"))
			}
			for k, r := range l.store.Append(l.Context(), l.tenant, cmds...) {
				if _, refused := errors.AsType[*eventstore.Conflict](r.Err); refused != (k == 1) || !refused && r.Err != nil {
					l.Errorf("command %d: %+v", k, r)
				}
				mu.Lock()
				got = append(got, r.Numbers...)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	const want = 1 + n + n/4*2
	if slices.Sort(got); !slices.Equal(got, upTo(want)) {
		l.Errorf("answered %v", got)
	}
	l.wantNumbers(l.tenant, "invoice", want)
}

// numbersMisfit asks for numbers where there is no place for one.
func numbersMisfit(l *law) {
	for name, change := range map[string]func(*eventstore.Number){
		"no series":         func(n *eventstore.Number) { n.Series = "" },
		"a long series":     func(n *eventstore.Number) { n.Series = strings.Repeat("x", eventstore.MaxSeries+1) },
		"no such write":     func(n *eventstore.Number) { n.Write = 1 },
		"no such event":     func(n *eventstore.Number) { n.Event = 2 },
		"before its data":   func(n *eventstore.Number) { n.At = -1 },
		"after its data":    func(n *eventstore.Number) { n.At = 1000 },
		"where no digit is": func(n *eventstore.Number) { n.At-- },
		"of an event twice": func(n *eventstore.Number) { n.Event = 0 },
	} {
		c := numbered(l.of("invoice"), 0, "invoice", "invoice")
		change(&c.Numbers[1])
		if r := l.try(c); !errors.Is(r.Err, eventstore.ErrMalformed) {
			l.Errorf("%s: got %+v", name, r)
		}
	}
	if n := len(l.log(l.tenant)); n != 0 {
		l.Errorf("%d events were recorded", n)
	}
	l.do(numbered(l.of("invoice"), 0, "invoice"))
	l.wantNumbers(l.tenant, "invoice", 1)
	// As many as there can be.
	many := numbered(l.of("invoice"), 0, slices.Repeat([]string{"invoice"}, eventstore.MaxEvents)...)
	if r := l.try(many); r.Err != nil || len(r.Numbers) != eventstore.MaxEvents {
		l.Errorf("%d numbers, %v", len(r.Numbers), r.Err)
	}
	l.wantNumbers(l.tenant, "invoice", 1+eventstore.MaxEvents)
}
