package nats

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"
)

// said is what the connection has told us beside answers: that it came and went,
// and what the server complained about. Errors of the client have no secret in
// them.
type said struct {
	log *slog.Logger

	mu         sync.Mutex
	absent     error // why there is no connection
	complained error // since there was a connection
}

// connected forgets what was said before. That a broker is away and back, it is
// for the bus to tell.
func (s *said) connected() {
	s.mu.Lock()
	s.absent, s.complained = nil, nil
	s.mu.Unlock()
	s.log.Debug("connected to NATS")
}

func (s *said) disconnected(err error) {
	s.mu.Lock()
	s.absent = err
	s.mu.Unlock()
	s.log.Debug("no connection to NATS", "err", err)
}

// reported warns of an error when it is another one than the last: a server that
// does not let us in says so several times a second.
func (s *said) reported(err error) {
	s.mu.Lock()
	log := s.log.Warn
	if s.complained != nil && kind(s.complained) == kind(err) {
		log = s.log.Debug
	}
	s.complained = err
	s.mu.Unlock()
	log("the NATS server or client reports an error; what was not acknowledged is published again", "err", err)
}

// kind is what an error says, without the subject that it is about.
func kind(err error) string {
	if errors.Is(err, nats.ErrPermissionViolation) {
		return nats.ErrPermissionViolation.Error()
	}
	return err.Error()
}

func (s *said) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.absent
}

func (s *said) complaint() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complained
}
