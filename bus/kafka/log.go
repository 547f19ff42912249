package kafka

import (
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger has the client log through slog. It never logs messages. While brokers
// are away it has much to say, which is detail to us: that Publish fails is for
// whoever calls it to report.
type logger struct{ log *slog.Logger }

// Level implements [kgo.Logger].
func (logger) Level() kgo.LogLevel { return kgo.LogLevelInfo }

// Log implements [kgo.Logger].
func (l logger) Log(level kgo.LogLevel, what string, about ...any) {
	log := l.log.With("what", what)
	if level == kgo.LogLevelError {
		log.Warn("Kafka client", about...)
	} else {
		log.Debug("Kafka client", about...)
	}
}
