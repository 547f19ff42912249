// Package nats publishes to NATS JetStream. It is a [bus.Target] for URLs such
// as
//
//	nats://rowhouse:secret@n1:4222,n2:4222?tls=true&replicas=3&maxage=720h
//
// All events go into one stream, each under its own subject, and Publish returns
// when JetStream has acknowledged that it keeps them. Headers are those of the
// binary mode of CloudEvents for NATS (ce-id, ce-type, …); Nats-Msg-Id is the ID
// of the event, by which the stream drops what it was sent again within its
// window for duplicates.
//
// The package knows neither what is in a message nor what a record is.
package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/eventstore"
)

const (
	dialTimeout   = 2 * time.Second
	reconnectWait = 250 * time.Millisecond
	pingInterval  = 10 * time.Second
	writeTimeout  = 5 * time.Second // Close waits no longer for a peer that does not read

	// A stream takes 10,000 messages that it has not stored yet, on newer servers
	// 100,000, and refuses the next one. We stay below, with room for a few nodes
	// like us.
	inFlight = 2000
	chunk    = 500
)

var errClosed = errors.New("nats: target is closed")

// Target is a [bus.Target]. It keeps one connection, and comes back by itself
// when that is lost; until then Publish fails at once.
type Target struct {
	config config
	conn   *nats.Conn
	said   said
	js     jetstream.JetStream
	stream *stream

	window *semaphore.Weighted // how many messages may be on their way

	mu      sync.Mutex
	closing bool
	calls   sync.WaitGroup // of Publish
	closed  chan struct{}  // closed when closing is true
}

var _ bus.Target = (*Target)(nil)

// Opener returns how to open a target. Files that a URL names are read with
// read.
//
// That no server can be reached is no error, nor that one does not let us in: the
// target tries again until it is closed, and Publish says why it fails.
func Opener(read func(file string) ([]byte, error)) bus.Opener {
	return func(_ context.Context, u *url.URL, log *slog.Logger) (bus.Target, error) {
		c, err := parse(u, read)
		if err != nil {
			return nil, err
		}
		return open(c, log)
	}
}

func open(c config, log *slog.Logger) (*Target, error) {
	t := &Target{
		config: c, said: said{log: log}, stream: newStream(c),
		window: semaphore.NewWeighted(inFlight),
		closed: make(chan struct{}),
	}
	conn, err := nats.Connect(strings.Join(c.servers, ","), append(c.options,
		nats.Name("rowhouse"),
		nats.Timeout(dialTimeout),
		nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(pingInterval),
		// For as long as it takes, and whatever the server says meanwhile.
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		// Keep nothing that was published while there was no connection: it
		// would be sent after Publish has failed.
		nats.ReconnectBufSize(-1),
		nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(func(*nats.Conn) { t.said.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { t.stream.forget(); t.said.connected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { t.said.disconnected(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { t.said.disconnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.said.reported(err) }),
	)...)
	if err != nil {
		return nil, fmt.Errorf("nats: connect: %w", err)
	}
	t.conn = conn
	t.js, err = jetstream.New(conn,
		jetstream.WithPublishAsyncTimeout(2*c.timeout),   // Publish has left by then; this is to forget about it
		jetstream.WithPublishAsyncMaxPending(2*inFlight)) // never reached: window is smaller
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return t, nil
}

// Topic implements [bus.Target].
func (t *Target) Topic(s eventstore.StreamID, eventType string) string {
	return bus.Subject(t.config.prefix, s, eventType)
}

// Publish implements [message.Publisher], as [bus.Target] wants it. It sends the
// messages one after another without waiting, and then waits until all of them
// are acknowledged, the context of the first message ends, the connection is
// lost, or the time is over that the option timeout allows.
func (t *Target) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if !validSubject(topic) { // servers only fall silent
		return bus.Refuse(bus.Invalid, nats.ErrBadSubject)
	}
	if !t.begin() {
		return errClosed
	}
	defer t.calls.Done()
	if !t.conn.IsConnected() {
		return t.because(nil)
	}
	ctx, cancel := context.WithTimeout(messages[0].Context(), t.config.timeout)
	defer cancel()
	if err := t.stream.ensure(ctx, t.js); err != nil {
		return t.because(err)
	}
	for len(messages) > 0 {
		n := min(len(messages), chunk)
		if err := t.publish(ctx, topic, messages[:n]); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

func (t *Target) publish(ctx context.Context, topic string, messages []*message.Message) error {
	if err := t.window.Acquire(ctx, int64(len(messages))); err != nil {
		return fmt.Errorf("nats: wait for messages before: %w", err)
	}
	defer t.window.Release(int64(len(messages)))
	var first error
	acks := make([]jetstream.PubAckFuture, 0, len(messages))
	for _, m := range messages {
		ack, err := t.js.PublishMsgAsync(encode(topic, m), t.stream.options...)
		if err != nil {
			first = err
			break
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			if first == nil {
				first = err
			}
		case <-ctx.Done():
			return t.because(fmt.Errorf("nats: wait for acknowledgements: %w", context.Cause(ctx)))
		case <-t.closed:
			return errClosed
		}
	}
	return t.explain(first)
}

// explain says of an error whether there is no point in trying again.
func (t *Target) explain(err error) error {
	if err == nil {
		return nil
	}
	if reason, ok := refusal(err); ok {
		return bus.Refuse(reason, err)
	}
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
		t.stream.forget() // somebody may have deleted it
	}
	return t.because(fmt.Errorf("nats: publish: %w", err))
}

// because adds to an error what the connection has to say: why it is not there,
// or what the server has complained about instead of answering.
func (t *Target) because(err error) error {
	if !t.conn.IsConnected() {
		// The client forgets why it could not dial, and what it tells us comes a
		// little later than what it knows.
		why := cmp.Or(t.conn.LastError(), t.said.why(), nats.ErrDisconnected)
		if err == nil {
			return fmt.Errorf("nats: not connected: %w", why)
		}
		return fmt.Errorf("%w; not connected: %w", err, why)
	}
	if last := t.said.complaint(); last != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)) {
		return fmt.Errorf("%w; the server has said: %w", err, last)
	}
	return err
}

func (t *Target) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.calls.Add(1)
	return true
}

// Close implements [message.Publisher]. Calls of Publish end at once. It may be
// called several times, and takes no longer than it takes to send what was
// already handed to the connection, 5 s at most.
func (t *Target) Close() error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return nil
	}
	t.closing = true
	close(t.closed)
	t.mu.Unlock()
	t.conn.Close()
	t.calls.Wait()
	return nil
}
