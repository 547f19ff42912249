package projections

import (
	"maps"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections/query"
)

// parts is several parts of the description of a table.
type parts[R any] []part[R]

func (ps parts[R]) addTo(t *Table[R]) {
	for _, p := range ps {
		p.addTo(t)
	}
}

// externalIDs returns what a record is called elsewhere, as system:id.
func externalIDs(ids record.ExternalIDs) (list []string) {
	for _, system := range slices.Sorted(maps.Keys(ids)) {
		list = append(list, domain.Line(system)+":"+domain.Line(ids[system]))
	}
	return list
}

// foldedTags returns tags as they are compared.
func foldedTags(tags []string) (list []string) {
	for _, t := range tags {
		list = append(list, domain.Folded(t))
	}
	return list
}

// recorded is what all kinds of record have: the columns of the common fields,
// and what the common events do to the fields of a row.
func recorded[R, S any, F record.Fields[F], K record.Kind[S, F], P row[R]](fields func(*R) *F, common func(*R) *record.Common) part[R] {
	base := func(r *R) *Row { return P(r).base() }
	return parts[R]{
		reference("owner_id", "usr", func(r *R) domain.ID { return common(r).OwnerID }),
		texts("tags", query.Tag, func(r *R) []string { return foldedTags(common(r).Tags) }),
		texts("external_ids", query.ExternalID, func(r *R) []string { return externalIDs(common(r).ExternalIDs) }),
		on(func(r *R, e Event[record.Updated[S, F, K]]) { e.Data.Set(fields(r)) }),
		on(func(r *R, e Event[record.OwnerAssigned[S, F, K]]) { e.Data.Set(fields(r)) }),
		on(func(r *R, e Event[record.TagsChanged[S, F, K]]) { e.Data.Set(fields(r)) }),
		on(func(r *R, e Event[record.Deleted[S, F, K]]) { base(r).delete(e.Recorded) }),
		on(func(r *R, _ Event[record.Restored[S, F, K]]) { base(r).restore() }),
		on(func(r *R, _ Event[record.Purged[S, F, K]]) { base(r).purge() }),
	}
}
