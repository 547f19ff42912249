package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// TimelineQuery says what is wanted of the timeline of a record.
type TimelineQuery struct {
	Types  []string            // of events; nil for all
	Kinds  []string            // of the records that they happened to; nil for all
	Actor  *uuid.UUID          // who caused them, as [ActorKey] names them; nil for everybody
	Before eventstore.Position // only what came before; 0 for the end
	Limit  int
}

// TimelineEntry is an event in the timeline of a record, and what it changed.
type TimelineEntry struct {
	Entry

	Record    TimelineRecord `json:"record" doc:"The record that it happened to."`
	RelatedBy []string       `json:"related_by,omitempty" doc:"The fields by which that record referred to the one whose timeline this is, before the event or after it. Not there if it is the same record."`
}

// TimelineRecord is a record that something has happened to.
type TimelineRecord struct {
	ID   domain.ID `json:"id"`
	Type string    `json:"type" doc:"Its kind." example:"deal"`
	Name string    `json:"name,omitempty" doc:"What it is called now; not there if it has no name, or none that is shown to you."`
}

// TimelinePage is a part of a timeline, the newest entry first.
type TimelinePage struct {
	Entries  []TimelineEntry
	Next     eventstore.Position // before which the next page is; 0 if this is the last one
	Position eventstore.Position // the timeline shows all events up to this one
}

// errNoTimeline says that what timelines consist of is being made.
var errNoTimeline = domain.Unavailable.Refusef("timeline_not_ready", "the timelines are being put together after an upgrade; try again in some minutes")

// Timeline returns what happened to a record and to what referred to it, the newest first:
// to records that the viewer sees, and that refer to it by a member that the viewer sees.
// There are fewer entries than asked for if there is much to tell, and at least one if
// there is any. A record that the viewer does not see gets domain.NotFound.
func (m *Models) Timeline(ctx context.Context, v *viewer.Viewer, p Projection, id uuid.UUID, q TimelineQuery) (TimelinePage, error) {
	page := TimelinePage{Entries: []TimelineEntry{}}
	_, at, err := m.Get(ctx, v, p, id)
	if page.Position = at; err != nil {
		return page, err
	}
	s, err := m.scope(v, q)
	if err != nil || len(s.kinds) == 0 {
		return page, err
	}
	statement, args := s.statement(v.Tenant(), p.Kind(), id, q)
	var found []place
	page.Position, err = m.readFacts(ctx, v.Tenant(), Timeline, errNoTimeline, func(b *pgx.Batch) {
		found = nil
		b.Queue(statement, args...).Query(each(func(rows pgx.Rows) error {
			var one place
			err := rows.Scan(&one.kind, &one.id, &one.position, &one.version, &one.via)
			found = append(found, one)
			return err
		}))
	})
	if err != nil {
		return page, fmt.Errorf("timeline: %w", err)
	}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = found[q.Limit-1].position
	}
	return page, m.tell(ctx, v, found, &page)
}

// place is where an entry of a timeline is found.
type place struct {
	kind     string
	id       uuid.UUID
	position eventstore.Position
	version  eventstore.Version
	via      string
}

// scope is the part of a timeline that somebody sees and asks for.
type scope struct {
	kinds []Projection // of the records
	rules map[string]*viewer.Rules
	types []string // nil if all that there are
}

// scope returns what a viewer sees of what is asked for.
func (m *Models) scope(v *viewer.Viewer, q TimelineQuery) (s scope, err error) {
	s.rules = make(map[string]*viewer.Rules)
	all := q.Types == nil && q.Actor == nil
	for _, p := range m.cfg.All {
		rules, err := v.Of(p)
		if err != nil {
			return s, err
		}
		_, some := rules.Rows()
		if !some || !rules.May(viewer.Read) || q.Kinds != nil && !slices.Contains(q.Kinds, p.Kind()) {
			all = false
			continue
		}
		s.kinds, s.rules[p.Kind()] = append(s.kinds, p), rules
		for _, name := range p.EventNames() {
			if q.Types == nil || slices.Contains(q.Types, name) {
				s.types = append(s.types, name)
			}
		}
	}
	if all {
		s.types = nil
	} else if s.types == nil {
		s.kinds = nil
	}
	return s, nil
}

