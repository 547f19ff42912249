package bus

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/feed"
)

// The metadata of a message that is not an attribute.
const (
	// Prefix is what the names of attributes begin with, as the binding of
	// CloudEvents to Kafka has them. A target whose binding wants another
	// prefix puts it in the place of this one.
	Prefix = "ce_"

	ContentType = "content-type"

	// Key is the metadata whose value is the same for all events of a record,
	// and for no others: events with the same key must stay in order. It is what
	// a broker with partitions takes as the key.
	Key = Prefix + "partitionkey"
)

// NewMessage returns the message of an event, in the binary mode of CloudEvents:
// attributes are metadata, and the payload is the data of the event and nothing
// else. The UUID is the ID of the event, evt_…, so it is the same whenever and
// from wherever it is published; brokers recognize repetitions by it. An event
// that no message can be made of is refused.
func NewMessage(r eventstore.Recorded, p feed.Prefixes) (*message.Message, error) {
	e, err := feed.NewEvent(r, p)
	if err != nil {
		return nil, Refuse(Invalid, err)
	}
	if !json.Valid(e.Data) {
		return nil, Refuse(Invalid, errors.New("bus: data is not JSON"))
	}
	m := message.NewMessage(e.ID, message.Payload(e.Data))
	m.Metadata = message.Metadata{ContentType: e.DataContentType}
	for name, value := range e.Attributes {
		m.Metadata[Prefix+name] = printable(value)
	}
	return m, nil
}

// printable makes a value safe to be a header, whatever the protocol. All that
// we put into attributes is, but for names that others gave to their requests.
func printable(value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '_'
		}
		return r
	}, value)
}
