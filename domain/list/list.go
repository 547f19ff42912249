// Package list is about lists of records of one kind: of those that somebody has
// chosen (static), those that meet a filter at any time (dynamic), and those that did so
// when the list was frozen (snapshot). It knows the records by their IDs, and filters as
// text.
package list

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// Aggregate describes lists.
var Aggregate = record.Describe[List, Fields]("list", Created{}, FilterSet{}, MembersAdded{}, MembersRemoved{}, Frozen{})

// Event is a fact about a list.
type Event = domain.Event[List]

// Fields is what can be changed by a patch.
type Fields struct {
	record.Common

	Name string `json:"name" class:"internal" unique:"true" search:"true" minLength:"1" maxLength:"200" doc:"No two lists have the same, whatever its case" example:"Customers in Leeds"`
}

// KindName implements [record.Fields].
func (Fields) KindName() string { return "list" }

// List is what decisions about a list depend on.
type List struct {
	record.Base[Fields]
	Content

	Members []uuid.UUID // of a list that is not dynamic, in their order
}

// Content is what clients see of a list beside its fields.
type Content struct {
	Object         string `json:"object" class:"internal" maxLength:"50" doc:"The kind of its records" example:"contact"`
	Kind           Kind   `json:"kind" class:"internal" enum:"static,dynamic,snapshot" doc:"static: those that were added. dynamic: those that meet the filter. snapshot: those that were in it when it was frozen."`
	Filter         string `json:"filter,omitzero" class:"personal" of:"self" maxLength:"4096" list:"-" doc:"The condition that records of a dynamic list meet, or have met when it was frozen, in the text form of lists" example:"lifecycle = customer"`
	MemberCount    *int   `json:"member_count,omitzero" doc:"How many records were added, or were in it when it was frozen. Not there if it is dynamic: then the list of its members can be counted."`
	FrozenPosition *int   `json:"frozen_position,omitzero" doc:"The position of the log that a snapshot shows, at least"`
}

// Kind says what makes a record a member of a list.
type Kind string

// The kinds of list.
const (
	Static   Kind = "static"
	Dynamic  Kind = "dynamic"
	Snapshot Kind = "snapshot"
)

// MaxMembers is how many records a list can have that is not dynamic.
const MaxMembers = 100_000

// atOnce is how many records one event names at most: a third of what an event can
// hold. AddMembers takes no more, either.
const atOnce = 10_000

// matching is the name of the selection of the records that meet the filter, and
// members that of the records that are to be added.
const (
	matching = "matching"
	members  = "members"
)

// matching selects the records of a kind that meet a filter, of which there may be so
// many.
func matchingOf(object, filter string, most int) []domain.Selection {
	return []domain.Selection{{Name: matching, Kind: object, Filter: filter, Most: most, KindAt: "/object", FilterAt: "/filter"}}
}

// Create makes a list.
type Create struct {
	Fields

	Object string `json:"object" minLength:"1" maxLength:"50" doc:"The kind of its records, for good" example:"contact"`
	Kind   Kind   `json:"kind" enum:"static,dynamic" doc:"static: records are added and removed. dynamic: it has those that meet the filter." example:"dynamic"`
	Filter string `json:"filter,omitzero" maxLength:"4096" doc:"The condition that records of a dynamic list meet, in the text form of lists" example:"lifecycle = customer"`
}

// Created says that a list was made.
type Created struct {
	Fields Fields `json:"fields"`
	Object string `json:"object" class:"internal"`
	Kind   Kind   `json:"kind" class:"internal"`
	Filter string `json:"filter,omitzero" class:"personal" of:"self"`
}

// References implements [domain.Referrer].
func (c Create) References(l List, o domain.Origin) []domain.Ref { return l.Needs(c.Fields, o) }

// Selections implements [domain.Selector]: the filter must be one.
func (c Create) Selections(List, domain.Origin) []domain.Selection {
	return matchingOf(c.Object, c.Filter, 0)
}

