package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// A list as of a position consists of rows that have not changed since, which are as they
// are now, and of those that have: these are folded from the log, and the database gets
// them beside its own to filter and to sort. So what it costs does not grow with the
// table, but with how much has changed.

// mostChanged is how many of the records of a kind may have changed since a moment for
// which there is a list, if nothing else is said.
const mostChanged = 10_000

// past is the rows of a table that have changed after a position, as they were then. It
// does not change.
type past struct {
	position eventstore.Position
	time     time.Time // of the event there
	event    uuid.UUID // that one: a log that was taken back has another

	known     eventstore.Position // the rows that changed up to here are in it
	knownTime time.Time
	rows      map[uuid.UUID]any // entries of the table; nil if the record was not there then
	size      int               // bytes of the documents of all rows
}

// docOf returns the document of a record that has changed.
func (l *listing) docOf(id uuid.UUID) []byte {
	if l.past == nil {
		return nil
	}
	d, _ := l.p.show(l.past.rows[id])
	return d.JSON
}

// errUnknownPast says that records have changed that are not in the past yet.
var errUnknownPast = errors.New("projections: records have changed meanwhile")

// tooFar refuses a moment since which too many records have changed.
func (l *listing) tooFar() error {
	return domain.Check(false, l.q.AsOfAt, "as_of_too_far",
		"more of these records have changed since then than can be folded for a list; ask for a later moment, or for single records")
}

// mostFolded is how many bytes of documents of the past are held for a list, if nothing else
// is said.
const mostFolded = 48 << 20

// goBack makes the list one of the past: as of the position that a cursor names, or else as
// of a moment.
func (l *listing) goBack(ctx context.Context, then Moment, named eventstore.Position) error {
	tenant := l.q.Tenant()
	position := then.Position
	var err error
	switch {
	case named > 0:
		position = named
	case position == 0:
		if position, err = l.positionAt(ctx, tenant, then.Time); err != nil {
			return err
		}
	}
	l.past = &past{position: position, known: position}
	if position == 0 {
		return nil
	}
	e, err := l.event(ctx, tenant, position)
	if err != nil {
		return err
	}
	if err := l.Wait(ctx, tenant, position); err != nil {
		return err
	}
	l.past.time, l.past.knownTime, l.past.event = e.Time, e.Time, e.ID
	if known, ok := l.cache.get(l.past.key(l.p), eventstore.StreamID{Tenant: tenant}).(*past); ok {
		l.past = known
		return nil
	}
	return l.remember(ctx)
}

// key names the past of a table among what is remembered of a tenant.
func (p *past) key(of Projection) string { return of.Name() + " as of " + p.event.String() }

// event returns the event at a position, which must be there.
func (m *Models) event(ctx context.Context, tenant domain.TenantID, position eventstore.Position) (eventstore.Recorded, error) {
	events, err := m.cfg.Store.Read(ctx, tenant, position-1, 1)
	if err != nil {
		return eventstore.Recorded{}, err
	}
	if len(events) == 0 || events[0].Position != position {
		return eventstore.Recorded{}, fmt.Errorf("there is no event at position %d", position)
	}
	return events[0], nil
}

// positionAt returns the position that the log of a tenant had come to at a time.
func (m *Models) positionAt(ctx context.Context, tenant domain.TenantID, at time.Time) (eventstore.Position, error) {
	last, err := m.cfg.Store.Head(ctx, tenant)
	if err != nil {
		return 0, err
	}
	first := eventstore.Position(0) // not after the time; times never go back in a log
	for first < last {
		middle := (first + last + 1) / 2
		e, err := m.event(ctx, tenant, middle)
		if err != nil {
			return 0, err
		}
		if e.Time.After(at) {
			last = middle - 1
		} else {
			first = middle
		}
	}
	return first, nil
}

// aChange is a record that has changed, and its version since.
type aChange struct {
	id      uuid.UUID
	version eventstore.Version
}

// queueChanged queues the statements that find the records that have changed since what
// is known of the past, and that may have been there then.
func (l *listing) queueChanged(b *pgx.Batch, changed *[]aChange) {
	*changed = nil
	for _, statement := range l.p.statements().changed {
		b.Queue(statement, l.q.Tenant().UUID, int64(l.past.known), l.past.knownTime, l.past.time, l.cfg.Changed+1).Query(each(func(rows pgx.Rows) error {
			var c aChange
			err := rows.Scan(&c.id, &c.version)
			if _, known := l.past.rows[c.id]; !known {
				*changed = append(*changed, c)
			}
			return err
		}))
	}
}

