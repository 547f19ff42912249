package kurrent

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
)

// errAnother says that our logs are not where we look for them. Nothing must be
// decided then.
var errAnother = fmt.Errorf("%w: this is not the event store that the logs are kept in, or it was restored without them", eventstore.ErrUnavailable)

// identify makes sure that the engine is the one that our logs are in: it has a
// stream with the mark of this installation. The first time it makes the mark.
// From then on it costs one read.
func (s *Store) identify(ctx context.Context) error {
	id, marked, err := s.ledger.Installation(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
	}
	name := "rowhouse-" + id.String()
	if !marked {
		mark := esdb.Event{ID: id, Type: "rowhouse.installation", Data: []byte(`{}`), JSON: true}
		_, err := s.events.Append(ctx, name, esdb.NoStream, []esdb.Event{mark})
		if _, there := errors.AsType[*esdb.Conflict](err); err != nil && !there {
			return fmt.Errorf("mark the event store: %w", err)
		}
	}
	first, err := s.mark(ctx, name)
	if err != nil {
		return fmt.Errorf("identify the event store: %w", err)
	}
	if first != id {
		s.presence.known.Store(0) // so that nobody takes an answer for a good sign
		return errAnother
	}
	if !marked {
		return s.ledger.Mark(ctx)
	}
	return nil
}

// isKnown reports whether the engine was identified since there is a connection to
// it. Behind another one there may be another server.
func (s *Store) isKnown() bool { return s.presence.known.Load() == s.events.Connection()+1 }

// mark returns the ID of the first event of a stream, or none if there is none.
func (s *Store) mark(ctx context.Context, name string) (id uuid.UUID, err error) {
	for e, err := range s.events.ReadStream(ctx, name, 0, 1) {
		if errors.Is(err, esdb.ErrNotFound) || errors.Is(err, esdb.ErrDeleted) {
			return uuid.Nil, nil
		}
		return e.ID, err
	}
	return uuid.Nil, nil
}
