package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
)

// rounds is how often to catch up with a log that grows before it is sealed.
const rounds = 10

// move is a move of one log.
type move struct {
	cfg            *Config
	by             *postgres.Mover
	tenant         domain.TenantID
	to             string
	source, target end

	copied eventstore.Position // up to here, all is in the target
	found  eventstore.Position // up to here, it was there when we came
	same   comparison          // up to where both were compared
}

func (m *move) run(ctx context.Context) (Result, error) {
	if err := m.target.accepts(ctx, m.tenant); err != nil {
		return Result{}, err
	}
	for round := range rounds {
		at, err := m.by.Place(ctx, m.tenant)
		if err != nil {
			return Result{}, err
		}
		if round == 0 {
			if err := m.resume(ctx, at.Head); err != nil {
				return Result{}, fmt.Errorf("find out what was copied before: %w", err)
			}
		}
		missing := at.Head - m.same.at
		if err := m.advance(ctx, at.Head); err != nil {
			return Result{}, err
		}
		if missing <= m.cfg.Page/5 { // little enough to copy while the log is sealed
			break
		}
	}
	paused, err := m.finish(ctx)
	return Result{Events: m.same.at, Copied: max(0, m.copied-m.found), Paused: paused, Digest: m.same.digest()}, err
}

// finish seals the log, and lets it go on in the target, or else where it was.
func (m *move) finish(ctx context.Context) (paused time.Duration, err error) {
	began := time.Now()
	switched := false
	defer func() {
		// Also if we were told to stop: the tenant waits.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.Rest+lastWords)
		defer cancel()
		if switched {
			err = errors.Join(err, pause(ctx, m.cfg.Rest))
		}
		if ended := m.by.End(ctx, m.tenant); ended != nil {
			err = errors.Join(err, fmt.Errorf("the log takes no events yet; run the same command again: %w", ended))
		}
		paused = time.Since(began)
	}()
	m.report(Paused, 0, 0)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.MaxPause)
	defer cancel()
	last, err := m.by.Begin(ctx, m.tenant, m.to)
	if err != nil {
		return 0, fmt.Errorf("seal the log: %w", err)
	}
	if err := m.advance(ctx, last); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%s of pause were not enough: %w", m.cfg.MaxPause, err)
		}
		return 0, err
	}
	switched = true // or perhaps, if there is an error
	if err := m.by.Switch(ctx, m.tenant, m.to); err != nil {
		return 0, fmt.Errorf("switch over: %w", err)
	}
	m.report(Switched, last, last)
	return 0, nil
}

// resume finds out how much of the log is in the target from earlier attempts, or
// an earlier stay. Pages were written one after another, so there is no gap but
// perhaps in the last one, which is written again.
func (m *move) resume(ctx context.Context, head eventstore.Position) error {
	low, high := eventstore.Position(0), head // low is there, what is after high is not
	for low < high {
		at := low + (high-low+1)/2
		there, err := m.has(ctx, at)
		if err != nil {
			return err
		}
		if there {
			low = at
		} else {
			high = at - 1
		}
	}
	m.found, m.copied = low, low
	if low < head {
		m.copied = max(0, low-m.cfg.Page)
	}
	return nil
}

// has reports whether the target has an event at a position.
func (m *move) has(ctx context.Context, at eventstore.Position) (there bool, err error) {
	err = m.patiently(ctx, func() error {
		events, err := m.target.inspect(ctx, m.tenant, at-1, 1, false)
		if errors.Is(err, eventstore.ErrGap) {
			err = nil
		}
		there = len(events) > 0
		return err
	})
	return there, err
}

// advance copies and compares what is missing up to a position.
func (m *move) advance(ctx context.Context, upTo eventstore.Position) error {
	if err := m.patiently(ctx, func() error { return m.source.settle(ctx, m.tenant, upTo) }); err != nil {
		return fmt.Errorf("wait for what was decided: %w", err)
	}
	if err := m.copy(ctx, upTo); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	err := m.same.advance(ctx, m.cfg.Page, upTo, m.reader(m.source, false), m.reader(m.target, true), func(at eventstore.Position) { m.report(Verifying, at, upTo) })
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

func (m *move) copy(ctx context.Context, upTo eventstore.Position) error {
	for page, err := range pages(ctx, m.reader(m.source, false), m.cfg.Page, m.copied, upTo) {
		if err != nil {
			return err
		}
		if err := m.patiently(ctx, func() error { return m.target.write(ctx, m.tenant, page) }); err != nil {
			return err
		}
		m.copied += eventstore.Position(len(page))
		m.report(Copying, m.copied, upTo)
	}
	return nil
}

// reader returns what reads the log in one of the engines.
func (m *move) reader(e end, target bool) reader {
	return func(ctx context.Context, after eventstore.Position, limit int) (events []eventstore.Recorded, err error) {
		err = m.patiently(ctx, func() error {
			events, err = e.inspect(ctx, m.tenant, after, limit, target)
			return err
		})
		return events, err
	}
}

// patiently does something again while an engine does not answer.
func (m *move) patiently(ctx context.Context, do func() error) error {
	giveUp := time.Now().Add(m.cfg.Patience)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if !errors.Is(err, eventstore.ErrUnavailable) || time.Now().Add(wait).After(giveUp) || pause(ctx, wait) != nil {
			return err
		}
	}
}

func (m *move) report(s Stage, done, of eventstore.Position) {
	m.cfg.Progress(m.tenant, Progress{s, done, of})
}

// pause waits, or returns why it does not.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
