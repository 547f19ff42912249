package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/eventstore/content"
	"github.com/rowhouse/rowhouse/projections"
)

// Event is an event as clients see it. The attributes of CloudEvents follow from
// it one by one.
type Event struct {
	ID          domain.ID           `json:"id" doc:"Names the event for good."`
	Type        string              `json:"type" doc:"What happened." example:"deal.stage_changed"`
	Position    eventstore.Position `json:"position" doc:"Its place in the tenant's log: 1, 2, 3 … without a gap."`
	Stream      EventStream         `json:"stream" doc:"The record that it happened to."`
	Schema      int                 `json:"schema_version" doc:"The version of the form of data."`
	Time        time.Time           `json:"time" doc:"When it was recorded; never earlier than the event before it."`
	Actor       domain.Actor        `json:"actor" doc:"Who caused it."`
	Command     uuid.UUID           `json:"command_id" doc:"The command that it follows from."`
	Correlation string              `json:"correlation_id,omitempty" doc:"The request that the command came with."`
	Causation   string              `json:"causation_id,omitempty" doc:"The event that the command was a reaction to."`
	Data        json.RawMessage     `json:"data" doc:"What happened in particular, as it was recorded; null if it is withheld."`
	Withheld    bool                `json:"withheld,omitempty" doc:"What was in the event is not shown: because its record was purged since, or to somebody who may not see it."`
}

// EventStream says which record an event happened to.
type EventStream struct {
	ID      domain.ID          `json:"id"`
	Kind    string             `json:"kind" example:"deal"`
	Version eventstore.Version `json:"version" doc:"The version of the record after the event."`
}

// show returns an event as whoever asks sees it.
func (x *exchange) show(e eventstore.Recorded) (Event, error) {
	m, err := content.Metadata(e)
	if err != nil {
		return Event{}, err
	}
	s := x.s
	data, withheld, err := x.dataOf(e)
	return Event{
		ID: domain.ID{Prefix: "evt", UUID: e.ID}, Type: e.Type, Position: e.Position,
		Stream: EventStream{ID: domain.ID{Prefix: s.prefixes[e.Stream.Kind], UUID: e.Stream.ID}, Kind: e.Stream.Kind, Version: e.Version},
		Schema: e.Schema, Time: e.Time.UTC(), Actor: m.Actor, Command: m.Command, Correlation: m.Correlation, Causation: m.Causation,
		Data: data, Withheld: withheld,
	}, err
}

// dataOf returns what whoever asks sees of the data of an event, and whether all of it
// is withheld.
func (x *exchange) dataOf(e eventstore.Recorded) (data json.RawMessage, withheld bool, err error) {
	rules, err := x.viewer().OfName(e.Stream.Kind)
	if err != nil || e.Withheld || !rules.Restricted() && !x.s.choosers[e.Type] {
		return content.JSON(e), e.Withheld, err
	}
	view := x.s.views[e.Stream.Kind]
	if view == nil {
		return json.RawMessage("null"), true, nil
	}
	told, err := view.Event(e)
	if isNewer(err) { // of a newer build, which knows what it tells of
		return json.RawMessage("null"), true, nil
	}
	if err != nil {
		return nil, true, err
	}
	if told.Chose != "" {
		if ok, err := x.seesAll(told.Chose); err != nil || !ok {
			return json.RawMessage("null"), true, err
		}
	}
	data, some, err := rules.Data(content.JSON(e), told)
	if !some {
		return json.RawMessage("null"), true, err
	}
	return data, false, err
}

// seesAll reports whether whoever asks sees all there is of the kind whose IDs have a
// prefix.
func (x *exchange) seesAll(prefix string) (bool, error) {
	for kind, p := range x.s.prefixes {
		if p == prefix {
			rules, err := x.viewer().OfName(kind)
			return err == nil && rules.SeesAll(), err //nolint:wrapcheck // it says what it is about
		}
	}
	return false, nil
}

// versions is a page of the versions of a record.
type versions struct{ from, to, last eventstore.Version }

// versions reads which versions of the record in the path are asked for. The
// cursor has the last version of the page before.
func (r *resource) versions(x *exchange) (s eventstore.StreamID, v versions, err error) {
	id, err := r.pathID(x)
	if err != nil {
		return s, v, err
	}
	limit, err := x.number("limit", defaultLimit)
	if err != nil {
		return s, v, err
	}
	after := int64(0)
	place, err := x.place(id.String())
	if err != nil {
		return s, v, err
	}
	if place != "" {
		if after, err = strconv.ParseInt(place, 10, 31); err != nil {
			return s, v, err // it was signed by us
		}
	}
	doc, at, err := r.s.Models.Get(x.ctx(), x.viewer(), r.view, id.UUID)
	x.setPosition(at)
	if err == nil { // the read model may not know of a purge yet
		err = r.notPurged(x, id)
	}
	v = versions{from: eventstore.Version(after) + 1, last: doc.Version}
	v.to = min(eventstore.Version(after+limit), v.last)
	if err == nil && after > int64(v.last) {
		err = &domain.Error{
			Reason: domain.Conflict, Code: "position_ahead", Pointer: "cursor", Data: map[string]any{"current_version": v.last},
			Detail: "the record has not come to the version that the cursor is of",
		}
	}
	return r.stream(x, id), v, r.explain(err)
}

// notPurged refuses a record that was removed for good.
func (r *resource) notPurged(x *exchange, id domain.ID) error {
	ended, err := r.s.outward.Ended(x.ctx(), r.stream(x, id))
	if err == nil && ended {
		return errNothing
	}
	return err
}

// next returns the cursor of the page after.
func (v versions) next(x *exchange, s eventstore.StreamID, prefix string) *string {
	if v.to >= v.last {
		return nil
	}
	return x.next(strconv.Itoa(int(v.to)), domain.ID{Prefix: prefix, UUID: s.ID}.String())
}

// history tells what happened to a record.
func (r *resource) history(x *exchange) error {
	s, v, err := r.versions(x)
	if err != nil {
		return err
	}
	entries, err := r.s.Models.History(x.ctx(), x.viewer(), r.view, s.ID, v.from, v.to)
	if err != nil {
		return r.explain(err)
	}
	if n := len(entries); n > 0 {
		v.to = entries[n-1].Version // there may be too much to tell for one page
	}
	return x.answerJSON(http.StatusOK, page[projections.Entry]{entries, v.next(x, s, r.view.Prefix())})
}

// maxEvents is how many bytes of data make a page of events full.
const maxEvents = 8 << 20

// events shows the events of a record.
func (r *resource) events(x *exchange) error {
	s, v, err := r.versions(x)
	if err != nil {
		return err
	}
	list, size := make([]Event, 0, max(0, v.to-v.from+1)), 0
	for e, err := range r.s.outward.ReadStream(x.ctx(), s, v.from-1) {
		if err != nil {
			return err
		}
		if e.Version > v.to {
			break
		}
		if size += len(content.JSON(e)); size > maxEvents && len(list) > 0 {
			v.to = e.Version - 1
			break
		}
		shown, err := x.show(e)
		if err != nil {
			return err
		}
		list = append(list, shown)
	}
	return x.answerJSON(http.StatusOK, page[Event]{list, v.next(x, s, r.view.Prefix())})
}