// Decide makes a list that is not there yet.
func (c Create) Decide(l List, o domain.Origin) ([]Event, error) {
	if err := domain.Check((c.Filter != "") == (c.Kind == Dynamic), "/filter", "not_applicable", "is for dynamic lists, which need one"); err != nil {
		return nil, err
	}
	f, err := record.New[List](&l, o, c.Fields)
	if err != nil {
		return nil, err
	}
	return []Event{Created{f, c.Object, c.Kind, c.Filter}}, nil
}

func (Created) EventType() string { return "list.created" }
func (e Created) Apply(l *List) {
	l.Begin(e.Fields)
	if l.Object, l.Kind, l.Filter = e.Object, e.Kind, e.Filter; e.Kind == Static {
		l.MemberCount = new(0)
	}
}

// SetFilter changes the condition that records of a dynamic list meet.
type SetFilter struct {
	Filter string `json:"filter" minLength:"1" maxLength:"4096" doc:"The condition that its records meet from now on, in the text form of lists" example:"lifecycle = customer and not tags has former"`
}

// FilterSet says that another condition makes a record a member.
type FilterSet struct {
	From string `json:"from" class:"personal" of:"self"`
	To   string `json:"to" class:"personal" of:"self"`
}

// Selections implements [domain.Selector]: the filter must be one.
func (c SetFilter) Selections(l List, _ domain.Origin) []domain.Selection {
	if l.of(Dynamic, "") != nil {
		return nil
	}
	return matchingOf(l.Object, c.Filter, 0)
}

// Decide changes the filter of a dynamic list.
func (c SetFilter) Decide(l List, _ domain.Origin) ([]Event, error) {
	if err := l.of(Dynamic, "set_filter"); err != nil || c.Filter == l.Filter {
		return nil, err
	}
	return []Event{FilterSet{l.Filter, c.Filter}}, nil
}

// Touches implements [domain.Toucher].
func (SetFilter) Touches() []string { return []string{"filter"} }

func (FilterSet) EventType() string { return "list.filter_set" }
func (e FilterSet) Apply(l *List)   { l.Filter = e.To }

// Touches implements [domain.Toucher].
func (FilterSet) Touches() []string { return []string{"filter"} }

// of refuses a command for lists of another kind, or that is not live.
func (l *List) of(kind Kind, command string) error {
	if err := l.MustBeLive(); err != nil {
		return err
	}
	if l.Kind != kind {
		return domain.StateConflict(string(l.Kind), command)
	}
	return nil
}

// AddMembers puts records into a static list.
type AddMembers struct {
	Members []domain.ID `json:"members" minItems:"1" maxItems:"10000" doc:"Records of the kind that the list is of. Those that are in it already stay." example:"[\"con_01jh2xk3v8e4t9p5w7y0z2b4d6\"]"`
}

// MembersAdded says which records came into a list.
type MembersAdded struct {
	Members []domain.ID `json:"members"`
}

// Selections implements [domain.Selector]: the records must be there.
func (c AddMembers) Selections(l List, _ domain.Origin) []domain.Selection {
	if l.of(Static, "") != nil {
		return nil
	}
	return []domain.Selection{{Name: members, Kind: l.Object, IDs: c.Members, RecordsAt: "/members"}}
}

// Decide adds the records that are not in the list.
func (AddMembers) Decide(l List, o domain.Origin) ([]Event, error) {
	if err := l.of(Static, "add_members"); err != nil {
		return nil, err
	}
	added := slices.DeleteFunc(slices.Clone(o.Selected[members].IDs), func(id domain.ID) bool { return l.has(id) })
	if err := domain.Check(len(l.Members)+len(added) <= MaxMembers, "/members", "too_many", "would make the list longer than 100,000 records"); err != nil || len(added) == 0 {
		return nil, err
	}
	return []Event{MembersAdded{added}}, nil
}

// Touches implements [domain.Toucher].
func (AddMembers) Touches() []string { return []string{"member_count"} }

func (MembersAdded) EventType() string { return "list.members_added" }
func (e MembersAdded) Apply(l *List) {
	l.Members = sorted(append(slices.Clone(l.Members), uuids(e.Members)...))
	l.count(len(e.Members))
}

// Touches implements [domain.Toucher].
func (MembersAdded) Touches() []string { return []string{"member_count"} }

