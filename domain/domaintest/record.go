package domaintest

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/domain/record"
)

// RunRecord runs the cases of a kind of record, and those that every kind has:
// of its owner, tags and external IDs, of deleting, restoring and purging, and of each of
// its steps from each of its statuses. Made is an event that makes a record.
func RunRecord[S any, F record.Fields[F], K record.Kind[S, F]](t *testing.T, agg record.Aggregate[S, F, K], made domain.Event[S], cases []Case[S]) {
	t.Helper()
	Run(t, agg, slices.Concat(cases, common[S, F, K](made), steps(t, agg.EventTypes(), made, cases)))
}

func common[S any, F record.Fields[F], K record.Kind[S, F]](made domain.Event[S]) []Case[S] {
	type events = []domain.Event[S]
	type (
		update = record.Update[S, F, K]
		change = record.Change
	)
	patch := func(name, value string) update {
		return update{Patch: map[string]json.RawMessage{name: json.RawMessage(value)}}
	}
	in := func(more ...domain.Event[S]) events { return append(events{made}, more...) }
	somebody := domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 200}}
	deleted := record.Deleted[S, F, K]{}
	var f F
	defined := map[domain.ID]any{own.IDOf(domain.TenantID{}, f.KindName()): definitions{}}
	owned := record.Updated[S, F, K]{Changes: map[string]change{"custom.every_record": {Old: json.RawMessage("null"), New: json.RawMessage(`"1"`)}}}
	return []Case[S]{
		{Name: "every record has an owner", Given: in(), When: record.AssignOwner[S, F, K]{OwnerID: somebody}, Then: events{record.OwnerAssigned[S, F, K]{From: ownerOf[S, F, K](made), To: somebody}}},
		{Name: "every record has tags", Given: in(), When: record.AddTags[S, F, K]{Tags: []string{"every record"}}, Then: events{record.TagsChanged[S, F, K]{Added: []string{"every record"}}}},
		{Name: "every record is called something elsewhere", Given: in(), When: patch("external_ids", `{"every_record":"1"}`), Then: events{record.Updated[S, F, K]{Changes: map[string]change{"external_ids": {Old: externalIDsOf[S, F, K](made, false), New: externalIDsOf[S, F, K](made, true)}}}}},
		{Name: "every record has fields of the tenant's own", Given: in(), When: patch("custom", `{"every_record":" 1 "}`), Found: defined, Then: events{owned}},
		{Name: "what is in a field of the tenant's own can go", Given: in(owned), When: patch("custom", `{"every_record":null}`), Found: defined, Then: events{record.Updated[S, F, K]{Changes: map[string]change{"custom.every_record": {Old: json.RawMessage(`"1"`), New: json.RawMessage("null")}}}}},
		{Name: "no record has a field of the tenant's own that is not defined", Given: in(), When: patch("custom", `{"no_record":"1"}`), Found: defined, Err: domain.Invalid, Code: "unknown_field", At: "/custom/no_record"},
		{Name: "no record has a field where none is defined", Given: in(), When: patch("custom", `{"every_record":"1"}`), Err: domain.Invalid, Code: "unknown_field", At: "/custom/every_record"},
		{Name: "every record goes into the bin", Given: in(), When: record.Delete[S, F, K]{}, Then: events{deleted}},
		{Name: "every record comes out of the bin", Given: in(deleted), When: record.Restore[S, F, K]{}, Then: events{record.Restored[S, F, K]{}}},
		{Name: "every record in the bin stays as it is", Given: in(deleted), When: record.AddTags[S, F, K]{Tags: []string{"x"}}, Err: domain.Conflict, Code: "deleted"},
		{Name: "every record in the bin can be purged", Given: in(deleted), When: record.Purge[S, F, K]{}, Then: events{record.Purged[S, F, K]{}}},
		{Name: "no live record can be purged", Given: in(), When: record.Purge[S, F, K]{}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "no purged record comes back", Given: in(deleted, record.Purged[S, F, K]{}), When: record.Restore[S, F, K]{}, Err: domain.NotFound},
		{Name: "no record is changed that is not there", When: patch("tags", `["x"]`), Err: domain.NotFound},
		{Name: "every record has only the fields of its kind", Given: in(), When: patch("no_such_field", `1`), Err: domain.Malformed, At: "/no_such_field"},
	}
}

// definitions is one field of the tenant's own.
type definitions struct{}

func (definitions) Field(key string) (own.Field, bool) {
	return own.Field{Key: "every_record", Type: own.Text}, key == "every_record"
}

func fieldsOf[S any, F record.Fields[F], K record.Kind[S, F]](made domain.Event[S]) F {
	s := domain.Fold(made)
	return *record.Aggregate[S, F, K]{}.Fields(&s)
}

func ownerOf[S any, F record.Fields[F], K record.Kind[S, F]](made domain.Event[S]) domain.ID {
	f := fieldsOf[S, F, K](made)
	return record.Aggregate[S, F, K]{}.Common(&f).OwnerID
}

// externalIDsOf returns the JSON of external IDs, perhaps with another one.
func externalIDsOf[S any, F record.Fields[F], K record.Kind[S, F]](made domain.Event[S], another bool) json.RawMessage {
	f := fieldsOf[S, F, K](made)
	ids := record.ExternalIDs{}
	maps.Copy(ids, record.Aggregate[S, F, K]{}.Common(&f).ExternalIDs)
	if another {
		ids["every_record"] = "1"
	}
	if len(ids) == 0 {
		return json.RawMessage("null")
	}
	data, _ := json.Marshal(ids) //nolint:errchkjson // texts only
	return data
}
