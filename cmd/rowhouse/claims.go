package main

import (
	"context"
	"fmt"

	"github.com/rowhouse/rowhouse/commands"
)

type claimsCmd struct {
	Renew renewClaimsCmd `cmd:"" help:"Let records of earlier releases hold what is unique about them in the form in which it is compared now."`
}

type renewClaimsCmd struct {
	databaseFlags
	logFlags

	Tenant string `placeholder:"ID" help:"Do it for this tenant only."`
}

// Run renews the claims of a tenant at a time, and prints a line for each two
// records that have the same. It can be interrupted, and run again.
func (c renewClaimsCmd) Run(ctx context.Context, e *env) error {
	return c.withReadModels(ctx, e, c.logFlags, func(m readModels) error {
		tenants, err := m.tenants(ctx, c.Tenant)
		if err != nil {
			return err
		}
		run := commands.NewRunner(commands.Config{Store: m.store, NewID: newID})
		for i, t := range tenants {
			shared, err := run.Reclaim(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			for _, s := range shared {
				_, _ = fmt.Fprintf(e.stdout, "%s: %s and %s have the same %s\n", t, s.Record, s.Holder, s.Scope)
			}
			_, _ = fmt.Fprintf(e.stderr, "%s (%d of %d): done, %d are held by another record\n", t, i+1, len(tenants), len(shared))
		}
		return nil
	})
}
