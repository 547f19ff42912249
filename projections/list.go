package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
	"github.com/rowhouse/rowhouse/wall"
)

// Page is a part of a list.
type Page struct {
	Documents [][]byte            // the JSON of each record
	Next      string              // the cursor of the next page; empty if this is the last one
	Position  eventstore.Position // the list shows the events up to this one
	Count     *int                // of all records of the list, if the query asked for it
	Estimated bool                // the count stopped at [CountLimit]
	Capped    bool                // it was to be exact, and would have taken too long
}

// Cursors signs the cursors of lists, all of them with the same key.
func (m *Models) Cursors() query.Signer { return m.cfg.Signer }

// CountLimit is where the estimate of a count stops: there are that many, or
// more.
const CountLimit = 10_000

// errColumns says that a query was not read for the viewer who asks.
var errColumns = errors.New("the query names columns that are not those of the viewer")

// List returns the page of a list that a query asks for, of the records that the
// viewer sees: as they are at one position, now or in the past. The query must have been read with the
// columns of [viewer.Viewer.Of]. It refuses cursors that are not of this list, and a moment
// since which too many records have changed.
func (m *Models) List(ctx context.Context, v *viewer.Viewer, p Projection, q query.Query) (Page, error) {
	rules, err := v.Of(p)
	if err != nil {
		return Page{}, err
	}
	if q.Columns().Base() != rules.Columns() {
		return Page{}, fmt.Errorf("list %s: %w", p.Name(), errColumns)
	}
	rows, some := rules.Rows()
	if !some {
		return Page{}, domain.Forbidden.Refusef("forbidden", "you may not look at %s", p.Name())
	}
	if q.AsOf != (query.Moment{}) && q.AsksOwn() {
		return Page{}, domain.Check(false, q.AsOfAt, "not_of_the_past", "is not for lists that are filtered or sorted by fields of your own")
	}
	l := listing{Models: m, p: p, q: q.Within(v.Tenant(), rows), rows: rows}
	page, err := l.q.Page(m.cfg.Signer, v.Tenant()) // what is wrong with the cursor is said before anything is read
	if err != nil {
		return Page{}, err
	}
	if q.AsOf != (query.Moment{}) {
		if err = l.goBack(ctx, Moment{q.AsOf.Time, eventstore.Position(q.AsOf.Position)}, eventstore.Position(page.Position())); err != nil {
			return Page{}, err
		}
		if l.past.position == 0 { // there was nothing
			return Page{Documents: [][]byte{}, Count: new(int)}, nil
		}
	}
	result, err := l.page(ctx)
	for i := range result.Documents {
		if err == nil {
			result.Documents[i], err = rules.Show(result.Documents[i])
		}
	}
	return result, err
}

// listing is a list that is being put together.
type listing struct {
	*Models

	p    Projection
	q    query.Query
	rows query.Filter // that say what the viewer sees
	past *past        // nil if it is of now
}

// mostTries is how often a list is put together from several looks at the database, all
// of which must have found the same position, before it is done in one transaction,
// which takes more round trips.
const mostTries = 3

// page returns the page, whose documents are as they are stored.
func (l *listing) page(ctx context.Context) (result Page, err error) {
	if l.q.Count == query.CountNone { // counting takes so long that something changes meanwhile
		for range mostTries {
			result, err = l.pageIn(ctx, looks{l.Models, l.q.Tenant()})
			switch {
			case errors.Is(err, errMoved):
			case errors.Is(err, errUnknownPast):
				err = l.remember(ctx)
			default:
				return result, err
			}
			if err != nil && !errors.Is(err, errMoved) {
				return Page{}, err
			}
		}
	}
	if l.past != nil {
		return l.pageOfPast(ctx)
	}
	return l.pageInOne(ctx)
}

// pageInOne returns the page, read in one transaction, which sees the database as it is
// at one moment.
func (l *listing) pageInOne(ctx context.Context) (result Page, err error) {
	err = l.cfg.Wall.InTenant(ctx, wall.Scope{Tenant: l.q.Tenant(), Duty: wall.Reader}, func(tx wall.Tx) error {
		result, err = l.pageIn(ctx, oneLook{tx, l.q.Tenant()})
		return err
	})
	return result, err
}

