// Package feed says what is told of an event to those who are not part of the backend,
// such as brokers: the same, whoever they are. It knows nothing of what events mean.
package feed

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
)

// Event is an event as CloudEvents 1.0 has it, with extensions of our own. It
// is all that whoever is not us gets to see of an event: nothing secret, and of
// people only IDs, but for what is in Data.
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`      // evt_…
	Source          string    `json:"source"`  // /tenants/ten_…
	Subject         string    `json:"subject"` // kind/id: the record
	Type            string    `json:"type"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`

	Tenant        string `json:"tenant"`                  // ten_…
	Position      string `json:"position"`                // decimal; text, because integers of CloudEvents have 32 bits
	Version       int32  `json:"version"`                 // of the record
	SchemaVersion int32  `json:"schemaversion"`           // of the form of Data
	PartitionKey  string `json:"partitionkey"`            // ten_…/kind/id: what has the same stays in order
	Actor         string `json:"actor,omitempty"`         // the ID of who did it, or the kind if there is none
	CorrelationID string `json:"correlationid,omitempty"` // the request that it came with
	CausationID   string `json:"causationid,omitempty"`   // the event that it was a reaction to
	Withheld      bool   `json:"withheld,omitempty"`      // Data is null, because the record was purged since

	Data json.RawMessage `json:"data"`
}

// Prefixes says what the IDs of records begin with, by kind. A kind that is not
// in it is shown by its UUIDs.
type Prefixes map[string]string

// Record returns the name of a record: kind/id.
func (p Prefixes) Record(s eventstore.StreamID) string {
	if prefix, ok := p[s.Kind]; ok {
		return s.Kind + "/" + domain.ID{Prefix: prefix, UUID: s.ID}.String()
	}
	return s.Kind + "/" + s.ID.String()
}

// NewEvent returns what is to be told of an event.
func NewEvent(r eventstore.Recorded, p Prefixes) (Event, error) {
	m, err := content.Metadata(r)
	if err != nil {
		return Event{}, fmt.Errorf("feed: %w", err)
	}
	tenant, subject := r.Stream.Tenant.String(), p.Record(r.Stream)
	e := Event{
		SpecVersion: "1.0", ID: domain.ID{Prefix: "evt", UUID: r.ID}.String(), Source: "/tenants/" + tenant, Subject: subject,
		Type: r.Type, Time: r.Time.UTC(), DataContentType: "application/json",
		Tenant: tenant, Position: strconv.FormatInt(int64(r.Position), 10), Version: int32(r.Version), SchemaVersion: int32(r.Schema),
		PartitionKey: tenant + "/" + subject, Actor: m.Actor.ID.String(), CorrelationID: m.Correlation, CausationID: m.Causation,
		Data: content.JSON(r), Withheld: r.Withheld,
	}
	if e.Actor == "" {
		e.Actor = m.Actor.Kind
	}
	return e, nil
}

// Attributes yields the names and values of all attributes that are set, as
// text, but for datacontenttype.
func (e Event) Attributes(yield func(name, value string) bool) {
	for _, a := range [...]struct{ name, value string }{
		{"specversion", e.SpecVersion},
		{"id", e.ID},
		{"source", e.Source},
		{"subject", e.Subject},
		{"type", e.Type},
		{"time", e.Time.Format(time.RFC3339Nano)},
		{"tenant", e.Tenant},
		{"position", e.Position},
		{"version", strconv.Itoa(int(e.Version))},
		{"schemaversion", strconv.Itoa(int(e.SchemaVersion))},
		{"partitionkey", e.PartitionKey},
		{"actor", e.Actor},
		{"correlationid", e.CorrelationID},
		{"causationid", e.CausationID},
		{"withheld", withheld(e.Withheld)},
	} {
		if a.value != "" && !yield(a.name, a.value) {
			return
		}
	}
}

// withheld returns the text of an attribute that is left out unless it is true.
func withheld(yes bool) string {
	if yes {
		return "true"
	}
	return ""
}