// remember folds the records that have changed and are not in the past yet.
func (l *listing) remember(ctx context.Context) error {
	tenant := l.q.Tenant()
	var changed []aChange
	at, err := l.read(ctx, tenant, func(b *pgx.Batch) { l.queueChanged(b, &changed) })
	if err != nil {
		return fmt.Errorf("find what has changed in %s: %w", l.p.Name(), err)
	}
	if len(l.past.rows)+len(changed) > l.cfg.Changed {
		return l.tooFar()
	}
	last, err := l.event(ctx, tenant, at)
	if err != nil {
		return err
	}
	rows, size, err := l.foldAll(ctx, changed)
	if err != nil {
		return err
	}
	next := *l.past
	next.rows, next.known, next.knownTime, next.size = maps.Clone(l.past.rows), at, last.Time, size
	if next.rows == nil {
		next.rows = make(map[uuid.UUID]any, len(changed))
	}
	for i, c := range changed {
		next.rows[c.id] = rows[i]
	}
	l.past = &next
	l.cache.put(next.key(l.p), eventstore.StreamID{Tenant: tenant}, &next)
	return nil
}

// foldersOfPast is how many records are folded at a time for one list.
const foldersOfPast = 4

// foldAll returns the rows of some records as they were at the position of the list, and the
// size of the past with them. It ends as soon as that is more than is held for a list.
func (l *listing) foldAll(ctx context.Context, changed []aChange) (rows []any, size int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rows = make([]any, len(changed))
	var total atomic.Int64
	total.Store(int64(l.past.size))
	var running sync.WaitGroup
	for worker := range foldersOfPast {
		running.Go(func() {
			for i := worker; i < len(changed) && ctx.Err() == nil; i += foldersOfPast {
				s := eventstore.StreamID{Tenant: l.q.Tenant(), Kind: l.p.Kind(), ID: changed[i].id}
				row, err := l.rowUntil(ctx, l.p, s, eventstore.Until{Version: changed[i].version, Position: l.past.position}, nil)
				if err != nil {
					cancel(fmt.Errorf("fold %s as of %d: %w", l.p.Kind(), l.past.position, err))
				}
				if d, _ := l.p.show(row); total.Add(int64(len(d.JSON))) > int64(l.cfg.Folded) {
					cancel(l.tooFar())
				}
				rows[i] = row
			}
		})
	}
	running.Wait()
	return rows, int(total.Load()), context.Cause(ctx)
}

// pageOfPast returns the page, read in one transaction. What has changed when that began
// is folded on other connections meanwhile, so one list does so at a time.
func (l *listing) pageOfPast(ctx context.Context) (result Page, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return Page{}, ctx.Err()
	}
	err = l.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: l.q.Tenant(), Duty: wall.Reader}, func(tx wall.Tx) error {
		in := oneLook{tx, l.q.Tenant()}
		if result, err = l.pageIn(ctx, in); !errors.Is(err, errUnknownPast) {
			return err
		}
		if err = l.remember(ctx); err == nil {
			result, err = l.pageIn(ctx, in)
		}
		return err
	})
	return result, err
}

// pastRows adds the rows of the past to the arguments, and returns what to select them
// from: those whose record has changed, is there still, and is for the viewer to see now.
func (l *listing) pastRows(a *query.Args) string {
	var then []any
	for _, row := range l.past.rows {
		if d, ok := l.p.show(row); ok && d.JSON != nil {
			then = append(then, row)
		}
	}
	columns, terms := l.q.Needs()
	from := l.p.past(l.q.Tenant(), then, columns, terms, a)
	now := "select true from " + l.p.statements().serving + " and id = past.id and position > $2"
	if l.rows != nil {
		now += " and " + l.rows.SQL(a)
	}
	return from + " where (" + now + " limit 1)"
}

// past adds rows that are not in the table to the arguments, and returns what to select
// some columns of them from, and their terms.
func (t *Table[R]) past(tenant domain.TenantID, rows []any, columns []string, terms bool, a *query.Args) string {
	entries := make([]*entry[R], 0, len(rows))
	for _, row := range rows {
		if e, ok := row.(*entry[R]); ok {
			entries = append(entries, e)
		}
	}
	var names, params, values []string
	add := func(name, array, cast string, of any) {
		*a = append(*a, of)
		names, params, values = append(names, name), append(params, fmt.Sprintf("$%d::%s", len(*a), array)), append(values, "u."+name+cast+" as "+name)
	}
	for _, c := range t.columns {
		if slices.Contains(columns, c.sql) {
			add(c.sql, c.array, c.cast, c.pack(entries, c.query.Nullable))
		}
	}
	if terms {
		v := query.NewVocabulary(tenant, t.prefix)
		all := make([]string, len(entries))
		for i, e := range entries {
			all[i] = arrayText(t.ownTerms(v, e.row, t.searchTerms(v, e.row), false).Sorted())
		}
		add(query.PastTerms, "text[]", "::text[]", all)
	}
	return "(select " + strings.Join(values, ", ") + " from unnest(" + strings.Join(params, ", ") + ") as u (" + strings.Join(names, ", ") + ")) as past"
}
