package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// isSimple reports whether es.append_one can record the entry.
func (e *entry) isSimple() bool {
	return len(e.command.Writes) == 1 && e.events > 0 && len(e.command.Checks) == 0 && len(e.claims) == 0
}

const appendOne = `select * from es.append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// appendOne records a simple entry. It returns false if something was in the
// way, and then nothing has changed.
func (r recorder) appendOne(ctx context.Context, e *entry) (done bool, err error) {
	w := e.command.Writes[0]
	var ev events
	ev.add(w.Events)
	err = r.cfg.Wall.Sealed(ctx, wall.Writer, []domain.TenantID{e.tenant}, func(tx wall.Tx, seals []string) error {
		var last *eventstore.Position
		var at *time.Time
		err := tx.QueryRow(ctx, appendOne, seals[0], e.command.ID, e.command.Hash, w.Stream.Kind, w.Stream.ID, w.At,
			ev.id, ev.kind, ev.schema, ev.data, ev.meta).Scan(&last, &at)
		if err == nil && last != nil {
			done = true
			e.result.Receipt = eventstore.Receipt{First: *last - eventstore.Position(e.events) + 1, Last: *last, Time: at.UTC()}
		}
		return err
	})
	return done, err
}

const appendAll = `select * from es.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`

// appendAll records entries that are in the order of their tenants.
func (r recorder) appendAll(ctx context.Context, entries []*entry) error {
	req := newRequest(entries)
	return r.cfg.Wall.Sealed(ctx, wall.Writer, req.tenants, func(tx wall.Tx, seals []string) error {
		rows, err := tx.Query(ctx, appendAll, req.args(seals)...)
		if err != nil {
			return err
		}
		n := 0
		var a answer
		_, err = pgx.ForEachRow(rows, a.columns(), func() error {
			n++
			return req.settle(&a)
		})
		if err == nil && n != len(entries) {
			return fmt.Errorf("%d answers to %d commands", n, len(entries))
		}
		return err
	})
}

// events are the columns of some events.
type events struct {
	id     []uuid.UUID
	kind   []string
	schema []int16
	data   [][]byte
	meta   [][]byte
}

func (c *events) add(all []eventstore.Event) {
	for i := range all {
		e := &all[i]
		c.id = append(c.id, e.ID)
		c.kind = append(c.kind, e.Type)
		c.schema = append(c.schema, int16(e.Schema))
		c.data = append(c.data, notNull(e.Data))
		c.meta = append(c.meta, notNull(e.Meta))
	}
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// request is a call of es.append: see there.
type request struct {
	entries []*entry
	tenants []domain.TenantID
	streams []eventstore.StreamID // what the w_ columns are about
	claims  []*claim              // what the k_ columns are about

	cTenant, cCount []int32
	cID             []uuid.UUID
	cHash           [][]byte

	wCommand, wAt []int32
	wKind         []string
	wStream       []uuid.UUID

	kCommand            []int32
	kHow, kScope, kKind []string
	kKey                [][]byte
	kStream             []uuid.UUID

	eCommand, eNth, eVersion []int32
	eKind                    []string
	eStream                  []uuid.UUID
	events                   events
}

func newRequest(entries []*entry) *request {
	r := &request{entries: entries}
	hashed := false
	for i, e := range entries {
		if i == 0 || e.tenant != entries[i-1].tenant {
			r.tenants = append(r.tenants, e.tenant)
		}
		r.add(int32(i+1), e)
		hashed = hashed || e.command.Hash != nil
	}
	if !hashed {
		r.cHash = nil
	}
	return r
}

func (r *request) add(command int32, e *entry) {
	r.cTenant = append(r.cTenant, int32(len(r.tenants)))
	r.cCount = append(r.cCount, int32(e.events))
	r.cID = append(r.cID, e.command.ID)
	r.cHash = append(r.cHash, e.command.Hash)
	nth := int32(0)
	for _, w := range e.command.Writes {
		r.at(command, w.Stream, w.At)
		for i := range w.Events {
			nth++
			r.eCommand = append(r.eCommand, command)
			r.eNth = append(r.eNth, nth)
			r.eVersion = append(r.eVersion, int32(w.At)+int32(i)+1)
			r.eKind = append(r.eKind, w.Stream.Kind)
			r.eStream = append(r.eStream, w.Stream.ID)
		}
		r.events.add(w.Events)
	}
	for _, c := range e.command.Checks {
		r.at(command, c.Stream, c.At)
	}
	for i := range e.claims {
		c := &e.claims[i]
		r.claims = append(r.claims, c)
		r.kCommand = append(r.kCommand, command)
		r.kHow = append(r.kHow, c.how)
		r.kScope = append(r.kScope, c.Scope)
		r.kKey = append(r.kKey, c.key[:])
		r.kKind = append(r.kKind, c.Stream.Kind)
		r.kStream = append(r.kStream, c.Stream.ID)
	}
}

// at asks that a stream is at a version.
func (r *request) at(command int32, s eventstore.StreamID, v eventstore.Version) {
	r.streams = append(r.streams, s)
	r.wCommand = append(r.wCommand, command)
	r.wKind = append(r.wKind, s.Kind)
	r.wStream = append(r.wStream, s.ID)
	r.wAt = append(r.wAt, int32(v))
}

func (r *request) args(seals []string) []any {
	return []any{
		seals,
		some(r.cTenant), some(r.cCount), some(r.cID), some(r.cHash),
		some(r.wCommand), some(r.wKind), some(r.wStream), some(r.wAt),
		some(r.kCommand), some(r.kHow), some(r.kScope), some(r.kKey), some(r.kKind), some(r.kStream),
		some(r.eCommand), some(r.eNth), some(r.eKind), some(r.eStream), some(r.eVersion),
		some(r.events.id), some(r.events.kind), some(r.events.schema), some(r.events.data), some(r.events.meta),
	}
}

// some makes an empty array, and not null, of nil.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// answer is a row that es.append returns: see there.
type answer struct {
	command     int
	outcome     string
	first, last *eventstore.Position
	at          *time.Time
	item        *int
	version     *eventstore.Version
	holderKind  *string
	holderID    *uuid.UUID
}

func (a *answer) columns() []any {
	return []any{&a.command, &a.outcome, &a.first, &a.last, &a.at, &a.item, &a.version, &a.holderKind, &a.holderID}
}

// settle gives the entry that an answer is about its result.
func (r *request) settle(a *answer) error {
	e := r.entries[a.command-1]
	switch a.outcome {
	case "recorded", "repeated":
		e.result.Receipt = eventstore.Receipt{First: *a.first, Last: *a.last, Time: a.at.UTC(), Repeated: a.outcome == "repeated"}
	case "conflict":
		e.result.Err = &eventstore.Conflict{Stream: r.streams[*a.item-1], At: *a.version}
	case "claimed":
		e.result.Err = &eventstore.Claimed{
			Claim:  *r.claims[*a.item-1].Claim,
			Holder: eventstore.StreamID{Tenant: e.tenant, Kind: *a.holderKind, ID: *a.holderID},
		}
	case "reused":
		e.result.Err = eventstore.ErrReused
	case "unknown":
		e.result.Err = eventstore.ErrUnknownTenant
	case "sealed":
		e.result.Err = eventstore.ErrSealed
	default:
		return fmt.Errorf("answer %q is not known", a.outcome)
	}
	return nil
}
