package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
)

// searchAnswer is what was found.
type searchAnswer struct {
	Data     []searchGroup       `json:"data" doc:"One group for each kind of record in which something was found."`
	Position eventstore.Position `json:"position" doc:"What was found shows all events up to this position."`
}

type searchGroup struct {
	Kind    string      `json:"kind" doc:"The kind of the records." example:"contact"`
	More    bool        `json:"more" doc:"There are other records of the kind: the parameter q of its list finds all of them."`
	Records []searchHit `json:"records" doc:"The best first."`
}

type searchHit struct {
	Matched []string        `json:"matched" doc:"The members in which something was found."`
	Record  json.RawMessage `json:"record" doc:"The record, as it is answered elsewhere."`
}

// How many records of each kind a search answers with.
const (
	searchLimit    = 5
	mostSearchHits = 50
)

// search serves the search over all kinds of records.
func (s *Server) search() []*operation {
	return []*operation{get("/v1/tenants/{tenant_id}/search", tenant, "All kinds", "search", "Search all records",
		"Live records of all kinds that have the words of q, or words that begin so, in any order: names, titles, e-mail addresses, domains, telephone numbers, and texts of notes. "+
			"Grouped by kind, the best first. Only kinds that you may read, and records that you may look at, are found, and only by members that you see.",
		params(queryParam("q", "What to look for.", text(), "ada lovelace"),
			queryParam("kinds", "The kinds of records to look at, separated by commas; all if it is left out.", text(), "contact,company"),
			queryParam("limit", "How many records of each kind to answer with at most.", whole(1, mostSearchHits), searchLimit),
			minPositionParam),
		gives[searchAnswer](s, http.StatusOK, "What was found.", headerPosition), refuses(domain.Invalid), serve(search))}
}

func search(x *exchange) error {
	limit, err := x.number("limit", searchLimit)
	if err != nil {
		return err
	}
	text := x.query.Get("q")
	if text == "" {
		return badParameter("q", "required", "is missing")
	}
	asked, err := query.ReadSearch(text)
	if err != nil {
		return err
	}
	kinds, err := x.kindsOf(x.query.Get("kinds"))
	if err != nil {
		return err
	}
	found, at, err := x.s.Models.Search(x.ctx(), x.viewer(), asked, int(limit), kinds...)
	if err != nil {
		return err
	}
	answer := searchAnswer{Data: make([]searchGroup, len(found)), Position: at}
	for i, f := range found {
		group := searchGroup{Kind: f.Projection.Kind(), More: f.More, Records: make([]searchHit, len(f.Hits))}
		for k, hit := range f.Hits {
			group.Records[k] = searchHit{Matched: hit.Matched, Record: hit.JSON}
		}
		answer.Data[i] = group
	}
	x.setPosition(at)
	return x.answerJSON(http.StatusOK, answer)
}

// kindsOf returns the tables of some kinds, separated by commas, or all of them.
func (x *exchange) kindsOf(names string) (kinds []projections.Projection, err error) {
	asked := strings.Split(names, ",")
	for _, kind := range asked {
		if names != "" && x.s.views[kind] == nil {
			return nil, badParameter("kinds", "unknown_kind", "has a name that is no kind of record")
		}
	}
	for kind, view := range x.s.views {
		if names == "" || slices.Contains(asked, kind) {
			kinds = append(kinds, view)
		}
	}
	slices.SortFunc(kinds, func(a, b projections.Projection) int { return strings.Compare(a.Kind(), b.Kind()) })
	return kinds, nil
}