// errMoved says that the read models came to another position between two looks.
var errMoved = errors.New("projections: the read models have moved on")

// pageIn returns the page as it is in some looks at the database.
func (l *listing) pageIn(ctx context.Context, in lookup) (Page, error) {
	from, args := l.p.statements().serving, query.Args{l.q.Tenant().UUID}
	if l.past != nil {
		args, from = append(args, int64(l.past.position)), from+" and position <= $2"
	}
	n, err := l.narrow(ctx, in, l.p, l.q)
	if err != nil {
		return Page{}, err
	}
	q := l.q
	if n.searched {
		q = q.Searched()
	}
	if n.few {
		q = q.FewDeleted()
	}
	page, err := q.Page(l.cfg.Signer, l.q.Tenant())
	if err != nil {
		return Page{}, err
	}
	if l.past != nil {
		page = page.At(int64(l.past.position))
	}
	var statement string
	if n.ids != nil {
		statement = page.SelectAmong(&args, "doc", from, n.ids, l.q.Limit+1)
	} else {
		statement = page.Select(&args, "doc", from, l.q.Limit+1)
	}
	if l.past != nil {
		statement = page.SelectWith(&args, statement, "null::text", l.pastRows(&args), l.q.Limit+1)
	}
	var result Page
	var changed []aChange
	var place []any
	at, err := in.look(ctx, func(b *pgx.Batch) {
		result, changed = Page{Documents: make([][]byte, 0, l.q.Limit)}, nil
		if l.past != nil {
			l.queueChanged(b, &changed)
		}
		place = page.Place()
		b.Queue(statement, args...).Query(func(rows pgx.Rows) error { return result.collect(rows, page, place, l.q.Limit, l.docOf) })
	})
	if err == nil && page.LeadsOwn() && n.ids == nil && result.Next == "" {
		at, err = l.ownless(ctx, in, page, from, place, at, &result)
	}
	switch {
	case err != nil:
		return Page{}, err
	case n.asked && n.at != at:
		return Page{}, errMoved
	case len(changed) > 0:
		return Page{}, errUnknownPast
	}
	if result.Position = at; l.past != nil {
		result.Position = l.past.position
	}
	if l.q.Count != query.CountNone {
		err = l.count(ctx, in, n, &result)
	}
	return result, err
}

// ownless adds records without a value in the field of the tenant's own by which the list is
// sorted, as far as there is room left for them. Place is that of the last record so far.
func (l *listing) ownless(ctx context.Context, in lookup, page query.Page, from string, place []any, at eventstore.Position, result *Page) (eventstore.Position, error) {
	so := *result
	full := len(so.Documents) == l.q.Limit
	next := ""
	if full {
		var err error
		if next, err = page.Cursor(place); err != nil {
			return at, err
		}
	}
	args := query.Args{l.q.Tenant().UUID}
	statement := page.SelectOwnless(&args, "doc", from, l.q.Limit+1-len(so.Documents))
	now, err := in.look(ctx, func(b *pgx.Batch) {
		*result = so
		result.Documents = slices.Clip(so.Documents)
		b.Queue(statement, args...).Query(func(rows pgx.Rows) error {
			if !full {
				return result.collect(rows, page, page.Place(), l.q.Limit, l.docOf)
			}
			if rows.Next() {
				result.Next = next
			}
			rows.Close()
			return rows.Err()
		})
	})
	if err == nil && now != at {
		err = errMoved
	}
	return now, err
}

// collect reads the rows of a page. One more than asked for was selected, to
// tell whether there is another page.
func (r *Page) collect(rows pgx.Rows, page query.Page, place []any, limit int, docOf func(uuid.UUID) []byte) error {
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
		if doc == nil {
			doc = docOf(page.ID(place))
		}
		size += len(doc)
		r.Documents, doc = append(r.Documents, doc), nil
	}
	return rows.Err()
}

// maxPage is how many bytes of documents make a page full, however few they are:
// one record can be large, and many of them must not be held at once.
const maxPage = 8 << 20
