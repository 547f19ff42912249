package kurrent

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// What follows is for moving logs here and away, and for ending them.

// ErrDropped says that the streams of a tenant were deleted for good: see
// [Store.Purge]. The engine never takes events in streams of these names again.
var ErrDropped = errors.New("the tenant's streams were deleted for good in the event store")

// Import appends events of a tenant that were decided elsewhere to their streams,
// as they are. They come in the order of their positions, those of a stream
// without a gap from its first one on, and the ledger must know them, or the
// witness reports them. Importing events again does nothing; Import fails if
// others are in their place. After an error any of the events may be there.
func (s *Store) Import(ctx context.Context, tenant domain.TenantID, events []eventstore.Recorded) error {
	all := make([]shipment, 0, len(events))
	for i := range events {
		e := &events[i]
		if err := belongs(*e, tenant); err != nil {
			return err
		}
		made := encode(e)
		if made.Size() > s.events.MaxAppendBytes() {
			return fmt.Errorf("the event at position %d has %d bytes, and the configuration of the event store allows %d: %w",
				e.Position, made.Size(), s.events.MaxAppendBytes(), eventstore.ErrTooLarge)
		}
		all = append(all, shipment{e.Stream, e.Version - 1, []esdb.Event{made}})
	}
	var errs []error
	for _, err := range s.shipAll(ctx, merge(all)) {
		errs = append(errs, dropped(err))
	}
	return errors.Join(errs...)
}

// dropped says what it means that a stream is deleted for good.
func dropped(err error) error {
	if errors.Is(err, esdb.ErrDeleted) {
		return fmt.Errorf("%w: %w", ErrDropped, err)
	}
	return err
}

// Inspect is like [Store.Read], but that it returns what the engine has, and
// nothing that is only pending. If the log is exact, it also makes sure that no
// stream goes on after the last event of it that the ledger knows; no event must
// be decided meanwhile then.
func (s *Store) Inspect(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int, exact bool) ([]eventstore.Recorded, error) {
	entries, err := s.ledger.Kept(ctx, tenant, after, min(limit, pageEvents))
	if err != nil {
		return nil, err
	}
	if !exact {
		for i := range entries {
			entries[i].Last = false
		}
	}
	events := make([]eventstore.Recorded, 0, len(entries))
	const unknown = 64 // events, which may be large
	for size := 0; len(entries) > 0 && size < pageBytes; {
		n := min(unknown, len(entries))
		if size > 0 {
			n = max(1, min(len(entries), (pageBytes-size)/(1+size/len(events))))
		}
		err := s.fetch(ctx, tenant, entries[:n], func(e *postgres.Entry, is eventstore.Recorded) error {
			e.Recorded = is
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("inspect the log: %w", dropped(err))
		}
		for i := range entries[:n] {
			events = append(events, entries[i].Recorded)
			size += len(entries[i].Data) + len(entries[i].Meta)
		}
		entries = entries[n:]
	}
	return events, nil
}

// Settle ships what was decided of a tenant and may not be in the engine yet, up
// to a position.
func (s *Store) Settle(ctx context.Context, tenant domain.TenantID, upTo eventstore.Position) error {
	return s.settle(ctx, tenant, 1, upTo)
}

// Dropped reports whether the streams of a tenant were deleted for good, or
// whether that was begun.
func (s *Store) Dropped(ctx context.Context, tenant domain.TenantID) (bool, error) {
	first, err := s.ledger.Streams(ctx, tenant, 0, 1) // Purge begins with it
	if err != nil || len(first) == 0 {
		return false, err
	}
	_, err = s.events.LastRevision(ctx, streamName(first[0].Stream))
	if errors.Is(err, esdb.ErrDeleted) {
		return true, nil
	}
	return false, s.failed(ctx, err, nil)
}

// Purge deletes all streams of a tenant that the ledger knows for good, in the
// order in which they began, and returns how many they are. Streams that are
// deleted already are no error, so it can be done again. Nothing must be decided
// for the tenant here any more. The bytes leave the disks of a node with its next
// scavenge, which only an operator can start.
func (s *Store) Purge(ctx context.Context, tenant domain.TenantID) (streams int, err error) {
	const atOnce = 16
	for after := eventstore.Position(0); ; {
		page, err := s.ledger.Streams(ctx, tenant, after, few)
		if err != nil || len(page) == 0 {
			return streams, err
		}
		// The very first one before all others, because Dropped looks at it.
		if after == 0 {
			page = page[:1]
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i := range page {
			g.Go(func() error { return s.tombstone(ctx, streamName(page[i].Stream)) })
		}
		if err := g.Wait(); err != nil {
			return streams, fmt.Errorf("delete streams: %w", err)
		}
		streams += len(page)
		after = page[len(page)-1].Position
	}
}

func (s *Store) tombstone(ctx context.Context, name string) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.failed(ctx, s.events.Tombstone(ctx, name), nil)
}
