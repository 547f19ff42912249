package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// read queues statements that read the rows of a tenant, after one that gets the
// position that they are at, and sends them in one round trip. All of them see the
// database as it is at one moment, so the rows show the events up to that position.
func (m *Models) read(ctx context.Context, tenant domain.TenantID, queue func(*pgx.Batch)) (at eventstore.Position, err error) {
	err = m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		queuePosition(b, tenant, &at)
		queue(b)
	})
	return at, err
}

// Get returns a record as the read model has it and the viewer sees it, deleted ones
// too, and the position that the read models of the tenant are at. A record that is
// not there, or not for the viewer, gets domain.NotFound; the position is valid then
// as well.
func (m *Models) Get(ctx context.Context, v *viewer.Viewer, p Projection, id uuid.UUID) (Document, eventstore.Position, error) {
	found, at, err := m.Find(ctx, v, p, id)
	if err != nil {
		return Document{}, 0, err
	}
	doc, ok := found[id]
	if !ok {
		return Document{}, at, noSuchRecord()
	}
	return doc, at, nil
}

// Find returns those of some records that are there, and that the viewer sees. See
// [Models.Get].
func (m *Models) Find(ctx context.Context, v *viewer.Viewer, p Projection, ids ...uuid.UUID) (map[uuid.UUID]Document, eventstore.Position, error) {
	rules, err := v.Of(p)
	if err != nil {
		return nil, 0, err
	}
	rows, some := rules.Rows()
	if !some {
		ids = nil
	}
	found, at, err := m.find(ctx, p, v.Tenant(), rows, ids)
	for id, doc := range found {
		if err == nil {
			found[id], err = shown(rules, doc)
		}
	}
	return found, at, err
}

// find returns those of some records that are there, as they are stored.
func (m *Models) find(ctx context.Context, p Projection, tenant domain.TenantID, rows query.Filter, ids []uuid.UUID) (map[uuid.UUID]Document, eventstore.Position, error) {
	var found map[uuid.UUID]Document
	args := query.Args{tenant.UUID, ids}
	statement := p.statements().find
	if rows != nil {
		statement = p.statements().findSome(rows.SQL(&args))
	}
	at, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		found = make(map[uuid.UUID]Document, len(ids))
		b.Queue(statement, args...).Query(each(func(rows pgx.Rows) error {
			var id uuid.UUID
			var d Document
			err := rows.Scan(&id, &d.JSON, &d.Version, &d.Position, &d.Deleted)
			found[id] = d
			return err
		}))
	})
	return found, at, err
}

// shown returns a document as a viewer sees it.
func shown(rules *viewer.Rules, d Document) (_ Document, err error) {
	d.JSON, err = rules.Show(d.JSON)
	return d, err
}

// Verify says which tables the database does not have, or not with the columns that
// this build describes. A server must not serve then.
func (m *Models) Verify(ctx context.Context) error {
	var errs []error
	for _, p := range m.models {
		err := m.cfg.Wall.Outside(ctx, wall.Reader, func(tx wall.Tx) error {
			_, err := tx.Exec(ctx, p.upkeep().exists, uuid.Nil)
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("the table crm.%s is not as this build describes it (make golden writes a migration for a new one): %w", p.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// Position returns the position that the read models of a tenant are at.
func (m *Models) Position(ctx context.Context, tenant domain.TenantID) (eventstore.Position, error) {
	return m.read(ctx, tenant, func(*pgx.Batch) {})
}

// Shows reports whether it is known, without asking anybody, that the read models
// of a tenant show all events up to a position.
func (m *Models) Shows(tenant domain.TenantID, position eventstore.Position) bool {
	at, ours := m.follower.At(tenant)
	return ours && at >= position
}

// How long [Models.Wait] waits, and how often it looks what other nodes did. If
// it is this node that projects the tenant, it looks only in case that changes.
const (
	maxWait   = 2 * time.Second
	look      = 20 * time.Millisecond
	lookIfOur = 250 * time.Millisecond
)

// Wait waits until the read models of a tenant show all events up to a position.
// If that takes longer than [Config.Patience], it returns domain.Unavailable with the
// code projection_behind.
func (m *Models) Wait(ctx context.Context, tenant domain.TenantID, position eventstore.Position) error {
	reached, stop := m.watch.wait(tenant, position) // before looking, not to miss it
	defer stop()
	limit, cancel := context.WithTimeout(ctx, m.cfg.Patience)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	switch at, ours := m.follower.At(tenant); {
	case ours && at >= position:
		return nil
	case ours:
		timer.Reset(lookIfOur)
		m.follower.Hurry(tenant)
	}
	for {
		select {
		case <-reached:
			return nil
		case <-limit.Done():
			return behind(ctx)
		case <-timer.C:
		}
		at, err := m.Position(limit, tenant)
		switch {
		case err == nil && at >= position:
			return nil
		case err != nil && limit.Err() == nil:
			return err
		}
		timer.Reset(look)
		if _, ours := m.follower.At(tenant); ours {
			timer.Reset(lookIfOur)
			m.follower.Hurry(tenant)
		}
	}
}

func behind(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return domain.Unavailable.Refusef("projection_behind", "the read model has not come to that position yet")
}

// Checksum is a digest of what people see of a table, whatever order its rows
// are in. Equal rows have equal checksums.
type Checksum struct {
	Rows int
	Sum  string
}

// Checksum returns the checksum of a tenant's rows. It shows nothing of them, so it
// is for nobody in particular.
func (m *Models) Checksum(ctx context.Context, p Model, tenant domain.TenantID) (sum Checksum, err error) {
	_, err = m.read(ctx, tenant, func(b *pgx.Batch) {
		b.Queue(p.upkeep().checksum, tenant.UUID).QueryRow(func(row pgx.Row) error { return row.Scan(&sum.Rows, &sum.Sum) })
	})
	return sum, err
}
