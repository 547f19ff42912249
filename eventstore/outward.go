package eventstore

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
)

// Outward is a log as it is shown to those who are not part of the backend:
// clients, brokers and files. Of a stream that has come to an end, it shows
// that there were events, of which type, when and by whom, and nothing of what
// was in them. So positions and versions have no gaps for anybody. An end is
// seen by whoever begins to read after it was acknowledged.
//
// What the backend derives from the log, it derives from the whole log.
type Outward struct {
	Store

	// Ends reports whether an event of a type is the end of its stream, such as
	// the purge of a record. The data of that event itself is shown.
	Ends func(eventType string) bool
}

// withheld is what is shown in the place of data.
var withheld = json.RawMessage("null")

// Read implements [Store].
func (o Outward) Read(ctx context.Context, tenant domain.TenantID, after Position, limit int) ([]Recorded, error) {
	events, err := o.Store.Read(ctx, tenant, after, limit)
	if err != nil {
		return nil, err
	}
	return o.Withhold(ctx, tenant, events)
}

// ReadStream implements [Store].
func (o Outward) ReadStream(ctx context.Context, s StreamID, after Version) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		ended, err := o.Ended(ctx, s)
		if err != nil {
			yield(Recorded{}, err)
			return
		}
		for e, err := range o.Store.ReadStream(ctx, s, after) {
			if err == nil && ended {
				o.hide(&e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Ended reports whether a stream has come to an end.
func (o Outward) Ended(ctx context.Context, s StreamID) (bool, error) {
	last, err := o.Last(ctx, s.Tenant, s)
	return err == nil && o.Ends(last[s]), err
}

// Withhold returns events of a tenant as they may be shown now. It is for those
// who keep events for a while before they show them.
func (o Outward) Withhold(ctx context.Context, tenant domain.TenantID, events []Recorded) ([]Recorded, error) {
	var streams []StreamID
	seen := make(map[StreamID]bool)
	for _, e := range events {
		if !seen[e.Stream] {
			seen[e.Stream], streams = true, append(streams, e.Stream)
		}
	}
	if len(streams) == 0 {
		return events, nil
	}
	last, err := o.Last(ctx, tenant, streams...)
	if err != nil {
		return nil, err
	}
	shown, copied := events, false
	for i := range events {
		if !o.Ends(last[events[i].Stream]) {
			continue
		}
		if !copied { // they may be somebody else's as well
			shown, copied = slices.Clone(events), true
		}
		o.hide(&shown[i])
	}
	return shown, nil
}

func (o Outward) hide(e *Recorded) {
	if !o.Ends(e.Type) {
		e.Data, e.Withheld = withheld, true
	}
}
