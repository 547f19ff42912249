package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

const (
	// pageEvents is how many events of a stream are read in one round trip:
	// most streams are shorter.
	pageEvents = 500

	// pageBytes is how much may be held in memory for one page, but for its
	// first event.
	pageBytes = 8 << 20
)

const readStream = `select ` + columns + ` from es.event
	where tenant_id = $1 and stream_id = $2 and stream_kind = $3 and version > $4 order by version limit $5`

// ReadStream implements [eventstore.Store].
func (s *Store) ReadStream(ctx context.Context, id eventstore.StreamID, after eventstore.Version) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		for more := true; more; {
			var page []eventstore.Recorded
			var err error
			page, more, err = s.page(ctx, id.Tenant, pageEvents, readStream, raw(id.Tenant.UUID), raw(id.ID), id.Kind, int32(after), pageEvents)
			for i := range page {
				if after++; page[i].Version != after {
					err = fmt.Errorf("%w: version %d of a stream where %d should be", eventstore.ErrGap, page[i].Version, after)
					break
				}
				if !yield(page[i], nil) {
					return
				}
			}
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
		}
	}
}

const read = `select ` + columns + ` from es.event where tenant_id = $1 and pos > $2 order by pos limit $3`

// Read implements [eventstore.Store]. A position that is missing is a fault.
func (s *Store) Read(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]eventstore.Recorded, error) {
	events, _, err := s.page(ctx, tenant, limit, read, raw(tenant.UUID), int64(after), limit)
	if err != nil {
		return nil, err
	}
	for i := range events {
		if after++; events[i].Position != after {
			return nil, fmt.Errorf("%w: position %d where %d should be", eventstore.ErrGap, events[i].Position, after)
		}
	}
	return events, nil
}

// page reads up to limit events, and reports whether there may be more.
func (s *Store) page(ctx context.Context, tenant domain.TenantID, limit int, sql string, args ...any) (events []eventstore.Recorded, more bool, err error) {
	err = s.ask(ctx, tenant, sql, args, func(rows pgx.Rows) error {
		events, more = nil, false
		r := row{names: make(map[string]string)}
		columns := r.columns()
		size := 0
		for rows.Next() {
			if more = size > pageBytes; more {
				break // what is left is for the next page
			}
			if err := rows.Scan(columns...); err != nil {
				return err
			}
			events = append(events, r.event(tenant))
			size += len(r.data) + len(r.meta)
		}
		more = more || len(events) == limit
		return nil
	})
	return events, more, err
}

// row is a row of es.event. It is scanned again and again without making
// garbage, which is what reading a page costs most otherwise.
type row struct {
	pos        pgtype.Int8
	kind       pgtype.DriverBytes
	stream     pgtype.UUID
	version    pgtype.Int4
	id         pgtype.UUID
	eventType  pgtype.DriverBytes
	schema     pgtype.Int2
	at         pgtype.Timestamptz
	data, meta pgtype.DriverBytes

	names map[string]string // kinds and types, of which there are few
}

const columns = `pos, stream_kind, stream_id, version, event_id, event_type, schema_version, recorded_at, data, meta`

func (r *row) columns() []any {
	return []any{&r.pos, &r.kind, &r.stream, &r.version, &r.id, &r.eventType, &r.schema, &r.at, &r.data, &r.meta}
}

func (r *row) event(tenant domain.TenantID) eventstore.Recorded {
	content := make([]byte, len(r.data)+len(r.meta))
	n := copy(content, r.data)
	copy(content[n:], r.meta)
	return eventstore.Recorded{
		Event: eventstore.Event{
			ID: r.id.Bytes, Type: r.name(r.eventType), Schema: int(r.schema.Int16), Data: content[:n:n], Meta: content[n:],
		},
		Stream:   eventstore.StreamID{Tenant: tenant, Kind: r.name(r.kind), ID: r.stream.Bytes},
		Version:  eventstore.Version(r.version.Int32),
		Position: eventstore.Position(r.pos.Int64),
		Time:     r.at.Time.UTC(),
	}
}

// name returns the text of a name, the same one each time.
func (r *row) name(b []byte) string {
	s, ok := r.names[string(b)]
	if !ok {
		s = string(b)
		r.names[s] = s
	}
	return s
}

// ask runs a query inside a tenant, in one round trip.
func (s *Store) ask(ctx context.Context, tenant domain.TenantID, sql string, args []any, f func(pgx.Rows) error) error {
	err := s.cfg.Wall.Pipe(ctx, wall.Scope{Tenant: tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
			if err := f(rows); err != nil {
				return err
			}
			rows.Close()
			return rows.Err()
		})
	})
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}

// raw makes a UUID go to the database as the 16 bytes that it is, and not by way
// of its text.
func raw(id uuid.UUID) [16]byte { return id }

