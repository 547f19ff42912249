package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Ledger decides for an engine that keeps the logs of tenants elsewhere, and
// cannot judge a whole command by itself. It knows of every event all but its
// data, and the data too until it is told that they were seen in the log; see
// migrations/0011_ledger.sql.
type Ledger struct {
	store  *Store
	marked atomic.Pointer[uuid.UUID] // see Installation
}

// NewLedger returns a ledger behind a wall.
func NewLedger(cfg Config) *Ledger { return &Ledger{store: newStore(cfg, decideAll)} }

// Decide judges commands as [eventstore.Store.Append] does. What it accepts is
// final, and pending until it was witnessed.
func (l *Ledger) Decide(ctx context.Context, tenant domain.TenantID, commands ...eventstore.Command) []eventstore.Result {
	return l.store.Append(ctx, tenant, commands...)
}

// Close implements the Close of [Store].
func (l *Ledger) Close(ctx context.Context) error { return l.store.Close(ctx) }

// Recall implements [eventstore.Store].
func (l *Ledger) Recall(ctx context.Context, tenant domain.TenantID, command uuid.UUID, hash []byte) (eventstore.Receipt, bool, error) {
	return l.store.Recall(ctx, tenant, command, hash)
}

// Holders implements [eventstore.Store].
func (l *Ledger) Holders(ctx context.Context, tenant domain.TenantID, claims ...eventstore.Claim) ([]eventstore.StreamID, error) {
	return l.store.Holders(ctx, tenant, claims...)
}

// Last implements [eventstore.Store].
func (l *Ledger) Last(ctx context.Context, tenant domain.TenantID, streams ...eventstore.StreamID) (map[eventstore.StreamID]string, error) {
	return l.store.last(ctx, lastEntries, tenant, streams)
}

// Head implements [eventstore.Store].
func (l *Ledger) Head(ctx context.Context, tenant domain.TenantID) (eventstore.Position, error) {
	return l.store.Head(ctx, tenant)
}

// Entry is what the ledger knows of an event. Its data and metadata are only
// there while it is pending.
type Entry struct {
	eventstore.Recorded

	Pending bool

	// Last says that it is the last one of its stream. Only [Ledger.Kept] tells.
	Last bool
}

const (
	entries = `select n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, p.data, p.meta, p.pos is not null
		from es.entry n left join es.pending p on p.tenant_id = n.tenant_id and p.pos = n.pos
		where n.tenant_id = $1 and n.pos > $2 order by n.pos limit $3`

	entriesOf = `select n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, p.data, p.meta, p.pos is not null
		from es.entry n left join es.pending p on p.tenant_id = n.tenant_id and p.pos = n.pos
		where n.tenant_id = $1 and n.stream_id = $2 and n.stream_kind = $3 and n.version > $4 order by n.version limit $5`

	kept = `select n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, null::bytea, null::bytea,
			not exists (select from es.entry l where l.tenant_id = n.tenant_id and l.stream_id = n.stream_id and l.stream_kind = n.stream_kind and l.version = n.version + 1)
		from es.entry n where n.tenant_id = $1 and n.pos > $2 order by n.pos limit $3`

	streams = `select n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, null::bytea, null::bytea, false
		from es.entry n where n.tenant_id = $1 and n.pos > $2 and n.version = 1 order by n.pos limit $3`

	pending = `select n.pos, n.stream_kind, n.stream_id, n.version, n.event_id, n.event_type, n.schema_version, n.recorded_at, p.data, p.meta, true
		from es.pending p join es.entry n on n.tenant_id = p.tenant_id and n.pos = p.pos
		where p.tenant_id = $1 and `

	pendingBetween = pending + `p.pos between $2 and $3 and n.pos between $2 and $3 order by p.pos limit $4`
	pendingOf      = pending + `n.stream_id = $2 and n.stream_kind = $3 order by p.pos limit $4`
)

// Entries returns up to limit entries of a tenant after a position, without a gap.
func (l *Ledger) Entries(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]Entry, error) {
	all, err := l.entries(ctx, tenant, entries, raw(tenant.UUID), int64(after), limit)
	if err != nil {
		return nil, err
	}
	return all, contiguous(all, after)
}

// EntriesOf returns up to limit entries of a stream after a version, without a gap.
func (l *Ledger) EntriesOf(ctx context.Context, id eventstore.StreamID, after eventstore.Version, limit int) ([]Entry, error) {
	all, err := l.entries(ctx, id.Tenant, entriesOf, raw(id.Tenant.UUID), raw(id.ID), id.Kind, int32(after), limit)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if after++; all[i].Version != after {
			return nil, fmt.Errorf("%w: version %d of a stream where %d should be", eventstore.ErrGap, all[i].Version, after)
		}
	}
	return all, nil
}

