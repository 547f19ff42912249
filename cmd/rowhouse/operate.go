package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/wall"
)

// withWall gives do a database that was set up before, and the wall around it: for
// commands of operators, which work beside a running server. Both are closed when it
// returns.
func (f databaseFlags) withWall(ctx context.Context, e *env, do func(*database, *wall.Wall) error) error {
	db, err := f.join(ctx, e.log)
	if err != nil {
		return err
	}
	w, err := db.wall(ctx)
	if err != nil {
		return errors.Join(err, db.close(ctx))
	}
	err = do(db, w)
	w.Close()
	return errors.Join(err, db.close(ctx))
}

// withEventLog is withWall with the logs, of which some may be in the event store that
// the flags name.
func (f databaseFlags) withEventLog(ctx context.Context, e *env, events logFlags, do func(*database, *wall.Wall, *eventLog) error) error {
	return f.withWall(ctx, e, func(db *database, w *wall.Wall) error {
		l, err := events.connect(ctx, w, e.log, prometheus.NewRegistry())
		if err == nil {
			err = do(db, w, l)
		}
		if l == nil {
			return err
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return errors.Join(err, l.close(closing))
	})
}

// theTenants returns the one that was named with --tenant, or all of them.
func theTenants(ctx context.Context, all postgres.Tracker, named string) ([]domain.TenantID, error) {
	if named == "" {
		return all.Tenants(ctx)
	}
	var t domain.TenantID
	if err := t.UnmarshalText([]byte(named)); err != nil {
		return nil, fmt.Errorf("--tenant: %w", err)
	}
	return []domain.TenantID{t}, nil
}
