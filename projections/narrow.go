package projections

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
)

// fewRecords is how many records are looked at one by one. If an index knows that no
// more meet a condition of a list, the list is put together from these; if more do, its
// order is followed until the page is full, which is soon.
const fewRecords = 2000

// narrowed is what indexes say of the records that may be in a list.
type narrowed struct {
	asked    bool
	at       eventstore.Position // of the read models when they were asked
	ids      []uuid.UUID         // there are no others; nil if there are too many
	searched bool                // these have what the parameter q looks for
	terms    string              // that records in the list have, if any were asked for
	few      bool                // records are deleted, and there are others in the list
}

// errNoWords says that what q looks into is being made.
var errNoWords = domain.Unavailable.Refusef("search_not_ready", "the words of these records are being collected after an upgrade; try again in some minutes")

// narrow asks the indexes for the records that may be in a list, for each of its
// conditions, and returns the fewest. So what a list costs does not depend on what
// PostgreSQL knows of how often values are: it counts, as far as it matters.
func (m *Models) narrow(ctx context.Context, in lookup, p Projection, q query.Query) (narrowed, error) {
	tenant := q.Tenant()
	probes := q.Probes()
	if len(probes) == 0 {
		return narrowed{}, nil
	}
	builds, err := m.cfg.Builds.madeBy(ctx, p.Name())
	if err != nil {
		return narrowed{}, err
	}
	withTerms, err := m.cfg.Builds.withTerms(ctx, p.Name())
	if err != nil {
		return narrowed{}, err
	}
	var found [][]uuid.UUID
	var current, terms bool
	at, err := in.look(ctx, func(b *pgx.Batch) {
		found = make([][]uuid.UUID, len(probes))
		queueCurrent(b, tenant, p, builds, &current)
		queueCurrent(b, tenant, p, withTerms, &terms)
		for i, probe := range probes {
			if found[i] = probe.IDs; found[i] != nil {
				continue
			}
			statement, args := p.statements().probe(probe, fewRecords+1)
			b.Queue(statement, append(query.Args{tenant.UUID}, args...)...).Query(each(func(rows pgx.Rows) error { return rows.Scan(&found[i]) }))
		}
	})
	if err == nil && !current && probes[0].Terms != "" { // rows of an older build may not have all of them
		switch {
		case probes[0].Exact && !terms:
			if more, err := m.cfg.Builds.newTerms(ctx, p.Name(), withTerms); err != nil || !more {
				return narrowed{}, cmp.Or(err, errNoWords)
			}
			return m.narrow(ctx, in, p, q)
		case probes[0].Exact:
			if search := q.OnlySearch(); search.Probes()[0].Terms != probes[0].Terms {
				return m.narrow(ctx, in, p, search)
			}
		default:
			probes, found = probes[1:], found[1:]
		}
		if len(probes) == 0 {
			return narrowed{}, nil
		}
	}
	n := narrowed{asked: true, at: at, terms: probes[0].Terms}
	for i, ids := range found {
		switch {
		case len(ids) > fewRecords: // the index was not asked for more, so there may be others
			continue
		case probes[i].Bin:
			n.few = true
			continue
		}
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		ids = slices.Compact(ids) // there are two rows of each while they are made anew
		if n.ids == nil || len(ids) < len(n.ids) {
			n.ids, n.searched = ids, probes[i].Exact
			if n.ids == nil {
				n.ids = []uuid.UUID{}
			}
		}
	}
	if err != nil {
		return narrowed{}, fmt.Errorf("ask the indexes of %s: %w", p.Name(), err)
	}
	return n, nil
}

// probe returns the statement that asks an index, with its arguments but the first.
func (s statements) probe(p query.Probe, most int) (string, query.Args) {
	if p.Terms != "" {
		return "select array(select " + s.findWords("$2", most) + ")", query.Args{p.Terms}
	}
	parts := make([]string, 0, len(p.Where)+len(p.Own))
	for _, where := range p.Where {
		parts = append(parts, fmt.Sprintf(s.findIndexed, where, most))
	}
	for _, own := range p.Own {
		parts = append(parts, fmt.Sprintf("(select of_id from %s limit %d)", own, most))
	}
	if len(parts) == 1 {
		return "select array" + parts[0], p.Args
	}
	return fmt.Sprintf("select array(%s limit %d)", strings.Join(parts, " union all "), most), p.Args
}

// exactly is how long a list is counted for.
const exactly = 400 * time.Millisecond

// count counts the records of a list. What would take too long is counted up to
// [CountLimit] only.
func (l *listing) count(ctx context.Context, in lookup, n narrowed, result *Page) error {
	if l.q.Count == query.CountExact {
		err := l.countUpTo(ctx, in, n, 0, result)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != queryCanceled || ctx.Err() != nil {
			return err
		}
		result.Capped = true
	}
	err := l.countUpTo(ctx, in, n, CountLimit, result)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == queryCanceled && ctx.Err() == nil {
		// Not even that: there are those of the page, at least.
		result.Count, result.Estimated, result.Capped = new(len(result.Documents)), true, true
		return nil
	}
	return err
}

// mostFound is how many records with the same terms are looked at to count them, which
// takes longer than there is time.
const mostFound = 1_000_000

const queryCanceled = "57014"

func (l *listing) countUpTo(ctx context.Context, in lookup, n narrowed, limit int, result *Page) error {
	q, from, args, ids := l.q, l.p.statements().serving, query.Args{l.q.Tenant().UUID}, ""
	if l.past != nil {
		args, from = append(args, int64(l.past.position)), from+" and position <= $2"
	}
	if n.few {
		q = q.FewDeleted()
	}
	switch mark := "$" + strconv.Itoa(len(args)+1); {
	case n.ids != nil:
		args, ids = append(args, n.ids), "unnest("+mark+"::uuid[])"
	case n.terms != "":
		args, ids = append(args, n.terms), l.p.statements().findWords(mark, mostFound)
		q = q.Searched() // the terms are all that q looks for, and perhaps more
	}
	statement := q.SelectCount(&args, from, ids, limit)
	if l.past != nil {
		statement = q.SelectCountWith(&args, statement, l.pastRows(&args))
	}
	_, err := in.look(ctx, func(b *pgx.Batch) {
		b.Queue(`select set_config('statement_timeout', $1, true)`, strconv.FormatInt(exactly.Milliseconds(), 10))
		b.Queue(statement, args...).QueryRow(func(row pgx.Row) error {
			result.Count = new(int)
			err := row.Scan(result.Count)
			result.Estimated = limit > 0 && *result.Count >= limit
			return err
		})
	})
	return err
}
