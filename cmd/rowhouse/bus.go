package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/bus/kafka"
	"github.com/rowhouse/rowhouse/bus/nats"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
	"github.com/rowhouse/rowhouse/projections"
)

// busFlags say where events go.
type busFlags struct {
	Bus []string `env:"ROWHOUSE_BUS" sep:"none" placeholder:"URL" help:"Publish all events to this broker, as CloudEvents: nats://user:password@host:4222 or kafka://host1:9092,host2:9092. May be given several times; then each needs a name of its own, such as ?name=eu."`
}

// endpoints reads the URLs, which in the environment have blanks between them.
func (f busFlags) endpoints() ([]bus.Endpoint, error) {
	return bus.ParseEndpoints(strings.Fields(strings.Join(f.Bus, " ")))
}

// openers returns how to open each kind of broker.
func openers() map[string]bus.Opener {
	return map[string]bus.Opener{"nats": nats.Opener(os.ReadFile), "kafka": kafka.Opener(os.ReadFile)}
}

// prefixes says what the IDs of each kind of record begin with.
func prefixes() feed.Prefixes {
	p := make(feed.Prefixes)
	for _, v := range projections.All {
		p[v.Kind()] = v.Prefix()
	}
	return p
}

// buses is all that is published, and who to.
type buses struct {
	all     []*bus.Bus // one per target
	targets []bus.Target

	// local is for integrations in this process. It runs while somebody is
	// subscribed to the channel.
	local   *bus.Bus
	channel *bus.Channel
}

// localName is the name of the target in this process. No other can have it.
const localName = "_local"

// startBus opens all targets. What is not in cfg is different for each.
func startBus(ctx context.Context, f busFlags, cfg bus.Config, metrics prometheus.Registerer) (*buses, error) {
	endpoints, err := f.endpoints()
	if err != nil {
		return nil, err
	}
	b := &buses{channel: bus.NewChannel(cfg.Log)}
	for _, e := range endpoints {
		t, err := e.Open(ctx, openers(), cfg.Log)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		cfg.Name, cfg.Target = e.Name, t
		one := bus.New(cfg)
		b.all, b.targets = append(b.all, one), append(b.targets, t)
		metrics.MustRegister(one)
	}
	cfg.Name, cfg.Target, cfg.Timeout = localName, b.channel, 24*time.Hour // whoever subscribes takes the time it takes
	b.local = bus.New(cfg)
	return b, nil
}

// run publishes until ctx is done.
func (b *buses) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, one := range b.all {
		wg.Go(func() { one.Run(ctx) })
	}
	wg.Go(func() { b.channel.While(ctx, b.local.Run) })
	wg.Wait()
}

// notify says that the log of a tenant has grown.
func (b *buses) notify(tenant domain.TenantID, head eventstore.Position) {
	for _, one := range b.all {
		one.Notify(tenant, head)
	}
	b.local.Notify(tenant, head)
}

// close lets go of all targets. Nothing must be published any more.
func (b *buses) close() error {
	errs := []error{b.channel.Close()}
	for _, t := range b.targets {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// only returns the endpoint with a name, or all of them.
func (f busFlags) only(name string) ([]bus.Endpoint, error) {
	endpoints, err := f.endpoints()
	if err != nil || name == "" {
		return endpoints, err
	}
	for _, e := range endpoints {
		if e.Name == name {
			return []bus.Endpoint{e}, nil
		}
	}
	return nil, fmt.Errorf("no target with the name %s is in --bus or ROWHOUSE_BUS", name)
}

// open opens one target, for a command.
func openBus(ctx context.Context, e bus.Endpoint, cfg bus.Config, log *slog.Logger) (*bus.Bus, func() error, error) {
	t, err := e.Open(ctx, openers(), log)
	if err != nil {
		return nil, nil, err
	}
	cfg.Name, cfg.Target = e.Name, t
	return bus.New(cfg), t.Close, nil
}
