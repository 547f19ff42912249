package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/wall"
)

// document is the OpenAPI document and the pages that show it. They are made
// when somebody first asks for them.
type document struct {
	tags  []*huma.Tag // of the kinds of records
	ops   []*operation
	json  func() (file, error)
	pages func() (*docs, error)
}

// about serves what there is to know about the server itself.
func (s *Server) about(d *document) []*operation {
	const tag = "Service"
	ops := []*operation{
		get("/v1/meta", everybody, tag, "service.meta", "What this server is", "Its version, and how it keeps tenants apart.",
			gives[Meta](s, http.StatusOK, "About the server."), serve(meta)),
		get("/v1/openapi.json", everybody, tag, "service.openapi", "This document", "OpenAPI 3.1.",
			params(ifNoneMatchParam), gives[map[string]any](s, http.StatusOK, "The document.", "ETag"),
			serve(func(x *exchange) error {
				f, err := d.json()
				if err != nil {
					return err
				}
				return x.answerFile(f)
			})),
		get("/livez", everybody, tag, "service.livez", "Whether the process is alive", "It is if it answers.",
			givesText("text/plain", "It is."), quietly, serve(func(x *exchange) error { return x.answerText("alive\n") })),
		get("/readyz", everybody, tag, "service.readyz", "Whether requests can be served",
			"They can if the database answers, and has stored what it was to store in the last moments. Otherwise, and while the server starts and stops, the answer is 503, with the reason as `reason`.",
			givesText("text/plain", "They can."), quietly, serve(ready)),
	}
	return append(ops, d.pageOperations(tag)...)
}

// Meta is what a server says about itself.
type Meta struct {
	Version   string `json:"version" doc:"The version of Rowhouse." example:"1.0.0"`
	API       string `json:"api" enum:"v1" doc:"The version of the API. It grows, and never breaks."`
	Isolation string `json:"isolation" enum:"row_level_security" doc:"What keeps tenants apart."`

	Log eventstore.Capabilities `json:"log" doc:"What keeps the logs of tenants that are made now, and what it can do."`
}

func meta(x *exchange) error {
	return x.answerJSON(http.StatusOK, Meta{Version: x.s.Version, API: "v1", Isolation: "row_level_security", Log: x.s.Store.Capabilities()})
}

// readyTime is how long the database has to answer a probe: those who probe do
// not wait for long.
const readyTime = 2 * time.Second

func ready(x *exchange) error {
	if x.s.closing() {
		return notReady("stopping", "the server is stopping")
	}
	ctx, cancel := context.WithTimeout(x.ctx(), readyTime)
	defer cancel()
	err := x.s.Ready(ctx)
	if err == nil {
		return x.answerText("ready\n")
	}
	trouble := wall.TroubleOf(err)
	if trouble == "" {
		x.s.Log.WarnContext(ctx, "requests cannot be served, and /readyz says so", "error", err)
		return notReady("unknown", "requests cannot be served now")
	}
	return notReady(string(trouble), trouble.Detail())
}

// notReady refuses to call the server ready.
func notReady(reason, detail string) error {
	return &domain.Error{Reason: domain.Unavailable, Code: "not_ready", Detail: "requests cannot be served now: " + detail, Data: map[string]any{"reason": reason}}
}

// closing reports whether the server is about to stop.
func (s *Server) closing() bool {
	select {
	case <-s.Closing:
		return true
	default:
		return false
	}
}

func (x *exchange) answerText(text string) error {
	x.set("Content-Type", "text/plain; charset=utf-8")
	_, err := x.Write([]byte(text))
	return ignoreGone(err)
}

// complete gets ready what is made of the operations, which include those that serve it.
func (d *document) complete(s *Server, ops []*operation) {
	d.ops = ops
	whole := sync.OnceValue(func() *huma.OpenAPI { return d.describe(s) })
	d.json = sync.OnceValues(func() (file, error) {
		text, err := writeDocument(whole())
		if err != nil {
			return file{}, fmt.Errorf("api: write the document: %w", err)
		}
		return newFile(mediaJSON, text), nil
	})
	d.pages = sync.OnceValues(func() (*docs, error) {
		pages, err := newDocs(whole(), d.ops)
		if err != nil {
			return nil, fmt.Errorf("api: write the pages: %w", err)
		}
		return pages, nil
	})
}

