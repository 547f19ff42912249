package projections

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
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
	var kinds []searchedKind
	fields, err := m.OwnFields(ctx, v.Tenant())
	if err != nil {
		return nil, 0, err
	}
	for _, p := range ps {
		rules, err := v.Of(p)
		if err != nil {
			return nil, 0, err
		}
		rows, some := rules.Rows()
		if !some || !rules.May(viewer.Read) {
			continue
		}
		columns, searched := ownColumns(rules, fields[p.Kind()])
		if anywhere, whole := s.Terms(v.Tenant(), columns); anywhere != "" {
			kinds = append(kinds, searchedKind{p: p, rules: rules, rows: rows, own: searched, whole: whole, anywhere: anywhere})
		}
	}
	at, err := m.candidates(ctx, v.Tenant(), kinds)
	if err != nil {
		return nil, 0, fmt.Errorf("search: %w", err)
	}
	found := make([]Found, 0, len(kinds))
	for _, k := range kinds {
		if len(k.ids) == 0 {
			continue
		}
		f, err := m.best(ctx, v.Tenant(), s, k, limit)
		if err != nil {
			return nil, 0, err
		}
		if len(f.Hits) > 0 {
			found = append(found, f)
		}
	}
	return found, at, nil
}

// searchedKind is a kind of record that is searched for a viewer.
type searchedKind struct {
	p     Projection
	rules *viewer.Rules
	rows  query.Filter // the records that the viewer sees; nil if these are all

	own []string // the members that are fields of the tenant's own, of those that are searched

	whole, anywhere string // terms of records: see [query.Search.Terms]

	ids  []uuid.UUID // live records that the viewer sees and that have terms, first those with whole words
	more bool        // the index was not asked for all that have terms
}

// sees reports whether a member is looked into.
func (k *searchedKind) sees(member string) bool {
	if own.IsName(member) {
		return slices.Contains(k.own, member)
	}
	return k.rules.Shows(member)
}

// mostSearched is how many records of a kind with the same terms are looked at to find
// those that are live and that the viewer sees. Most searches need to look at as many as
// there are [candidates].
const mostSearched = 20_000

// candidates gets the IDs of records that have terms, for each kind: first of a few, and
// then of more where too many of those are not to be found.
func (m *Models) candidates(ctx context.Context, tenant domain.TenantID, kinds []searchedKind) (at eventstore.Position, err error) {
	all := make([]*searchedKind, len(kinds))
	for i := range kinds {
		all[i] = &kinds[i]
	}
	if at, err = m.askForTerms(ctx, tenant, all, candidates+1); err != nil {
		return at, err
	}
	all = slices.DeleteFunc(all, func(k *searchedKind) bool { return !k.more || len(k.ids) > candidates })
	if len(all) > 0 {
		_, err = m.askForTerms(ctx, tenant, all, mostSearched) // what it finds beside shows more than the position says
	}
	return at, err
}

// askForTerms asks for records that have terms, of each kind for so many.
func (m *Models) askForTerms(ctx context.Context, tenant domain.TenantID, kinds []*searchedKind, most int) (eventstore.Position, error) {
	builds, current := make([][]int, len(kinds)), make([]bool, len(kinds))
	for i, k := range kinds {
		var err error
		if builds[i], err = m.cfg.Builds.withTerms(ctx, k.p.Name()); err != nil {
			return 0, err
		}
	}
	at, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		for i, k := range kinds {
			queueCurrent(b, tenant, k.p, builds[i], &current[i])
			k.queue(b, tenant, most)
		}
	})
	for i, k := range kinds {
		if err != nil || current[i] {
			continue
		}
		more, err := m.cfg.Builds.newTerms(ctx, k.p.Name(), builds[i])
		if err != nil || !more {
			return 0, cmp.Or(err, errNoWords)
		}
		return m.askForTerms(ctx, tenant, kinds, most)
	}
	return at, err
}

