package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

type projectionsCmd struct {
	Status  statusCmd  `cmd:"" help:"Say how far the read models are behind the log, and which records are parked."`
	Rebuild rebuildCmd `cmd:"" help:"Build read models again from the log, while the ones that are there serve."`
}

// readModels is the read models of a database, without anything that runs.
type readModels struct {
	*projections.Models

	tracker postgres.Tracker
	wall    *wall.Wall
	store   *eventLog
}

// withReadModels gives do the read models of the database, and the logs in it or in
// the event store at the URL.
func (f databaseFlags) withReadModels(ctx context.Context, e *env, events logFlags, do func(readModels) error) error {
	return f.withEventLog(ctx, e, events, func(db *database, w *wall.Wall, store *eventLog) error {
		m := readModels{wall: w, tracker: postgres.NewTracker(w), store: store}
		builds, err := buildsOf(w)
		if err != nil {
			return err
		}
		m.Models = projections.New(projections.Config{
			Wall: w, Store: store, Tracker: m.tracker, All: projections.All, Facts: projections.AllFacts, Kinds: commands.Kinds(),
			Owner: uuid.NewString(), Build: Version, Builds: builds, Signer: query.NewSigner([32]byte(db.root.Derive("cursor", 32))),
			Log: e.log, Now: time.Now,
		})
		return do(m)
	})
}

// tenants returns the one that was named, or all of them.
func (m readModels) tenants(ctx context.Context, named string) ([]domain.TenantID, error) {
	return theTenants(ctx, m.tracker, named)
}

type statusCmd struct {
	databaseFlags
	logFlags

	Tenant string `placeholder:"ID" help:"Look at this tenant only."`
}

// Run prints a line per tenant, and one per record that is parked.
func (c statusCmd) Run(ctx context.Context, e *env) error {
	return c.withReadModels(ctx, e, c.logFlags, func(m readModels) error {
		tenants, err := m.tenants(ctx, c.Tenant)
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(out, "tenant\tlog\tread models\tbehind\tparked\toutdated")
		for _, t := range tenants {
			head, err := m.store.Head(ctx, t)
			if err != nil {
				return err
			}
			at, err := m.Position(ctx, t)
			if err != nil {
				return err
			}
			parked, err := m.Parked(ctx, t)
			if err != nil {
				return err
			}
			outdated, err := m.Outdated(ctx, t)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\n", t, head, at, head-at, len(parked), len(outdated.Tables))
			if len(outdated.Tables) > 0 {
				_, _ = fmt.Fprintf(out, "  made by another build, and made again by the server: %s (%d of %d events)\n", strings.Join(outdated.Tables, ", "), outdated.Done, head)
			}
			for _, p := range parked {
				_, _ = fmt.Fprintf(out, "  parked: %s %s from version %d on, since %s (%s)\n", p.Projection, p.Stream, p.Version, p.At.Format(time.RFC3339), p.Class)
			}
		}
		return out.Flush()
	})
}

type rebuildCmd struct {
	databaseFlags
	logFlags

	Projection string `placeholder:"NAME" help:"Build this one only, such as deals or timeline."`
	Tenant     string `placeholder:"ID" help:"Build those of this tenant only."`
}

// Run builds read models again, a tenant at a time. It can be interrupted, and
// goes on where it was when it is run again.
func (c rebuildCmd) Run(ctx context.Context, e *env) error {
	which := slices.DeleteFunc(projections.EveryModel(), func(p projections.Model) bool {
		return c.Projection != "" && c.Projection != p.Name()
	})
	if len(which) == 0 {
		return fmt.Errorf("there is no projection %q; see rowhouse projections status", c.Projection)
	}
	return c.withReadModels(ctx, e, c.logFlags, func(m readModels) error {
		tenants, err := m.tenants(ctx, c.Tenant)
		if err != nil {
			return err
		}
		for i, t := range tenants {
			start := time.Now()
			var events int64
			report := func(done, of int64) {
				events = done
				_, _ = fmt.Fprintf(e.stderr, "\r%s (%d of %d): %d of %d events", t, i+1, len(tenants), done, of)
			}
			if err := m.rebuild(ctx, t, report, which); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			took := time.Since(start)
			_, _ = fmt.Fprintf(e.stderr, "\r%s (%d of %d): %d events in %s, %.0f a second\n", t, i+1, len(tenants), events, took.Round(time.Millisecond), float64(events)/took.Seconds())
		}
		return nil
	})
}

func (m readModels) rebuild(ctx context.Context, t domain.TenantID, report func(done, of int64), which []projections.Model) error {
	return m.Rebuild(ctx, t, func(done, of eventstore.Position) { report(int64(done), int64(of)) }, which...)
}
