package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/projections"
	"github.com/rowhouse/rowhouse/projections/query"
)

// The parameters of lists of records. Package query reads them.
var (
	listParams = []*huma.Param{
		limitParam, cursorParam,
		queryParam("sort", "Up to three fields to sort by, with - in front for descending. Nulls come last. The id is added always.", text(), "-updated_at"),
		queryParam("filter", "A condition, such as `amount.amount >= 1000 and (status in (open, won) or name starts_with A)`.", text(), nil),
		queryParam("q", "Words that the record must have.", text(), nil),
		queryParam("deleted", "Whether to show deleted records.", choice("exclude", "include", "only"), "exclude"),
		queryParam("count", "Whether to count the records, and how exactly.", choice("none", "estimate", "exact"), "none"),
		queryParam("fields", "The members to answer with, separated by commas; all if it is left out.", text(), nil),
	}
	listAsOfParam = queryParam("as_of", "A time (RFC 3339) or a position: shows the list as it was then.", text(), nil)
	asOfParam     = queryParam("as_of", "A time (RFC 3339) or a position: shows the record as it was then.", text(), "2026-03-01T10:00:00Z")
)

// batchGet asks for records by their IDs.
type batchGet struct {
	IDs []domain.ID `json:"ids" minItems:"1" maxItems:"500"`
}

// readOperations returns the ways to look at records.
func (r *resource) readOperations() []*operation {
	tag, of := r.tag(), r.view.Kind()
	list := givesSchema(http.StatusOK, "A page of the list.", r.listOf(r.row), headerPosition)
	query := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The parameters of the list as members: limit, cursor, sort, filter (as text or as a tree of and, or, not and conditions), q, deleted, count, fields, as_of, and any field with a value that it must have."}
	return []*operation{
		get(r.path(""), tenant, tag, r.id("list"), "List "+r.many(), "A page that goes on where the one before ended shows each record once, whatever is added meanwhile.",
			r.mayRead(), params(listParams...), params(r.columnParams()...), byOwn(r.view.Kind()), params(listAsOfParam, minPositionParam), list, refuses(domain.Invalid, domain.Conflict), serve(r.list)),
		post(r.path("/query"), tenant, tag, r.id("query"), "List "+r.many()+" by a query in JSON", "The same as the list, for filters that are too long for a URL.",
			r.mayRead(), params(minPositionParam), takesSchema(r.s, query, `{"filter":{"field":"created_at","op":"gte","value":"2026-01-01"},"sort":["-updated_at"],"limit":10}`),
			list, refuses(domain.Invalid, domain.Conflict), serve(r.query)),
		post(r.path("/batch_get"), tenant, tag, r.id("batch_get"), "Get "+r.many()+" by their IDs", "Answers with those that are there, in the order asked for, and with the IDs of the others. If they are large, some may be left to ask for again.",
			r.mayRead(), params(minPositionParam), takes[batchGet](r.s, `{"ids":["`+r.exampleID()+`"]}`),
			givesSchema(http.StatusOK, "Those that are there.", r.foundOf(r.row), headerPosition), refuses(domain.Invalid), serve(r.batchGet)),
		get(r.path("/{id}"), tenant, tag, r.id("get"), "Get "+r.one(), "Also one that is deleted: it has `deleted_at`.",
			r.mayRead(), params(asOfParam, ifMatchParam, ifNoneMatchParam, minPositionParam),
			givesSchema(http.StatusOK, "The record.", r.row, stored...), refuses(domain.NotFound, domain.Stale, domain.Invalid), serve(r.get)),
		get(r.path("/{id}/history"), tenant, tag, r.id("history"), "Show the history of "+r.one(), "What each event changed, who caused it and how, from the first on.",
			r.mayRead(), params(limitParam, cursorParam, minPositionParam), givesPage[projections.Entry](r.s), refuses(domain.NotFound, domain.Invalid), serve(r.history)),
		get(r.path("/{id}/events"), tenant, tag, r.id("events"), "List the events of "+r.one(), "The events that the "+of+" follows from, as they are in the log, from the first on.",
			r.mayRead(), params(limitParam, cursorParam, minPositionParam), givesPage[Event](r.s), refuses(domain.NotFound, domain.Invalid), serve(r.events)),
		r.timelineOperation(),
	}
}

