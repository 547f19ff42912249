package kurrent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdb"
)

// presence is what we know of whether the engine does its work.
type presence struct {
	known  atomic.Uint64 // the connection through which we know that it is the one that our logs are in, plus 1
	away   atomic.Bool   // it did not do what it was last asked for
	missed atomic.Int64  // when it was last found away, in Unix nanoseconds
	asking singleflight.Group

	mu    sync.Mutex
	stuck *stuck // an append that failed, if that is why it is away
}

// stuck is an append that is to be tried again. Doing it twice does no harm.
type stuck struct {
	stream string
	at     eventstore.Version
	events []esdb.Event
}

func (p *presence) setStuck(a *stuck) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = a
}

func (p *presence) getStuck() *stuck {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck
}

// known makes sure, once for each connection, that the engine is the one that our logs are in.
func (s *Store) known(ctx context.Context) error {
	if s.isKnown() {
		return nil
	}
	return s.ask(ctx)
}

// present makes sure that the engine takes appends, if it did not do what it was
// last asked for. Without that, everything would be decided that is asked for
// while it is away, and nobody could be told.
func (s *Store) present(ctx context.Context) error {
	if s.isKnown() && !s.presence.away.Load() {
		return nil
	}
	const recent = 500 * time.Millisecond
	if time.Since(time.Unix(0, s.presence.missed.Load())) < recent {
		return fmt.Errorf("%w: it did not answer a moment ago", eventstore.ErrUnavailable)
	}
	return s.ask(ctx)
}

// ask asks the engine whether it is there, once for all who want to know at the
// same time.
func (s *Store) ask(ctx context.Context) error {
	const moment = 2 * time.Second
	answer := s.presence.asking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moment)
		defer cancel()
		err := s.Ping(ctx)
		if err != nil {
			s.presence.missed.Store(time.Now().UnixNano())
		}
		return nil, err
	})
	select {
	case a := <-answer:
		return a.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, ctx.Err())
	}
}

// Ping reports whether the engine does its work, and is the one that our logs are
// in. If an append has failed, nothing less than the same append is a proof.
func (s *Store) Ping(ctx context.Context) error {
	through := s.events.Connection()
	if err := s.identify(ctx); err != nil {
		return s.failed(ctx, err, nil)
	}
	s.presence.known.Store(through + 1)
	a := s.presence.getStuck()
	if a == nil {
		s.back(ctx)
		return nil
	}
	_, err := s.events.Append(ctx, a.stream, revision(a.at), a.events)
	if err != nil && isAway(err) {
		return s.failed(ctx, err, a)
	}
	s.back(ctx) // also if it refuses the append for what it is
	return nil
}

// back notes that the engine does its work.
func (s *Store) back(ctx context.Context) {
	if s.presence.away.CompareAndSwap(true, false) {
		s.presence.setStuck(nil)
		s.log.InfoContext(ctx, "the event store does again what it is asked for; commands are accepted")
	}
}

// failed notes that the engine did not do what it was asked for, if that is what
// an error says, and returns what the error is to others. If it was an append that
// failed, only that one makes up for it.
func (s *Store) failed(ctx context.Context, err error, a *stuck) error {
	if !isAway(err) {
		return err
	}
	if a != nil {
		s.presence.setStuck(a)
	}
	if s.presence.away.CompareAndSwap(false, true) {
		s.log.WarnContext(ctx, "the event store does not do what it is asked for; commands of its tenants get 503 until it does", "error", err)
	}
	return fmt.Errorf("%w: %w", eventstore.ErrUnavailable, err)
}

// isAway reports whether the engine could not be reached, has no time for us, or
// does not let us in.
func isAway(err error) bool {
	for _, e := range []error{
		eventstore.ErrUnavailable, esdb.ErrUnavailable, esdb.ErrNotLeader, esdb.ErrClosed, esdb.ErrUnauthenticated, esdb.ErrAccessDenied, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// impatient reports whether an error only says that a caller had no more time: that
// is no news of the engine.
func impatient(err error, took time.Duration) bool {
	const fair = time.Second // for an answer
	return took < fair && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, esdb.ErrUnavailable)
}
