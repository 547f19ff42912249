package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// isSimple reports whether es.append_one can record the entry.
func (e *entry) isSimple() bool {
	const few = 8 // for more, the query that records any number is faster
	return len(e.command.Writes) == 1 && e.events > 0 && e.events <= few && len(e.command.Checks) == 0 && len(e.claims) == 0 &&
		e.command.Note == "" && len(e.command.Numbers) == 0
}

const appendOne = `select * from es.append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// appendOne records a simple entry. It returns false if something was in the
// way, and then nothing has changed.
func (r recorder) appendOne(ctx context.Context, e *entry) (done bool, err error) {
	w := e.command.Writes[0]
	ev := newEvents(len(w.Events))
	ev.add(w.Events)
	err = r.cfg.Wall.Sealed(ctx, wall.Writer, []domain.TenantID{e.tenant}, func(tx wall.Tx, seals []string) error {
		var last pgtype.Int8
		var at pgtype.Timestamptz
		err := tx.QueryRow(ctx, appendOne, seals[0], raw(e.command.ID), e.command.Hash, w.Stream.Kind, raw(w.Stream.ID), int32(w.At),
			ev.id, ev.kind, ev.schema, ev.data, ev.meta).Scan(&last, &at)
		if err == nil && last.Valid {
			done = true
			e.result.Receipt = eventstore.Receipt{
				First: eventstore.Position(last.Int64 - int64(e.events) + 1), Last: eventstore.Position(last.Int64), Time: at.Time.UTC(),
			}
		}
		return err
	})
	return done, err
}

const (
	appendAll = `select * from es.append` + arguments
	decideAll = `select * from es.decide` + arguments

	appendNumbered = `select * from es.append_numbered($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)`

	arguments = `($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)`
)

// appendAll records entries that are in the order of their tenants.
func (r recorder) appendAll(ctx context.Context, entries []*entry) error {
	req := newRequest(entries)
	return r.cfg.Wall.Sealed(ctx, wall.Writer, req.tenants, func(tx wall.Tx, seals []string) error {
		sql, args := r.judge, req.args(seals)
		var a answer
		columns := a.columns()
		if len(req.nEvent) > 0 {
			sql, args = appendNumbered, append(append([]any{r.judge == appendAll}, args...), req.nEvent, req.nSeries, req.nAt)
			columns = append(columns, &a.numbers)
		}
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			if err := rows.Scan(columns...); err != nil {
				return err
			}
			if err := req.settle(&a); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if n != len(entries) {
			return fmt.Errorf("%d answers to %d commands", n, len(entries))
		}
		return nil
	})
}

// events are the columns of some events.
type events struct {
	id     column[id]
	kind   column[text]
	schema column[number]
	data   column[blob]
	meta   column[blob]
}

func newEvents(n int) events {
	return events{
		make(column[id], 0, n), make(column[text], 0, n), make(column[number], 0, n), make(column[blob], 0, n), make(column[blob], 0, n),
	}
}

func (c *events) add(all []eventstore.Event) {
	for i := range all {
		e := &all[i]
		c.id = append(c.id, id(e.ID))
		c.kind = append(c.kind, text(e.Type))
		c.schema = append(c.schema, number(e.Schema))
		c.data = append(c.data, notNull(e.Data))
		c.meta = append(c.meta, notNull(e.Meta))
	}
}

func notNull(b []byte) blob {
	if b == nil {
		return blob{}
	}
	return b
}

// request is a call of es.append: see there.
type request struct {
	entries []*entry
	tenants []domain.TenantID
	streams []eventstore.StreamID // what the w_ columns are about
	claims  []*claim              // what the k_ columns are about

	tCount column[number]

	cTenant, cBefore, cCount column[number]
	cID                      column[id]
	cHash                    column[blob]
	cNote                    column[note]

	wCommand, wAt, wCount column[number]
	wKind                 column[text]
	wStream               column[id]

	kCommand            column[number]
	kHow, kScope, kKind column[text]
	kKey                column[blob]
	kStream             column[id]

	eWrite, eStep, eNth column[number]
	events              events

	nEvent, nAt column[number] // of events that get a number; for most requests there are none
	nSeries     column[text]
}

func newRequest(entries []*entry) *request {
	r := emptyRequest(entries)
	hashed, noted := false, false
	for i, e := range entries {
		if i == 0 || e.tenant != entries[i-1].tenant {
			r.tenants = append(r.tenants, e.tenant)
			r.tCount = append(r.tCount, 0)
		}
		r.add(e)
		hashed, noted = hashed || e.command.Hash != nil, noted || e.command.Note != ""
	}
	if !hashed {
		r.cHash = nil
	}
	if !noted {
		r.cNote = nil
	}
	return r
}

// emptyRequest returns a request with room for what entries need.
func emptyRequest(entries []*entry) *request {
	c, w, k, e := len(entries), 0, 0, 0
	for _, entry := range entries {
		w += len(entry.command.Writes) + len(entry.command.Checks)
		k += len(entry.claims)
		e += entry.events
	}
	return &request{
		entries: entries, tenants: make([]domain.TenantID, 0, c), streams: make([]eventstore.StreamID, 0, w), claims: make([]*claim, 0, k),
		tCount:  make(column[number], 0, c),
		cTenant: make(column[number], 0, c), cBefore: make(column[number], 0, c), cCount: make(column[number], 0, c),
		cID: make(column[id], 0, c), cHash: make(column[blob], 0, c), cNote: make(column[note], 0, c),
		wCommand: make(column[number], 0, w), wAt: make(column[number], 0, w), wCount: make(column[number], 0, w),
		wKind: make(column[text], 0, w), wStream: make(column[id], 0, w),
		kCommand: make(column[number], 0, k), kStream: make(column[id], 0, k), kKey: make(column[blob], 0, k),
		kHow: make(column[text], 0, k), kScope: make(column[text], 0, k), kKind: make(column[text], 0, k),
		eWrite: make(column[number], 0, e), eStep: make(column[number], 0, e), eNth: make(column[number], 0, e),
		events: newEvents(e),
	}
}

func (r *request) add(e *entry) {
	tenant := len(r.tenants)
	count := number(e.events)
	r.cTenant = append(r.cTenant, number(tenant))
	r.cBefore = append(r.cBefore, r.tCount[tenant-1])
	r.cCount = append(r.cCount, count)
	r.cID = append(r.cID, id(e.command.ID))
	r.cHash = append(r.cHash, e.command.Hash)
	r.cNote = append(r.cNote, note(e.command.Note))
	r.tCount[tenant-1] += count

	r.addNumbers(e.command)
	nth := number(0)
	for _, w := range e.command.Writes {
		r.addStream(w.Stream, w.At, len(w.Events))
		for i := range w.Events {
			nth++
			r.eWrite = append(r.eWrite, number(len(r.streams)))
			r.eStep = append(r.eStep, number(i+1))
			r.eNth = append(r.eNth, nth)
		}
		r.events.add(w.Events)
	}
	for _, c := range e.command.Checks {
		r.addStream(c.Stream, c.At, 0)
	}
	for i := range e.claims {
		r.addClaim(&e.claims[i])
	}
}

// addNumbers asks for the numbers of a command whose events come next.
func (r *request) addNumbers(c *eventstore.Command) {
	for _, n := range c.Numbers {
		event := len(r.eWrite) + n.Event + 1
		for _, w := range c.Writes[:n.Write] {
			event += len(w.Events)
		}
		r.nEvent, r.nSeries, r.nAt = append(r.nEvent, number(event)), append(r.nSeries, text(n.Series)), append(r.nAt, number(n.At))
	}
}

// addStream asks that a stream is at a version, for the last command.
func (r *request) addStream(s eventstore.StreamID, at eventstore.Version, count int) {
	r.streams = append(r.streams, s)
	r.wCommand = append(r.wCommand, number(len(r.cID)))
	r.wKind = append(r.wKind, text(s.Kind))
	r.wStream = append(r.wStream, id(s.ID))
	r.wAt = append(r.wAt, number(at))
	r.wCount = append(r.wCount, number(count))
}

// addClaim takes or frees a claim, for the last command.
func (r *request) addClaim(c *claim) {
	r.claims = append(r.claims, c)
	r.kCommand = append(r.kCommand, number(len(r.cID)))
	r.kHow = append(r.kHow, c.how)
	r.kScope = append(r.kScope, text(c.Scope))
	r.kKey = append(r.kKey, c.key[:])
	r.kKind = append(r.kKind, text(c.Stream.Kind))
	r.kStream = append(r.kStream, id(c.Stream.ID))
}

func (r *request) args(seals []string) []any {
	return []any{
		seals, r.tCount,
		r.cTenant, r.cBefore, r.cCount, r.cID, r.cHash,
		r.wCommand, r.wKind, r.wStream, r.wAt, r.wCount,
		r.kCommand, r.kHow, r.kScope, r.kKey, r.kKind, r.kStream,
		r.eWrite, r.eStep, r.eNth,
		r.events.id, r.events.kind, r.events.schema, r.events.data, r.events.meta, r.cNote,
	}
}

// answer is a row that es.append returns: see there. It is scanned again and
// again, so nothing in it is kept but the numbers, which are new ones each time.
type answer struct {
	command     pgtype.Int4
	outcome     pgtype.DriverBytes
	first, last pgtype.Int8
	at          pgtype.Timestamptz
	item        pgtype.Int4
	version     pgtype.Int4
	holderKind  pgtype.Text
	holderID    pgtype.UUID
	numbers     []int64 // only of es.append_numbered
}

func (a *answer) columns() []any {
	return []any{&a.command, &a.outcome, &a.first, &a.last, &a.at, &a.item, &a.version, &a.holderKind, &a.holderID}
}

// settle gives the entry that an answer is about its result.
func (r *request) settle(a *answer) error {
	e := r.entries[a.command.Int32-1]
	switch outcome := string(a.outcome); outcome {
	case "recorded", "repeated":
		e.result.Receipt = eventstore.Receipt{
			First: eventstore.Position(a.first.Int64), Last: eventstore.Position(a.last.Int64),
			Time: a.at.Time.UTC(), Repeated: outcome == "repeated",
		}
		e.result.Numbers = a.numbers
	case "conflict":
		e.result.Err = &eventstore.Conflict{Stream: r.streams[a.item.Int32-1], At: eventstore.Version(a.version.Int32)}
	case "claimed":
		e.result.Err = &eventstore.Claimed{
			Claim:  *r.claims[a.item.Int32-1].Claim,
			Holder: eventstore.StreamID{Tenant: e.tenant, Kind: a.holderKind.String, ID: a.holderID.Bytes},
		}
	case "reused":
		e.result.Err = eventstore.ErrReused
	case "unknown":
		e.result.Err = eventstore.ErrUnknownTenant
	case "sealed":
		e.result.Err = eventstore.ErrSealed
	default:
		return fmt.Errorf("answer %q is not known", outcome)
	}
	return nil
}