// columnParams returns the parameters that ask for a value of a column.
func (r *resource) columnParams() (list []*huma.Param) {
	for name, values := range r.view.Columns().All() {
		list = append(list, queryParam(name, "Only those where it is this: "+values+".", text(), nil))
	}
	return list
}

func (r *resource) exampleID() string {
	return domain.ID{Prefix: r.view.Prefix(), UUID: exampleUUID}.String()
}

// listOf returns the schema of a page of a list of records.
func (*resource) listOf(row *huma.Schema) *huma.Schema {
	s := pageOf(row)
	s.Required = append(s.Required, "position")
	s.Properties["position"] = whole(0, 1<<53)
	s.Properties["position"].Description = "The list shows the events up to this position."
	s.Properties["count"] = &huma.Schema{Type: huma.TypeInteger, Description: "How many there are, if that was asked for."}
	s.Properties["count_is_estimate"] = &huma.Schema{Type: huma.TypeBoolean, Description: "There are at least as many."}
	s.Properties["count_capped"] = &huma.Schema{Type: huma.TypeBoolean, Description: "An exact count was asked for, and would have taken too long. It is there only if that is so."}
	return s
}

func (*resource) foundOf(row *huma.Schema) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"data", "missing", "position"},
		Properties: map[string]*huma.Schema{
			"data":     {Type: huma.TypeArray, Items: row},
			"missing":  {Type: huma.TypeArray, Items: text(), Description: "The IDs of which there is no record."},
			"left":     {Type: huma.TypeArray, Items: text(), Description: "The IDs to ask for again, because the answer is large without them. Not there otherwise."},
			"position": whole(0, 1<<53),
		},
	}
}

// get shows a record as it is, or as it was.
func (r *resource) get(x *exchange) error {
	id, err := r.pathID(x)
	if err != nil {
		return err
	}
	doc, at, err := r.find(x, id)
	if err != nil {
		return r.explain(err)
	}
	has, err := x.tags("If-None-Match")
	if err != nil {
		return err
	}
	must, err := x.tags("If-Match")
	if err != nil {
		return err
	}
	switch tag := etag(doc.Version); {
	case !must.matchesStrongly(tag):
		return &domain.Error{
			Reason: domain.Stale, Code: "version_conflict", Detail: "the record has changed meanwhile",
			Data: map[string]any{"current_version": doc.Version},
		}
	case has.matchesWeakly(tag):
		x.set("Etag", tag)
		x.setPosition(at)
		x.WriteHeader(http.StatusNotModified)
		return nil
	}
	return x.answerRecord(http.StatusOK, doc, at)
}

func (r *resource) find(x *exchange, id domain.ID) (projections.Document, eventstore.Position, error) {
	text := x.query.Get("as_of")
	if text == "" {
		return r.s.Models.Get(x.ctx(), x.viewer(), r.view, id.UUID)
	}
	then, err := moment(text)
	if err != nil {
		return projections.Document{}, 0, err
	}
	if err := x.notAhead("as_of", then.Position); err != nil {
		return projections.Document{}, 0, err
	}
	doc, err := r.s.Models.AsOf(x.ctx(), x.viewer(), r.view, id.UUID, then)
	return doc, doc.Position, err
}

func (r *resource) stream(x *exchange, id domain.ID) eventstore.StreamID {
	return eventstore.StreamID{Tenant: x.origin.Tenant, Kind: r.view.Kind(), ID: id.UUID}
}

// moment reads a time or a position.
func moment(text string) (projections.Moment, error) {
	then, ok := query.ReadMoment(text)
	return projections.Moment{Time: then.Time, Position: eventstore.Position(then.Position)},
		domain.Check(ok, "as_of", "bad_value", "must be an RFC 3339 time or a position")
}

func (r *resource) list(x *exchange) error {
	columns, err := x.s.Models.Columns(x.ctx(), x.viewer(), r.view, asksOwn(x.query))
	if err != nil {
		return err
	}
	q, err := query.Parse(x.query, columns)
	if err != nil {
		return err
	}
	return r.answerList(x, q)
}

func (r *resource) query(x *exchange) error {
	in, err := x.body()
	if err != nil {
		return err
	}
	data, err := in.text()
	if err != nil {
		return err
	}
	columns, err := x.s.Models.Columns(x.ctx(), x.viewer(), r.view, mayAskOwn(data))
	if err != nil {
		return err
	}
	q, err := query.ParseJSON(data, columns)
	if err != nil {
		return err
	}
	return r.answerList(x, q)
}

