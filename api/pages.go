package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/projections/query"
)

// The parameters of lists that have only one order.
var (
	limitParam  = queryParam("limit", "How many to answer with at most.", whole(1, 500), 50)
	cursorParam = queryParam("cursor", "Where to go on: the next_cursor of the answer before.", text(), nil)
)

const defaultLimit = 50

// page is a part of a list.
type page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// givesPage says that the answer is a part of a list of Ts.
func givesPage[T any](s *Server) part {
	return givesSchema(http.StatusOK, "A part of the list.", pageOf(s.schemas.of(reflect.TypeFor[T]())))
}

func pageOf(item *huma.Schema) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"data", "next_cursor"},
		Properties: map[string]*huma.Schema{
			"data":        {Type: huma.TypeArray, Items: item},
			"next_cursor": {Type: huma.TypeString, Nullable: true, Description: "What to send as cursor to go on; null at the end."},
		},
	}
	return s
}

// place returns where the cursor of a request says to go on: what was given to
// [exchange.next]. Without a cursor it is empty. A cursor is good for the same
// list of the same tenant only, and what is not is refused in one way.
func (x *exchange) place(list ...string) (string, error) {
	cursor := x.query.Get("cursor")
	if cursor == "" {
		return "", nil
	}
	place, ok := x.s.Models.Cursors().Open(x.scope(list), cursor)
	if !ok || len(place) == 0 {
		return "", badParameter("cursor", "invalid_cursor", "is not a cursor of this list")
	}
	return string(place), nil
}

// next returns the cursor that leads on after a place.
func (x *exchange) next(place string, list ...string) *string {
	return new(x.s.Models.Cursors().Seal(x.scope(list), []byte(place)))
}

// scope names the list that an operation shows: whose it is, and of what.
func (x *exchange) scope(list []string) []byte {
	return query.Scope(append([]string{x.op.OperationID, x.caller.Tenant().String()}, list...)...)
}

// answerPage answers with a part of a list that is in the order of its IDs. A
// cursor is the ID of the last one that was seen. What is listed is named, if the
// operation does not say it.
func answerPage[T any](x *exchange, what string, list func(after domain.ID, limit int) ([]T, error), id func(T) domain.ID) error {
	limit, err := x.number("limit", defaultLimit)
	if err != nil {
		return err
	}
	var after domain.ID
	place, err := x.place(what)
	if err != nil {
		return err
	}
	if place != "" {
		if after, err = domain.ParseID(place); err != nil {
			return err // it was signed by us
		}
	}
	items, err := list(after, int(limit)+1)
	if err != nil {
		return err
	}
	p := page[T]{Data: items}
	if len(items) > int(limit) {
		p.Data = items[:limit]
		p.NextCursor = x.next(id(p.Data[limit-1]).String(), what)
	}
	return x.answerJSON(http.StatusOK, p)
}

// pathID returns an ID in the path. What is no ID names nothing.
func (x *exchange) pathID(name, prefix string) (domain.ID, error) {
	id, err := domain.ParseID(x.path(name))
	if err != nil || id.Prefix != prefix {
		return domain.ID{}, errNothing
	}
	return id, nil
}

// errNothing is the one answer about what is not there for whoever asks.
var errNothing = domain.NotFound.Refusef("not_found", "there is no such record")
