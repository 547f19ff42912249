package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"iter"

	"github.com/rowhouse/rowhouse/eventstore"
)

// A Difference is the first position at which two logs are not the same.
type Difference struct{ Position eventstore.Position }

func (d *Difference) Error() string {
	return fmt.Sprintf("the engines have different events at position %d", d.Position)
}

// reader is like the Read of a store, for one tenant.
type reader func(ctx context.Context, after eventstore.Position, limit int) ([]eventstore.Recorded, error)

// pages yields the events after a position up to another one, and reads the next
// page while the one before is dealt with. There is no gap between them; if there
// are fewer, the last thing it yields is an error.
func pages(ctx context.Context, read reader, size, after, upTo eventstore.Position) iter.Seq2[[]eventstore.Recorded, error] {
	type page struct {
		events []eventstore.Recorded
		err    error
	}
	return func(yield func([]eventstore.Recorded, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan page)
		go func() {
			defer close(ahead)
			for after < upTo {
				events, err := read(ctx, after, int(min(size, upTo-after)))
				if err == nil && len(events) == 0 {
					err = fmt.Errorf("%w: the log ends at position %d, and %d is wanted", eventstore.ErrGap, after, upTo)
				}
				select {
				case ahead <- page{events, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
				after += eventstore.Position(len(events))
			}
		}()
		defer func() {
			cancel()
			for range ahead { // until it has ended
			}
		}()
		for p := range ahead {
			if !yield(p.events, p.err) || p.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// events yields what [pages] does, one by one.
func events(ctx context.Context, read reader, size, after, upTo eventstore.Position) iter.Seq2[*eventstore.Recorded, error] {
	return func(yield func(*eventstore.Recorded, error) bool) {
		for page, err := range pages(ctx, read, size, after, upTo) {
			for i := range page {
				if !yield(&page[i], nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// comparison is of two logs that were found to be the same up to a position.
type comparison struct {
	at   eventstore.Position
	hash hash.Hash // of all events
}

func (c *comparison) digest() (sum [sha256.Size]byte) {
	if c.hash == nil {
		return sha256.Sum256(nil)
	}
	return [sha256.Size]byte(c.hash.Sum(nil))
}

// advance compares two logs up to a position, and reports after each page.
func (c *comparison) advance(ctx context.Context, size, upTo eventstore.Position, left, right reader, report func(eventstore.Position)) error {
	if c.hash == nil {
		c.hash = sha256.New()
	}
	other, stop := iter.Pull2(events(ctx, right, size, c.at, upTo))
	defer stop()
	var one, two []byte
	for e, err := range events(ctx, left, size, c.at, upTo) {
		if err != nil {
			return err
		}
		o, err, ok := other()
		switch {
		case err != nil:
			return err
		case !ok:
			return &Difference{e.Position}
		}
		one, two = canonical(one[:0], e), canonical(two[:0], o)
		if !bytes.Equal(one, two) || e.Position != c.at+1 {
			return &Difference{c.at + 1}
		}
		c.at = e.Position
		c.hash.Write(one)
		if c.at%size == 0 || c.at == upTo {
			report(c.at)
		}
	}
	return nil
}

// canonical appends all that there is of an event, so that different events are
// different bytes.
func canonical(b []byte, e *eventstore.Recorded) []byte {
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text := func(s []byte) {
		number(int64(len(s)))
		b = append(b, s...)
	}
	number(int64(e.Position))
	b = append(b, e.Stream.Tenant.UUID[:]...)
	text([]byte(e.Stream.Kind))
	b = append(b, e.Stream.ID[:]...)
	number(int64(e.Version))
	b = append(b, e.ID[:]...)
	text([]byte(e.Type))
	number(int64(e.Schema))
	number(e.Time.UnixMicro())
	text(e.Data)
	text(e.Meta)
	return b
}