// seen returns the condition that the viewer sees an entry t; empty if it sees all.
func (s scope) seen(args *query.Args) string {
	var open []string // the kinds of which everything is seen
	var conditions []string
	for _, p := range s.kinds {
		rules := s.rules[p.Kind()]
		rows, _ := rules.Rows()
		if rows == nil && !rules.Restricted() {
			open = append(open, p.Kind())
			continue
		}
		all := []string{fmt.Sprintf("t.of_kind = '%s'", p.Kind())}
		if rules.Restricted() {
			shown := slices.DeleteFunc(slices.Clone(p.mentioning()), func(m string) bool { return !rules.Shows(m) })
			all = append(all, fmt.Sprintf("(t.via = '' or string_to_array(t.via, ',') && %s::text[])", with(args, append([]string{}, shown...))))
		}
		if rows != nil {
			all = append(all, fmt.Sprintf("exists (select from %s and id = t.of_id and %s)", p.statements().serving, rows.SQL(args)))
		}
		conditions = append(conditions, "("+strings.Join(all, " and ")+")")
	}
	if conditions == nil {
		return ""
	}
	if open != nil {
		conditions = append(conditions, fmt.Sprintf("t.of_kind = any(%s::text[])", with(args, open)))
	}
	return " and (" + strings.Join(conditions, " or ") + ")"
}

// statement returns the statement that finds a page, and one entry more. Without a filter
// it follows the timeline. With one it looks for each type of event, and for each who has
// caused such events, where their part of the timeline begins: so few that are asked for are
// found as soon as many.
func (s scope) statement(tenant domain.TenantID, kind string, id uuid.UUID, q TimelineQuery) (string, query.Args) {
	args := query.Args{tenant.UUID, id, kind}
	from := "from crm.timeline t where t.tenant_id = $1 and t.ver = " + servingOf(Timeline.Name()) + " and t.about_id = $2"
	which := "select t.of_kind, t.of_id, t.position, t.version, t.via " + from + " and t.about_kind = $3" + s.seen(&args)
	limit := fmt.Sprintf(" limit %d", q.Limit+1)
	if s.types == nil {
		if q.Before > 0 {
			which += " and t.position < " + with(&args, int64(q.Before))
		}
		return which + " order by t.position desc" + limit, args
	}
	if q.Before > 0 {
		which += " and (-t.position) > " + with(&args, -int64(q.Before))
	}
	types := with(&args, s.types) + "::text[]"
	who := "select k.type, f.actor from unnest(" + types + ") as k (type)" +
		" cross join lateral (select t.actor " + from + " and t.type = k.type order by t.actor limit 1) as f" +
		" union all select w.type, f.actor from who w" +
		" cross join lateral (select t.actor " + from + " and t.type = w.type and t.actor > w.actor order by t.actor limit 1) as f"
	if q.Actor != nil {
		who = "select k.type, " + with(&args, *q.Actor) + "::uuid from unnest(" + types + ") as k (type)"
	}
	return "with recursive who (type, actor) as (" + who + ") select e.* from who cross join lateral (" +
		which + " and t.type = who.type and t.actor = who.actor order by (-t.position)" + limit + ") as e order by e.position desc" + limit, args
}

// with adds an argument, and returns what stands for it.
func with(args *query.Args, v any) string {
	*args = append(*args, v)
	return "$" + strconv.Itoa(len(*args))
}

// tellers is how many records are read at a time for a page of a timeline.
const tellers = 4

// tell reads what happened at some places.
func (m *Models) tell(ctx context.Context, v *viewer.Viewer, found []place, page *TimelinePage) error {
	names, err := m.namesOf(ctx, v, found)
	if err != nil {
		return err
	}
	stretches := stretchesOf(found)
	entries := make(map[eventstore.Position]TimelineEntry, len(found))
	var mu sync.Mutex
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	queue := make(chan stretch)
	for range min(tellers, len(stretches)) {
		wg.Go(func() {
			for r := range queue {
				told, err := m.tellStretch(ctx, v, r)
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
					cancel()
				}
				for _, e := range told {
					entries[e.Position] = e
				}
				mu.Unlock()
			}
		})
	}
	for _, r := range stretches {
		queue <- r
	}
	close(queue)
	wg.Wait()
	if failed != nil {
		return failed
	}
	told := 0
	for i, at := range found {
		e, ok := entries[at.position]
		if ok {
			e.Record.Name = names[at.stream(v)]
			page.Entries = append(page.Entries, e)
			for _, d := range e.Changes {
				told += len(d.Old) + len(d.New)
			}
		}
		if told >= maxHistory && i < len(found)-1 {
			page.Next = at.position
			return nil
		}
	}
	return nil
}

