package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// inTheOrderGiven appends commands in one call of which each needs the one
// before it, while others do not.
func inTheOrderGiven(l *law) {
	const chains, length = 3, 40
	var streams [chains]eventstore.StreamID
	for i := range streams {
		streams[i] = l.stream()
	}
	var cmds []eventstore.Command
	for v := range eventstore.Version(length) {
		for i, s := range streams {
			c := write(s, v, 1)
			if i > 0 { // looks at the chain before it, which is one further at this time
				c.Checks = []eventstore.Check{{Stream: streams[i-1], At: v + 1}}
			}
			cmds = append(cmds, c)
		}
	}
	for i, r := range l.tryAll(cmds...) {
		if r.Err != nil {
			l.Fatalf("command %d: %v", i, r.Err)
		}
	}
	for _, s := range streams {
		if n := len(l.history(s)); n != length {
			l.Errorf("%d events, want %d", n, length)
		}
	}
	l.log(l.tenant)
}

func oneFailsOthersDoNot(l *law) {
	s := l.stream()
	l.do(write(s, 0, 1))
	bad := func() eventstore.Command { return write(s, 7, 1) }
	good := func() eventstore.Command { return write(l.stream(), 0, 2) }
	invalid := good()
	invalid.Writes[0].Events[0].Type = "\x00\xff" // some engines cannot take it
	cmds := []eventstore.Command{good(), bad(), good(), invalid, bad(), good()}
	var first []eventstore.Position
	for i, r := range l.tryAll(cmds...) {
		switch i {
		case 0, 2, 5:
			if r.Err != nil {
				l.Errorf("command %d: %v", i, r.Err)
			}
			first = append(first, r.Receipt.First)
		case 1, 4:
			l.conflict(r)
		}
	}
	slices.Sort(first)
	if len(slices.Compact(first)) != 3 {
		l.Errorf("positions are %v", first)
	}
	if n := len(l.log(l.tenant)); n != 7 && n != 9 {
		l.Errorf("%d events, want 7, or 9 if the engine takes any bytes", n)
	}
}

// manyAtOnce has many callers append to a few tenants.
func manyAtOnce(l *law) {
	tenants := []domain.TenantID{l.tenant, l.newTenant(), l.newTenant()}
	const callers, each = 24, 15
	var wg sync.WaitGroup
	for i := range callers {
		tenant := tenants[i%len(tenants)]
		wg.Go(func() {
			s := eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: newID()}
			for v := range eventstore.Version(each) {
				if r := l.store.Append(l.Context(), tenant, write(s, v, 1))[0]; r.Err != nil {
					l.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	for _, tenant := range tenants {
		if n := len(l.log(tenant)); n != callers*each/len(tenants) {
			l.Errorf("%d events, want %d", n, callers*each/len(tenants))
		}
	}
}

func manyInOneCall(l *law) {
	const n = 1000 // a call of the log carries an eighth of that
	cmds := make([]eventstore.Command, n)
	for i := range cmds {
		cmds[i] = write(l.stream(), 0, 1)
	}
	at := make(map[uuid.UUID]eventstore.Position, n)
	for i, r := range l.tryAll(cmds...) {
		if r.Err != nil || r.Receipt.First != r.Receipt.Last {
			l.Fatalf("command %d: %+v", i, r)
		}
		at[cmds[i].Writes[0].Events[0].ID] = r.Receipt.First
	}
	log := l.log(l.tenant)
	if len(log) != n {
		l.Errorf("%d events, want %d", len(log), n)
	}
	for _, r := range log {
		if at[r.ID] != r.Position {
			l.Fatalf("the event at %d was said to be at %d", r.Position, at[r.ID])
		}
	}
}

// contextIsOver appends with a context that ends at some time, and expects
// results that are true.
func contextIsOver(l *law) {
	over, cancel := context.WithCancel(l.Context())
	cancel()
	l.cancelled(over, func() {})
	for i := range 5 {
		ctx, cancel := context.WithCancel(l.Context())
		l.cancelled(ctx, func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			cancel()
		})
	}
}

func (l *law) cancelled(ctx context.Context, cancel func()) {
	l.Helper()
	cmds := make([]eventstore.Command, 400)
	for i := range cmds {
		cmds[i] = write(l.stream(), 0, 1)
	}
	var wg sync.WaitGroup
	wg.Go(cancel)
	results := l.store.Append(ctx, l.tenant, cmds...)
	wg.Wait()
	for i, r := range results {
		if r.Err != nil && !errors.Is(r.Err, context.Canceled) {
			l.Fatal(r.Err)
		}
		if recorded := len(l.history(cmds[i].Writes[0].Stream)) == 1; recorded != (r.Err == nil) {
			l.Fatalf("command %d is recorded: %t, but the result is %v", i, recorded, r.Err)
		}
	}
	l.log(l.tenant)
}

// closeDrains closes the store while commands are under way.
func closeDrains(l *law) {
	closer, ok := l.store.(interface{ Close(context.Context) error })
	if !ok {
		l.Skip("has no Close")
	}
	var wg sync.WaitGroup
	started := make(chan struct{}, 50)
	for range cap(started) {
		wg.Go(func() {
			for n := 0; ; n++ {
				c := write(l.stream(), 0, 1)
				r := l.store.Append(l.Context(), l.tenant, c)[0]
				if n == 0 {
					started <- struct{}{}
				}
				if recorded := len(l.history(c.Writes[0].Stream)) == 1; recorded != (r.Err == nil) {
					l.Errorf("recorded: %t, but the result is %v", recorded, r.Err)
				}
				if errors.Is(r.Err, eventstore.ErrClosed) {
					return
				}
			}
		})
	}
	for range cap(started) {
		<-started
	}
	if err := closer.Close(l.Context()); err != nil {
		l.Error(err)
	}
	n := len(l.log(l.tenant))
	wg.Wait()
	if then := len(l.log(l.tenant)); then != n {
		l.Errorf("%d events were recorded after the store was closed", then-n)
	}
	if err := closer.Close(l.Context()); err != nil {
		l.Errorf("closed again: %v", err)
	}
	if r := l.try(write(l.stream(), 0, 1)); !errors.Is(r.Err, eventstore.ErrClosed) {
		l.Errorf("got %+v from a closed store", r)
	}
}