// Kept is like Entries, but that it never returns data: it is for those who want
// to see what the engine has, and not what it should have.
func (l *Ledger) Kept(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]Entry, error) {
	all, err := l.entries(ctx, tenant, kept, raw(tenant.UUID), int64(after), limit)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Last, all[i].Pending = all[i].Pending, false
	}
	return all, contiguous(all, after)
}

// Streams returns up to limit streams of a tenant that begin after a position:
// the first entry of each.
func (l *Ledger) Streams(ctx context.Context, tenant domain.TenantID, after eventstore.Position, limit int) ([]Entry, error) {
	return l.entries(ctx, tenant, streams, raw(tenant.UUID), int64(after), limit)
}

func contiguous(all []Entry, after eventstore.Position) error {
	for i := range all {
		if after++; all[i].Position != after {
			return fmt.Errorf("%w: position %d where %d should be", eventstore.ErrGap, all[i].Position, after)
		}
	}
	return nil
}

// PendingBetween returns the pending events of a tenant at some positions, in
// their order: up to limit, or fewer if they are large.
func (l *Ledger) PendingBetween(ctx context.Context, tenant domain.TenantID, first, last eventstore.Position, limit int) ([]Entry, error) {
	return l.entries(ctx, tenant, pendingBetween, raw(tenant.UUID), int64(first), int64(last), limit)
}

// PendingOf is like PendingBetween for the events of a stream.
func (l *Ledger) PendingOf(ctx context.Context, s eventstore.StreamID, limit int) ([]Entry, error) {
	return l.entries(ctx, s.Tenant, pendingOf, raw(s.Tenant.UUID), raw(s.ID), s.Kind, limit)
}

func (l *Ledger) entries(ctx context.Context, tenant domain.TenantID, sql string, args ...any) (all []Entry, err error) {
	err = l.store.ask(ctx, tenant, sql, args, func(rows pgx.Rows) error {
		all = nil
		r := row{names: make(map[string]string)}
		var isPending pgtype.Bool
		columns := append(r.columns(), &isPending)
		for size := 0; size <= pageBytes && rows.Next(); size += len(r.data) + len(r.meta) {
			if err := rows.Scan(columns...); err != nil {
				return err
			}
			all = append(all, Entry{Recorded: r.event(tenant), Pending: isPending.Bool})
		}
		return nil
	})
	return all, err
}

// Overdue looks at up to limit tenants that have pending events, in the order of
// their IDs after one, and returns those that have had them for longer than an
// age. It also returns the last tenant that it has looked at, to go on from: the
// zero ID if there are no more.
func (l *Ledger) Overdue(ctx context.Context, age time.Duration, after domain.TenantID, limit int) (tenants []domain.TenantID, last domain.TenantID, err error) {
	type look struct {
		Tenant  uuid.UUID
		Overdue bool
	}
	looks, err := dispatch(ctx, NewTracker(l.store.cfg.Wall), pgx.RowToStructByPos[look], `select * from es.overdue($1, $2, $3)`, after.UUID, age, limit)
	if err != nil {
		return nil, after, err
	}
	for _, t := range looks {
		if t.Overdue {
			tenants = append(tenants, domain.TenantID{UUID: t.Tenant})
		}
	}
	if len(looks) == limit {
		last.UUID = looks[limit-1].Tenant
	}
	return tenants, last, nil
}

// manyPending is as far as pending events are counted.
const manyPending = 100_000

// Backlog returns how many events are pending, and for how long the oldest has
// been. It counts up to 100 000, and then says that many.
func (l *Ledger) Backlog(ctx context.Context) (events int, oldest time.Duration, err error) {
	type backlog struct {
		Events int
		Oldest time.Duration
	}
	b, err := dispatch(ctx, NewTracker(l.store.cfg.Wall), pgx.RowToStructByPos[backlog],
		`select count(*), coalesce(clock_timestamp() - min(at), '0') from (select at from es.pending limit $1) p`, manyPending)
	if err != nil {
		return 0, 0, err
	}
	return b[0].Events, b[0].Oldest, nil
}

