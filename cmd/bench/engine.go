package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/postgres"
	"github.com/rowhouse/rowhouse/keys"
	"github.com/rowhouse/rowhouse/migrations"
	"github.com/rowhouse/rowhouse/wall"
)

// engine is the log without HTTP. It has a database of its own, on the same
// PostgreSQL and with the same tenants: nobody follows what is appended there, so
// the server that is measured has nothing to do with it.
type engine struct {
	wall   *wall.Wall
	store  *postgres.Store
	sample eventstore.Event // what is appended again and again: a contact, as the server records it
}

// engineDatabase is the name of the database.
const engineDatabase = "bench_engine"

func newEngine(ctx context.Context, url string, root keys.Root, h *house) (_ *engine, err error) {
	e := new(engine)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open the log: %w", err), e.close(ctx))
		}
	}()
	if e.sample, err = contactOf(ctx, h.wall, h.tenants[0].id); err != nil {
		return e, err
	}
	if err := createDatabase(ctx, url, engineDatabase); err != nil {
		return e, err
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return e, err
	}
	url = fmt.Sprintf("postgres:///%s?host=%s&user=%s", engineDatabase, cfg.Host, cfg.User)
	if err := migrations.Up(ctx, url, root); err != nil {
		return e, err
	}
	if e.wall, err = wall.Open(ctx, wall.Config{URL: url, Root: root, Now: time.Now, Conns: 4}); err != nil {
		return e, err
	}
	e.store = postgres.New(postgres.Config{Wall: e.wall})
	return e, e.wall.Outside(ctx, wall.Access, func(tx wall.Tx) error {
		for _, t := range h.tenants {
			if err := postgres.CreateTenant(ctx, tx, t.id, postgres.Here); err != nil {
				return err
			}
		}
		return nil
	})
}

func createDatabase(ctx context.Context, url, name string) error {
	admin, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer admin.Close(ctx) //nolint:errcheck // what matters was committed
	_, err = admin.Exec(ctx, "create database "+name+" template template0")
	return err
}

// contactOf returns the first event of a contact of a tenant.
func contactOf(ctx context.Context, w *wall.Wall, t domain.TenantID) (_ eventstore.Event, err error) {
	store := postgres.New(postgres.Config{Wall: w})
	defer func() { err = errors.Join(err, store.Close(ctx)) }()
	events, err := store.Read(ctx, t, 0, 100)
	if err != nil {
		return eventstore.Event{}, err
	}
	for _, e := range events {
		if e.Stream.Kind == "contact" && e.Version == 1 {
			return e.Event, nil
		}
	}
	return eventstore.Event{}, errors.New("the first tenant has no contact")
}

// append records one more contact.
func (e *engine) append(ctx context.Context, t domain.TenantID) error {
	event := e.sample
	event.ID = uuid.New()
	stream := eventstore.StreamID{Tenant: t, Kind: "contact", ID: uuid.New()}
	return e.store.Append(ctx, t, eventstore.Command{ID: uuid.New(), Writes: []eventstore.Write{{Stream: stream, Events: []eventstore.Event{event}}}})[0].Err
}

func (e *engine) close(ctx context.Context) (err error) {
	if e.store != nil {
		err = e.store.Close(ctx)
	}
	if e.wall != nil {
		e.wall.Close()
	}
	return err
}
