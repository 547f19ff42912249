package lead_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/lead"
	"github.com/rowhouse/rowhouse/domain/record"
)

type (
	events  = []lead.Event
	deleted = record.Deleted[lead.Lead, lead.Fields, *lead.Lead]
)

func update(member, value string) record.Update[lead.Lead, lead.Fields, *lead.Lead] {
	return record.Update[lead.Lead, lead.Fields, *lead.Lead]{Patch: map[string]json.RawMessage{member: json.RawMessage(value)}}
}

func TestLead(t *testing.T) {
	t.Parallel()
	captured := lead.Captured{Fields: lead.Fields{Name: "Ada", Email: "ada@example.org", UTM: lead.UTM{Source: "ad"}}}
	in := func(more ...lead.Event) events { return append(events{captured}, more...) }
	working := lead.StatusChanged{From: lead.StatusNew, To: lead.StatusWorking}
	qualified := lead.StatusChanged{From: lead.StatusNew, To: lead.StatusQualified}
	disqualified := lead.Disqualified{By: lead.Disqualify{Reason: "no budget"}}

	converted := lead.Converted{By: lead.Conclude{Conversion: lead.Conversion{
		ContactID: domain.ID{Prefix: "con", UUID: uuid.UUID{15: 1}}, CompanyID: domain.ID{Prefix: "cmp", UUID: uuid.UUID{15: 2}}, DealID: domain.ID{Prefix: "deal", UUID: uuid.UUID{15: 3}},
	}}}
	somebody := domain.ID{Prefix: "usr", UUID: uuid.UUID{15: 200}}

	domaintest.RunRecord(t, lead.Aggregate, captured, []domaintest.Case[lead.Lead]{
		{Name: "a lead is captured", When: lead.Capture{Fields: captured.Fields}, Then: in()},
		{Name: "once", Given: in(), When: lead.Capture{Fields: captured.Fields}, Err: domain.Conflict, Code: "already_exists"},
		{Name: "there is a way to reach it", When: lead.Capture{Fields: lead.Fields{Name: "Ada"}}, Err: domain.Invalid, At: "/email"},
		{Name: "a telephone number will do", When: lead.Capture{Fields: lead.Fields{Phone: "+442071838750"}}, Then: events{lead.Captured{Fields: lead.Fields{Phone: "+442071838750"}}}},
		{Name: "somebody works on it", Given: in(), When: lead.ChangeStatus{Status: lead.StatusWorking}, Then: events{working}},
		{Name: "who does already", Given: in(working), When: lead.ChangeStatus{Status: lead.StatusWorking}},
		{Name: "a status is one of some", Given: in(), When: lead.ChangeStatus{Status: lead.StatusDisqualified}, Err: domain.Invalid, At: "/status"},
		{Name: "a lead is scored", Given: in(), When: lead.Score{Score: 70}, Then: events{lead.Scored{Score: 70}}},
		{Name: "also with nothing", Given: in(), When: lead.Score{}, Then: events{lead.Scored{}}},
		{Name: "the same score is no change", Given: in(lead.Scored{Score: 70}), When: lead.Score{Score: 70}},
		{Name: "a score has an end", Given: in(), When: lead.Score{Score: 101}, Err: domain.Invalid, At: "/score"},
		{Name: "a lead is disqualified", Given: in(qualified), When: disqualified.By, Then: events{disqualified}},
		{Name: "for a reason", Given: in(), When: lead.Disqualify{}, Err: domain.Invalid, At: "/reason"},
		{Name: "then nobody works on it", Given: in(disqualified), When: lead.ChangeStatus{Status: lead.StatusWorking}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "nor scores it", Given: in(disqualified), When: lead.Score{Score: 1}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "a converted lead changes no more", Given: in(converted), When: update("name", `"Bob"`), Err: domain.Conflict, Code: "state_conflict"},
		{Name: "nor has another status", Given: in(converted), When: lead.ChangeStatus{Status: lead.StatusWorking}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "or score", Given: in(converted), When: lead.Score{Score: 1}, Err: domain.Conflict, Code: "state_conflict"},
		{Name: "what it is already is no change", Given: in(converted), When: update("name", `"Ada"`)},
		{Name: "somebody else is responsible for it", Given: in(converted), When: record.AssignOwner[lead.Lead, lead.Fields, *lead.Lead]{OwnerID: somebody}, Then: events{record.OwnerAssigned[lead.Lead, lead.Fields, *lead.Lead]{To: somebody}}},
		{Name: "and it is deleted", Given: in(converted), When: record.Delete[lead.Lead, lead.Fields, *lead.Lead]{}, Then: events{deleted{}}},
		{Name: "and restored", Given: in(converted, deleted{}), When: record.Restore[lead.Lead, lead.Fields, *lead.Lead]{}, Then: events{record.Restored[lead.Lead, lead.Fields, *lead.Lead]{}}},
		{Name: "and purged", Given: in(converted, deleted{}), When: record.Purge[lead.Lead, lead.Fields, *lead.Lead]{}, Then: events{record.Purged[lead.Lead, lead.Fields, *lead.Lead]{}}},
		{Name: "what is not there has no score", When: lead.Score{Score: 1}, Err: domain.NotFound},
	})
}