// mayAskOwn reports whether a query in JSON may be about fields of the tenant's own: what is
// written with escapes may be anything.
func mayAskOwn(data []byte) bool {
	return slices.ContainsFunc([]string{own.Member, `"q"`, `\u`}, func(s string) bool { return bytes.Contains(data, []byte(s)) })
}

// asksOwn reports whether parameters of a list may be about fields of the tenant's own.
func asksOwn(values url.Values) bool {
	for name, list := range values {
		if own.IsName(name) || name == "q" || slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, own.Member) }) {
			return true
		}
	}
	return false
}

// answerList answers with a page of records. They are passed on as they are
// stored.
func (r *resource) answerList(x *exchange, q query.Query) error {
	if err := x.notAhead(q.AsOfAt, eventstore.Position(q.AsOf.Position)); err != nil {
		return err
	}
	p, err := r.s.Models.List(x.ctx(), x.viewer(), r.view, q)
	if err != nil {
		return err
	}
	size := 128
	for i, doc := range p.Documents {
		if p.Documents[i], err = only(q.Fields, doc); err != nil {
			return err
		}
		size += len(doc) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"data":`...)
	b = appendList(b, p.Documents)
	b = append(b, `,"next_cursor":`...)
	if p.Next == "" {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendQuote(b, p.Next) // base64url, which needs no escapes
	}
	b = append(b, `,"position":`...)
	b = strconv.AppendInt(b, int64(p.Position), 10)
	if p.Count != nil {
		b = append(b, `,"count":`...)
		b = strconv.AppendInt(b, int64(*p.Count), 10)
		b = append(b, `,"count_is_estimate":`...)
		b = strconv.AppendBool(b, p.Estimated)
		if p.Capped {
			b = append(b, `,"count_capped":true`...)
		}
	}
	x.setPosition(p.Position)
	return x.answer(http.StatusOK, append(b, '}'))
}

func appendList(b []byte, docs [][]byte) []byte {
	b = append(b, '[')
	for i, doc := range docs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, doc...)
	}
	return append(b, ']')
}

// only returns a document with some of its members.
func only(fields []string, doc []byte) ([]byte, error) {
	if len(fields) == 0 {
		return doc, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(doc, &all); err != nil {
		return nil, err
	}
	some := make(map[string]json.RawMessage, len(fields))
	for _, f := range fields {
		if v, ok := all[f]; ok {
			some[f] = v
		}
	}
	return domain.Marshal(some)
}

func (r *resource) batchGet(x *exchange) error {
	in, err := decode[batchGet](x)
	if err != nil {
		return err
	}
	docs, missing, size := make([][]byte, 0, len(in.IDs)), []domain.ID{}, 0
	var at eventstore.Position
	left := in.IDs
	for len(left) > 0 && size < maxFound {
		some := left[:min(findAtOnce, len(left))]
		found, now, err := r.s.Models.Find(x.ctx(), x.viewer(), r.view, uuidsOf(some)...)
		if err != nil {
			return err
		}
		if len(left) == len(in.IDs) {
			at = now // the others show at least as much
		}
		for _, id := range some {
			if doc, ok := found[id.UUID]; ok && id.Prefix == r.view.Prefix() {
				docs, size = append(docs, doc.JSON), size+len(doc.JSON)
			} else {
				missing = append(missing, id)
			}
		}
		left = left[len(some):]
	}
	b := appendList([]byte(`{"data":`), docs)
	if b, err = appendIDs(append(b, `,"missing":`...), missing); err != nil {
		return err
	}
	if len(left) > 0 {
		if b, err = appendIDs(append(b, `,"left":`...), left); err != nil {
			return err
		}
	}
	b = strconv.AppendInt(append(b, `,"position":`...), int64(at), 10)
	x.setPosition(at)
	return x.answer(http.StatusOK, append(b, '}'))
}

// How many records batch_get reads at a time, and how many bytes of them make an
// answer full.
const (
	findAtOnce = 25
	maxFound   = 8 << 20
)

func uuidsOf(ids []domain.ID) []uuid.UUID {
	all := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		all[i] = id.UUID
	}
	return all
}

func appendIDs(b []byte, ids []domain.ID) ([]byte, error) {
	list, err := json.Marshal(ids)
	return append(b, list...), err
}
