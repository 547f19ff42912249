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
	"github.com/rowhouse/rowhouse/wall"
)

// read queues statements that read the rows of a tenant, after one that gets the
// position that they are at, and sends them in one round trip. As the position
// is read first, the rows show all events up to it, and perhaps some more.
func (m *Models) read(ctx context.Context, tenant domain.TenantID, queue func(*pgx.Batch)) (at eventstore.Position, err error) {
	err = m.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select pos from es.checkpoint where grp = $1 and tenant_id = $2`, Group, tenant.UUID).
			Query(each(func(rows pgx.Rows) error { return rows.Scan(&at) }))
		queue(b)
	})
	return at, err
}

// Get returns a record as the read model has it, deleted ones too, and the
// position that the read models of the tenant are at. A record that is not there
// gets domain.NotFound; the position is valid then as well.
func (m *Models) Get(ctx context.Context, p Projection, tenant domain.TenantID, id uuid.UUID) (Document, eventstore.Position, error) {
	found, at, err := m.Find(ctx, p, tenant, id)
	if err != nil {
		return Document{}, 0, err
	}
	doc, ok := found[id]
	if !ok {
		return Document{}, at, noSuchRecord()
	}
	return doc, at, nil
}

// Find returns those of some records that are there. See [Models.Get].
func (m *Models) Find(ctx context.Context, p Projection, tenant domain.TenantID, ids ...uuid.UUID) (map[uuid.UUID]Document, eventstore.Position, error) {
	var found map[uuid.UUID]Document
	at, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		found = make(map[uuid.UUID]Document, len(ids))
		b.Queue(p.statements().find, tenant.UUID, ids).Query(each(func(rows pgx.Rows) error {
			var id uuid.UUID
			var d Document
			err := rows.Scan(&id, &d.JSON, &d.Version, &d.Position, &d.Deleted)
			found[id] = d
			return err
		}))
	})
	return found, at, err
}

// Page is a part of a list.
type Page struct {
	Documents [][]byte            // the JSON of each record
	Next      string              // the cursor of the next page; empty if this is the last one
	Position  eventstore.Position // the list shows all events up to this one, at least
	Count     *int                // of all records of the list, if the query asked for it
	Estimated bool                // the count stopped at [CountLimit]
}

// Cursors signs the cursors of lists, all of them with the same key.
func (m *Models) Cursors() query.Signer { return m.cfg.Signer }

// CountLimit is where the estimate of a count stops: there are that many, or
// more.
const CountLimit = 10_000

// List returns the page of a list that a query asks for. It refuses cursors that
// are not of this list.
func (m *Models) List(ctx context.Context, p Projection, tenant domain.TenantID, q query.Query) (Page, error) {
	page, err := q.Page(m.cfg.Signer, tenant)
	if err != nil {
		return Page{}, err
	}
	args := query.Args{tenant.UUID}
	where := page.Where(&args)
	list := fmt.Sprintf(p.statements().list, page.SortColumns(), where, page.OrderBy(), q.Limit+1)
	var result Page
	at, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		result = Page{Documents: make([][]byte, 0, q.Limit)}
		b.Queue(list, args...).Query(func(rows pgx.Rows) error { return result.collect(rows, page, q.Limit) })
		if q.Count != query.CountNone {
			queueCount(b, p, tenant, q, &result)
		}
	})
	result.Position = at
	return result, err
}

// collect reads the rows of a page. One more than asked for was selected, to
// tell whether there is another page.
func (r *Page) collect(rows pgx.Rows, page query.Page, limit int) error {
	place := page.Place()
	var doc []byte
	targets := append([]any{&doc}, place...)
	size := 0
	for rows.Next() {
		if r.Next != "" {
			continue
		}
		if len(r.Documents) == limit || size >= maxPage {
			next, err := page.Cursor(place)
			if r.Next = next; err != nil {
				return err
			}
			continue
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		size += len(doc)
		r.Documents, doc = append(r.Documents, doc), nil
	}
	return rows.Err()
}

// maxPage is how many bytes of documents make a page full, however few they are:
// one record can be large, and many of them must not be held at once.
const maxPage = 8 << 20

func queueCount(b *pgx.Batch, p Projection, tenant domain.TenantID, q query.Query, result *Page) {
	args := query.Args{tenant.UUID}
	limit := ""
	if q.Count == query.CountEstimate {
		limit = fmt.Sprintf(" limit %d", CountLimit)
	}
	b.Queue(fmt.Sprintf(p.statements().count, q.Where(&args), limit), args...).QueryRow(func(row pgx.Row) error {
		result.Count = new(int)
		err := row.Scan(result.Count)
		result.Estimated = limit != "" && *result.Count == CountLimit
		return err
	})
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
// If that takes more than two seconds, it returns domain.Unavailable with the
// code projection_behind.
func (m *Models) Wait(ctx context.Context, tenant domain.TenantID, position eventstore.Position) error {
	reached, stop := m.watch.wait(tenant, position) // before looking, not to miss it
	defer stop()
	limit, cancel := context.WithTimeout(ctx, maxWait)
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

// Checksum returns the checksum of a tenant's rows.
func (m *Models) Checksum(ctx context.Context, p Projection, tenant domain.TenantID) (sum Checksum, err error) {
	_, err = m.read(ctx, tenant, func(b *pgx.Batch) {
		b.Queue(p.statements().checksum, tenant.UUID).QueryRow(func(row pgx.Row) error { return row.Scan(&sum.Rows, &sum.Sum) })
	})
	return sum, err
}

// ignoreNotFound makes nothing of a record that is not there.
func ignoreNotFound(err error) error {
	if errors.Is(err, domain.NotFound) {
		return nil
	}
	return err
}
