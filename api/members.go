package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/list"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
)

// memberPage is a page of the records in a list.
type memberPage struct {
	Data     []json.RawMessage   `json:"data" doc:"The records, each as it is answered elsewhere."`
	Next     *string             `json:"next_cursor"`
	Position eventstore.Position `json:"position" doc:"The page shows all events up to this position."`
}

// listMembers serves the records that are in lists.
func (s *Server) listMembers() []*operation {
	return []*operation{get("/v1/tenants/{tenant_id}/lists/{id}/members", tenant, "Lists", "lists.members", "List the members of a list",
		"The records that are in the list, live ones, in the order of their IDs: of a dynamic list those that meet its filter now. Only those that you may look at.",
		needs("list:read"), params(limitParam, cursorParam, minPositionParam),
		gives[memberPage](s, http.StatusOK, "A page of the members.", headerPosition), refuses(domain.NotFound, domain.Invalid), serve(members))}
}

func members(x *exchange) error {
	id, err := x.pathID("id", list.Aggregate.Prefix())
	if err != nil {
		return err
	}
	l, _, err := commands.State(x.ctx(), x.s.Commands, commands.Lists, x.viewer(), id.UUID)
	if err != nil {
		return err
	}
	view := x.s.views[l.Object]
	if view == nil || !x.viewer().May(domain.Permission(l.Object+":read")) {
		return domain.Forbidden.Refusef("forbidden", "the list is of records that you may not look at")
	}
	if err := x.mayFilter(view, l.Filter); err != nil {
		return err
	}
	if l.Kind == list.Dynamic {
		return x.matchingMembers(view, l.Filter)
	}
	return x.chosenMembers(view, id, l.Members)
}

// mayFilter refuses to tell which records meet the filter of a list, or have met it when
// the list was frozen, if it is about fields that whoever asks does not see.
func (x *exchange) mayFilter(view projections.Projection, filter string) error {
	rules, err := x.viewer().Of(view)
	if err != nil || filter == "" {
		return err //nolint:wrapcheck // it says what it is about
	}
	_, anybody := view.Columns().Text(filter) // a frozen list may be about what is no field any more
	if _, err := rules.Columns().Text(filter); err != nil && anybody == nil {
		return domain.Forbidden.Refusef("forbidden", "the filter of the list is about fields that you may not see")
	}
	return nil
}

// matchingMembers answers with the records that meet the filter of a list.
func (x *exchange) matchingMembers(view projections.Projection, filter string) error {
	rules, err := x.viewer().Of(view)
	if err != nil {
		return err
	}
	asked := url.Values{"filter": {filter}, "sort": {"id"}}
	for _, name := range []string{"limit", "cursor"} {
		if v := x.query.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	q, err := query.Parse(asked, rules.Columns())
	if err != nil {
		return err
	}
	p, err := x.s.Models.List(x.ctx(), x.viewer(), view, q)
	if err != nil {
		return err
	}
	var next *string
	if p.Next != "" {
		next = &p.Next
	}
	return x.answerMembers(p.Documents, next, p.Position)
}

// chosenMembers answers with those of some records that are live. The cursor has the
// last one that was looked at.
func (x *exchange) chosenMembers(view projections.Projection, of domain.ID, ids []uuid.UUID) error {
	limit, err := x.number("limit", defaultLimit)
	if err != nil {
		return err
	}
	place, err := x.place(of.String())
	if err != nil {
		return err
	}
	if place != "" {
		after, err := uuid.Parse(place)
		if err != nil {
			return err // it was signed by us
		}
		at, found := slices.BinarySearchFunc(ids, after, list.Compare)
		if found {
			at++
		}
		ids = ids[at:]
	}
	at, err := x.s.Models.Position(x.ctx(), x.origin.Tenant)
	if err != nil {
		return err
	}
	docs := [][]byte{}
	for size := 0; len(ids) > 0 && len(docs) < int(limit) && size < maxFound; {
		some := ids[:min(findAtOnce, len(ids), int(limit)-len(docs))]
		found, _, err := x.s.Models.Find(x.ctx(), x.viewer(), view, some...)
		if err != nil {
			return err
		}
		for _, id := range some {
			if doc, ok := found[id]; ok && !doc.Deleted {
				docs, size = append(docs, doc.JSON), size+len(doc.JSON)
			}
			place = id.String()
		}
		ids = ids[len(some):]
	}
	var next *string
	if len(ids) > 0 {
		next = x.next(place, of.String())
	}
	return x.answerMembers(docs, next, at)
}

func (x *exchange) answerMembers(docs [][]byte, next *string, at eventstore.Position) error {
	page := memberPage{Data: make([]json.RawMessage, len(docs)), Next: next, Position: at}
	for i, doc := range docs {
		page.Data[i] = doc
	}
	x.setPosition(at)
	return x.answerJSON(http.StatusOK, page)
}
