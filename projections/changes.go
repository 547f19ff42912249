package projections

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/wall"
)

// writes is what a step writes to one model.
type writes interface {
	// queueWrite queues the statements that write the rows.
	queueWrite(*pgx.Batch)

	// bisect tries to write the rows and refuses those that cannot be written.
	bisect(context.Context, wall.Tx) error

	// parked returns the records that could not be projected.
	parked() []parking
}

// changes is what a run of events of one tenant means for a table: for each
// record, the row as it was before and as it is after them.
type changes interface {
	writes

	// add adds an event. Facts that are told of its record are among listeners, which
	// are the same for all events of a record.
	add(e eventstore.Recorded, listeners []listener)

	// missing returns the first event of each record whose row before the events is not
	// known, queueLoad queues the statement that gets some of them, and begin says what one
	// is, as an entry.
	missing() []eventstore.Recorded
	queueLoad(*pgx.Batch, []eventstore.Recorded)
	begin(id uuid.UUID, row any)

	// fold works out the rows after the events. A record whose events cannot be
	// folded is left as it was before the first of these; what is an obstacle
	// to all of them is returned.
	fold(workers int) error

	// heard yields what the records have told a listener.
	heard(by listener) iter.Seq[heard]

	// remember puts the rows in the cache.
	remember()

	// snapshots returns those of the rows that are due, and of which stream each is.
	snapshots() ([]eventstore.StreamID, []eventstore.Snapshot)
}

// listener is told by the records of one table what happens to them.
type listener interface {
	// listen returns what a record that is about to tell something fills.
	listen() any

	// hear is told of an event, with what listen has returned, and pointers to the rows before it
	// and after it, as [Table.foldTelling] has them.
	hear(to, before any, e eventstore.Recorded, after any)
}

// heard is what a record has told a listener.
type heard struct {
	first         eventstore.Recorded // of the events
	told          any                 // what listen has returned
	before, after any                 // pointers to the rows: before is nil if there was none, after if the record was purged
}

// parking says from which event on a record waits, and why.
type parking struct {
	event eventstore.Recorded
	class string
}

// change is what a run of events means for one record.
type change[R any] struct {
	events    []eventstore.Recorded
	before    *entry[R] // nil if there is no row
	ahead     *entry[R] // a later row that is known already
	after     *entry[R] // nil if nothing can be done
	listeners []listener
	told      []any // to each of them
	parked    *parking
}

func (c *change[R]) first() eventstore.Recorded { return c.events[0] }
func (c *change[R]) last() eventstore.Recorded  { return c.events[len(c.events)-1] }

// park leaves the record as it was before an event.
func (c *change[R]) park(e eventstore.Recorded, class string) {
	c.parked = &parking{e, class}
}

type tableChanges[R any] struct {
	table  *Table[R]
	tenant domain.TenantID
	ver    int
	cache  *cache
	list   []*change[R]
	byID   map[uuid.UUID]*change[R]
}

func (t *Table[R]) changes(tenant domain.TenantID, ver int, c *cache) changes {
	return &tableChanges[R]{table: t, tenant: tenant, ver: ver, cache: c, byID: make(map[uuid.UUID]*change[R])}
}

func (cs *tableChanges[R]) add(e eventstore.Recorded, listeners []listener) {
	c := cs.byID[e.Stream.ID]
	if c == nil {
		c = &change[R]{listeners: listeners}
		cs.list, cs.byID[e.Stream.ID] = append(cs.list, c), c
	}
	c.events = append(c.events, e)
}

func (cs *tableChanges[R]) missing() (first []eventstore.Recorded) {
	for _, c := range cs.list {
		if !c.find(cs) {
			first = append(first, c.first())
		}
	}
	return first
}

// find finds the row before the events among those that are remembered. A later one will
// do if nobody wants to hear what each event did to it.
func (c *change[R]) find(cs *tableChanges[R]) bool {
	prior := c.first().Version - 1
	e, _ := cs.cache.get(cs.table.name, c.first().Stream).(*entry[R])
	switch v := e.version(cs.table); {
	case e == nil || v < prior || v > c.last().Version:
	case v == prior || len(c.listeners) == 0:
		c.before = e
		return true
	default:
		c.ahead = e
		if e.prior != nil && e.prior.version(cs.table) == prior {
			c.before = e.prior
			return true
		}
	}
	return prior == 0
}

