package list_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/list"
)

type events = []list.Event

func con(n byte) domain.ID { return domain.ID{Prefix: "con", UUID: uuid.UUID{15: n}} }

// selects is the origin of a command that has selected records.
func selects(name string, ids ...domain.ID) domain.Origin {
	return domain.Origin{Selected: map[string]domain.Selected{name: {IDs: ids, Position: 7}}}
}

func TestList(t *testing.T) {
	t.Parallel()
	chosen := list.Created{Fields: list.Fields{Name: "Guests"}, Object: "contact", Kind: list.Static}
	meeting := list.Created{Fields: list.Fields{Name: "Customers"}, Object: "contact", Kind: list.Dynamic, Filter: "lifecycle = customer"}
	in := func(made list.Event, more ...list.Event) events { return append(events{made}, more...) }
	two := list.MembersAdded{Members: []domain.ID{con(1), con(2)}}
	frozen := list.Frozen{Position: 7, Members: []domain.ID{con(2), con(1)}}

	domaintest.RunRecord(t, list.Aggregate, chosen, []domaintest.Case[list.List]{
		{Name: "a list is made", When: list.Create{Fields: chosen.Fields, Object: "contact", Kind: list.Static}, Then: in(chosen)},
		{Name: "by a filter", When: list.Create{Fields: meeting.Fields, Object: "contact", Kind: list.Dynamic, Filter: meeting.Filter}, Then: in(meeting)},
		{Name: "which it needs", When: list.Create{Fields: meeting.Fields, Object: "contact", Kind: list.Dynamic}, Err: domain.Invalid, At: "/filter"},
		{Name: "or has no use for", When: list.Create{Fields: meeting.Fields, Object: "contact", Kind: list.Static, Filter: "x = 1"}, Err: domain.Invalid, At: "/filter"},
		{Name: "and not as a snapshot", When: list.Create{Fields: meeting.Fields, Object: "contact", Kind: list.Snapshot}, Err: domain.Invalid, At: "/kind"},
		{Name: "once", Given: in(chosen), When: list.Create{Fields: chosen.Fields, Object: "contact", Kind: list.Static}, Err: domain.Conflict},

		{Name: "another filter", Given: in(meeting), When: list.SetFilter{Filter: "lifecycle = former"}, Then: events{list.FilterSet{From: "lifecycle = customer", To: "lifecycle = former"}}},
		{Name: "the same filter is no change", Given: in(meeting), When: list.SetFilter{Filter: meeting.Filter}},
		{Name: "of a list that has one", Given: in(chosen), When: list.SetFilter{Filter: "x = 1"}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "a snapshot keeps its filter", Given: in(meeting, frozen), When: list.SetFilter{Filter: "x = 1"}, Err: domain.Conflict, Code: "state_conflict"},

		{Name: "members are added", Given: in(chosen), When: list.AddMembers{Members: []domain.ID{con(1), con(2)}}, As: selects("members", con(1), con(2)), Then: events{two}},
		{Name: "each once", Given: in(chosen, two), When: list.AddMembers{Members: []domain.ID{con(2), con(3)}}, As: selects("members", con(2), con(3)), Then: events{list.MembersAdded{Members: []domain.ID{con(3)}}}},
		{Name: "all are in it already", Given: in(chosen, two), When: list.AddMembers{Members: []domain.ID{con(2)}}, As: selects("members", con(2))},
		{Name: "not to a list by a filter", Given: in(meeting), When: list.AddMembers{Members: []domain.ID{con(1)}}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "some at least", Given: in(chosen), When: list.AddMembers{Members: []domain.ID{}}, Err: domain.Invalid, At: "/members"},
		{Name: "members are removed", Given: in(chosen, two), When: list.RemoveMembers{Members: []domain.ID{con(9), con(1), con(1)}}, Then: events{list.MembersRemoved{Members: []domain.ID{con(1)}}}},
		{Name: "that are in it", Given: in(chosen, two), When: list.RemoveMembers{Members: []domain.ID{con(9)}}},
		{Name: "not from a snapshot", Given: in(meeting, frozen), When: list.RemoveMembers{Members: []domain.ID{con(1)}}, Err: domain.Conflict, Code: "state_conflict"},

		{Name: "a list is frozen", Given: in(meeting), When: list.Freeze{}, As: selects("matching", con(2), con(1)), Then: events{frozen}},
		{Name: "once", Given: in(meeting, frozen), When: list.Freeze{}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "if it has a filter", Given: in(chosen), When: list.Freeze{}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "nothing cannot be frozen", When: list.Freeze{}, Err: domain.NotFound},
	})
}

// An event holds a megabyte at most, and a list 100,000 records.
func TestFreezeMany(t *testing.T) {
	t.Parallel()
	ids := make([]domain.ID, list.MaxMembers)
	for i := range ids {
		ids[i] = domain.ID{Prefix: "con", UUID: uuid.UUID{13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}}
	}
	l := domain.Fold[list.List](list.Created{Object: "contact", Kind: list.Dynamic, Filter: "x = 1"})
	events, err := list.Freeze{}.Decide(l, selects("matching", ids...))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		data, err := domain.Marshal(e)
		if err != nil || len(data) > 1<<19 {
			t.Errorf("%d bytes in one event, %v", len(data), err)
		}
		e.Apply(&l)
	}
	if len(l.Members) != list.MaxMembers || *l.MemberCount != list.MaxMembers || *l.FrozenPosition != 7 || l.Kind != list.Snapshot || len(events) < 2 {
		t.Errorf("%d members, %d counted, by %d events", len(l.Members), *l.MemberCount, len(events))
	}
}

// What a list has in the end follows from what came and went.
func TestMembers(t *testing.T) {
	t.Parallel()
	l := domain.Fold[list.List](
		list.Created{Object: "contact", Kind: list.Static},
		list.MembersAdded{Members: []domain.ID{con(3), con(1), con(2)}},
		list.MembersRemoved{Members: []domain.ID{con(1)}},
		list.MembersAdded{Members: []domain.ID{con(0)}},
	)
	if *l.MemberCount != 3 || len(l.Members) != 3 || l.Members[0] != con(0).UUID || l.Members[1] != con(2).UUID || l.Members[2] != con(3).UUID {
		t.Errorf("%d members: %v", *l.MemberCount, l.Members)
	}
}
