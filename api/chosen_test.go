package api

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain/list"
	"github.com/rowhouse/rowhouse/projections"
)

// chosenOf reads from memory, and counts how often it is asked.
func chosenOf(live map[uuid.UUID]bool, asked *int) chosen {
	return chosen{
		live: func(ids []uuid.UUID) (some []uuid.UUID, err error) {
			*asked++
			for _, id := range ids {
				if live[id] {
					some = append(some, id)
				}
			}
			return some, nil
		},
		find: func(ids []uuid.UUID) (map[uuid.UUID]projections.Document, error) {
			*asked++
			found := map[uuid.UUID]projections.Document{}
			for _, id := range ids {
				found[id] = projections.Document{JSON: id[:]}
			}
			return found, nil
		},
	}
}

// Whichever members of a list are live, and whatever the size of the pages is, each is
// there once, in order.
func TestPagesOfMembers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var ids, want, got []uuid.UUID
		live, share := map[uuid.UUID]bool{}, r.IntN(5)
		for i := range r.IntN(3000) {
			id := uuid.UUID{14: byte(i >> 8), 15: byte(i)}
			if ids = append(ids, id); r.IntN(4) < share {
				want, live[id] = append(want, id), true
			}
		}
		limit, asked := 1+r.IntN(500), 0
		for left, more := ids, true; more; {
			docs, last, rest, err := chosenOf(live, &asked).page(left, limit)
			if err != nil || len(docs) > limit || rest && len(docs) < limit {
				t.Fatalf("%d of %d on a page, more: %t, %v", len(docs), limit, rest, err)
			}
			for _, doc := range docs {
				got = append(got, uuid.UUID(doc))
			}
			if more = rest; more {
				at, _ := slices.BinarySearchFunc(left, last, list.Compare)
				left = left[at+1:]
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d members on pages of %d, want %d", len(got), limit, len(want))
		}
	}
}

// A page of a list whose members were all deleted, or are all not to be seen, does not
// take a question for each.
func TestPageOfNobody(t *testing.T) {
	t.Parallel()
	ids := make([]uuid.UUID, list.MaxMembers)
	for i := range ids {
		ids[i] = uuid.UUID{13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
	}
	asked := 0
	docs, _, more, err := chosenOf(nil, &asked).page(ids, 1)
	if err != nil || more || len(docs) > 0 || asked > 150 {
		t.Errorf("%d members, more: %t, %d questions, %v", len(docs), more, asked, err)
	}
}
