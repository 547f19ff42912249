package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// View returns a record as it is right after events that were just recorded, of
// which the first came after version prior, and as the viewer sees it. It does not
// wait for the read model. Without events it returns the record as it was at version
// prior. If the record is not for the viewer to see as it is then, the error is
// ErrUnseen.
func (m *Models) View(ctx context.Context, v *viewer.Viewer, p Projection, id uuid.UUID, prior eventstore.Version, events []eventstore.Recorded) (Document, error) {
	s := eventstore.StreamID{Tenant: v.Tenant(), Kind: p.Kind(), ID: id}
	version := prior + eventstore.Version(len(events))
	row, at, err := m.baseline(ctx, p, s, prior, version)
	if err != nil {
		return Document{}, err
	}
	if at != prior && at != version {
		if events, err = m.events(ctx, s, at, func(e eventstore.Recorded) bool { return e.Version <= version }); err != nil {
			return Document{}, err
		}
	}
	if at != version {
		if row, err = p.replay(row, events); err != nil {
			return Document{}, err
		}
		m.cache.put(p.Name(), s, row)
	}
	return visible(v, p, row)
}

// visible returns a row as the viewer sees it.
func visible(v *viewer.Viewer, p Projection, row any) (Document, error) {
	rules, err := v.Of(p)
	if err != nil {
		return Document{}, err
	}
	d, ok := p.show(row)
	if !ok {
		return Document{}, noSuchRecord()
	}
	if rows, some := rules.Rows(); !some || rows != nil && !query.Holds(rows, p.values(row)) {
		return Document{}, ErrUnseen
	}
	return shown(rules, d)
}

// baseline returns the row of a record at some version up to the one that is
// wanted: if possible that one, or prior.
func (m *Models) baseline(ctx context.Context, p Projection, s eventstore.StreamID, prior, version eventstore.Version) (row any, at eventstore.Version, err error) {
	if prior == 0 {
		return nil, 0, nil
	}
	row = m.cache.get(p.Name(), s)
	if d, ok := p.show(row); ok && (d.Version == prior || d.Version == version) {
		return row, d.Version, nil
	}
	found, _, err := m.find(ctx, p, s.Tenant, nil, []uuid.UUID{s.ID})
	if err != nil {
		return nil, 0, err
	}
	if d, ok := found[s.ID]; ok && d.Version <= version {
		if row, err = p.parse(d.JSON); !halts(err) {
			return row, d.Version, err
		}
		// A newer build shows more; what this one shows follows from the events.
	}
	row, err = m.rowUntil(ctx, p, s, eventstore.Until{Version: version}, nil)
	if d, ok := p.show(row); ok {
		return row, d.Version, err
	}
	return nil, 0, err
}

// events reads the events of a record after a version, as long as they are
// wanted.
func (m *Models) events(ctx context.Context, s eventstore.StreamID, after eventstore.Version, wanted func(eventstore.Recorded) bool) (all []eventstore.Recorded, err error) {
	for e, err := range m.cfg.Store.ReadStream(ctx, s, after) {
		if err != nil {
			return nil, err
		}
		if !wanted(e) {
			break
		}
		all = append(all, e)
	}
	return all, nil
}

// Moment is a place in the past: a time, or if that is zero, a position.
type Moment struct {
	Time     time.Time
	Position eventstore.Position
}

// AsOf returns a record as it was at a moment, to the byte as [Models.Get]
// returned it then to who may see now what the viewer may. Who sees a record as it is
// now sees its past. One that was not there then, or is purged now, or is not for the
// viewer to see, gets domain.NotFound.
func (m *Models) AsOf(ctx context.Context, v *viewer.Viewer, p Projection, id uuid.UUID, at Moment) (Document, error) {
	s := eventstore.StreamID{Tenant: v.Tenant(), Kind: p.Kind(), ID: id}
	now, err := m.current(ctx, p, s)
	if err != nil {
		return Document{}, err
	}
	d, err := visible(v, p, now)
	if err != nil {
		return Document{}, err // such as one that was purged: it is not to be seen in the past either
	}
	if at == (Moment{}) {
		return Document{}, noSuchRecord()
	}
	row, err := m.rowUntil(ctx, p, s, eventstore.Until{Version: d.Version, Position: at.Position, Time: at.Time}, nil)
	if err != nil {
		return Document{}, err
	}
	rules, err := v.Of(p)
	if err != nil {
		return Document{}, err
	}
	d, ok := p.show(row)
	if !ok {
		return Document{}, noSuchRecord()
	}
	return shown(rules, d)
}

// current returns the row of a record as it is now, by the log: what the read models have
// of it, and what came later.
func (m *Models) current(ctx context.Context, p Projection, s eventstore.StreamID) (any, error) {
	found, _, err := m.find(ctx, p, s.Tenant, nil, []uuid.UUID{s.ID})
	if err != nil {
		return nil, err
	}
	d, ok := found[s.ID]
	if !ok {
		return m.rowUntil(ctx, p, s, eventstore.Until{}, nil)
	}
	row, err := p.parse(d.JSON)
	if halts(err) {
		return m.rowUntil(ctx, p, s, eventstore.Until{}, nil) // a newer build shows more
	}
	if err != nil {
		return nil, err
	}
	events, err := m.events(ctx, s, d.Version, func(eventstore.Recorded) bool { return true })
	if err != nil {
		return nil, err
	}
	return p.replay(row, events)
}