func (at place) stream(v *viewer.Viewer) eventstore.StreamID {
	return eventstore.StreamID{Tenant: v.Tenant(), Kind: at.kind, ID: at.id}
}

// stretch is places that are near one another in the history of one record, the oldest first.
type stretch []place

// stretchesOf divides places, so that what is read of a record is not much more than what is
// told of it.
func stretchesOf(found []place) (stretches []stretch) {
	byRecord := map[eventstore.StreamID]int{}
	for _, at := range slices.Backward(found) {
		id := eventstore.StreamID{Kind: at.kind, ID: at.id}
		i, ok := byRecord[id]
		if !ok || at.version-stretches[i][len(stretches[i])-1].version > eventstore.SnapshotEvery {
			i = len(stretches)
			byRecord[id], stretches = i, append(stretches, nil)
		}
		stretches[i] = append(stretches[i], at)
	}
	return stretches
}

// tellStretch tells of the events of a stretch.
func (m *Models) tellStretch(ctx context.Context, v *viewer.Viewer, r stretch) (told []TimelineEntry, err error) {
	p := m.byKind[r[0].kind][0]
	rules, err := v.Of(p)
	if err != nil {
		return nil, err
	}
	from, to := r[0].version, r[len(r)-1].version
	for from <= to {
		entries, err := m.changesOf(ctx, rules, p, r[0].stream(v), from, to)
		if err != nil || len(entries) == 0 {
			return told, err
		}
		for _, e := range entries {
			i := slices.IndexFunc(r, func(at place) bool { return at.version == e.Version && at.position == e.Position })
			if i < 0 {
				continue
			}
			one := TimelineEntry{Entry: e, Record: TimelineRecord{ID: domain.ID{Prefix: p.Prefix(), UUID: r[i].id}, Type: r[i].kind}}
			for member := range strings.SplitSeq(r[i].via, ",") {
				if member != "" && rules.Shows(member) {
					one.RelatedBy = append(one.RelatedBy, member)
				}
			}
			told = append(told, one)
		}
		from = entries[len(entries)-1].Version + 1
	}
	return told, nil
}

// namesOf returns what records are called now, as far as the viewer sees it.
func (m *Models) namesOf(ctx context.Context, v *viewer.Viewer, found []place) (map[eventstore.StreamID]string, error) {
	names := make(map[eventstore.StreamID]string)
	ids := make(map[string][]uuid.UUID)
	for _, at := range found {
		if !slices.Contains(ids[at.kind], at.id) {
			ids[at.kind] = append(ids[at.kind], at.id)
		}
	}
	docs := make(map[eventstore.StreamID][]byte)
	_, err := m.read(ctx, v.Tenant(), func(b *pgx.Batch) {
		for kind, of := range ids {
			b.Queue(m.byKind[kind][0].statements().find, v.Tenant().UUID, of).Query(each(func(rows pgx.Rows) error {
				s := eventstore.StreamID{Tenant: v.Tenant(), Kind: kind}
				var doc []byte
				if err := rows.Scan(&s.ID, &doc, nil, nil, nil); err != nil {
					return err
				}
				docs[s] = doc
				return nil
			}))
		}
	})
	if err != nil {
		return nil, err
	}
	for s, doc := range docs {
		rules, err := v.Of(m.byKind[s.Kind][0])
		if err == nil {
			doc, err = rules.Show(doc)
		}
		if err != nil {
			return nil, err
		}
		if names[s], err = nameIn(doc); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// nameIn returns what a record is called, by what is shown of it.
func nameIn(doc []byte) (string, error) {
	var members struct {
		Name    *string `json:"name"`
		Title   *string `json:"title"`
		First   *string `json:"first_name"`
		Last    *string `json:"last_name"`
		Company *string `json:"company_name"`
	}
	if err := json.Unmarshal(doc, &members); err != nil {
		return "", fmt.Errorf("row: %w", err)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, name := range []string{text(members.Name), text(members.Title), strings.TrimSpace(text(members.First) + " " + text(members.Last)), text(members.Company)} {
		if name != "" {
			return name, nil
		}
	}
	return "", nil
}
