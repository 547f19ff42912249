package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// said is what the client has told us beside answers. It has the client log
// through slog, and keeps what stands in the way: the client tries again until we
// give up, and then says only that we have. There is no message in it, and no
// secret.
//
// While brokers are away the client has much to say, which is detail to us: that
// Publish fails, and why, is for whoever calls it to report.
type said struct {
	log   *slog.Logger
	known bool // we say who we are

	mu      sync.Mutex
	absent  error  // why there is no connection
	trouble error  // since something was published
	warned  string // the same
}

var (
	_ kgo.Logger            = (*said)(nil)
	_ kgo.HookBrokerConnect = (*said)(nil)
)

// Level implements [kgo.Logger]. When brokers want messages sent again, it is
// only in the details why.
func (s *said) Level() kgo.LogLevel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		return kgo.LogLevelDebug
	}
	return kgo.LogLevelInfo
}

const retried = "produce request had retry batches"

var errRetried = errors.New("brokers do not take messages now")

// retrying is how the details say why a message was not taken for now.
var retrying = regexp.MustCompile(`retrying@-?\d+,\d+\(([A-Z_]+)`)

// Log implements [kgo.Logger].
func (s *said) Log(level kgo.LogLevel, what string, about ...any) {
	why := trouble(about)
	if why != nil {
		s.mu.Lock()
		if s.trouble == nil || why != errRetried { //nolint:errorlint // this very one
			s.trouble = why
		}
		s.mu.Unlock()
	}
	log := s.log.With("what", what)
	if level == kgo.LogLevelError && s.isNew(fmt.Sprint(what, why)) {
		log.Warn("the Kafka client reports an error; what was not acknowledged is published again", about...)
	} else {
		log.Debug("the Kafka client reports", about...)
	}
}

// trouble returns the error that a line of the log is about.
func trouble(about []any) error {
	for i := 0; i+1 < len(about); i += 2 {
		switch value := about[i+1].(type) {
		case error:
			if !ours(value) {
				return value
			}
		case string:
			if value == retried {
				return errRetried
			}
			if match := retrying.FindStringSubmatch(value); match != nil {
				return fmt.Errorf("%w: %s", errRetried, match[1])
			}
		}
	}
	return nil
}

// ours reports whether an error is only that we gave up.
func ours(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrClientClosed)
}

// isNew reports whether a warning is another one than the last. Which broker it is
// about makes no difference.
func (s *said) isNew(warning string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.warned
	s.warned = warning
	return before != warning
}

// OnBrokerConnect implements [kgo.HookBrokerConnect].
func (s *said) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if ours(err) {
		return
	}
	// A broker that says nothing and hangs up has mostly not understood us; for
	// that the client has an error of its own. With this one, it did.
	if _, other := errors.AsType[*kgo.ErrFirstReadEOF](err); errors.Is(err, io.EOF) && s.known && !other {
		err = fmt.Errorf("the broker hangs up when it is told who we are, perhaps because of user or password: %w", err)
	}
	s.mu.Lock()
	s.absent = err
	s.mu.Unlock()
}

// published forgets what stood in the way.
func (s *said) published() {
	s.mu.Lock()
	s.absent, s.trouble, s.warned = nil, nil, ""
	s.mu.Unlock()
}

// because adds to an error what stands in the way, if that is known.
func (s *said) because(err error) error {
	s.mu.Lock()
	why := cmp.Or(s.absent, s.trouble)
	s.mu.Unlock()
	if why == nil || errors.Is(err, why) {
		return err
	}
	return fmt.Errorf("%w; the last that went wrong: %w", err, why)
}