func (cs *tableChanges[R]) queueLoad(b *pgx.Batch, first []eventstore.Recorded) {
	ids := make([]uuid.UUID, len(first))
	for i, e := range first {
		ids[i] = e.Stream.ID
	}
	b.Queue(cs.table.sql.load, cs.tenant.UUID, cs.ver, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			e := new(entry[R])
			if err := rows.Scan(&id, &e.doc); err != nil {
				return err
			}
			cs.byID[id].before = e
		}
		return rows.Err()
	})
}

func (cs *tableChanges[R]) begin(id uuid.UUID, row any) {
	cs.byID[id].before, _ = row.(*entry[R])
}

// fold divides the records between workers, because no two have to do with one
// another.
func (cs *tableChanges[R]) fold(workers int) error {
	workers = max(1, min(workers, len(cs.list)/64))
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		part := cs.list[len(cs.list)*w/workers : len(cs.list)*(w+1)/workers]
		wg.Go(func() {
			for _, c := range part {
				errs[w] = errors.Join(errs[w], cs.foldOne(c))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (cs *tableChanges[R]) foldOne(c *change[R]) (err error) {
	defer func() {
		if recover() != nil { // in what is not a handler: the row cannot be written as JSON, say
			c.park(c.first(), classify(errPanic))
			c.after, err = nil, nil
		}
	}()
	tell := c.tell()
	if c.before != nil && c.before.row == nil { // from the database
		if c.before, err = decode[R](c.before.doc); halts(err) {
			return err // a newer build has written more into the row than would be left of it
		} else if err != nil {
			c.park(c.first(), "row")
			return nil // it concerns this record only
		}
	}
	at := c.before.version(cs.table)
	events := c.events[min(max(0, int(at-c.first().Version)+1), len(c.events)):]
	if len(events) == 0 {
		c.after = c.before // somebody folded them before, just now
		return nil
	}
	if e := events[0]; len(events) == 1 && tell != nil && c.ahead != nil && c.ahead.version(cs.table) == e.Version {
		if c.after = c.ahead.last(); c.after.doc != nil {
			tell(c.before.rowOrNil(), e, c.after.row)
		}
		return nil // somebody folded it before, just now
	}
	c.after, err = cs.table.foldTelling(c.before, events, tell)
	if halts(err) {
		return err
	}
	failed, ok := errors.AsType[*eventError](err)
	switch {
	case err == nil:
	case !ok:
		c.park(events[0], classify(err))
	default:
		c.park(failed.event, classify(failed.err))
		if n := slices.IndexFunc(events, func(e eventstore.Recorded) bool { return e.Version == failed.event.Version }); n > 0 {
			c.after, err = cs.table.foldTelling(c.before, events[:n], c.tell())
		}
	}
	if err != nil {
		c.after = nil
	}
	return nil
}

// tell returns what tells those who listen of an event, nil if there are none. What they
// were told before does not count any more.
func (c *change[R]) tell() func(before *R, e eventstore.Recorded, after *R) {
	if len(c.listeners) == 0 {
		return nil
	}
	c.told = make([]any, len(c.listeners))
	for i, l := range c.listeners {
		c.told[i] = l.listen()
	}
	return func(before *R, e eventstore.Recorded, after *R) {
		for i, l := range c.listeners {
			l.hear(c.told[i], before, e, after)
		}
	}
}

func (cs *tableChanges[R]) heard(by listener) iter.Seq[heard] {
	return func(yield func(heard) bool) {
		for _, c := range cs.list {
			i := slices.Index(c.listeners, by)
			if i < 0 || c.after == nil || len(c.told) == 0 {
				continue
			}
			h := heard{first: c.first(), told: c.told[i]}
			if c.before != nil && c.before.doc != nil {
				h.before = c.before.row
			}
			if c.after.doc != nil {
				h.after = c.after.row
			}
			if !yield(h) {
				return
			}
		}
	}
}

// halts reports whether the way out is another build and not another event.
func halts(err error) bool {
	return errors.Is(err, domain.ErrNewerSchema) || errors.Is(err, domain.ErrUnknownEvent)
}

// classify says what kind of error it is, in a word that gives nothing away of
// what is in the event.
func classify(err error) string {
	pg, fromDatabase := errors.AsType[*pgconn.PgError](err)
	switch {
	case errors.Is(err, errPanic):
		return "panic"
	case errors.Is(err, errOrder):
		return "order"
	case fromDatabase:
		return "sqlstate " + pg.Code
	default:
		return "decode"
	}
}

// rowsOf returns those of some changes that lead to rows, with these.
func rowsOf[R any](list []*change[R]) (changed []*change[R], rows []*entry[R]) {
	for _, c := range list {
		if c.after != nil && c.after.doc != nil {
			changed, rows = append(changed, c), append(rows, c.after)
		}
	}
	return changed, rows
}

func (cs *tableChanges[R]) queueWrite(b *pgx.Batch) {
	changed, rows := rowsOf(cs.list)
	if _, ok := cs.upsertArgs(rows); !ok {
		for i, c := range changed {
			if _, ok := cs.upsertArgs(rows[i : i+1]); !ok {
				c.refuse(errPanic)
			}
		}
		changed, _ = rowsOf(cs.list)
	}
	cs.queueRows(b, changed)
	var gone []uuid.UUID
	for _, c := range cs.list {
		if c.after != nil && c.after.doc == nil {
			gone = append(gone, c.first().Stream.ID)
		}
	}
	if len(gone) == 0 {
		return
	}
	b.Queue(cs.table.sql.drop, cs.tenant.UUID, cs.ver, gone)
	b.Queue(cs.table.sql.dropWords, cs.tenant.UUID, cs.ver, gone)
	if cs.table.custom != nil {
		b.Queue(cs.table.sql.dropAllOwn, cs.tenant.UUID, cs.ver, gone)
	}
}

// queueRows queues the statements that write rows, and what is kept of them beside the table.
func (cs *tableChanges[R]) queueRows(b *pgx.Batch, changed []*change[R]) {
	_, rows := rowsOf(changed)
	if len(rows) == 0 {
		return
	}
	args, _ := cs.upsertArgs(rows) // what it panics at was parked before
	statement := cs.table.sql.upsert
	if len(rows) == 1 {
		statement = cs.table.sql.one
	}
	b.Queue(statement, args...)
	cs.queueOwn(b, changed)
	if ids, terms := cs.words(changed); len(ids) > 0 {
		b.Queue(cs.table.sql.words, cs.tenant.UUID, cs.ver, ids, terms)
	}
}

// words returns the terms of the rows, as arrays of text, without those that are known
// to be in the database. A row that was remembered may be ahead of the database: then it
// is the statement that leaves alone what is the same.
func (cs *tableChanges[R]) words(changed []*change[R]) (ids []uuid.UUID, terms []string) {
	v := query.NewVocabulary(cs.tenant, cs.table.prefix)
	for _, c := range changed {
		if c.before != nil && c.before.version(cs.table) < c.first().Version && cs.table.sameTerms(c.before.row, c.after.row) {
			continue
		}
		ids, terms = append(ids, c.first().Stream.ID), append(terms, arrayText(cs.table.terms(v, c.after.row)))
	}
	return ids, terms
}

// upsertArgs returns what the statement takes that writes rows, or false if a
// column panics at one of them.
func (cs *tableChanges[R]) upsertArgs(rows []*entry[R]) (args []any, ok bool) {
	defer func() {
		if recover() != nil {
			args, ok = nil, false
		}
	}()
	args = []any{cs.tenant.UUID, cs.ver}
	for _, c := range cs.table.columns {
		args = append(args, c.pack(rows, c.query.Nullable))
	}
	return args, true
}

// refuse parks the record of a row that cannot be written.
func (c *change[R]) refuse(because error) {
	c.park(c.first(), classify(because))
	c.after = nil
}

func (cs *tableChanges[R]) bisect(ctx context.Context, tx wall.Tx) error {
	changed, _ := rowsOf(cs.list)
	return bisect(ctx, tx, changed, cs.queueRows, (*change[R]).refuse)
}

// isRefused reports whether the database would not take a value: it is no such
// value, it breaks a constraint, or it is too large.
func isRefused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code[:2] == "22" || e.Code[:2] == "23" || e.Code[:2] == "54")
}

func (cs *tableChanges[R]) parked() (list []parking) {
	for _, c := range cs.list {
		if c.parked != nil {
			list = append(list, *c.parked)
		}
	}
	return list
}

func (cs *tableChanges[R]) remember() {
	for _, c := range cs.list {
		if c.after != nil {
			cs.cache.put(cs.table.name, c.first().Stream, c.after)
		}
	}
}