// Entry is one event in the history of a record, and what it changed.
type Entry struct {
	ID          domain.ID           `json:"id"`
	Type        string              `json:"type"`
	Version     eventstore.Version  `json:"version"`
	Position    eventstore.Position `json:"position"`
	Time        time.Time           `json:"time"`
	Actor       domain.Actor        `json:"actor"`
	Command     uuid.UUID           `json:"command_id"`
	Correlation string              `json:"correlation_id,omitempty"`
	Causation   string              `json:"causation_id,omitempty"`
	Changes     []Difference        `json:"changes"`
}

// Difference is how a member of a record's representation was changed. A member
// that was not there was null.
type Difference struct {
	Field string          `json:"field"`
	Old   json.RawMessage `json:"old"`
	New   json.RawMessage `json:"new"`
}

// What makes a page of history full, however few entries it has: each of them
// may hold a large member twice, and be made from a large row.
const (
	maxHistory     = 2 << 20  // bytes of what was changed
	maxHistoryWork = 32 << 20 // bytes of rows that were compared
)

// History returns what happened to a record from a version to another, in the
// order in which it happened. It may stop before that if there is much to tell,
// but tells of one event at least. Of members that the viewer does not see it tells
// nothing. A record that the viewer does not see gets domain.NotFound.
func (m *Models) History(ctx context.Context, v *viewer.Viewer, p Projection, id uuid.UUID, from, to eventstore.Version) ([]Entry, error) {
	s := eventstore.StreamID{Tenant: v.Tenant(), Kind: p.Kind(), ID: id}
	rules, err := v.Of(p)
	if err != nil {
		return nil, err
	}
	if rows, some := rules.Rows(); !some || rows != nil {
		if _, _, err := m.Get(ctx, v, p, id); err != nil {
			return nil, err
		}
	}
	return m.changesOf(ctx, rules, p, s, from, to)
}

// changesOf is History for whoever is known to see the record.
func (m *Models) changesOf(ctx context.Context, rules *viewer.Rules, p Projection, s eventstore.StreamID, from, to eventstore.Version) ([]Entry, error) {
	row, events, err := m.between(ctx, p, s, from, to)
	if err != nil {
		return nil, err
	}
	first, _ := p.show(row)
	before, err := membersOf(first.JSON)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(events))
	told, work := 0, 0
	for doc, err := range p.steps(row, events) {
		if err == nil {
			err = ctx.Err() // whoever asked may have gone; this is work for a processor
		}
		if err != nil {
			return nil, err
		}
		entry, err := describe(events[len(entries)])
		if err != nil {
			return nil, err
		}
		after, err := membersOf(doc)
		if err != nil {
			return nil, err
		}
		entry.Changes = slices.DeleteFunc(differences(before, after), func(d Difference) bool { return !rules.Shows(d.Field) })
		entries, before = append(entries, entry), after
		for _, d := range entry.Changes {
			told += len(d.Old) + len(d.New)
		}
		if work += len(doc); told >= maxHistory || work >= maxHistoryWork {
			break
		}
	}
	return entries, nil
}

// between returns the events of a record from a version to another, and its row before
// the first of them.
func (m *Models) between(ctx context.Context, p Projection, s eventstore.StreamID, from, to eventstore.Version) (row any, events []eventstore.Recorded, err error) {
	if from <= 1 {
		events, err = m.events(ctx, s, 0, func(e eventstore.Recorded) bool { return e.Version <= to })
		return nil, events, err
	}
	row, err = m.rowUntil(ctx, p, s, eventstore.Until{Version: from - 1}, func(e eventstore.Recorded) bool {
		if e.Version <= to {
			events = append(events, e)
		}
		return e.Version < to
	})
	return row, events, err
}

func describe(e eventstore.Recorded) (Entry, error) {
	meta, err := content.Metadata(e)
	return Entry{
		ID: domain.ID{Prefix: "evt", UUID: e.ID}, Type: e.Type, Version: e.Version, Position: e.Position, Time: e.Time.UTC(),
		Actor: meta.Actor, Command: meta.Command, Correlation: meta.Correlation, Causation: meta.Causation,
	}, err
}

// unremarkable are the members that change with every event, or never.
var unremarkable = []string{"id", "type", "version", "position", "created_at", "created_by", "updated_at", "updated_by"}

// differences compares two representations of a record, member by member.
func differences(was, is map[string]json.RawMessage) []Difference {
	names := slices.Collect(maps.Keys(was))
	for name := range is {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	list := make([]Difference, 0, len(names))
	for _, name := range names {
		d := Difference{name, orNull(was[name]), orNull(is[name])}
		if !bytes.Equal(d.Old, d.New) && !slices.Contains(unremarkable, name) {
			list = append(list, d)
		}
	}
	return list
}

// membersOf returns the members of a representation, each field of the tenant's own as one
// by itself.
func membersOf(doc []byte) (members map[string]json.RawMessage, err error) {
	if doc == nil {
		return nil, nil
	}
	if err = json.Unmarshal(doc, &members); err != nil || members[own.Member] == nil {
		return members, err
	}
	var values map[string]json.RawMessage
	err = json.Unmarshal(members[own.Member], &values)
	delete(members, own.Member)
	for key, v := range values {
		members[own.Name(key)] = v
	}
	return members, err
}

func orNull(v json.RawMessage) json.RawMessage {
	if v == nil {
		return json.RawMessage("null")
	}
	return v
}