// queue queues the statement that gets the IDs.
func (k *searchedKind) queue(b *pgx.Batch, tenant domain.TenantID, most int) {
	args := query.Args{tenant.UUID, k.whole, k.anywhere}
	sees := ""
	if k.rows != nil {
		sees = " and " + k.rows.SQL(&args)
	}
	b.Queue(k.p.statements().findLive(sees, most, candidates+1), args...).QueryRow(func(row pgx.Row) error {
		var rest []uuid.UUID
		var asked int
		if err := row.Scan(&k.ids, &rest, &asked); err != nil {
			return err
		}
		for _, id := range rest {
			if !slices.Contains(k.ids, id) {
				k.ids = append(k.ids, id)
			}
		}
		k.more = asked == most
		return nil
	})
}

// findLive returns the statement that gets the IDs of live records that serve, and that
// meet a condition: those that have the terms $2, and those that have the terms $3, up to a
// limit each. It also says how many that have them were looked at, up to most.
func (s statements) findLive(and string, most, limit int) string {
	live := func(keys string) string {
		return fmt.Sprintf("array(select t.id from %s as w cross join lateral (select id from %s and id = w.key and deleted_at is null%s limit 1) as t limit %d)",
			keys, s.serving, and, limit)
	}
	return fmt.Sprintf("with whole as materialized (select key from %s as f (key)), anywhere as materialized (select key from %s as f (key))"+
		" select %s, %s, greatest((select count(*) from whole), (select count(*) from anywhere))",
		s.findWords("$2", most), s.findWords("$3", most), live("whole"), live("anywhere"))
}

// match says how well a record meets what is looked for.
type match struct {
	members []string
	score   int // larger is better
	changed time.Time
}

// How much of what was found is compared to find the best, however large records are.
const (
	comparedFirst = 50
	mostCompared  = 4 << 20 // bytes
)

// best finds the best of some records.
func (m *Models) best(ctx context.Context, tenant domain.TenantID, s query.Search, k searchedKind, limit int) (f Found, err error) {
	type hit struct {
		match
		doc Document
	}
	var hits []hit
	ids := k.ids
	size, next := 0, comparedFirst
	for len(ids) > 0 && size < mostCompared {
		some := ids[:min(next, len(ids))]
		ids = ids[len(some):]
		docs, _, err := m.find(ctx, k.p, tenant, k.rows, some)
		if err != nil {
			return f, err
		}
		for _, doc := range docs {
			size += len(doc.JSON)
			found, ok, err := k.p.match(doc.JSON, s, k.sees)
			if err != nil {
				return f, err
			}
			if ok && !doc.Deleted {
				hits = append(hits, hit{found, doc})
			}
		}
		// As many again as there is room for, if they are as large as these.
		next = max(1, (mostCompared-size)/(size/(len(k.ids)-len(ids))+1))
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), b.changed.Compare(a.changed), cmp.Compare(b.doc.Position, a.doc.Position))
	})
	f = Found{Projection: k.p, More: len(hits) > limit || len(k.ids) > candidates || len(ids) > 0}
	for _, h := range hits[:min(limit, len(hits))] {
		doc, err := shown(k.rules, h.doc)
		if err != nil {
			return f, err
		}
		f.Hits = append(f.Hits, Hit{doc.JSON, h.members})
	}
	return f, nil
}

func (t *Table[R]) match(doc []byte, s query.Search, sees func(member string) bool) (match, bool, error) {
	e, err := decode[R](doc)
	if halts(err) {
		return match{}, true, nil // a newer build has made the row; the index has found it
	}
	if err != nil {
		return match{}, false, err
	}
	found := match{changed: t.base(e.row).UpdatedAt}
	var best []int
	look := func(member string, weight int, texts []string) {
		parts := s.Match(texts)
		if best == nil {
			best = make([]int, len(parts))
		}
		if slices.Max(parts) > 0 {
			found.members = append(found.members, member)
		}
		for k, n := range parts {
			best[k] = max(best[k], n*weight)
		}
	}
	for i, w := range t.words {
		if sees(w.member) {
			look(w.member, 2*len(t.words)-i, w.texts(e.row)) // what is said first of a record says most
		}
	}
	if t.custom != nil {
		values := t.custom(e.row)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if sees(own.Name(key)) {
				look(own.Name(key), max(len(t.words), 1), ownTexts(values[key]))
			}
		}
	}
	for _, n := range best {
		found.score += n
	}
	return found, len(best) > 0 && !slices.Contains(best, 0), nil
}
