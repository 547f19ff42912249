// Package storetest states the law of an [eventstore.Store]: tests that every
// engine has to pass. [Torture] is for engines to call with what is painful for
// them in particular.
//
// The package knows no engine. Everything that it finds out it finds out through
// the interface.
package storetest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// An Opener returns a store, and a function that makes a new tenant in it. The
// store may be the same one every time, but must not be one that was closed. If
// it has a method Close(context.Context) error, that is tested too.
type Opener func(t *testing.T) (store eventstore.Store, newTenant func() domain.TenantID)

// Run tests the stores that open returns.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for name, test := range map[string]func(*law){
		"AppendThenRead":       appendThenRead,
		"BytesAreFinal":        bytesAreFinal,
		"StaleVersion":         staleVersion,
		"Checks":               checks,
		"SeveralStreams":       severalStreams,
		"StreamHasAKind":       streamHasAKind,
		"TenantsAreApart":      tenantsAreApart,
		"UnknownTenant":        unknownTenant,
		"NothingToRecord":      nothingToRecord,
		"Capabilities":         capabilities,
		"TooLarge":             tooLarge,
		"AsLargeAsItGets":      asLargeAsItGets,
		"Malformed":            malformed,
		"ReadInPages":          readInPages,
		"LongStream":           longStream,
		"LastOfStreams":        lastOfStreams,
		"InTheOrderGiven":      inTheOrderGiven,
		"OneFailsOthersDoNot":  oneFailsOthersDoNot,
		"ManyAtOnce":           manyAtOnce,
		"ManyInOneCall":        manyInOneCall,
		"ContextIsOver":        contextIsOver,
		"CloseDrains":          closeDrains,
		"RepeatedWithoutHash":  repeatedWithoutHash,
		"RepeatedWithHash":     repeatedWithHash,
		"RepeatedWithNothing":  repeatedWithNothing,
		"Notes":                notes,
		"RefusedIsForgotten":   refusedIsForgotten,
		"RepeatedAtOnce":       repeatedAtOnce,
		"Claims":               claims,
		"ManyHolders":          manyHolders,
		"SoftClaims":           softClaims,
		"ClaimsOfTwoTenants":   claimsOfTwoTenants,
		"ClaimsAreFreed":       claimsAreFreed,
		"ClaimsChangeHands":    claimsChangeHands,
		"ClaimsOfARefused":     claimsOfARefused,
		"ClaimsAtOnce":         claimsAtOnce,
		"Numbers":              numbers,
		"NumbersAtOnce":        numbersAtOnce,
		"NumbersMisfit":        numbersMisfit,
		"LikeAModelOfTheStore": likeAModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, newTenant := open(t)
			test(&law{T: t, store: store, newTenant: newTenant, tenant: newTenant()})
		})
	}
}

// law is one test of the law.
type law struct {
	*testing.T

	store     eventstore.Store
	newTenant func() domain.TenantID
	tenant    domain.TenantID // one of them
}

// stream names a stream that does not exist yet.
func (l *law) stream() eventstore.StreamID {
	return eventstore.StreamID{Tenant: l.tenant, Kind: "deal", ID: newID()}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// events makes n events.
func events(n int) []eventstore.Event {
	all := make([]eventstore.Event, n)
	for i := range all {
		id := newID()
		all[i] = eventstore.Event{
			ID: id, Type: "deal.renamed", Schema: 1,
			Data: fmt.Appendf(nil, `{"name":%q}`, id), Meta: []byte(`{"actor":{"kind":"system"}}`),
		}
	}
	return all
}

// write makes a command that adds n events to a stream.
func write(s eventstore.StreamID, at eventstore.Version, n int) eventstore.Command {
	return eventstore.Command{ID: newID(), Writes: []eventstore.Write{{Stream: s, At: at, Events: events(n)}}}
}

// do appends a command that must be recorded.
func (l *law) do(c eventstore.Command) eventstore.Receipt {
	l.Helper()
	r := l.try(c)
	if r.Err != nil {
		l.Fatalf("refused: %v", r.Err)
	}
	return r.Receipt
}

// try appends a command.
func (l *law) try(c eventstore.Command) eventstore.Result {
	l.Helper()
	return l.tryAll(c)[0]
}

// tryAll appends commands.
func (l *law) tryAll(c ...eventstore.Command) []eventstore.Result {
	l.Helper()
	results := l.store.Append(l.Context(), l.tenant, c...)
	if len(results) != len(c) {
		l.Fatalf("%d results for %d commands", len(results), len(c))
	}
	return results
}

// history reads a stream, which must be without a gap.
func (l *law) history(s eventstore.StreamID) []eventstore.Recorded { l.Helper(); return l.after(s, 0) }

// after reads a stream after a version.
func (l *law) after(s eventstore.StreamID, v eventstore.Version) (all []eventstore.Recorded) {
	l.Helper()
	for r, err := range l.store.ReadStream(l.Context(), s, v) {
		if err != nil {
			l.Fatal(err)
		}
		all = append(all, r)
		if v++; r.Stream != s || r.Version != v {
			l.Fatalf("where version %d of %v should be, there is %d of %v", v, s, r.Version, r.Stream)
		}
	}
	return all
}

// log reads all events of a tenant, which must be without a gap.
func (l *law) log(tenant domain.TenantID) []eventstore.Recorded {
	l.Helper()
	c := checker{tenant: tenant}
	if err := c.readOn(l.Context(), l.store); err != nil {
		l.Fatal(err)
	}
	head, err := l.store.Head(l.Context(), tenant)
	if err != nil || head < c.at() {
		l.Fatalf("head is %d, %v after an event at %d", head, err, c.at())
	}
	return c.seen
}

// holder returns who holds a claim: the zero StreamID if nobody does.
func (l *law) holder(scope, key string) eventstore.StreamID {
	l.Helper()
	s, err := l.store.Holders(l.Context(), l.tenant, eventstore.Claim{Scope: scope, Key: key})
	if err != nil || len(s) != 1 {
		l.Fatalf("holders are %v, %v", s, err)
	}
	return s[0]
}
