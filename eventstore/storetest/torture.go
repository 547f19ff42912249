package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// checker reads the log of a tenant as it grows, and complains of whatever a
// reader could be led astray by.
type checker struct {
	tenant   domain.TenantID
	limit    int // events read at a time
	seen     []eventstore.Recorded
	versions map[eventstore.StreamID]eventstore.Version
}

// at returns the position that the checker has read up to.
func (c *checker) at() eventstore.Position { return eventstore.Position(len(c.seen)) }

// readOn reads what is there.
func (c *checker) readOn(ctx context.Context, store eventstore.Store) error {
	if c.limit == 0 {
		c.limit = 500
	}
	for {
		events, err := store.Read(ctx, c.tenant, c.at(), c.limit)
		if err != nil || len(events) == 0 {
			return err
		}
		if len(events) > c.limit {
			return fmt.Errorf("%d events where %d were asked for", len(events), c.limit)
		}
		for _, e := range events {
			if err := c.check(e); err != nil {
				return err
			}
		}
	}
}

func (c *checker) check(e eventstore.Recorded) error {
	if c.versions == nil {
		c.versions = make(map[eventstore.StreamID]eventstore.Version)
	}
	switch {
	case e.Stream.Tenant != c.tenant:
		return errors.New("event of another tenant")
	case e.Position != c.at()+1:
		return fmt.Errorf("%w: after position %d comes %d", eventstore.ErrGap, c.at(), e.Position)
	case e.Version != c.versions[e.Stream]+1:
		return fmt.Errorf("%w: at position %d, after version %d of a stream comes %d", eventstore.ErrGap, e.Position, c.versions[e.Stream], e.Version)
	case len(c.seen) > 0 && e.Time.Before(c.seen[len(c.seen)-1].Time):
		return fmt.Errorf("time goes back at position %d", e.Position)
	}
	c.versions[e.Stream] = e.Version
	c.seen = append(c.seen, e)
	return nil
}

// Torture has many callers append to the logs of some tenants, while readers
// follow each log to its end all the time. disturb, which is called meanwhile,
// should kill, delay and roll back whatever it can; when it returns the torture
// ends. What Torture returns is the first thing wrong that anybody saw: a gap,
// events that appeared behind a reader's back, commands that were acknowledged
// and are not there once and as a whole. Callers may be told that the store is
// not available, and repeat what they wanted.
func Torture(ctx context.Context, store eventstore.Store, tenants []domain.TenantID, disturb func(context.Context) error) error {
	const writers, readers = 8, 2 // for each tenant
	t := torture{store: store}
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	var w, r sync.WaitGroup
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var checkers []*checker
	for _, tenant := range tenants {
		for range writers {
			w.Go(func() { t.write(writing, tenant) })
		}
		for range readers {
			c := &checker{tenant: tenant, limit: 1 + rand.IntN(50)}
			checkers = append(checkers, c)
			r.Go(func() { t.follow(reading, c) })
		}
	}
	t.complain(disturb(ctx))
	stopWriting()
	w.Wait()
	stopReading()
	r.Wait()
	for _, c := range checkers {
		t.review(ctx, c)
	}
	return t.wrong
}

// torture is one run of [Torture].
type torture struct {
	store eventstore.Store

	mu           sync.Mutex
	wrong        error
	acknowledged []acknowledgement
}

// acknowledgement is what a writer was told about a command.
type acknowledgement struct {
	tenant  domain.TenantID
	events  []eventstore.Event
	receipt eventstore.Receipt
}

func (t *torture) complain(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wrong == nil {
		t.wrong = err
	}
}

// write appends to one stream after another until ctx is done.
func (t *torture) write(ctx context.Context, tenant domain.TenantID) {
	for ctx.Err() == nil {
		s := eventstore.StreamID{Tenant: tenant, Kind: "deal", ID: newID()}
		for at := eventstore.Version(0); at < 20 && ctx.Err() == nil; {
			n := 1 + rand.IntN(3)
			c := write(s, at, n)
			r, err := t.insist(context.WithoutCancel(ctx), c)
			if err != nil {
				t.complain(err)
				return
			}
			t.mu.Lock()
			t.acknowledged = append(t.acknowledged, acknowledgement{tenant, c.Writes[0].Events, r})
			t.mu.Unlock()
			at += eventstore.Version(n)
		}
	}
}

// insist repeats a command until it is acknowledged. Nobody else writes to its
// stream, so it must be some day.
func (t *torture) insist(ctx context.Context, c eventstore.Command) (eventstore.Receipt, error) {
	tenant := c.Writes[0].Stream.Tenant
	for range 100 {
		r := t.store.Append(ctx, tenant, c)[0]
		if !errors.Is(r.Err, eventstore.ErrUnavailable) {
			return r.Receipt, r.Err
		}
	}
	return eventstore.Receipt{}, errors.New("store is not available any more")
}

// follow reads on and on, until ctx is done.
func (t *torture) follow(ctx context.Context, c *checker) {
	for ctx.Err() == nil {
		if err := c.readOn(ctx, t.store); err != nil && ctx.Err() == nil {
			t.complain(err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// review reads the log once more and compares it with what the checker saw while
// it grew, and with what was acknowledged.
func (t *torture) review(ctx context.Context, c *checker) {
	again := &checker{tenant: c.tenant}
	if err := again.readOn(ctx, t.store); err != nil {
		t.complain(err)
		return
	}
	if len(again.seen) < len(c.seen) {
		t.complain(errors.New("events that a reader has seen are gone"))
		return
	}
	for i, e := range c.seen {
		if again.seen[i].ID != e.ID {
			t.complain(fmt.Errorf("another event is at position %d than a reader has seen", e.Position))
			return
		}
	}
	at := make(map[uuid.UUID]eventstore.Position, len(again.seen))
	for _, e := range again.seen {
		if at[e.ID] > 0 {
			t.complain(fmt.Errorf("the event at %d is also at %d", at[e.ID], e.Position))
		}
		at[e.ID] = e.Position
	}
	for _, a := range t.acknowledged {
		for i, e := range a.events {
			if want := a.receipt.First + eventstore.Position(i); a.tenant == c.tenant && at[e.ID] != want {
				t.complain(fmt.Errorf("an event was said to be at %d and is at %d", want, at[e.ID]))
			}
		}
	}
}
