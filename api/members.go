package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/list"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
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
	if filter == "" {
		return nil
	}
	asksOwn := strings.Contains(filter, own.Member)
	columns, err := x.s.Models.Columns(x.ctx(), x.viewer(), view, asksOwn)
	if err != nil {
		return err
	}
	all, err := x.s.Models.Columns(x.ctx(), viewer.Server(x.caller.Tenant(), domain.Actor{}), view, asksOwn)
	if err != nil {
		return err
	}
	_, anybody := all.Text(filter) // a frozen list may be about what is no field any more
	if _, err := columns.Text(filter); err != nil && anybody == nil {
		return domain.Forbidden.Refusef("forbidden", "the filter of the list is about fields that you may not see")
	}
	return nil
}

// matchingMembers answers with the records that meet the filter of a list.
func (x *exchange) matchingMembers(view projections.Projection, filter string) error {
	columns, err := x.s.Models.Columns(x.ctx(), x.viewer(), view, strings.Contains(filter, own.Member))
	if err != nil {
		return err
	}
	asked := url.Values{"filter": {filter}, "sort": {"id"}}
	for _, name := range []string{"limit", "cursor"} {
		if v := x.query.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	q, err := query.Parse(asked, columns)
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

// chosen reads members of a list.
type chosen struct {
	live func([]uuid.UUID) ([]uuid.UUID, error) // those that are live and to be seen, in their order
	find func([]uuid.UUID) (map[uuid.UUID]projections.Document, error)
}

// lookAtOnce is how many members of a list are asked for at a time whether they are live
// and to be seen. Many may not be, and a page must not take a question for each.
const lookAtOnce = 1000

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
	c := chosen{
		live: func(ids []uuid.UUID) ([]uuid.UUID, error) { return x.s.Models.Live(x.ctx(), x.viewer(), view, ids) },
		find: func(ids []uuid.UUID) (map[uuid.UUID]projections.Document, error) {
			found, _, err := x.s.Models.Find(x.ctx(), x.viewer(), view, ids...)
			return found, err
		},
	}
	docs, last, more, err := c.page(ids, int(limit))
	if err != nil {
		return err
	}
	var next *string
	if more {
		next = x.next(last.String(), of.String())
	}
	return x.answerMembers(docs, next, at)
}

// page returns so many of some records, the last one that it has looked at, and whether
// there are more.
func (c chosen) page(ids []uuid.UUID, limit int) (docs [][]byte, last uuid.UUID, more bool, err error) {
	size := 0
	full := func() bool { return len(docs) >= limit || size >= maxFound }
	for look := limit; len(ids) > 0 && !full(); look = min(2*look, lookAtOnce) {
		some := ids[:min(look, len(ids))]
		live, err := c.live(some)
		if err != nil {
			return nil, last, false, err
		}
		for len(live) > 0 && !full() {
			few := live[:min(findAtOnce, len(live), limit-len(docs))]
			found, err := c.find(few)
			if err != nil {
				return nil, last, false, err
			}
			for _, id := range few {
				if doc, ok := found[id]; ok && !doc.Deleted {
					docs, size = append(docs, doc.JSON), size+len(doc.JSON)
				}
			}
			last, live = few[len(few)-1], live[len(few):]
		}
		if len(live) == 0 {
			last, ids = some[len(some)-1], ids[len(some):]
		}
	}
	return docs, last, len(ids) > 0, nil
}

func (x *exchange) answerMembers(docs [][]byte, next *string, at eventstore.Position) error {
	page := memberPage{Data: make([]json.RawMessage, len(docs)), Next: next, Position: at}
	for i, doc := range docs {
		page.Data[i] = doc
	}
	x.setPosition(at)
	return x.answerJSON(http.StatusOK, page)
}
