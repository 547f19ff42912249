package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/wall"
)

type jobsCmd struct {
	List  jobsListCmd  `cmd:"" help:"Count the jobs of each tenant, and list those that failed for good and are parked."`
	Show  jobsShowCmd  `cmd:"" help:"Show all there is to know of a job."`
	Retry jobsRetryCmd `cmd:"" help:"Have parked jobs done again."`
	Drop  jobsDropCmd  `cmd:"" help:"Remove a job for good, without having it done."`
}

// jobsScope says which database the jobs are in.
type jobsScope struct{ databaseFlags }

// with gives do the jobs of a database, and those tenants that were named, or all of
// them. It works beside a running server.
func (s jobsScope) with(ctx context.Context, e *env, tenant string, do func(jobs.Desk, []domain.TenantID) error) error {
	return s.withWall(ctx, e, func(_ *database, w *wall.Wall) error {
		tenants, err := theTenants(ctx, postgres.NewTracker(w), tenant)
		if err != nil {
			return err
		}
		return do(jobs.Desk{Wall: w, Now: now}, tenants)
	})
}

// jobID is the ID of a job as it is written: job_01j….
func jobID(id uuid.UUID) domain.ID { return domain.ID{Prefix: "job", UUID: id} }

func parseJobID(text string) (uuid.UUID, error) {
	id, err := domain.ParseID(text)
	if err != nil || id.Prefix != "job" {
		return uuid.Nil, errors.New("the ID of a job looks like job_01jh2xk3v8e4t9p5w7y0z2b4d6, see rowhouse jobs list")
	}
	return id.UUID, nil
}

type jobsListCmd struct {
	jobsScope

	Tenant  string `placeholder:"ID" help:"The jobs of this tenant only."`
	Waiting bool   `help:"List the jobs that wait for their time or their turn, and not those that are parked."`
	Limit   int    `default:"100" placeholder:"N" help:"How many jobs of a tenant to list."`
}

// Run prints a line per tenant, and one per job.
func (c jobsListCmd) Run(ctx context.Context, e *env) error {
	return c.with(ctx, e, c.Tenant, func(d jobs.Desk, tenants []domain.TenantID) error {
		out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(out, "tenant\twaiting\tdue\tparked")
		for _, t := range tenants {
			waiting, due, parked, err := d.Count(ctx, t)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(out, "%s\t%d\t%d\t%d\n", t, waiting, due, parked)
			list, err := d.List(ctx, t, !c.Waiting, max(c.Limit, 0))
			if err != nil {
				return err
			}
			for _, j := range list {
				if c.Waiting {
					_, _ = fmt.Fprintf(out, "  waiting: %s %s, due %s, failed %d times %s\n", jobID(j.ID), j.Name, j.DueAt.Format(time.RFC3339), j.Failed, j.Error)
				} else {
					_, _ = fmt.Fprintf(out, "  parked: %s %s since %s, failed %d times: %s\n", jobID(j.ID), j.Name, j.ParkedAt.UTC().Format(time.RFC3339), j.Failed, j.Error)
				}
			}
		}
		return out.Flush()
	})
}

// oneJob names a job.
type oneJob struct {
	jobsScope

	Tenant string `required:"" placeholder:"ID" help:"The tenant whose job it is."`
	Job    string `arg:"" placeholder:"JOB" help:"The ID of the job, as 'jobs list' shows it."`
}

func (c oneJob) with(ctx context.Context, e *env, do func(jobs.Desk, domain.TenantID, uuid.UUID) error) error {
	id, err := parseJobID(c.Job)
	if err != nil {
		return err
	}
	return c.jobsScope.with(ctx, e, c.Tenant, func(d jobs.Desk, tenants []domain.TenantID) error { return do(d, tenants[0], id) })
}

type jobsShowCmd struct{ oneJob }

// Run prints a line per fact.
func (c jobsShowCmd) Run(ctx context.Context, e *env) error {
	return c.with(ctx, e, func(d jobs.Desk, t domain.TenantID, id uuid.UUID) error {
		j, err := d.Get(ctx, t, id)
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		line := func(name string, value any) { _, _ = fmt.Fprintf(out, "%s\t%v\n", name, value) }
		line("job", jobID(j.ID))
		line("tenant", t)
		line("name", j.Name)
		line("kind", j.Kind)
		line("process", j.Process)
		line("subject", j.Subject)
		line("key", j.Key)
		line("arguments", string(j.Args))
		if j.Cause.Event != uuid.Nil {
			line("event", domain.ID{Prefix: "evt", UUID: j.Cause.Event})
		}
		line("caused by", j.Cause.Actor)
		line("ordered", j.OrderedAt.UTC().Format(time.RFC3339))
		line("due", j.DueAt.Format(time.RFC3339))
		line("failed", fmt.Sprintf("%d times", j.Failed))
		line("error", j.Error)
		if !j.ParkedAt.IsZero() {
			line("parked", j.ParkedAt.UTC().Format(time.RFC3339))
		}
		return out.Flush()
	})
}

type jobsRetryCmd struct {
	jobsScope

	Tenant string `placeholder:"ID" help:"The tenant whose jobs they are; all tenants, if left out."`
	Job    string `arg:"" optional:"" placeholder:"JOB" help:"The ID of the job, as 'jobs list' shows it; all that are parked, if left out. A job that waits is done at once."`
}

// Run has jobs done again by a server.
func (c jobsRetryCmd) Run(ctx context.Context, e *env) error {
	if c.Job != "" && c.Tenant == "" {
		return errors.New("say whose job it is with --tenant")
	}
	if c.Job != "" {
		return oneJob{c.jobsScope, c.Tenant, c.Job}.with(ctx, e, func(d jobs.Desk, t domain.TenantID, id uuid.UUID) error {
			if err := d.Retry(ctx, t, id); err != nil {
				return err
			}
			e.printf("the job is done as soon as a server runs\n")
			return nil
		})
	}
	return c.with(ctx, e, c.Tenant, func(d jobs.Desk, tenants []domain.TenantID) error {
		retried := 0
		for _, t := range tenants {
			list, err := d.List(ctx, t, true, 100_000)
			if err != nil {
				return err
			}
			for _, j := range list {
				if err := d.Retry(ctx, t, j.ID); err != nil && !errors.Is(err, domain.NotFound) {
					return err
				}
				retried++
			}
		}
		e.printf("%d jobs are done as soon as a server runs\n", retried)
		return nil
	})
}

type jobsDropCmd struct{ oneJob }

// Run removes a job.
func (c jobsDropCmd) Run(ctx context.Context, e *env) error {
	return c.with(ctx, e, func(d jobs.Desk, t domain.TenantID, id uuid.UUID) error {
		if err := d.Drop(ctx, t, id); err != nil {
			return err
		}
		e.printf("the job was removed\n")
		return nil
	})
}
