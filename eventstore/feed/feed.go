// Package feed publishes the log through Watermill, for whatever reacts to what
// happens in this process, such as process managers. It delivers every event at
// least once, those of a tenant in order, and knows nothing of what they mean.
package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
)

// The metadata of a message.
const (
	Tenant = "tenant" // ten_…
	First  = "first"  // the position of the first event in it
	Last   = "last"   // the position of the last one
)

// Subscriber is a [message.Subscriber]. A topic is the name of a group of
// readers, which gets all events of all tenants: each message is a run of events
// of one tenant, as a JSON array of [Event], and the next message of that tenant
// comes after it was acknowledged. A message that was refused comes again, a
// little later, perhaps with more events in it.
type Subscriber struct {
	// Bare messages have no payload, for handlers that take the events from
	// [FromContext]. It must be set before the first subscription.
	Bare bool

	cfg    eventstore.FollowerConfig
	closed chan struct{}

	mu        sync.Mutex
	followers []*eventstore.Follower
	running   sync.WaitGroup
}

var _ message.Subscriber = (*Subscriber)(nil)

// NewSubscriber returns a subscriber that follows as cfg says, but for Group and
// Handle.
func NewSubscriber(cfg eventstore.FollowerConfig) *Subscriber {
	return &Subscriber{cfg: cfg, closed: make(chan struct{})}
}

// Subscribe implements [message.Subscriber].
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, errors.New("feed: subscriber is closed")
	}
	out := make(chan *message.Message)
	cfg := s.cfg
	cfg.Group = topic
	cfg.Handle = eventstore.OneByOne(func(ctx context.Context, b eventstore.Batch) error {
		if err := s.deliver(ctx, b, out); err != nil {
			return err
		}
		return cfg.Tracker.Move(ctx, topic, b.Tenant, b.From, b.To())
	})
	f := eventstore.NewFollower(cfg)
	s.followers = append(s.followers, f)
	ctx, cancel := context.WithCancel(ctx)
	s.running.Go(func() {
		defer cancel()
		select {
		case <-ctx.Done():
		case <-s.closed:
		}
	})
	s.running.Go(func() {
		defer close(out)
		f.Run(ctx)
	})
	return out, nil
}

func (s *Subscriber) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// Notify says that the log of a tenant has grown. See [eventstore.Follower.Notify].
func (s *Subscriber) Notify(tenant domain.TenantID, head eventstore.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followers {
		f.Notify(tenant, head)
	}
}

// Describe implements [prometheus.Collector]. It does not say what will be
// collected, because there may be several that collect the same of other groups.
func (*Subscriber) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (s *Subscriber) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followers {
		f.Collect(ch)
	}
}

// Close ends all subscriptions. Messages that were not acknowledged yet will be
// delivered again. It may be called several times, as routers do.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.isClosed() {
		close(s.closed)
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

var errRefused = errors.New("the handler refused the events without a reason")

// deliver hands out a message and waits for the answer.
func (s *Subscriber) deliver(ctx context.Context, b eventstore.Batch, out chan<- *message.Message) error {
	m, err := newMessage(b, s.Bare)
	if err != nil {
		return err
	}
	h := &handover{batch: b}
	m.SetContext(context.WithValue(ctx, handoverKey{}, h))
	select {
	case out <- m:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-m.Acked():
		return nil
	case <-m.Nacked():
		return cmp.Or(h.why, errRefused)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newMessage makes a message of a batch. Its UUID follows from what is in it.
func newMessage(b eventstore.Batch, bare bool) (*message.Message, error) {
	first, last := strconv.FormatInt(int64(b.From.Position)+1, 10), strconv.FormatInt(int64(b.To()), 10)
	id := uuid.NewSHA1(b.Tenant.UUID, []byte(first+"-"+last))
	m := message.NewMessage(id.String(), nil)
	m.Metadata = message.Metadata{Tenant: b.Tenant.String(), First: first, Last: last}
	if bare {
		return m, nil
	}
	events := make([]Event, len(b.Events))
	for i, e := range b.Events {
		var err error
		if events[i], err = NewEvent(e, nil); err != nil {
			return nil, err
		}
	}
	payload, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("feed: events %s to %s: %w", first, last, err)
	}
	m.Payload = payload
	return m, nil
}

// handover is what the two sides of a message share that are in this process.
type handover struct {
	batch eventstore.Batch
	why   error // it was refused
}

type handoverKey struct{}

// FromContext returns the events that the message of a context was made from, so
// that handlers in this process need not decode its payload. They must not
// change them, nor keep them after they have returned.
func FromContext(ctx context.Context) (eventstore.Batch, bool) {
	h, ok := ctx.Value(handoverKey{}).(*handover)
	if !ok {
		return eventstore.Batch{}, false
	}
	return h.batch, true
}

// Refuse says why the message of a context will be refused, so that the log can
// tell. It must be called before that, and not at the same time.
func Refuse(ctx context.Context, why error) {
	if h, ok := ctx.Value(handoverKey{}).(*handover); ok {
		h.why = why
	}
}
