package bus

import (
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/rowhouse/rowhouse/eventstore"
)

// Target is a broker that events are published to. Its methods may be called at
// the same time.
//
// Publish returns nil only when the broker has taken all of the messages for
// good, as durable as it can. If it returns an error, any of them may have been
// taken; they will be published again, under the same UUIDs. It gives up when
// the context of a message ends, and may keep the messages no longer than it
// runs. The messages of one call are of different records and may be sent in any
// order and all at once; those of one record come in calls one after another.
//
// An error that has a [Refusal] in it, for a call with one message, says that
// there is no point in publishing that message again, because of what it is.
// Every other error says that it did not work this time: above all when the
// broker is away, is full, or does not let us in.
//
// The metadata of a message is what the headers of the message at the broker
// must be.
type Target interface {
	message.Publisher

	// Topic returns the name under which an event of a stream is published. It
	// depends on nothing but its arguments, and is never the same for two
	// tenants. See [Subject] and [TopicOf].
	Topic(s eventstore.StreamID, eventType string) string
}

// A Refusal says that a target will never take a message. Reasons are the same
// for all targets and for good, because they are stored and counted.
type Refusal struct {
	Reason Reason
	Err    error // what the broker said; for the log only
}

// Reason is why a message is refused.
type Reason string

// The reasons.
const (
	TooLarge Reason = "too_large" // for the broker, or for the topic
	Invalid  Reason = "invalid"   // the broker does not take what is in it, or it cannot be made
)

// Refuse makes the error of a message that a target will never take.
func Refuse(r Reason, err error) error { return &Refusal{r, err} }

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err == nil {
		return "refused: " + string(r.Reason)
	}
	return fmt.Sprintf("refused: %s: %v", r.Reason, r.Err)
}

// Unwrap returns what the broker said.
func (r *Refusal) Unwrap() error { return r.Err }

// refused returns the reason for which a message was refused, if it was.
func refused(err error) (Reason, bool) {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return "", false
	}
	return r.Reason, true
}
