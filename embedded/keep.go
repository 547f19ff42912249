package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What is waited before the server is started again: the first after one that
// ended soon or did not start, doubled each time.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second

	// lasting is how long a server must have run so that the next one is started
	// without a pause.
	lasting = 10 * time.Second
)

// keep starts the server again whenever it ends by itself, until ctx is done or
// it cannot be started.
func (s *Server) keep(ctx context.Context, cfg Config) {
	defer close(s.done)
	for pause := time.Duration(0); ; {
		lasted := time.NewTimer(lasting)
		<-s.child.ended
		select {
		case <-lasted.C:
			pause = 0
		default:
			lasted.Stop()
		}
		if ctx.Err() != nil {
			s.err = s.child.failure()
			return
		}
		s.output.speak(false)
		s.log.ErrorContext(ctx, "the private PostgreSQL has ended and is started again", "reason", s.child.how(), "said", s.output.tail())
		s.err = s.revive(ctx, cfg, pause)
		switch {
		case ctx.Err() != nil:
			<-s.child.ended // Stop has told the latest one
			s.err = nil
			return
		case s.err != nil:
			return
		}
		pause = longer(pause)
		s.log.WarnContext(ctx, "the private PostgreSQL serves again", "restarts", s.restarts.Add(1))
	}
}

func longer(pause time.Duration) time.Duration { return min(max(firstPause, 2*pause), longestPause) }

// revive starts the server, again and again until it answers. It gives up when
// that took too long, unless the disk is full: somebody will make room.
func (s *Server) revive(ctx context.Context, cfg Config, pause time.Duration) error {
	patience := time.NewTimer(cfg.Patience)
	defer patience.Stop()
	said, over := "", false
	for {
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := s.clearAway(ctx, cfg)
		if err == nil {
			err = s.run(ctx, cfg)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if text := err.Error(); text != said { // the same once
			said = text
			s.log.ErrorContext(ctx, "the private PostgreSQL does not start, and is tried again", "error", err)
		}
		select {
		case <-patience.C:
			over = true
		default:
		}
		if over && !errors.Is(err, errFull) {
			return fmt.Errorf("it could not be started again for %s: %w", cfg.Patience, err)
		}
		pause = longer(pause)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
