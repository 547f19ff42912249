// Package kafka publishes to Kafka, and to what speaks its protocol. It is a
// [bus.Target] for URLs such as
//
//	kafka://rowhouse:secret@k1:9092,k2:9092?tls=true&sasl=scram-sha-512&partitions=6&replication=3
//
// Each tenant has a topic, or all share one if the URL says so. The key of a
// message is that of its record, and decides on the partition as the Java client
// would (murmur2). Publish returns when all replicas that are in sync have the
// messages. Headers are those of the binary mode of CloudEvents for Kafka (ce_id,
// ce_type, …).
//
// The producer is idempotent: what it sends again by itself, because an answer
// was lost, is stored once. What is published again, after Publish has failed,
// may be stored twice, under the same ce_id.
//
// The package does not know what is in a message.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/eventstore"
)

const (
	dialTimeout    = 3 * time.Second
	produceTimeout = 3 * time.Second // for brokers; twice that until we give up on the connection
	longestBackoff = time.Second
	metadataPause  = 250 * time.Millisecond
	bufferedBytes  = 64 << 20

	everybody = 1 << 20 // calls of Publish at a time

	// There is a topic for each tenant, and the client asks for news of all it
	// knows. To know one costs two requests.
	keptTopics = 4096
)

var errClosed = errors.New("kafka: target is closed")

// Target is a [bus.Target]. It keeps connections to the brokers, and finds them
// again by itself.
type Target struct {
	config config
	said   *said

	// room has a place for each call that publishes, and is taken as a whole to
	// begin anew, and by one that must know that what a broker says is about its
	// message.
	room  *semaphore.Weighted
	stale atomic.Bool // the producer must be replaced before the next call
	kept  int         // how many topics it may know

	mu       sync.Mutex
	producer *producer
	closing  bool
	calls    sync.WaitGroup // of Publish, and what they left behind
}

var _ bus.Target = (*Target)(nil)

// Opener returns how to open a target. Files that a URL names are read with
// read. Nothing is sent before there is something to publish.
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
		config: c, said: &said{log: log, known: c.user},
		room: semaphore.NewWeighted(everybody), kept: keptTopics,
	}
	var err error
	t.producer, err = newProducer(c, t.said)
	return t, err
}

func backoff(tries int) time.Duration {
	return min(longestBackoff, metadataPause<<min(tries, 4)>>1)
}

// Topic implements [bus.Target].
func (t *Target) Topic(s eventstore.StreamID, _ string) string {
	if t.config.topic != "" {
		return t.config.topic
	}
	return bus.TopicOf(t.config.prefix, s.Tenant)
}

// Publish implements [message.Publisher], as [bus.Target] wants it. It sends the
// messages together, and waits until all of them are acknowledged, the context of
// the first message ends, or the time is over that the option timeout allows.
// That several messages are refused says that one of them may be.
//
// Should brokers that come and go make it fail, then the messages of a partition
// that were stored are the first ones: none is stored behind one that is not.
func (t *Target) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if !validTopic.MatchString(topic) {
		return fmt.Errorf("kafka: publish: %w", kerr.InvalidTopicException) // no message is to blame
	}
	if !t.begin() {
		return errClosed
	}
	defer t.calls.Done()
	ctx, cancel := context.WithTimeout(messages[0].Context(), t.config.timeout)
	defer cancel()
	err := t.among(ctx, topic, messages)
	if len(messages) == 1 && tooLarge(err) {
		// Was it this one, or what it travelled with? And is that still so?
		err = t.alone(ctx, topic, messages)
	}
	if err == nil {
		t.said.published()
		return nil
	}
	return t.explain(err)
}

// among publishes among others.
func (t *Target) among(ctx context.Context, topic string, messages []*message.Message) error {
	if t.stale.Load() {
		if err := t.anew(ctx, func() error { return nil }); err != nil {
			return err
		}
	}
	if err := t.room.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for others: %w", err)
	}
	defer t.room.Release(1)
	return t.send(ctx, topic, messages)
}

// alone publishes while nobody else does, with a producer that knows nothing yet.
func (t *Target) alone(ctx context.Context, topic string, messages []*message.Message) error {
	t.stale.Store(true)
	return t.anew(ctx, func() error { return t.send(ctx, topic, messages) })
}

// anew replaces the producer if it is stale, and does something before others go
// on.
func (t *Target) anew(ctx context.Context, do func() error) error {
	if err := t.room.Acquire(ctx, everybody); err != nil {
		return fmt.Errorf("wait for others: %w", err)
	}
	defer t.room.Release(everybody)
	if t.stale.Load() {
		if err := t.replace(); err != nil {
			return err
		}
		t.stale.Store(false)
	}
	return do()
}

func (t *Target) replace() error {
	next, err := newProducer(t.config, t.said)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		next.client.Close()
		return errClosed
	}
	before := t.producer.client
	t.producer = next
	t.calls.Go(before.Close) // it has nothing in hand that has not been given up
	return nil
}

func (t *Target) send(ctx context.Context, topic string, messages []*message.Message) error {
	t.mu.Lock()
	p := t.producer // while we have a place it stays
	t.mu.Unlock()
	if err := p.topics.ensure(ctx, topic); err != nil {
		return err
	}
	err := t.produce(ctx, p.client, topic, messages)
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || p.topics.count() > t.kept {
		t.stale.Store(true) // somebody has deleted the topic, or there are many
	}
	return err
}

// produce sends messages and waits for all of them. It returns the first error.
func (t *Target) produce(ctx context.Context, client *kgo.Client, topic string, messages []*message.Message) error {
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = encode(topic, m)
	}
	done := make(chan error, 1)
	// The client gives up on what a broker may have only when it has answered,
	// or has not for long enough. Publish need not wait for that.
	t.calls.Go(func() { done <- client.ProduceSync(ctx, records...).FirstErr() })
	select {
	case err := <-done:
		if ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
			// It stood behind a message of another call, and was given up with it.
			return fmt.Errorf("given up with a message before it: %v", err) //nolint:errorlint // it is not our context
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for acknowledgements: %w", context.Cause(ctx))
	}
}

// explain says of an error whether there is no point in trying again.
func (t *Target) explain(err error) error {
	switch {
	case tooLarge(err):
		return bus.Refuse(bus.TooLarge, err)
	case errors.Is(err, kerr.InvalidRecord):
		return bus.Refuse(bus.Invalid, err)
	}
	return t.said.because(fmt.Errorf("kafka: publish: %w", err))
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// encode returns what is sent of a message.
func encode(topic string, m *message.Message) *kgo.Record {
	r := &kgo.Record{Topic: topic, Value: m.Payload, Headers: make([]kgo.RecordHeader, 0, len(m.Metadata))}
	for name, value := range m.Metadata {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	slices.SortFunc(r.Headers, func(a, b kgo.RecordHeader) int { return strings.Compare(a.Key, b.Key) })
	if key, ok := m.Metadata[bus.Key]; ok {
		r.Key = []byte(key)
	}
	return r
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
// called several times.
func (t *Target) Close() error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return nil
	}
	t.closing = true
	client := t.producer.client
	t.mu.Unlock()
	client.Close()
	t.calls.Wait()
	return nil
}
