package query

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// Moment is a place in the past: a time, or if that is zero, a position. The zero Moment
// is none.
type Moment struct {
	Time     time.Time
	Position int64
}

// ReadMoment reads a position, or an RFC 3339 time.
func ReadMoment(text string) (Moment, bool) {
	if n, ok := domain.ParseInteger(text); ok && n >= 1 {
		return Moment{Position: n}, true
	}
	t, err := domain.ParseTime(text)
	return Moment{Time: t}, err == nil
}

func (m Moment) String() string {
	switch {
	case m == Moment{}:
		return ""
	case m.Time.IsZero():
		return strconv.FormatInt(m.Position, 10)
	}
	return domain.FormatTime(m.Time)
}

func readAsOf(q *Query, p param) error {
	var ok bool
	q.AsOfAt = p.pointer
	if q.AsOf, ok = ReadMoment(p.written.text); !ok || !p.scalar {
		return p.wrong("is not an RFC 3339 time or a position")
	}
	return nil
}

// At returns the page of the list as it was at a position, which its cursors name from now
// on: a time may be one that is still to come, when the first page is read.
func (p Page) At(position int64) Page {
	p.position = position
	return p
}

// Position returns the position that the cursor of the page names, or 0 if there is none.
func (p Page) Position() int64 { return p.position }

// positionIn returns the position that a cursor names after its sort values.
func (p Page) positionIn(written []json.RawMessage) (position int64, ok bool) {
	if p.query.AsOf == (Moment{}) {
		return 0, len(written) == len(p.keys)
	}
	if len(written) != len(p.keys)+1 {
		return 0, false
	}
	err := json.Unmarshal(written[len(p.keys)], &position)
	return position, err == nil
}

// ID returns which record was scanned into the targets of [Page.Place].
func (Page) ID(place []any) uuid.UUID {
	id, _ := place[len(place)-1].(**uuid.UUID)
	if id == nil || *id == nil {
		return uuid.Nil
	}
	return **id
}

// PastTerms is the name of the column that has the terms of rows that are in no table, as an
// array of text.
const PastTerms = "past_terms"

// OfPast returns the query for rows that are in no table, such as those of the past: what q
// looks for is in their own [PastTerms], and who may see them is not asked.
func (q Query) OfPast() Query {
	q.past, q.searched, q.rows = true, false, nil
	return q
}

// Needs returns the columns, by their names in SQL, that such rows must have, and whether
// they need terms.
func (q Query) Needs() (columns []string, terms bool) {
	columns = []string{q.columns.id.SQL, deletedAt}
	for _, k := range q.Sort {
		columns = append(columns, k.Column.SQL)
	}
	if q.Filter != nil {
		columns = named(columns, q.Filter)
	}
	slices.Sort(columns)
	return slices.Compact(columns), len(q.search.parts) > 0
}

// named adds the columns that a filter is about.
func named(columns []string, f Filter) []string {
	switch f := f.(type) {
	case And:
		for _, f := range f {
			columns = named(columns, f)
		}
	case Or:
		for _, f := range f {
			columns = named(columns, f)
		}
	case Not:
		columns = named(columns, f.Filter)
	case Leaf:
		columns = append(columns, f.Column.SQL)
	}
	return columns
}

// SelectWith returns the statement that gets the first rows of the page, of those that
// another statement gets (see [Page.Select]) and of rows that are in no table. Past is
// these, with the columns of [Query.Needs] and a condition; pastColumns are of the
// types of the other statement's.
func (p Page) SelectWith(a *Args, statement, pastColumns, past string, limit int) string {
	of := p
	of.query = p.query.OfPast()
	condition := of.query.Where(a)
	if p.after != nil {
		condition += " and " + beyond(p.keys, p.after, a)
	}
	most := " limit " + strconv.Itoa(limit)
	return "select * from ((" + statement + ") union all (select " + pastColumns + of.sortColumns() + " from " + past + " and " + condition +
		" order by " + of.OrderBy() + most + ")) as page order by " + p.order(key) + most
}

// SelectCountWith returns the statement that counts what another statement counts, and
// rows that are in no table. Past is as for [Page.SelectWith].
func (q Query) SelectCountWith(a *Args, statement, past string) string {
	return "select (" + statement + ") + (select count(*) from " + past + " and " + q.OfPast().Where(a) + ")"
}

// foundInPast returns the condition that a row that is in no table has what is looked for.
func (q Query) foundInPast(a *Args) string {
	terms := q.search.query(NewVocabulary(q.tenant, q.columns.prefix()), q.columns.search, false)
	return "array_to_tsvector(" + PastTerms + ") @@ " + a.add(terms, "text") + "::tsquery"
}

// moment returns what the scope of a list says of the moment that it shows.
func (q Query) moment() []string {
	if q.AsOf == (Moment{}) {
		return nil
	}
	return []string{"as of " + strings.TrimSpace(q.AsOf.String())}
}
