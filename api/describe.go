package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
)

// A part is a part of the description of an operation.
type part func(*operation)

func describe(method, path string, who audience, tag, id, summary, doc string, parts []part) *operation {
	op := &operation{who: who, Operation: huma.Operation{
		Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: doc,
		Parameters: pathParams(path), Responses: map[string]*huma.Response{},
	}}
	for _, p := range parts {
		p(op)
	}
	return op
}

func get(path string, who audience, tag, id, summary, doc string, parts ...part) *operation {
	return describe(http.MethodGet, path, who, tag, id, summary, doc, parts)
}

func post(path string, who audience, tag, id, summary, doc string, parts ...part) *operation {
	return describe(http.MethodPost, path, who, tag, id, summary, doc, parts)
}

func patch(path string, who audience, tag, id, summary, doc string, parts ...part) *operation {
	return describe(http.MethodPatch, path, who, tag, id, summary, doc, parts)
}

func remove(path string, who audience, tag, id, summary, doc string, parts ...part) *operation {
	return describe(http.MethodDelete, path, who, tag, id, summary, doc, parts)
}

// serve says what does it.
func serve(f func(*exchange) error) part { return func(op *operation) { op.serve = f } }

// needs says what whoever asks must be permitted to.
func needs(p domain.Permission) part {
	return func(op *operation) {
		op.may = p
		op.Description = strings.TrimSpace(op.Description + "\n\nTakes the permission `" + string(p) + "`.")
	}
}

// params are what it takes beside the path and the body.
func params(list ...*huma.Param) part {
	return func(op *operation) {
		op.Parameters = append(op.Parameters, list...)
		op.waits = op.waits || slices.Contains(list, minPositionParam)
	}
}

// byOwn lets fields of the tenant's own of a kind of record be parameters.
func byOwn(kind string) part {
	return func(op *operation) { op.own, op.Extensions = true, map[string]any{ownExtension: kind} }
}

// quietly keeps requests out of the log, unless that shows everything.
func quietly(op *operation) { op.quiet = true }

// upTo is the size of the largest body.
func upTo(bytes int64) part { return func(op *operation) { op.MaxBodyBytes = bytes } }

const (
	mediaJSON    = "application/json"
	mediaPatch   = "application/merge-patch+json"
	mediaProblem = "application/problem+json"
	mediaLines   = "application/x-ndjson"
	mediaEvents  = "text/event-stream"
)

// takes says that the body is a T, such as in the example. It may be left out if
// a T has nothing that is required.
func takes[T any](s *Server, example string, media ...string) part {
	return takesSchema(s, s.schemas.of(reflect.TypeFor[T]()), example, media...)
}

func takesSchema(s *Server, schema *huma.Schema, example string, media ...string) part {
	content := map[string]*huma.MediaType{}
	for _, m := range append(media, mediaJSON) {
		content[m] = &huma.MediaType{Schema: schema}
		if example != "" {
			content[m].Example = json.RawMessage(example)
		}
	}
	required := len(s.schemas.resolve(schema).Required) > 0
	return func(op *operation) { op.RequestBody = &huma.RequestBody{Required: required, Content: content} }
}

// jsonBody returns the schema of a body.
func jsonBody(b *huma.RequestBody) *huma.Schema { return b.Content[mediaJSON].Schema }

// gives says that the answer is a T.
func gives[T any](s *Server, status int, doc string, headers ...string) part {
	return givesSchema(status, doc, s.schemas.of(reflect.TypeFor[T]()), headers...)
}

func givesSchema(status int, doc string, schema *huma.Schema, headers ...string) part {
	return func(op *operation) {
		r := &huma.Response{Description: doc, Headers: headerRefs(headers)}
		if schema != nil {
			r.Content = map[string]*huma.MediaType{mediaJSON: {Schema: schema}}
		}
		op.Responses[strconv.Itoa(status)] = r
	}
}

// givesNothing says that the answer has no body.
func givesNothing(doc string, headers ...string) part {
	return givesSchema(http.StatusNoContent, doc, nil, headers...)
}

// givesText says that the answer is text of some type.
func givesText(media, doc string) part {
	return func(op *operation) {
		r := op.Responses["200"]
		if r == nil {
			r = &huma.Response{Description: doc, Content: map[string]*huma.MediaType{}}
			op.Responses["200"] = r
		}
		r.Content[media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
}

// headers are what answers can have.
var headers = map[string]*huma.Param{
	"ETag":             {Description: "The version of the record, as an entity tag.", Schema: text(), Example: `"7"`},
	headerPosition:     {Description: "The position in the tenant's log that the answer shows.", Schema: whole(0, 1<<53), Example: 18240},
	headerCommandID:    {Description: "The name of the command. It is in the events that follow from it.", Schema: text(), Example: "5f0e9c3a-6c5e-5d0b-9a55-1d3f2c7b8e90"},
	headerReplayed:     {Description: "true if the request had been carried out before.", Schema: text(), Example: "true"},
	"Accept":           {Description: "What Content-Type may be, if it is that which was refused.", Schema: text(), Example: mediaJSON},
	"Accept-Encoding":  {Description: "What Content-Encoding may be, if it is that which was refused.", Schema: text(), Example: "identity"},
	"Location":         {Description: "The path of what was made.", Schema: text()},
	headerToRetry:      {Description: "How many of the results were refused for a reason that may pass.", Schema: whole(1, maxBatch), Example: 2},
	headerRetryAfter:   {Description: "In how many seconds to try again.", Schema: whole(0, 1<<31), Example: 1},
	"WWW-Authenticate": {Description: "How to authenticate.", Schema: text(), Example: `Bearer realm="rowhouse"`},
}

func headerRefs(names []string) map[string]*huma.Param {
	if len(names) == 0 {
		return nil
	}
	refs := make(map[string]*huma.Param, len(names))
	for _, n := range names {
		refs[n] = &huma.Param{Ref: "#/components/headers/" + n}
	}
	return refs
}

// The parts of paths, and what they are.
var inPath = map[string]*huma.Param{
	"tenant_id": {Description: "The tenant that the credentials are for.", Example: "ten_01jh2xk3v8e4t9p5w7y0z2b4d6"},
	"org_id":    {Description: "The organization.", Example: "org_01jh2xk3v8e4t9p5w7y0z2b4d6"},
	"key_id":    {Description: "The API key.", Example: "key_01jh2xk3v8e4t9p5w7y0z2b4d6"},
	"id":        {Description: "The record."},
	"group":     {Description: "The group of operations, as in `deals`.", Example: "deals"},
}

func pathParams(path string) (params []*huma.Param) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			p := *inPath[strings.TrimSuffix(name, "}")]
			p.Name, p.In, p.Required, p.Schema = strings.TrimSuffix(name, "}"), "path", true, text()
			params = append(params, &p)
		}
	}
	return params
}

func queryParam(name, doc string, s *huma.Schema, example any) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: doc, Schema: s, Example: example}
}

func headerParam(name, doc string, s *huma.Schema, example any) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: doc, Schema: s, Example: example}
}

func text() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

func whole(least, most float64) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least, Maximum: &most}
}

func choice(of ...any) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Enum: of} }
