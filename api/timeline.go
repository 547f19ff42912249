package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
)

// timelineParams are those of all timelines, so that the document has them once.
var timelineParams = []part{params(
	queryParam("type", "The types of events to show, separated by commas; `deal.*` is all of deals. All if it is left out.", text(), "deal.won,deal.lost"),
	queryParam("record_type", "The kinds of records whose events to show, separated by commas. All if it is left out.", text(), "deal,note"),
	queryParam("actor", "Only what was caused by this member or key, by their ID, or by `system` or `import`.", text(), nil),
	limitParam, cursorParam, minPositionParam,
)}

// timelineOperation serves the timelines of records.
func (r *resource) timelineOperation() *operation {
	return get(r.path("/{id}/timeline"), tenant, r.tag(), r.id("timeline"), "Show the timeline of "+r.one(),
		"What happened to it, and to records that referred to it, before the event or after it, the newest first. Only records that you may look at, and what you see of them.",
		append([]part{
			r.mayRead(), givesPage[projections.TimelineEntry](r.s),
			refuses(domain.NotFound, domain.Invalid), serve(r.timeline),
		}, timelineParams...)...)
}

// timeline shows what happened to a record, and to what refers to it.
func (r *resource) timeline(x *exchange) error {
	id, err := x.pathID("id", r.view.Prefix())
	if err != nil {
		return err
	}
	limit, err := x.number("limit", defaultLimit)
	if err != nil {
		return err
	}
	q := projections.TimelineQuery{Limit: int(limit)}
	if q.Types, err = x.eventTypes("type"); err != nil {
		return err
	}
	if q.Kinds, err = x.recordTypes("record_type"); err != nil {
		return err
	}
	if q.Actor, err = x.actorKey("actor"); err != nil {
		return err
	}
	list := []string{id.String(), x.query.Get("type"), x.query.Get("record_type"), x.query.Get("actor")}
	place, err := x.place(list...)
	if err != nil {
		return err
	}
	if place != "" {
		before, err := strconv.ParseInt(place, 10, 64)
		if err != nil {
			return err // it was signed by us
		}
		q.Before = eventstore.Position(before)
	}
	page, err := r.s.Models.Timeline(x.ctx(), x.viewer(), r.view, id.UUID, q)
	x.setPosition(page.Position)
	if err == nil { // the read model may not know of a purge yet
		err = r.notPurged(x, id)
	}
	if err != nil {
		return r.explain(err)
	}
	var next *string
	if page.Next > 0 {
		next = x.next(strconv.FormatInt(int64(page.Next), 10), list...)
	}
	return x.answerJSON(http.StatusOK, pageOfEntries{page.Entries, next})
}

type pageOfEntries = page[projections.TimelineEntry]

// eventTypes reads the types of events that a parameter names: nil if it is left out.
func (x *exchange) eventTypes(name string) (types []string, err error) {
	text := x.query.Get(name)
	if text == "" {
		return nil, nil
	}
	asked := strings.Split(text, ",")
	if len(asked) > maxTypes {
		return nil, badParameter(name, "too_many", "must be up to 50 types of events")
	}
	for _, one := range asked {
		found := typeFilter{one}
		n := len(types)
		for _, view := range x.s.views {
			for _, t := range view.EventNames() {
				if found.takes(t) {
					types = append(types, t)
				}
			}
		}
		if len(types) == n {
			return nil, badParameter(name, "unknown_type", "has a name that is no type of event of a record")
		}
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

const maxTypes = 50

// recordTypes reads the kinds of records that a parameter names: nil if it is left out.
func (x *exchange) recordTypes(name string) (kinds []string, err error) {
	text := x.query.Get(name)
	if text == "" {
		return nil, nil
	}
	for kind := range strings.SplitSeq(text, ",") {
		if x.s.views[kind] == nil {
			return nil, badParameter(name, "unknown_kind", "has a name that is no kind of record")
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// actorKey reads who is asked for by a parameter: nil if it is left out.
func (x *exchange) actorKey(name string) (*uuid.UUID, error) {
	text := x.query.Get(name)
	switch text {
	case "":
		return nil, nil //nolint:nilnil // nobody in particular
	case "system", "import":
		return new(projections.ActorKey(domain.Actor{Kind: text})), nil
	}
	id, err := domain.ParseID(text)
	if err != nil {
		return nil, badParameter(name, "invalid_id", "must be the id of a member or a key, system, or import")
	}
	return &id.UUID, nil
}
