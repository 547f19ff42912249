package projections

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// Found is the records of one kind in which something was found, the best first.
type Found struct {
	Projection Projection
	Hits       []Hit
	More       bool // there are others
}

// Hit is a record in which something was found.
type Hit struct {
	JSON    []byte   // what the viewer sees
	Matched []string // the members that have it
}

// candidates is how many records of a kind are compared to find the best.
const candidates = 200

// Search looks for something in the live records of all kinds that the viewer sees, and
// in those members of them that the viewer sees. It returns up to limit records of each
// kind, and the position that they show. Records that have the words as they are
// written come before those that have words that begin so; among equals, what was changed
// last comes first. Of a kind that has many, the best of [candidates] are returned.
func (m *Models) Search(ctx context.Context, v *viewer.Viewer, s query.Search, limit int, ps ...Projection) ([]Found, eventstore.Position, error) {
	var found []Found
	var anywhere, whole []string
	for _, p := range ps {
		rules, err := v.Of(p)
		if err != nil {
			return nil, 0, err
		}
		if _, some := rules.Rows(); !some || !rules.May(viewer.Read) {
			continue
		}
		if a, w := s.Terms(v.Tenant(), rules.Columns()); a != "" {
			found, anywhere, whole = append(found, Found{Projection: p}), append(anywhere, a), append(whole, w)
		}
	}
	ids, at, err := m.candidates(ctx, v.Tenant(), found, whole, anywhere)
	if err != nil {
		return nil, 0, fmt.Errorf("search: %w", err)
	}
	for i := range found {
		if len(ids[i]) == 0 {
			continue
		}
		if err := m.best(ctx, v, s, &found[i], ids[i], limit); err != nil {
			return nil, 0, err
		}
	}
	return slices.DeleteFunc(found, func(f Found) bool { return len(f.Hits) == 0 }), at, nil
}

// candidates returns the IDs of records that have terms, for each kind: first those that
// have whole words.
func (m *Models) candidates(ctx context.Context, tenant domain.TenantID, kinds []Found, whole, anywhere []string) (ids [][]uuid.UUID, at eventstore.Position, err error) {
	const statement = `select array(select crm.find_words(k.name, v.ver, k.whole, $5)), array(select crm.find_words(k.name, v.ver, k.anywhere, $5))
		from unnest($2::text[], $3::text[], $4::text[]) with ordinality as k (name, whole, anywhere, place)
		cross join lateral (select coalesce(max(s.ver), 0) from crm.serving s where s.tenant_id = $1 and s.projection = k.name) as v (ver)
		order by k.place`
	names, builds := make([]string, len(kinds)), make([][]int, len(kinds))
	for i, k := range kinds {
		names[i] = k.Projection.Name()
		if builds[i], err = m.cfg.Builds.madeBy(ctx, names[i]); err != nil {
			return nil, 0, err
		}
	}
	current := make([]bool, len(kinds))
	at, err = m.read(ctx, tenant, func(b *pgx.Batch) {
		ids = nil
		for i, k := range kinds {
			queueCurrent(b, tenant, k.Projection, builds[i], &current[i])
		}
		b.Queue(statement, tenant.UUID, names, whole, anywhere, candidates+1).Query(each(func(rows pgx.Rows) error {
			var first, rest []uuid.UUID
			err := rows.Scan(&first, &rest)
			for _, id := range rest {
				if !slices.Contains(first, id) {
					first = append(first, id)
				}
			}
			ids = append(ids, first)
			return err
		}))
	})
	if err == nil && slices.Contains(current, false) {
		err = errNoWords
	}
	return ids, at, err
}

// match says how well a record meets what is looked for.
type match struct {
	members []string
	score   int // larger is better
	changed time.Time
}

// best finds the best of some records.
func (m *Models) best(ctx context.Context, v *viewer.Viewer, s query.Search, f *Found, ids []uuid.UUID, limit int) error {
	rules, err := v.Of(f.Projection)
	if err != nil {
		return err
	}
	rows, _ := rules.Rows()
	docs, _, err := m.find(ctx, f.Projection, v.Tenant(), rows, ids)
	if err != nil {
		return err
	}
	type hit struct {
		match
		doc Document
	}
	var hits []hit
	for _, doc := range docs {
		found, ok, err := f.Projection.match(doc.JSON, s, rules.Shows)
		if err != nil {
			return err
		}
		if ok && !doc.Deleted {
			hits = append(hits, hit{found, doc})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), b.changed.Compare(a.changed), cmp.Compare(b.doc.Position, a.doc.Position))
	})
	f.More = len(hits) > limit || len(ids) > candidates
	for _, h := range hits[:min(limit, len(hits))] {
		doc, err := shown(rules, h.doc)
		if err != nil {
			return err
		}
		f.Hits = append(f.Hits, Hit{doc.JSON, h.members})
	}
	return nil
}

func (t *Table[R]) match(doc []byte, s query.Search, sees func(member string) bool) (match, bool, error) {
	e, err := decode[R](doc)
	if err != nil {
		return match{}, false, err
	}
	found := match{changed: t.base(e.row).UpdatedAt}
	var best []int
	for i, w := range t.words {
		if !sees(w.member) {
			continue
		}
		parts := s.Match(w.texts(e.row))
		if best == nil {
			best = make([]int, len(parts))
		}
		if slices.Max(parts) > 0 {
			found.members = append(found.members, w.member)
		}
		for k, n := range parts {
			// What is said first of a record says most.
			best[k] = max(best[k], n*(2*len(t.words)-i))
		}
	}
	for _, n := range best {
		found.score += n
	}
	return found, len(best) > 0 && !slices.Contains(best, 0), nil
}
