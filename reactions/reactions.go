// Package reactions holds what happens by itself because something else happened,
// or because its time has come.
//
// A [Process] is made of pure functions from events to orders: commands, work and
// wake-ups, which are done later, each once: see package jobs. A [Reaction] does what
// it does while it reads the log; as it may be given the same events more than once,
// it makes sure by itself that nothing is done twice. What any of them changes, it
// changes by commands, as everybody does.
package reactions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/wall"
)

// All lists every reaction, and Processes every process. These are the indexes of
// what happens by itself.
var (
	All = []Reaction{
		StageMoves,
		Usage,
	}
	Processes = []Process{
		Bin,
		TaskTimes,
	}
)

// Commands and Works list what processes can order.
var (
	Commands = []Command{
		give(commands.Tasks, task.BecomeOverdue{}),
		give(commands.Tasks, task.Remind{}),
	}
	Works = []AnyWork{
		EmptyBin,
	}
)

// Services is what reactions work with. All of it may be used concurrently.
type Services struct {
	Wall     *wall.Wall
	Store    eventstore.Store    // the logs
	Models   *projections.Models // to find records
	Commands *commands.Runner    // to change them, as whoever may
	Now      func() time.Time

	// BinDays is for how many days deleted records can be restored. Then they are
	// removed for good: see [Bin]. 0 means never.
	BinDays int

	// Ordered, if set, is called when processes have ordered something. It must not
	// block.
	Ordered func()
}

// Reaction is a function of a run of events of one tenant.
type Reaction struct {
	Name   string        // for good: how far it has come is kept under it
	Linger time.Duration // how long events of a tenant gather before it looks again
	React  func(context.Context, Services, eventstore.Batch) error
}

// Router hands events to reactions and processes on this node.
type Router struct{ followers []*eventstore.Follower }

// NewRouter returns a router that does nothing until it runs. The follower
// configuration says what to follow; Group, Handle and Linger come from each
// reaction.
func NewRouter(in Services, cfg eventstore.FollowerConfig, all []Reaction, processes []Process) *Router {
	r := &Router{}
	follow := func(name string, linger time.Duration, handle func(context.Context, eventstore.Batch) error) {
		cfg.Group, cfg.Linger = name, linger
		cfg.Handle = eventstore.OneByOne(func(ctx context.Context, b eventstore.Batch) error {
			if err := safely(ctx, b, handle); err != nil {
				return fmt.Errorf("reaction %s: %w", name, err)
			}
			return nil
		})
		r.followers = append(r.followers, eventstore.NewFollower(cfg))
	}
	for _, reaction := range all {
		follow(reaction.Name, reaction.Linger, func(ctx context.Context, b eventstore.Batch) error {
			if err := reaction.React(ctx, in, b); err != nil {
				return err
			}
			return cfg.Tracker.Move(ctx, reaction.Name, b.Tenant, b.From, b.To())
		})
	}
	for _, p := range processes {
		follow(p.name, time.Second, func(ctx context.Context, b eventstore.Batch) error { return p.react(ctx, in, cfg.Tracker, b) })
	}
	return r
}

// safely makes an error of a panic.
func safely(ctx context.Context, b eventstore.Batch, handle func(context.Context, eventstore.Batch) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T", p) // not p: it may hold what is in the events
		}
	}()
	return handle(ctx, b)
}

// Run hands events to the reactions until ctx is done.
func (r *Router) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, f := range r.followers {
		running.Go(func() { f.Run(ctx) })
	}
	running.Wait()
}

// Notify says that the log of a tenant has grown.
func (r *Router) Notify(tenant domain.TenantID, head eventstore.Position) {
	for _, f := range r.followers {
		f.Notify(tenant, head)
	}
}

// Describe implements [prometheus.Collector]. It does not say what will be
// collected, because there are others that collect the same of other groups.
func (*Router) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (r *Router) Collect(ch chan<- prometheus.Metric) {
	for _, f := range r.followers {
		f.Collect(ch)
	}
}

// prefixes says what the IDs of records begin with, by kind.
func prefixes() map[string]string {
	by := make(map[string]string, len(projections.All))
	for _, t := range projections.All {
		by[t.Kind()] = t.Prefix()
	}
	return by
}
