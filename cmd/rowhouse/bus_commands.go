package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/bus"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/wall"
)

type busCmd struct {
	Status busStatusCmd `cmd:"" help:"Say how far brokers are behind the log."`
	Parked busParkedCmd `cmd:"" help:"List the records whose events a broker does not take."`
	Replay busReplayCmd `cmd:"" help:"Publish the events of parked records again, in order."`
	Skip   busSkipCmd   `cmd:"" help:"Give up the event that a parked record waits at, for good."`
}

// busScope says which part of what is published a command is about.
type busScope struct {
	databaseFlags
	logFlags
	busFlags

	Target string `placeholder:"NAME" help:"The broker with this name only."`
	Tenant string `placeholder:"ID" help:"Events of this tenant only."`
}

// depot is the logs of a database and how far they were published, without
// anything that runs.
type depot struct {
	wall    *wall.Wall
	tracker postgres.Tracker
	logs    *eventLog

	targets []string
	tenants []domain.TenantID
}

// with gives do what the flags are about. It works beside a running server.
func (s busScope) with(ctx context.Context, e *env, do func(depot) error) error {
	return s.withEventLog(ctx, e, s.logFlags, func(_ *database, w *wall.Wall, l *eventLog) error {
		d := depot{wall: w, tracker: postgres.NewTracker(w), logs: l}
		if err := s.find(ctx, &d); err != nil {
			return err
		}
		return do(d)
	})
}

// find finds the targets and tenants that were named, or all of them. The targets
// are those that anything was ever published to, and those to be published to,
// also if that never worked.
func (s busScope) find(ctx context.Context, d *depot) error {
	endpoints, err := s.endpoints()
	if err != nil {
		return err
	}
	names, err := bus.Targets(ctx, d.wall)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	d.targets = slices.Compact(names)
	if s.Target != "" {
		if !slices.Contains(d.targets, s.Target) {
			return fmt.Errorf("--target: there is no %s, but: %s", s.Target, strings.Join(d.targets, ", "))
		}
		d.targets = []string{s.Target}
	}
	d.tenants, err = theTenants(ctx, d.tracker, s.Tenant)
	return err
}

// parked calls do with each record that is parked.
func (d depot) parked(ctx context.Context, target string, do func(bus.Parked) error) error {
	for _, t := range d.tenants {
		list, err := bus.NewParking(d.wall, target).List(ctx, t)
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := do(p); err != nil {
				return err
			}
		}
	}
	return nil
}

type busStatusCmd struct{ busScope }

// Run prints a line per target and tenant.
func (c busStatusCmd) Run(ctx context.Context, e *env) error {
	return c.with(ctx, e, func(d depot) error {
		out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(out, "target\ttenant\tlog\tpublished\tbehind\tparked")
		for _, target := range d.targets {
			for _, t := range d.tenants {
				at, err := d.tracker.Checkpoint(ctx, bus.GroupOf(target), t)
				if err != nil {
					return err
				}
				head, err := d.logs.Head(ctx, t)
				if err != nil {
					return err
				}
				parked, err := bus.NewParking(d.wall, target).List(ctx, t)
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\n", target, t, head, at.Position, head-at.Position, len(parked))
			}
		}
		return out.Flush()
	})
}

type busParkedCmd struct{ busScope }

// Run prints a line per parked record.
func (c busParkedCmd) Run(ctx context.Context, e *env) error {
	return c.with(ctx, e, func(d depot) error {
		out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(out, "target\ttenant\trecord\tfrom version\tat\tsince\treason")
		for _, target := range d.targets {
			err := d.parked(ctx, target, func(p bus.Parked) error {
				_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", target, p.Stream.Tenant, recordName(p.Stream), p.Version, p.Position,
					p.At.UTC().Format(time.RFC3339), p.Reason)
				return err
			})
			if err != nil {
				return err
			}
		}
		return out.Flush()
	})
}

// recordName returns the name of a record as messages have it: kind/id.
func recordName(s eventstore.StreamID) string { return prefixes().Record(s) }

