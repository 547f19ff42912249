// Package reactions holds the process managers: what happens by itself because
// something else happened. Each is a plain function of a run of events of one
// tenant. As a run may be delivered more than once, each makes sure by itself
// that what it does is done once. What a reaction changes it changes by commands, as
// everybody does.
package reactions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/wall"
)

// All lists every reaction. This is the index of what happens by itself.
var All = []Reaction{
	StageMoves,
	Usage,
}

// Services is what reactions work with. All of it may be used concurrently.
type Services struct {
	Wall     *wall.Wall
	Models   *projections.Models // to find records
	Commands *commands.Runner    // to change them, as whoever may
	Now      func() time.Time
}

// Reaction is one process manager.
type Reaction struct {
	Name   string        // for good: how far it has come is kept under it
	Linger time.Duration // how long events of a tenant gather before it looks again
	React  func(context.Context, Services, eventstore.Batch) error
}

// Router hands events to reactions on this node.
type Router struct {
	router *message.Router
	feeds  []*feed.Subscriber
}

// NewRouter returns a router that does nothing until it runs. The follower
// configuration says what to follow; Group, Handle and Linger come from each
// reaction.
func NewRouter(in Services, cfg eventstore.FollowerConfig, all []Reaction) (*Router, error) {
	// That a handler has failed is for the follower to tell, which knows the tenant
	// and what happens next.
	logger := watermill.NewSlogLoggerWithLevelMapping(cfg.Log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug, slog.LevelError: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, logger)
	if err != nil {
		return nil, err
	}
	r := &Router{router: router}
	for _, reaction := range all {
		cfg.Linger = reaction.Linger
		s := feed.NewSubscriber(cfg) // one for each, because the router closes it
		s.Bare = true
		r.feeds = append(r.feeds, s)
		router.AddConsumerHandler(reaction.Name, reaction.Name, s, func(m *message.Message) error {
			err := reaction.handle(m.Context(), in)
			if err != nil {
				feed.Refuse(m.Context(), fmt.Errorf("reaction %s: %w", reaction.Name, err))
			}
			return err // the follower tries again
		})
	}
	return r, nil
}

// handle reacts to the events of a message. A panic is an error, and no more.
func (r Reaction) handle(ctx context.Context, in Services) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T", p) // not p: it may hold what is in the events
		}
	}()
	b, ok := feed.FromContext(ctx)
	if !ok {
		return errNotOurs
	}
	return r.React(ctx, in, b)
}

var errNotOurs = errors.New("message does not come from the log")

// Run hands events to the reactions until ctx is done.
func (r *Router) Run(ctx context.Context) error { return r.router.Run(ctx) }

// Notify says that the log of a tenant has grown.
func (r *Router) Notify(tenant domain.TenantID, head eventstore.Position) {
	for _, f := range r.feeds {
		f.Notify(tenant, head)
	}
}

// Describe implements [prometheus.Collector]. See [feed.Subscriber.Describe].
func (*Router) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (r *Router) Collect(ch chan<- prometheus.Metric) {
	for _, f := range r.feeds {
		f.Collect(ch)
	}
}
