package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
)

// stream is what keeps our messages. It is looked at when it is first needed,
// and again after the connection was lost.
type stream struct {
	config  config
	options []jetstream.PublishOpt

	ready atomic.Bool
	busy  chan struct{} // full while somebody looks
}

func newStream(c config) *stream {
	s := &stream{config: c, busy: make(chan struct{}, 1)}
	// Nobody of ours asks again behind Publish's back.
	s.options = []jetstream.PublishOpt{jetstream.WithRetryAttempts(0)}
	if c.manage {
		// Should another stream have got hold of our subjects, that is an error.
		s.options = append(s.options, jetstream.WithExpectStream(c.stream))
	}
	return s
}

// forget has ensure look at the stream again.
func (s *stream) forget() { s.ready.Store(false) }

// ensure creates the stream if there is none. One that is there gets our
// subjects and what the URL says, and stays as it is otherwise: it may have been
// tuned by hand.
func (s *stream) ensure(ctx context.Context, js jetstream.JetStream) error {
	if s.ready.Load() || !s.config.manage {
		return nil
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return fmt.Errorf("nats: wait for the stream: %w", context.Cause(ctx))
	}
	if s.ready.Load() {
		return nil
	}
	there, err := js.Stream(ctx, s.config.stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		_, err = js.CreateStream(ctx, s.created())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return errors.New("nats: another node is creating the stream") // we will look at it next time
		}
	case err == nil:
		if config, changed := s.updated(there.CachedInfo().Config); changed {
			_, err = js.UpdateStream(ctx, config)
		}
	}
	if err != nil {
		return fmt.Errorf("nats: stream %s: %w", s.config.stream, err)
	}
	s.ready.Store(true)
	return nil
}

func (s *stream) created() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        s.config.stream,
		Description: "What happens in Rowhouse, as CloudEvents",
		Subjects:    []string{s.subjects()},
		Storage:     jetstream.FileStorage,
		Replicas:    *orElse(s.config.replicas, 1),
		MaxAge:      *orElse(s.config.maxAge, 0),
		Duplicates:  *orElse(s.config.window, defaultWindow),
	}
}

func (s *stream) updated(config jetstream.StreamConfig) (_ jetstream.StreamConfig, changed bool) {
	if !slices.ContainsFunc(config.Subjects, func(has string) bool { return covers(has, s.subjects()) }) {
		config.Subjects, changed = append(slices.Clone(config.Subjects), s.subjects()), true
	}
	changed = set(&config.Replicas, s.config.replicas) || changed
	changed = set(&config.MaxAge, s.config.maxAge) || changed
	changed = set(&config.Duplicates, s.config.window) || changed
	return config, changed
}

func (s *stream) subjects() string { return s.config.prefix + ".>" }

// covers reports whether a subject with wildcards contains all of another one,
// as far as can be told from what they begin with.
func covers(subject, other string) bool {
	begin, all := strings.CutSuffix(subject, ">")
	return subject == other || all && strings.HasPrefix(other, begin)
}

func set[T comparable](p, want *T) bool {
	if want == nil || *p == *want {
		return false
	}
	*p = *want
	return true
}
