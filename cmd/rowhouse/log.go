package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/kurrent"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/eventstore/transfer"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/wall"
)

type logCmd struct {
	Status logStatusCmd `cmd:"" help:"Say which engine keeps the log of which tenant."`
	Copy   logCopyCmd   `cmd:"" help:"Copy the logs of tenants to another engine, compare them, and let them go on there."`
	Drop   logDropCmd   `cmd:"" help:"Delete what an event store still has of a tenant's log, for good."`
}

// logs is the logs of a database, for those who look after them.
type logs struct {
	*eventLog

	db      *database
	tracker postgres.Tracker
}

// withLogs gives do the logs of the database, and of the event store at the URL.
func (f databaseFlags) withLogs(ctx context.Context, e *env, events logFlags, do func(logs) error) error {
	return f.withEventLog(ctx, e, events, func(db *database, w *wall.Wall, l *eventLog) error {
		return do(logs{l, db, postgres.NewTracker(w)})
	})
}

// mover returns a connection that may look after logs, and what closes it.
func (db *database) mover(ctx context.Context) (*postgres.Mover, func(), error) {
	conn, err := dial(ctx, db.url)
	if err != nil {
		return nil, nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // whatever had to be said was said
	}
	m, err := postgres.NewMover(ctx, conn)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return m, stop, nil
}

// tenants returns the one that was named, or all of them.
func (l logs) tenants(ctx context.Context, named string) ([]domain.TenantID, error) {
	return theTenants(ctx, l.tracker, named)
}

type logStatusCmd struct {
	databaseFlags

	Tenant string `placeholder:"ID" help:"Look at this tenant only."`
}

// Run prints a line per tenant. It asks nobody but the database.
func (c logStatusCmd) Run(ctx context.Context, e *env) error {
	db, err := c.join(ctx, e.log)
	if err != nil {
		return err
	}
	return errors.Join(c.list(ctx, e, db), db.close(ctx))
}

func (c logStatusCmd) list(ctx context.Context, e *env, db *database) error {
	w, err := db.wall(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	by, stop, err := db.mover(ctx)
	if err != nil {
		return err
	}
	defer stop()
	tenants, err := readModels{tracker: postgres.NewTracker(w)}.tenants(ctx, c.Tenant)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "tenant\tengine\tevents\tstate")
	for _, id := range tenants {
		at, err := by.Place(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\t%d\t%s\n", id, at.Engine, at.Head, stateOf(at))
	}
	return out.Flush()
}

func stateOf(at postgres.Place) string {
	switch {
	case at.MovingTo != "":
		return "moving to " + at.MovingTo
	case at.Sealed:
		return "closed"
	default:
		return "open"
	}
}

type logDropCmd struct {
	databaseFlags
	logFlags

	Tenant string `required:"" placeholder:"ID" help:"Whose log."`
	Purge  bool   `help:"The tenant ends: close its log first, wherever it is. It never takes events again."`
	Yes    bool   `help:"Do it. Without this, nothing is done."`
}

// Run deletes streams. It can be interrupted, and run again.
func (c logDropCmd) Run(ctx context.Context, e *env) error {
	if c.Events == "" {
		return errors.New("say where the event store is with --events")
	}
	return c.withLogs(ctx, e, c.logFlags, func(l logs) error {
		tenants, err := l.tenants(ctx, c.Tenant)
		if err != nil {
			return err
		}
		return c.drop(ctx, e, l, tenants[0])
	})
}

func (c logDropCmd) drop(ctx context.Context, e *env, l logs, tenant domain.TenantID) error {
	by, stop, err := l.db.mover(ctx)
	if err != nil {
		return err
	}
	defer stop()
	at, err := by.Place(ctx, tenant)
	switch {
	case err != nil:
		return err
	case !c.Purge && at.Engine == postgres.InKurrent:
		return fmt.Errorf("the log of %s is kept in the event store: copy it to PostgreSQL first, or end the tenant with --purge", tenant)
	case !c.Yes:
		return fmt.Errorf("this deletes what the event store has of %s for good, and its log can never be moved there again: say so with --yes", tenant)
	}
	if err := l.known(ctx); err != nil {
		return err
	}
	drop := l.transfer(transfer.Config{}).Drop
	if c.Purge {
		drop = l.transfer(transfer.Config{}).Purge
	}
	streams, err := drop(ctx, by, tenant)
	if err != nil {
		return fmt.Errorf("%w; %d streams were deleted: run this again", err, streams)
	}
	e.printf(`%s: %d streams are deleted for good.
Their bytes are on the disks until every node of the event store was scavenged:
  curl -X POST 'https://NODE:2113/admin/scavenge?threshold=0' -u admin    # for each node
`, tenant, streams)
	return nil
}

func (l logs) transfer(cfg transfer.Config) *transfer.Transfer {
	cfg.Here, cfg.There = l.here, l.kurrent
	return transfer.New(cfg)
}

// known makes sure that the event store is the one that logs are kept in, if any
// is: the URL may be that of another one, and no server would find there what was
// copied.
func (l logs) known(ctx context.Context) error {
	tenants, err := l.tracker.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		engine, err := l.tracker.Where(ctx, t)
		if err != nil {
			return err
		}
		if engine != postgres.InKurrent {
			continue
		}
		switch first, err := l.kurrent.Inspect(ctx, t, 0, 1, false); {
		case errors.Is(err, eventstore.ErrGap):
			return fmt.Errorf("the log of %s is kept in an event store, and not in this one: give the URL that the servers have", t)
		case errors.Is(err, kurrent.ErrDropped): // it is being purged
		case err != nil:
			return err
		case len(first) > 0:
			return nil
		}
	}
	return nil
}

// everywhere makes sure that all nodes that serve know the event store: one that
// does not would go on reading where a log was.
func (l logs) everywhere(ctx context.Context) error {
	nodes, err := l.tracker.Missing(ctx, projections.Group, kurrent.Group)
	if err == nil && len(nodes) > 0 {
		err = fmt.Errorf("these nodes serve without --events, or are just starting: %s; restart them with it first", strings.Join(nodes, ", "))
	}
	return err
}
