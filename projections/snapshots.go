package projections

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// Snapshots keeps snapshots of streams in the database, behind the wall of their tenant.
// It implements [eventstore.Snapshots].
type Snapshots struct {
	wall *wall.Wall
	log  *slog.Logger
	busy chan struct{} // holds a token for each that is being written
}

// What it may cost to keep snapshots. Somebody may be waiting for it.
const (
	maxKeeping = 2 // at a time
	maxKeep    = time.Second
)

// NewSnapshots returns the snapshots of a database.
func NewSnapshots(w *wall.Wall, log *slog.Logger) *Snapshots {
	return &Snapshots{wall: w, log: log, busy: make(chan struct{}, maxKeeping)}
}

// Last implements [eventstore.Snapshots].
func (s *Snapshots) Last(ctx context.Context, id eventstore.StreamID, f eventstore.Form, until eventstore.Until) (snap eventstore.Snapshot, ok bool) {
	err := s.wall.Pipe(ctx, wall.Scope{Tenant: id.Tenant, Duty: wall.Reader}, func(b *pgx.Batch) {
		b.Queue(`select version, event_id, pos, at, state from crm.snapshot
			where tenant_id = $1 and stream_id = $2 and stream_kind = $3 and form = $4 and definition = $5
				and ($6::int = 0 or version <= $6) and ($7::bigint = 0 or pos <= $7) and ($8::timestamptz = '0001-01-01 00:00:00+00' or at <= $8)
			order by version desc limit 1`,
			id.Tenant.UUID, id.ID, id.Kind, f.Name, f.Definition, int32(until.Version), int64(until.Position), until.Time).
			Query(each(func(rows pgx.Rows) error {
				ok = true
				return rows.Scan(&snap.Version, &snap.Event, &snap.Position, &snap.Time, &snap.State)
			}))
	})
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a snapshot cannot be read; the events of the record are read instead", "error", err)
	}
	return snap, ok && err == nil
}

// keepSnapshots keeps snapshots of a stream that does not end with a purge. Both kinds of
// log are looked at: the stream is in one of them at most.
const keepSnapshots = `insert into crm.snapshot (tenant_id, stream_id, stream_kind, form, definition, version, event_id, pos, at, state)
	select $1, $2, $3, $4, $5, s.* from unnest($6::int[], $7::uuid[], $8::bigint[], $9::timestamptz[], $10::bytea[]) s
	where coalesce((select event_type from es.event where tenant_id = $1 and stream_id = $2 and stream_kind = $3 order by version desc limit 1), '') <> $11
		and coalesce((select event_type from es.entry where tenant_id = $1 and stream_id = $2 and stream_kind = $3 order by version desc limit 1), '') <> $11
	on conflict do nothing`

// lockSnapshots lets whoever keeps snapshots of a stream wait for whoever removes them
// because it was purged, and the other way round.
const lockSnapshots = `hashtextextended('crm.snapshot ' || $1::uuid || $2::uuid, 0)`

// Keep implements [eventstore.Snapshots]. It removes those of other definitions.
func (s *Snapshots) Keep(ctx context.Context, id eventstore.StreamID, f eventstore.Form, snapshots ...eventstore.Snapshot) {
	if len(snapshots) == 0 {
		return
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		return
	}
	n := len(snapshots)
	versions, events, positions, times, states := make([]int32, n), make([]uuid.UUID, n), make([]int64, n), make([]time.Time, n), make([][]byte, n)
	for i, snap := range snapshots {
		versions[i], events[i], positions[i], times[i], states[i] = int32(snap.Version), snap.Event, int64(snap.Position), snap.Time, snap.State
	}
	ctx, cancel := context.WithTimeout(ctx, maxKeep)
	defer cancel()
	err := s.wall.Pipe(ctx, wall.Scope{Tenant: id.Tenant, Duty: wall.Projector}, func(b *pgx.Batch) {
		b.Queue(`select pg_advisory_xact_lock_shared(`+lockSnapshots+`)`, id.Tenant.UUID, id.ID)
		b.Queue(`delete from crm.snapshot where tenant_id = $1 and stream_id = $2 and stream_kind = $3 and form = $4
			and (definition <> $5 or version = any($6) and event_id <> all($7))`,
			id.Tenant.UUID, id.ID, id.Kind, f.Name, f.Definition, versions, events)
		b.Queue(keepSnapshots, id.Tenant.UUID, id.ID, id.Kind, f.Name, f.Definition, versions, events, positions, times, states, domain.PurgeOf(id.Kind))
	})
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "snapshots cannot be kept; they are made again when they are wanted", "error", err)
	}
}

