package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/rowhouse/rowhouse/eventstore"
)

// Everything is the topic of a [Channel] that has the events of all tenants. It
// is for what runs inside the wall.
const Everything = "rowhouse"

// Channel is the target for integrations in this process, which get the same
// messages as they would from a broker. Its topics are those of [TopicOf] and
// [Everything]. An event counts as published when everybody has acknowledged it
// who is subscribed to a topic it is on. One that nobody is subscribed to is
// dropped, but only while there are other subscribers: without any, events wait.
type Channel struct {
	pubsub *gochannel.GoChannel

	mu        sync.Mutex
	listeners map[string]int // by topic
	total     int
	changed   chan struct{} // closed and replaced when somebody comes first or goes last
}

var (
	_ Target             = (*Channel)(nil)
	_ message.Subscriber = (*Channel)(nil)
)

// NewChannel returns a channel that nobody is subscribed to.
func NewChannel(log *slog.Logger) *Channel {
	quiet := watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	return &Channel{
		pubsub:    gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, quiet),
		listeners: make(map[string]int), changed: make(chan struct{}),
	}
}

// While calls run whenever somebody is subscribed, with a context that ends when
// nobody is any more, until ctx is done. There is no point in running a bus with
// this target at other times: it would keep other nodes from the tenants whose
// events somebody wants there.
func (c *Channel) While(ctx context.Context, run func(context.Context)) {
	for ctx.Err() == nil {
		total, changed := c.subscribed()
		if total == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		running, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer stop()
			for total > 0 {
				select {
				case <-changed:
				case <-running.Done():
					return
				}
				total, changed = c.subscribed()
			}
		})
		run(running)
		stop()
		wg.Wait()
	}
}

// subscribed returns how many are subscribed, and what is closed when there is
// somebody instead of nobody, or the other way round.
func (c *Channel) subscribed() (total int, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total, c.changed
}

// Topic implements [Target].
func (*Channel) Topic(s eventstore.StreamID, _ string) string { return TopicOf(Everything, s.Tenant) }

// Subscribe implements [message.Subscriber].
func (c *Channel) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	out, err := c.pubsub.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	c.listen(topic, 1)
	context.AfterFunc(ctx, func() { c.listen(topic, -1) })
	return out, nil
}

func (c *Channel) listen(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.total
	if c.total += n; c.total == 0 || before == 0 {
		close(c.changed)
		c.changed = make(chan struct{})
	}
	if c.listeners[topic] += n; c.listeners[topic] == 0 {
		delete(c.listeners, topic)
	}
}

var errNobody = errors.New("nobody is subscribed")

// Publish implements [Target].
func (c *Channel) Publish(topic string, messages ...*message.Message) error {
	c.mu.Lock()
	total, topics := c.total, make([]string, 0, 2)
	for _, t := range []string{topic, Everything} {
		if c.listeners[t] > 0 {
			topics = append(topics, t)
		}
	}
	c.mu.Unlock()
	if total == 0 {
		return errNobody
	}
	for _, m := range messages {
		for _, t := range topics {
			if err := c.publish(t, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish waits for those who are subscribed, but no longer than the context of
// the message does.
func (c *Channel) publish(topic string, m *message.Message) error {
	done := make(chan error, 1)
	go func() { done <- c.pubsub.Publish(topic, m) }()
	select {
	case err := <-done:
		return err
	case <-m.Context().Done():
		return m.Context().Err()
	}
}

// Close implements [Target]. It ends all subscriptions.
func (c *Channel) Close() error { return c.pubsub.Close() }