// find is like ask for at most one row, and reports whether there is one.
func (s *Store) find(ctx context.Context, tenant domain.TenantID, sql string, args []any, dest ...any) (found bool, err error) {
	err = s.ask(ctx, tenant, sql, args, func(rows pgx.Rows) error {
		if found = rows.Next(); found {
			return rows.Scan(dest...)
		}
		return nil
	})
	return found, err
}

// Recall implements [eventstore.Store].
func (s *Store) Recall(ctx context.Context, tenant domain.TenantID, command uuid.UUID, hash []byte) (eventstore.Receipt, bool, error) {
	var same bool
	r := eventstore.Receipt{Repeated: true}
	found, err := s.find(ctx, tenant, `select hash = $3, first_pos, last_pos, at, coalesce(note, '') from es.command where tenant_id = $1 and command_id = $2`,
		[]any{raw(tenant.UUID), raw(command), hash}, &same, (*int64)(&r.First), (*int64)(&r.Last), &r.Time, &r.Note)
	switch {
	case err != nil || !found:
		return eventstore.Receipt{}, false, err
	case !same:
		return eventstore.Receipt{}, false, eventstore.ErrReused
	}
	r.Time = r.Time.UTC()
	return r, true, nil
}

// Who holds claims: a look into the primary key for each, however many there are.
const holders = `select c.i, h.stream_kind, h.stream_id from unnest($2::text[], $3::bytea[]) with ordinality c(scope, hash, i), lateral (
	select h.stream_kind, h.stream_id from es.claim h where h.tenant_id = $1 and h.key_hash = c.hash and h.scope = c.scope
	limit 1) h`

// Holders implements [eventstore.Store].
func (s *Store) Holders(ctx context.Context, tenant domain.TenantID, claims ...eventstore.Claim) ([]eventstore.StreamID, error) {
	streams := make([]eventstore.StreamID, len(claims))
	if len(claims) == 0 {
		return streams, nil
	}
	scopes, hashes := make(column[text], len(claims)), make(column[blob], len(claims))
	for i, c := range claims {
		sum := sha256.Sum256([]byte(c.Key))
		scopes[i], hashes[i] = text(c.Scope), sum[:]
	}
	err := s.ask(ctx, tenant, holders, []any{raw(tenant.UUID), scopes, hashes}, func(rows pgx.Rows) error {
		for rows.Next() {
			i, holder := 0, eventstore.StreamID{Tenant: tenant}
			if err := rows.Scan(&i, &holder.Kind, (*[16]byte)(&holder.ID)); err != nil {
				return err
			}
			streams[i-1] = holder
		}
		return nil
	})
	return streams, err
}

// The types of the last events of streams: a look into an index for each.
const (
	lastEvents = `select s.kind, s.id, e.event_type from unnest($2::text[], $3::uuid[]) s(kind, id), lateral (
		select e.event_type from es.event e where e.tenant_id = $1 and e.stream_id = s.id and e.stream_kind = s.kind
		order by e.version desc limit 1) e`

	lastEntries = `select s.kind, s.id, e.event_type from unnest($2::text[], $3::uuid[]) s(kind, id), lateral (
		select e.event_type from es.entry e where e.tenant_id = $1 and e.stream_id = s.id and e.stream_kind = s.kind
		order by e.version desc limit 1) e`
)

// Last implements [eventstore.Store].
func (s *Store) Last(ctx context.Context, tenant domain.TenantID, streams ...eventstore.StreamID) (map[eventstore.StreamID]string, error) {
	return s.last(ctx, lastEvents, tenant, streams)
}

func (s *Store) last(ctx context.Context, sql string, tenant domain.TenantID, streams []eventstore.StreamID) (map[eventstore.StreamID]string, error) {
	types := make(map[eventstore.StreamID]string, len(streams))
	if len(streams) == 0 {
		return types, nil
	}
	kinds, ids := make(column[text], len(streams)), make(column[id], len(streams))
	for i, s := range streams {
		kinds[i], ids[i] = text(s.Kind), id(s.ID)
	}
	err := s.ask(ctx, tenant, sql, []any{raw(tenant.UUID), kinds, ids}, func(rows pgx.Rows) error {
		for rows.Next() {
			s, eventType := eventstore.StreamID{Tenant: tenant}, ""
			if err := rows.Scan(&s.Kind, (*[16]byte)(&s.ID), &eventType); err != nil {
				return err
			}
			types[s] = eventType
		}
		return nil
	})
	return types, err
}

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, tenant domain.TenantID) (head eventstore.Position, err error) {
	found, err := s.find(ctx, tenant, `select last_pos from es.tenant_head where tenant_id = $1`, []any{raw(tenant.UUID)}, (*int64)(&head))
	if err == nil && !found {
		err = eventstore.ErrUnknownTenant
	}
	return head, err
}