// describe makes the document of the operations.
func (d *document) describe(s *Server) *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Rowhouse", Version: cmp.Or(s.Version, "dev"), Description: introduction,
		},
		Servers: []*huma.Server{{URL: "/", Description: "This server"}},
		Components: &huma.Components{
			Schemas: s.schemas.Registry, Headers: headers, Responses: map[string]*huma.Response{}, Parameters: map[string]*huma.Param{},
			SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {
				Type: "http", Scheme: "bearer",
				Description: "An access token from `POST /v1/auth/login`, or an API key. Either is good for one tenant.",
			}},
		},
		Tags: slices.Concat(tagsBefore, d.tags, tagsAfter),
	}
	problem := &huma.Schema{Ref: schemaPrefix + "Problem"}
	for _, op := range d.ops {
		for _, reason := range op.reasons() {
			k := problemKinds[reason]
			op.Responses[strconv.Itoa(k.status)] = &huma.Response{Ref: "#/components/responses/" + string(reason)}
			doc.Components.Responses[string(reason)] = &huma.Response{
				Description: k.title + ".", Headers: headerRefs(problemHeaders[k.status]),
				Content: map[string]*huma.MediaType{mediaProblem: {Schema: problem}},
			}
		}
		op.Security = []map[string][]string{}
		if op.who != everybody {
			op.Security = []map[string][]string{{"bearer": {}}}
		}
		doc.AddOperation(&op.Operation)
	}
	return doc
}

// writeDocument writes a document, and what it says in several places once.
func writeDocument(doc *huma.OpenAPI) ([]byte, error) {
	long, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(long, &tree); err != nil {
		return nil, err
	}
	share(tree)
	var short bytes.Buffer
	e := json.NewEncoder(&short)
	e.SetEscapeHTML(false)
	err = e.Encode(tree)
	return short.Bytes(), err
}

var problemHeaders = map[int][]string{
	http.StatusUnauthorized:       {"WWW-Authenticate"},
	http.StatusTooManyRequests:    {"Retry-After"},
	http.StatusServiceUnavailable: {"Retry-After"},

	http.StatusUnsupportedMediaType: {"Accept", "Accept-Encoding"},
}

// reasons says how an operation can be refused, which follows mostly
// from what it takes.
func (op *operation) reasons() []domain.Reason {
	reasons := append([]domain.Reason{domain.Malformed, fault, domain.Unavailable}, op.problems...)
	if op.waits {
		reasons = append(reasons, domain.Conflict)
	}
	if op.who != everybody {
		reasons = append(reasons, domain.Unauthenticated, domain.Forbidden)
	}
	if op.RequestBody != nil {
		reasons = append(reasons, tooLarge, unsupported, tooSlow)
	}
	return reasons
}

// refuses says for what else an operation can be refused.
func refuses(reasons ...domain.Reason) part {
	return func(op *operation) { op.problems = append(op.problems, reasons...) }
}

// The groups of operations before and after the kinds of records.
var (
	tagsBefore = []*huma.Tag{
		{Name: "Identity", Description: "Who is who."},
		{Name: "Tenants", Description: "The tenants of an organization, and the keys to them."},
	}
	tagsAfter = []*huma.Tag{
		{Name: "All kinds", Description: "Records of all kinds at once."},
		{Name: "Commands", Description: "Every command, through one door."},
		{Name: "Events", Description: "The log of a tenant, from which everything else follows."},
		{Name: "Service", Description: "The server itself."},
	}
)

// tag adds a group of operations.
func (d *document) tag(name, about string) {
	d.tags = append(d.tags, &huma.Tag{Name: name, Description: about})
}

const introduction = "An event-sourced CRM backend for those who keep the customer data of many clients under one roof.\n\n" +
	"Everything but logging in takes `Authorization: Bearer` with an access token or an API key. Either is good for one tenant, which is also in the path.\n\n" +
	"What changes a record is a command. Its answer is the record as it is then, with its version as `ETag` and the position of the change as `Event-Position`. " +
	"Reads come from tables that follow the log a moment later: send the position as `Min-Position` to be sure to see the change. " +
	"`If-Match` makes a command depend on the version, `Idempotency-Key` makes it safe to repeat.\n\n" +
	"Members and parameters that are not known are refused with 400, values that are wrong with 422, each with a pointer to its place. " +
	"What belongs to somebody else is 404, exactly as what does not exist."
