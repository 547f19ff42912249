package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/transfer"
)

type logCopyCmd struct {
	databaseFlags

	From string `required:"" placeholder:"ENGINE" help:"Where the logs are: postgres, or the URL of the event store."`
	To   string `required:"" placeholder:"ENGINE" help:"Where they are to be: likewise."`

	Tenant   string        `xor:"whose" required:"" placeholder:"ID" help:"Move the log of this tenant."`
	All      bool          `xor:"whose" required:"" help:"Move the logs of all tenants."`
	Yes      bool          `help:"Do it. Each tenant takes no changes for some seconds."`
	DryRun   bool          `help:"Only say what there is to be done."`
	AtOnce   int           `default:"4" placeholder:"N" help:"How many logs to move at a time."`
	MaxPause time.Duration `default:"30s" placeholder:"TIME" help:"Give up on a tenant whose changes would have to wait for longer than this."`
}

// The exit status of rowhouse log copy, besides 0.
const (
	someNotMoved exitCode = 1
	noneMoved    exitCode = 2
)

// Run moves logs. It ends with 0 if all are where they should be, with 1 if some
// are not, and with 2 if nothing was done. It can be interrupted and run again at
// any time.
func (c logCopyCmd) Run(ctx context.Context, e *env) error {
	to, events, err := c.engines()
	if err == nil && c.AtOnce < 1 {
		err = errors.New("--at-once: one at least")
	}
	began := false
	if err == nil {
		err = c.withLogs(ctx, e, events, func(l logs) (err error) {
			began, err = c.run(ctx, e, l, to)
			return err
		})
	}
	if _, ok := errors.AsType[exitCode](err); ok || err == nil {
		return err
	}
	_, _ = fmt.Fprintln(e.stderr, "rowhouse:", err)
	if began {
		return someNotMoved
	}
	return noneMoved
}

// engines returns the name of the engine that logs are to be moved to, and where
// the event store is.
func (c logCopyCmd) engines() (to string, events logFlags, err error) {
	isURL := func(s string) bool { return strings.HasPrefix(s, "esdb") || strings.HasPrefix(s, "kurrentdb") }
	switch {
	case c.From == postgres.Here && isURL(c.To):
		return postgres.InKurrent, logFlags{Events: c.To}, nil
	case isURL(c.From) && c.To == postgres.Here:
		return postgres.Here, logFlags{Events: c.From}, nil
	default:
		return "", logFlags{}, errors.New("--from and --to: one must be postgres, and the other the URL of an event store, such as esdb://host:2113")
	}
}

func (c logCopyCmd) run(ctx context.Context, e *env, l logs, to string) (began bool, err error) {
	tenants, err := l.tenants(ctx, c.Tenant)
	if err != nil {
		return false, err
	}
	if to == postgres.InKurrent {
		if err := errors.Join(l.known(ctx), l.everywhere(ctx)); err != nil {
			return false, err
		}
	}
	todo, possible, err := c.plan(ctx, e, l, tenants, to)
	switch {
	case err != nil:
		return false, err
	case c.DryRun && !possible:
		return false, noneMoved
	case c.DryRun:
		return false, nil
	case !possible && c.Tenant != "":
		return false, noneMoved
	case len(todo) > 0 && !c.Yes:
		return false, errors.New("nothing was done: each of these tenants takes no changes for some seconds, so say --yes")
	}
	return true, c.moveAll(ctx, e, l, todo, to, possible)
}

// plan says what is to be done, and what cannot be.
func (logCopyCmd) plan(ctx context.Context, e *env, l logs, tenants []domain.TenantID, to string) (todo []domain.TenantID, possible bool, err error) {
	by, stop, err := l.db.mover(ctx)
	if err != nil {
		return nil, false, err
	}
	defer stop()
	possible = true
	for _, t := range tenants {
		at, err := by.Place(ctx, t)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", t, err)
		}
		dropped := false
		if to == postgres.InKurrent && at.Engine != to {
			if dropped, err = l.kurrent.Dropped(ctx, t); err != nil {
				return nil, false, fmt.Errorf("%s: %w", t, err)
			}
		}
		switch {
		case at.Engine == to && at.MovingTo == "":
			e.printf("%s: is in %s already\n", t, to)
		case at.Sealed && at.MovingTo == "":
			possible = false
			e.printf("%s: cannot be moved: %v\n", t, transfer.ErrClosed)
		case dropped:
			possible = false
			e.printf("%s: cannot be moved: %v\n", t, kurrent.ErrDropped)
		default:
			todo = append(todo, t)
			e.printf("%s: %d events, from %s to %s, %s\n", t, at.Head, at.Engine, to, stateOf(at))
		}
	}
	return todo, possible, nil
}

// moveAll moves logs, a few at a time. What goes wrong with one is no reason not
// to move the others.
func (c logCopyCmd) moveAll(ctx context.Context, e *env, l logs, todo []domain.TenantID, to string, possible bool) error {
	out := &progress{w: e.stderr, said: make(map[domain.TenantID]time.Time), stage: make(map[domain.TenantID]transfer.Stage)}
	t := l.transfer(transfer.Config{MaxPause: c.MaxPause, Progress: out.report})
	var g errgroup.Group
	g.SetLimit(c.AtOnce)
	failed := make([]bool, len(todo))
	for i, tenant := range todo {
		if ctx.Err() != nil {
			failed[i] = true
			continue
		}
		g.Go(func() error {
			res, err := moveOne(ctx, l, t, tenant, to)
			failed[i] = err != nil
			out.done(e, tenant, to, res, err)
			return nil
		})
	}
	_ = g.Wait() // the functions return nil
	moved := 0
	for _, f := range failed {
		if !f {
			moved++
		}
	}
	e.printf("%d of %d logs were moved to %s\n", moved, len(todo), to)
	if moved < len(todo) || !possible {
		return someNotMoved
	}
	return nil
}

func moveOne(ctx context.Context, l logs, t *transfer.Transfer, tenant domain.TenantID, to string) (transfer.Result, error) {
	by, stop, err := l.db.mover(ctx)
	if err != nil {
		return transfer.Result{}, err
	}
	defer stop()
	return t.Move(ctx, by, tenant, to)
}

// progress says how far moves are, for each at most once in a while.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	said  map[domain.TenantID]time.Time
	stage map[domain.TenantID]transfer.Stage
}

func (p *progress) report(t domain.TenantID, now transfer.Progress) {
	const often = 2 * time.Second
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage[t] == now.Stage && time.Since(p.said[t]) < often {
		return
	}
	p.stage[t], p.said[t] = now.Stage, time.Now()
	if now.Of == 0 {
		_, _ = fmt.Fprintf(p.w, "%s: %s\n", t, now.Stage)
		return
	}
	_, _ = fmt.Fprintf(p.w, "%s: %s %d of %d\n", t, now.Stage, now.Done, now.Of)
}

func (p *progress) done(e *env, t domain.TenantID, to string, res transfer.Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(p.w, "%s: was not moved: %v\n", t, err)
	case res.Was:
		e.printf("%s: is in %s already, and takes events\n", t, to)
	default:
		e.printf("%s: %d events in %s, %d copied now, took no changes for %s, sha256 %x\n",
			t, res.Events, to, res.Copied, res.Paused.Round(time.Millisecond), res.Digest)
	}
}
