package feed_test

import (
	"maps"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
)

// What leaves the house of an event is this and nothing else, in a form that
// CloudEvents 1.0 allows.
func TestEvent(t *testing.T) {
	t.Parallel()
	id := func(last byte) uuid.UUID { return uuid.UUID{0: 1, 15: last} }
	r := eventstore.Recorded{
		Event: eventstore.Event{
			ID: id(1), Type: "deal.won", Schema: 2, Data: []byte(`{"reason":"price"}`),
			Meta: []byte(`{"actor":{"kind":"user","id":"usr_0100000000000000000000000y","on_behalf_of":"usr_010000000000000000000000ff"},"command_id":"01a1fe10-a4a2-7ef7-bb7d-79c543de4e4f","correlation_id":"req-1","secret":"no"}`),
		},
		Stream:  eventstore.StreamID{Tenant: domain.TenantID{UUID: id(2)}, Kind: "deal", ID: id(3)},
		Version: 4, Position: 1 << 40, Time: time.Date(2026, 11, 21, 15, 4, 5, 678901000, time.FixedZone("", 3600)),
	}
	e, err := feed.NewEvent(r, feed.Prefixes{"deal": "deal"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"specversion": "1.0", "id": "evt_01000000000000000000000001", "source": "/tenants/ten_01000000000000000000000002",
		"subject": "deal/deal_01000000000000000000000003", "type": "deal.won", "time": "2026-11-21T14:04:05.678901Z",
		"tenant": "ten_01000000000000000000000002", "position": "1099511627776", "version": "4", "schemaversion": "2",
		"partitionkey": "ten_01000000000000000000000002/deal/deal_01000000000000000000000003",
		"actor":        "usr_0100000000000000000000000y", "correlationid": "req-1",
	}
	if diff := cmp.Diff(want, maps.Collect(e.Attributes)); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if string(e.Data) != string(r.Data) || e.DataContentType != "application/json" {
		t.Errorf("data = %s, %s", e.DataContentType, e.Data)
	}
	name := regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	for n := range e.Attributes {
		if !name.MatchString(n) {
			t.Errorf("no name of an attribute: %q", n)
		}
	}

	r.Meta = []byte(`{"actor":{"kind":"system"}}`)
	if e, err := feed.NewEvent(r, nil); err != nil || e.Actor != "system" || e.Subject != "deal/"+id(3).String() {
		t.Errorf("event = %+v, %v", e, err)
	}
	r.Meta = []byte(`{`)
	if _, err := feed.NewEvent(r, nil); err == nil {
		t.Error("no metadata, and no error")
	}
}