// RemoveMembers takes records out of a static list.
type RemoveMembers struct {
	Members []domain.ID `json:"members" minItems:"1" maxItems:"10000" doc:"The records to take out. Those that are not in it are left alone." example:"[\"con_01jh2xk3v8e4t9p5w7y0z2b4d6\"]"`
}

// MembersRemoved says which records went out of a list.
type MembersRemoved struct {
	Members []domain.ID `json:"members"`
}

// Decide removes the records that are in the list.
func (c RemoveMembers) Decide(l List, _ domain.Origin) ([]Event, error) {
	if err := l.of(Static, "remove_members"); err != nil {
		return nil, err
	}
	var removed []domain.ID
	seen := map[domain.ID]bool{}
	for _, id := range c.Members {
		if l.has(id) && !seen[id] {
			removed, seen[id] = append(removed, id), true
		}
	}
	if len(removed) == 0 {
		return nil, nil
	}
	return []Event{MembersRemoved{removed}}, nil
}

// Touches implements [domain.Toucher].
func (RemoveMembers) Touches() []string { return []string{"member_count"} }

func (MembersRemoved) EventType() string { return "list.members_removed" }
func (e MembersRemoved) Apply(l *List) {
	gone := sorted(uuids(e.Members))
	l.Members = slices.DeleteFunc(slices.Clone(l.Members), func(id uuid.UUID) bool {
		_, found := slices.BinarySearchFunc(gone, id, Compare)
		return found
	})
	l.count(-len(e.Members))
}

// Touches implements [domain.Toucher].
func (MembersRemoved) Touches() []string { return []string{"member_count"} }

// Freeze keeps a dynamic list as it is: with the records that meet its filter now, and
// that whoever freezes it sees.
type Freeze struct{}

// Frozen says that a list stays as it was, and which records were in it. If these are
// more than [atOnce], several events name them, one after another.
type Frozen struct {
	Position int         `json:"position"` // of the log, up to which everything was taken into account
	Members  []domain.ID `json:"members"`
}

// Selections implements [domain.Selector].
func (Freeze) Selections(l List, _ domain.Origin) []domain.Selection {
	if l.of(Dynamic, "") != nil {
		return nil
	}
	return matchingOf(l.Object, l.Filter, MaxMembers)
}

// Decide freezes a dynamic list.
func (Freeze) Decide(l List, o domain.Origin) ([]Event, error) {
	if err := l.of(Dynamic, "freeze"); err != nil {
		return nil, err
	}
	found := o.Selected[matching]
	if len(found.IDs) == 0 {
		return []Event{Frozen{Position: int(found.Position)}}, nil
	}
	var events []Event
	for some := range slices.Chunk(found.IDs, atOnce) {
		events = append(events, Frozen{int(found.Position), some})
	}
	return events, nil
}

// Touches implements [domain.Toucher].
func (Freeze) Touches() []string { return []string{"kind"} }

func (Frozen) EventType() string { return "list.frozen" }
func (e Frozen) Apply(l *List) {
	l.Kind, l.FrozenPosition = Snapshot, new(e.Position)
	l.Members = sorted(append(slices.Clone(l.Members), uuids(e.Members)...))
	l.count(len(e.Members))
}

// Chose implements [domain.Chooser].
func (e Frozen) Chose() []domain.ID { return e.Members }

// Touches implements [domain.Toucher].
func (Frozen) Touches() []string { return []string{"kind", "member_count", "frozen_position"} }

// count adds to the number of members. It is not that of Members, which a row does
// not have.
func (l *List) count(more int) {
	if l.MemberCount != nil {
		more += *l.MemberCount
	}
	l.MemberCount = &more
}

func (l *List) has(id domain.ID) bool {
	_, found := slices.BinarySearchFunc(l.Members, id.UUID, Compare)
	return found
}

func uuids(ids []domain.ID) []uuid.UUID {
	all := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		all[i] = id.UUID
	}
	return all
}

func sorted(ids []uuid.UUID) []uuid.UUID {
	slices.SortFunc(ids, Compare)
	return slices.Compact(ids)
}

// Compare is the order of the members of a list.
func Compare(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