// queueForgetting queues the statements that remove all snapshots of a stream that was
// purged, in the transaction in which its row goes. It waits for whoever is keeping one:
// who comes later sees that it was purged.
func queueForgetting(b *pgx.Batch, id eventstore.StreamID) {
	b.Queue(`select pg_advisory_xact_lock(`+lockSnapshots+`)`, id.Tenant.UUID, id.ID)
	b.Queue(`delete from crm.snapshot where tenant_id = $1 and stream_id = $2 and stream_kind = $3`, id.Tenant.UUID, id.ID, id.Kind)
}

// Snapshots returns where the read models keep their snapshots. Others can keep theirs
// there, too: a purge removes all of them.
func (m *Models) Snapshots() eventstore.Snapshots { return m.snapshots }

// formOf says what snapshots of the rows of a table are: what another build has made is
// not trusted, because what events do to a row may be something else there.
func formOf(p Projection, build string) eventstore.Form {
	return eventstore.Form{Name: p.Name(), Definition: domain.Fingerprint(p.Row(), build, p.definition().fingerprint())}
}

// snapshots returns snapshots of the rows that have come past a version of which there is
// one.
func (cs *tableChanges[R]) snapshots() (ids []eventstore.StreamID, snapshots []eventstore.Snapshot) {
	for _, c := range cs.list {
		if c.after == nil || c.after.doc == nil {
			continue
		}
		at := c.after.version(cs.table)
		if at/eventstore.SnapshotEvery == (c.first().Version-1)/eventstore.SnapshotEvery {
			continue
		}
		for _, e := range c.events {
			if e.Version == at {
				ids, snapshots = append(ids, e.Stream), append(snapshots, eventstore.SnapshotAfter(e, c.after.doc))
			}
		}
	}
	return ids, snapshots
}

// keepRows keeps snapshots of the rows that a step has made, as it comes along.
func (m *Models) keepRows(ctx context.Context, s *step) {
	for _, t := range s.tables {
		ids, snapshots := t.snapshots()
		for i, id := range ids {
			m.snapshots.Keep(ctx, id, m.forms[t.table.Name()], snapshots[i])
		}
	}
}

// reading folds the events of a record to its row, one after another.
type reading struct {
	p        Projection
	id       eventstore.StreamID
	form     eventstore.Form
	row      any
	snapshot eventstore.Version // the last one that there is
	waiting  []eventstore.Recorded
	made     []eventstore.Snapshot
}

// fold adds an event. Not each one makes the row anew: [reading.flush] does.
func (r *reading) fold(e eventstore.Recorded) error {
	r.waiting = append(r.waiting, e)
	if e.Version-r.snapshot < eventstore.SnapshotEvery {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if d, ok := r.p.show(r.row); ok {
		r.snapshot, r.made = e.Version, append(r.made, eventstore.SnapshotAfter(e, d.JSON))
	}
	return nil
}

// flush makes the row what the events added so far lead to.
func (r *reading) flush() (err error) {
	if len(r.waiting) > 0 {
		r.row, err = r.p.replay(r.row, r.waiting)
		r.waiting = nil
	}
	return err
}

// rowUntil returns the row of a record as it was after the last event that is wanted, nil
// if there was none. It begins with the last snapshot before that. What comes next is
// given to after, if that is not nil, until it returns false.
func (m *Models) rowUntil(ctx context.Context, p Projection, id eventstore.StreamID, until eventstore.Until, after func(eventstore.Recorded) (more bool)) (any, error) {
	r := reading{p: p, id: id, form: m.forms[p.Name()]}
	var from eventstore.Snapshot
	if until.MayBeLong() {
		if snap, ok := m.snapshots.Last(ctx, id, r.form, until); ok {
			row, err := p.parse(snap.State)
			if d, is := p.show(row); err == nil && is && d.Version == snap.Version {
				from, r.row, r.snapshot = snap, row, snap.Version
			}
		}
	}
	err := m.readOn(ctx, &r, from, until, after)
	if errors.Is(err, eventstore.ErrOtherLog) {
		r = reading{p: p, id: id, form: r.form}
		err = m.readOn(ctx, &r, eventstore.Snapshot{}, until, after)
	}
	if err == nil {
		m.snapshots.Keep(ctx, id, r.form, r.made...)
	}
	return r.row, err
}

// mostMade is how many snapshots are held in memory until they are kept.
const mostMade = 32

func (m *Models) readOn(ctx context.Context, r *reading, from eventstore.Snapshot, until eventstore.Until, after func(eventstore.Recorded) bool) error {
	for e, err := range eventstore.ReadAfter(ctx, m.cfg.Store, r.id, from) {
		switch {
		case err != nil:
			return err
		case until.Includes(e):
			if err := r.fold(e); err != nil {
				return err
			}
			if len(r.made) == mostMade {
				m.snapshots.Keep(ctx, r.id, r.form, r.made...)
				r.made = nil
			}
			continue
		}
		if after == nil || !after(e) {
			break
		}
	}
	return r.flush()
}
