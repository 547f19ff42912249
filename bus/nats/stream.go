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

// ensure creates the stream if there is none. One that is there gets what the
// URL says, if it is fit to keep our messages, and stays as it is otherwise: it
// may have been tuned by hand, or be somebody else's.
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
		err = s.update(ctx, js, there.CachedInfo().Config)
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
		Metadata:    map[string]string{"rowhouse.prefix": s.config.prefix},
		Subjects:    []string{s.subjects()},
		Storage:     jetstream.FileStorage,
		Replicas:    *orElse(s.config.replicas, 1),
		MaxAge:      *orElse(s.config.maxAge, 0),
		Duplicates:  *orElse(s.config.window, defaultWindow),
	}
}

func (s *stream) update(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) error {
	// We never add our subjects to a stream: were it somebody else's, our
	// messages would push out theirs, and go when theirs go.
	if !slices.ContainsFunc(config.Subjects, func(has string) bool { return covers(has, s.subjects()) }) {
		return fmt.Errorf("exists and does not take %s: give stream= or add the subject yourself", s.subjects())
	}
	if why := unfit(config); why != "" {
		return errors.New("takes our subjects and " + why)
	}
	changed := set(&config.Replicas, s.config.replicas)
	changed = set(&config.MaxAge, s.config.maxAge) || changed
	changed = set(&config.Duplicates, s.config.window) || changed
	if !changed {
		return nil
	}
	_, err := js.UpdateStream(ctx, config)
	return err
}

// unfit says why a stream would lose messages that it has acknowledged, or would
// not acknowledge any. That it keeps them for some time only, or as many as it
// has room for, is for its owner to decide.
func unfit(config jetstream.StreamConfig) string {
	switch {
	case config.Retention != jetstream.LimitsPolicy:
		return "drops messages that have been read (retention must be limits)"
	case config.MaxMsgsPerSubject > 0:
		return "keeps only the last messages of each subject (max_msgs_per_subject must not be set)"
	case config.Storage != jetstream.FileStorage, config.PersistMode == jetstream.AsyncPersistMode:
		return "keeps messages in memory (storage must be file, and persist_mode default)"
	case config.NoAck:
		return "does not acknowledge messages (no_ack must not be set)"
	case config.Sealed:
		return "is sealed"
	}
	return ""
}

func (s *stream) subjects() string { return s.config.prefix + ".>" }

// covers reports whether a subject with wildcards contains all of another one.
func covers(subject, other string) bool {
	has, wanted := strings.Split(subject, "."), strings.Split(other, ".")
	for i, token := range has {
		switch {
		case i >= len(wanted):
			return false
		case token == ">":
			return true
		case token != wanted[i] && (token != "*" || wanted[i] == ">"):
			return false
		}
	}
	return len(has) == len(wanted)
}

func set[T comparable](p, want *T) bool {
	if want == nil || *p == *want {
		return false
	}
	*p = *want
	return true
}
