package query_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rowhouse/rowhouse/projections/query"
)

// TestHolds checks that Holds decides as the database does wherever it says that it
// can: each of a hundred random filters for each of a thousand random rows.
func TestHolds(t *testing.T) {
	t.Parallel()
	const filters, each = 100, 1000
	tab := newTable(t)
	rows := make(map[uuid.UUID]row, each)
	draw := rapid.Custom(func(t *rapid.T) row {
		id := uuid.New()
		binary.BigEndian.PutUint32(id[12:], uint32(len(rows)))
		return drawRow(t, id)
	})
	for i := range each {
		r := draw.Example(i)
		rows[r["id"].(uuid.UUID)] = r
	}
	inserted, decided, found := false, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if !inserted {
			for _, r := range rows {
				tab.insert(t.Context(), t, r)
			}
			inserted = true
		}
		f := rapid.Custom(func(t *rapid.T) query.Filter {
			f, err := things.JSON(drawFilter(t, 3), "")
			if err != nil {
				t.Fatal(err)
			}
			return f
		}).Filter(func(f query.Filter) bool { return query.Decidable(f) == nil }).Draw(t, "filter")
		args := query.Args{tab.ver}
		list, err := tab.conn.Query(t.Context(), `select id from things where ver = $1 and `+f.SQL(&args), args...)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(list, pgx.RowTo[uuid.UUID])
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		finds := make(map[uuid.UUID]bool, len(ids))
		for _, id := range ids {
			finds[id] = true
		}
		for id, r := range rows {
			holds := query.Holds(f, func(c *query.Column) any { return r[c.SQL] })
			if holds != finds[id] {
				t.Fatalf("%s holds is %t, and the database finds it is %t, of %v", f, holds, finds[id], r)
			}
		}
		decided, found = decided+len(rows), found+len(ids)
	})
	if !t.Failed() && (decided < filters*each || found < decided/100 || found > decided*99/100) {
		t.Errorf("decided %d cases, of which %d were found", decided, found)
	}
}

// A filter that would not mean the same is refused.
func TestDecidable(t *testing.T) {
	t.Parallel()
	stored := query.NewColumns("things",
		query.Column{Name: "id", SQL: "id", Type: query.ID("thing"), Sortable: true},
		query.Column{Name: "name", SQL: "name", Type: query.Text},
		query.Column{Name: "tags", SQL: "tags", Type: query.TextArray},
		query.Column{Name: "size", SQL: "size", Type: query.Int},
		query.Column{Name: "created_at", SQL: "created_at", Type: query.Time, Stored: true},
	)
	for text, want := range map[string]bool{
		`name = Ada`:                                true,
		`name in (Ada, Bob) or size >= 3`:           true,
		`tags has vip and not size < 1`:             true,
		`name < Bob`:                                false,
		`name contains da`:                          false,
		`tags starts_with v`:                        false,
		`not (size = 1 or (name = a and name > b))`: false,
		`created_at > 2026-01-01`:                   false,
		`size = 1 and not created_at is null`:       false,
	} {
		f, err := stored.Text(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := query.Decidable(f); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