// parseRecord reads what recordName returns.
func parseRecord(tenant domain.TenantID, text string) (eventstore.StreamID, error) {
	kind, name, ok := strings.Cut(text, "/")
	id, err := domain.ParseID(name)
	if !ok || err != nil || prefixes()[kind] != id.Prefix {
		return eventstore.StreamID{}, errors.New("--record: is not of the form kind/id, such as deal/deal_01jh2xk3v8e4t9p5w7y0z2b4d6")
	}
	return eventstore.StreamID{Tenant: tenant, Kind: kind, ID: id.UUID}, nil
}

type busReplayCmd struct {
	busScope

	Record string `placeholder:"KIND/ID" help:"This record only."`
}

// Run publishes what is parked. It fails if anything is still parked afterwards.
func (c busReplayCmd) Run(ctx context.Context, e *env) error {
	endpoints, err := c.only(c.Target)
	if err != nil {
		return err
	}
	if len(endpoints) == 0 {
		return errors.New("say where to publish to with --bus or ROWHOUSE_BUS, as for the server")
	}
	return c.with(ctx, e, func(d depot) error {
		left := 0
		for _, endpoint := range endpoints {
			b, done, err := openBus(ctx, endpoint, bus.Config{
				Wall: d.wall, Store: d.logs, Tracker: d.tracker, Prefixes: prefixes(), Owner: uuid.NewString(), Log: e.log, Now: time.Now,
			}, e.log)
			if err != nil {
				return err
			}
			n, err := c.replay(ctx, e, d, endpoint.Name, b)
			if err := errors.Join(err, done()); err != nil {
				return fmt.Errorf("%s: %w", endpoint.Name, err)
			}
			left += n
		}
		if left > 0 {
			return fmt.Errorf("%d records are still parked", left)
		}
		return nil
	})
}

// replay returns how many records are still parked. What is wrong with one of
// them does not keep it from the others.
func (c busReplayCmd) replay(ctx context.Context, e *env, d depot, target string, b *bus.Bus) (left int, err error) {
	err = d.parked(ctx, target, func(p bus.Parked) error {
		name := recordName(p.Stream)
		if c.Record != "" && c.Record != name {
			return nil
		}
		n, err := b.Replay(ctx, p.Stream)
		because := ""
		refusal, still := errors.AsType[*domain.Error](err)
		switch {
		case errors.Is(err, bus.ErrNotParked): // somebody else was faster
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case still:
			because = "; " + refusal.Detail
		case err != nil:
			because = "; " + err.Error()
		}
		if err != nil {
			left++
		}
		e.printf("%s %s %s: %d events were published%s\n", target, p.Stream.Tenant, name, n, because)
		return nil
	})
	return left, err
}

type busSkipCmd struct {
	busScope

	Record  string `required:"" placeholder:"KIND/ID" help:"The record."`
	Version int    `name:"record-version" required:"" placeholder:"N" help:"The version that the event made of it, as 'bus parked' shows it."`
	By      string `placeholder:"NAME" help:"Who decides so; default: the account that runs this."`
}

// Run skips one event and says what is next.
func (c busSkipCmd) Run(ctx context.Context, e *env) error {
	if c.Target == "" || c.Tenant == "" {
		return errors.New("an event is given up for good, so say exactly which: --target, --tenant, --record and --record-version")
	}
	if c.By == "" {
		u, err := user.Current()
		if err != nil {
			return errors.New("say who you are with --by")
		}
		c.By = u.Username
	}
	return c.with(ctx, e, func(d depot) error {
		s, err := parseRecord(d.tenants[0], c.Record)
		if err != nil {
			return err
		}
		more, err := bus.NewParking(d.wall, c.Target).Skip(ctx, d.logs, s, eventstore.Version(c.Version), c.By)
		if err != nil {
			return err
		}
		e.printf("the event was skipped\n")
		if more {
			e.printf("others wait behind it: rowhouse bus replay --target %s --tenant %s --record %s\n", c.Target, c.Tenant, c.Record)
		}
		return nil
	})
}