// Installation returns what tells this installation from others, and whether the
// engine was marked with it.
func (l *Ledger) Installation(ctx context.Context) (id uuid.UUID, marked bool, err error) {
	if known := l.marked.Load(); known != nil {
		return *known, true, nil
	}
	type installation struct {
		ID     uuid.UUID
		Marked bool
	}
	found, err := dispatch(ctx, NewTracker(l.store.cfg.Wall), pgx.RowToStructByPos[installation], `select id, marked_at is not null from es.installation`)
	if err != nil {
		return id, false, fmt.Errorf("read what this installation is: %w", err)
	}
	if len(found) != 1 {
		return id, false, errors.New("the database does not say what this installation is")
	}
	if found[0].Marked {
		l.marked.Store(&found[0].ID)
	}
	return found[0].ID, found[0].Marked, nil
}

// Mark says that the engine was marked as this installation's.
func (l *Ledger) Mark(ctx context.Context) error {
	_, err := dispatch(ctx, NewTracker(l.store.cfg.Wall), pgx.RowTo[bool],
		`update es.installation set marked_at = clock_timestamp() where marked_at is null returning true`)
	return err
}

// Sighting is an event that was seen in the log.
type Sighting struct {
	Stream   eventstore.StreamID
	Version  eventstore.Version
	Position eventstore.Position
	Event    uuid.UUID
	Hash     [sha256.Size]byte // see [HashOf]
}

// HashOf returns the hash by which the content of an event is compared.
func HashOf(data, meta []byte) [sha256.Size]byte {
	d, m := sha256.Sum256(data), sha256.Sum256(meta)
	return sha256.Sum256(append(d[:], m[:]...))
}

// Watched returns how far whoever watches an engine under a name has come: "" if
// it has not begun.
func (l *Ledger) Watched(ctx context.Context, name string) (string, error) {
	at, err := dispatch(ctx, NewTracker(l.store.cfg.Wall), pgx.RowTo[string], `select at from es.watched where name = $1`, name)
	if err != nil || len(at) == 0 {
		return "", err
	}
	return at[0], nil
}

const witness = `select * from es.witness($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// Witness tells what was seen between two places of an engine's log. Events that
// are as they were decided are not pending any more. It returns the indexes of
// those that are not, or that nobody decided, or that are nothing that the
// database could know. In the same transaction the place moves on from one to the
// other, or stays if they are the same; if somebody else moved it, Witness returns
// [eventstore.ErrMoved] and nothing has changed.
func (l *Ledger) Witness(ctx context.Context, name, from, to string, seen []Sighting) (strange []int, err error) {
	strange, err = l.witness(ctx, name, from, to, seen)
	if !isNonsense(err) {
		return strange, err
	}
	// One of them must not keep the others waiting for ever.
	strange = nil
	for i := range seen {
		s, err := l.witness(ctx, name, from, from, seen[i:i+1])
		switch {
		case isNonsense(err) || len(s) > 0:
			strange = append(strange, i)
		case err != nil:
			return nil, err
		}
	}
	_, err = l.witness(ctx, name, from, to, nil)
	return strange, err
}

// isNonsense reports whether the database could not make sense of what it was
// given.
func isNonsense(err error) bool {
	e, answered := errors.AsType[*pgconn.PgError](err)
	return answered && strings.HasPrefix(e.Code, "22") // data exceptions
}

func (l *Ledger) witness(ctx context.Context, name, from, to string, seen []Sighting) (strange []int, err error) {
	var tenants []domain.TenantID
	index := make(map[domain.TenantID]number)
	tenant, pos := make(column[number], len(seen)), make([]int64, len(seen))
	kind, stream, version := make(column[text], len(seen)), make(column[id], len(seen)), make(column[number], len(seen))
	event, hash := make(column[id], len(seen)), make(column[blob], len(seen))
	for i, s := range seen {
		t := s.Stream.Tenant
		if index[t] == 0 {
			tenants = append(tenants, t)
			index[t] = number(len(tenants))
		}
		tenant[i], pos[i] = index[t], int64(s.Position)
		kind[i], stream[i], version[i] = text(s.Stream.Kind), id(s.Stream.ID), number(s.Version)
		event[i], hash[i] = id(s.Event), seen[i].Hash[:]
	}
	err = l.store.cfg.Wall.Sealed(ctx, wall.Dispatcher, tenants, func(tx wall.Tx, seals []string) error {
		rows, err := tx.Query(ctx, witness, seals, name, from, to, tenant, pos, kind, stream, version, event, hash)
		if err != nil {
			return err
		}
		strange, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "RH001" {
		return nil, eventstore.ErrMoved
	}
	for i := range strange {
		strange[i]-- // arrays begin at 1
	}
	return strange, err
}
